"""Where test data lie: the case that ships, and more beside the checkout where there is any."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
DEMO = ROOT / "template_designer" / "demo_case"

needs_shared = pytest.mark.skipif(
    not (SHARED / "cases").is_dir(), reason="the shared test cases are not beside this checkout"
)
