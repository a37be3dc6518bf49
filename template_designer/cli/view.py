"""``view``: a plan on a page in the browser, to look at and to steer."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import NOTICE, steps
from template_designer.errors import CaseError


def view(
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder that a plan was written to, or a case file to plan on the page.",
            metavar="DIR|CASE.toml",
        ),
    ],
    case: Annotated[
        Path | None,
        typer.Option(
            "--case",
            help="Case of the plan, where it does not lie near the plan's folder.",
            metavar="CASE.toml",
            show_default=False,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", help="Port of this machine; 0: any that is free.", metavar="N")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, open nothing.")
    ] = False,
) -> None:
    """Open a plan in the browser: look at it, steer it, save it as a new plan.

    Slices and the scene share one cursor. Click a hole to hold its needle, forbid it or load it by
    hand; move and tilt the entry plane; re-optimise; undo; save into a new folder. Only this
    machine can reach the page, and only with the token in its address. End it with Ctrl-C; what was
    not saved is lost then.
    """
    if find_spec("trame") is None:
        raise CaseError("view needs trame; install it with: pip install 'template-designer[view]'")
    if not 0 <= port <= 65535:
        raise CaseError(f"--port {port}: choose 1 to 65535, or 0 for any that is free")
    from template_designer.inputs import READ_STEPS
    from template_designer.page.app import serve
    from template_designer.page.opening import STEPS, open_case, open_plan

    is_case = path.is_file() and path.suffix.lower() == ".toml"
    if is_case and case is not None:
        raise CaseError(f"{path} is a case itself; leave --case out")
    with steps("Opening", READ_STEPS + STEPS) as say:
        session = open_case(path, say) if is_case else open_plan(path, case, say)
    console = Console()

    def ready(address: str) -> None:
        console.print(f"The page: [bold]{escape(address)}[/bold]", highlight=False, soft_wrap=True)
        console.print("End it with Ctrl-C.", NOTICE, style="dim")
        if not no_browser:
            webbrowser.open(address)

    try:
        serve(session, port, ready)
    except KeyboardInterrupt:
        console.print("The page has ended.")
