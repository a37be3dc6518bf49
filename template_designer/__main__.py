"""``python -m template_designer`` is the console script."""

from template_designer.cli import main

main()
