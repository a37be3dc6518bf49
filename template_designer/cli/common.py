"""What the commands share: exit codes, options, the progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

EXIT_DONE, EXIT_GOAL_MISSED, EXIT_WRONG_INPUT, EXIT_NO_SAFE_PLAN = 0, 1, 2, 3
EXIT_CHECK_FAILED = 1
EXIT_DEFECT = 70
"""An error that nobody foresaw (EX_SOFTWARE): not one of the four outcomes of the contract."""
NOTICE = "Research and education only; not a medical device."

OutputOption = Annotated[
    Path, typer.Option("-o", "--output", help="Folder to write; must be new or empty.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace a folder that an earlier run wrote.")
]

RobustOption = Annotated[
    int | None,
    typer.Option(
        "--robust",
        help="Try the plan in N scenarios of placement errors.",
        metavar="N",
        show_default=False,
    ),
]


@contextmanager
def steps(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress bar on standard error; the caller reports each step before it starts."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        begun = False

        def say(text: str) -> None:
            nonlocal begun
            progress.update(task, description=escape(f"{title}: {text}"), advance=1 if begun else 0)
            begun = True

        yield say
