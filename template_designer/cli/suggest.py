"""``suggest``: entry planes, ranked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import (
    EXIT_DONE,
    EXIT_GOAL_MISSED,
    NOTICE,
    OverwriteOption,
    steps,
)
from template_designer.cli.design import write
from template_designer.errors import CaseError

if TYPE_CHECKING:  # commands import what they need when they run
    from template_designer.model import Case
    from template_designer.planning.suggest import Suggestions


def suggest(
    case: Annotated[Path, typer.Argument(help="Case file (TOML).", metavar="CASE.toml")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for map, entry tables and data; with --apply for the plan.",
            show_default=False,
        ),
    ] = None,
    directions: Annotated[
        int, typer.Option("--directions", help="Directions to score, at least.", metavar="N")
    ] = 2000,
    top: Annotated[int, typer.Option("--top", help="Suggestions to give.", metavar="N")] = 10,
    templates: Annotated[
        int, typer.Option("--templates", help="1: single planes; 2: pairs.", metavar="N")
    ] = 1,
    apply: Annotated[
        int | None,
        typer.Option(
            "--apply",
            help="Plan suggestion N into the folder of -o.",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Rank entry planes over the free skin by how much of the target seeds can reach.

    Depth, bone, clearance to spare and the gap under the plate weigh in; [suggest] in the case file
    says how the patient lies and how far needles may tilt. Every number printed is that of a plan
    with the entry table given. Ends with 3 when no plane is of use.
    """
    from template_designer import suggesting
    from template_designer.inputs import READ_STEPS, read_case
    from template_designer.suggest_sheet import suggestion_tables

    suggesting.check_numbers(directions=directions, top=top, templates=templates, apply=apply)
    if apply is not None and output is None:
        raise CaseError(f"--apply {apply} writes a plan; name its folder with -o")
    if apply is not None and as_json:
        raise CaseError("--json prints the suggestions, --apply plans one; leave one out")
    if output is not None:
        from exports import check_folder
        from exports.suggest_files import check_suggest_folder, write_suggestions

        (check_suggest_folder if apply is None else check_folder)(output, overwrite=overwrite)
    with steps("Searching", READ_STEPS + suggesting.steps(top, templates)) as say:
        read = read_case(case, say, entry_needed=False)
        found = suggesting.suggest(
            read, directions=directions, top=top, templates=templates, progress=say
        )
    written: tuple[Path, ...] = ()
    if output is not None and apply is None:
        written = write_suggestions(found, output, overwrite=overwrite)
    if as_json:
        from exports.suggest_files import as_data

        typer.echo(json.dumps(as_data(found), indent=2, ensure_ascii=False))
        return
    console = Console()
    for part in suggestion_tables(found):
        console.print(part, highlight=False)
    if apply is not None and output is not None:
        met = _suggest_and_plan(read, found, apply, output, overwrite)
        raise typer.Exit(EXIT_DONE if met else EXIT_GOAL_MISSED)
    if output is None:
        console.print("\nAdd -o DIR for a map and entry tables, --apply N -o DIR to plan one.")
    else:
        names = ", ".join(path.name for path in written)
        console.print(f"\nWrote {names} to [bold]{escape(str(written[0].parent))}[/bold].")
    console.print(NOTICE, style="dim")


def _suggest_and_plan(
    case: Case, found: Suggestions, number: int, output: Path, overwrite: bool
) -> bool:
    """Plan and write suggestion ``number``; whether every goal is met."""
    from template_designer.suggesting import with_suggestion
    from template_designer.workflow import STEPS
    from template_designer.workflow import design as plan_case

    with steps("Planning", STEPS) as say:
        plan = plan_case(with_suggestion(case, found, number), say)
    return write(plan, output, overwrite)
