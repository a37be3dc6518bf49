"""``report``: a written plan as a page to read, or two side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import NOTICE, steps
from template_designer.errors import CaseError


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folder of a written plan, or of two to compare.", metavar="A [B]"),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for both files, or one file (.html, .pdf); without it the folder of A.",
            show_default=False,
        ),
    ] = None,
    case: Annotated[
        list[Path] | None,
        typer.Option(
            "--case",
            help="The plan's case, for the pictures; for two plans of two cases name it twice.",
            metavar="CASE.toml",
            show_default=False,
        ),
    ] = None,
    entry_map: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="Folder that suggest wrote for the case: its map is shown too.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a report of a finished plan, or of two plans side by side.

    One plan gives report.html and report.pdf, two give comparison.html and comparison.pdf. Reports
    written before are replaced, other files never. Without --case there are no pictures.
    """
    from exports import read_plan
    from exports.again import STEPS
    from exports.report_files import report_targets, write_report
    from exports.report_map import check_map, read_entry_map
    from exports.report_pictures import missing_pictures
    from template_designer.inputs import READ_STEPS

    cases = _cases(folders, case or [])
    if entry_map is not None and len(folders) > 1:
        raise CaseError("--map belongs to one plan; leave it out to compare two")
    files = report_targets(output or folders[0], len(folders))
    found = None if entry_map is None else read_entry_map(entry_map)
    plans = []
    with steps("Reading", sum(STEPS + READ_STEPS * (name is not None) for name in cases)) as say:
        for folder, name in zip(folders, cases, strict=True):
            plans.append(read_plan(folder, name, say))
    if found is not None:
        check_map(found, plans[0])  # before pictures are drawn
    with steps("Writing", 1) as say:
        say(", ".join(file.name for file in files))
        write_report(plans, files, found)
    console = Console()
    for note in dict.fromkeys(note for plan in plans for note in missing_pictures(plan)):
        console.print(f"[yellow]note[/yellow]  {escape(note)}", highlight=False)
    names = ", ".join(file.name for file in files)
    where = escape(str(files[0].parent))
    console.print(f"Wrote {escape(names)} to [bold]{where}[/bold].", highlight=False)
    console.print(NOTICE, style="dim")


def _cases(folders: list[Path], cases: list[Path]) -> list[Path | None]:
    """The case of every plan; one case is that of all."""
    if len(folders) > 2:
        raise CaseError(f"{len(folders)} folders are named; a report is of one plan or of two")
    if len(cases) > len(folders):
        raise CaseError(f"{len(cases)} cases are named for {len(folders)} plans; name one for each")
    if len(cases) == 1:
        return cases * len(folders)  # type: ignore[return-value]
    return list(cases) or [None] * len(folders)
