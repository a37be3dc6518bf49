"""``export``: single files of a plan that was written earlier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import NOTICE, steps
from template_designer.errors import CaseError


def export(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder that a plan was written to.", metavar="DIR", show_default=False
        ),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format", help="Formats, separated by commas.", metavar="A,B", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder to write, new or empty; without it the plan's own.",
            show_default=False,
        ),
    ] = None,
    case: Annotated[
        Path | None,
        typer.Option(
            "--case",
            help="The plan's case, for formats that need images or surfaces.",
            metavar="CASE.toml",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of these names; others stay.")
    ] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the formats, and whether they work here.")
    ] = False,
) -> None:
    """Write single formats of a finished plan, from its plan.json.

    Plate, tables and drawings need nothing else; pictures and DICOM need the case too (--case).
    """
    if show_list:
        _print_formats()
        return
    if folder is None or formats is None:
        raise CaseError("name a plan's folder and --format, or ask for --list")
    from exports import check_export_folder, choose_formats, read_plan, write_formats
    from exports.again import STEPS
    from template_designer.inputs import READ_STEPS

    names = [name.strip() for name in formats.split(",") if name.strip()]
    chosen = choose_formats(names, has_case=case is not None)
    beside = output is None
    target = check_export_folder(output or folder, beside=beside, overwrite=overwrite)
    with steps("Reading", STEPS + (READ_STEPS if case is not None else 0)) as say:
        plan = read_plan(folder, case, say)
    with steps("Writing", len(chosen) * len(plan.templates)) as say:
        written = write_formats(
            plan, chosen, target, beside=beside, overwrite=overwrite, progress=say
        )
    names_written = ", ".join(path.relative_to(written.folder).as_posix() for path in written.files)
    console = Console()
    console.print(
        f"Wrote {escape(names_written)} to [bold]{escape(str(written.folder))}[/bold].",
        highlight=False,
    )
    console.print(NOTICE, style="dim")


def _print_formats() -> None:
    from rich.table import Table

    from exports import FORMATS

    table = Table(box=None, pad_edge=False)
    for title in ("format", "file", "what it is for", "here"):
        table.add_column(title, overflow="fold")
    for item in FORMATS:
        problem = item.problem()
        here = "yes" if problem is None else escape(problem)
        if problem is None and item.needs_case:
            here = "with --case"
        made = item.purpose if item.by_design else f"{item.purpose}; only by export"
        table.add_row(item.name, escape(item.file), escape(made), here)
    Console().print(table)
