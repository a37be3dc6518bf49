"""``order``: what to order of a supplier for a written plan."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import NOTICE, steps
from template_designer.errors import CaseError

PlanArgument = Annotated[
    Path, typer.Argument(help="Folder that a plan was written to.", metavar="PLAN_DIR")
]
DayOption = Annotated[
    str,
    typer.Option(
        "--implant-date",
        help="Day of the implant; the strength is right on it.",
        metavar="2026-12-01",
    ),
]
CalibrationOption = Annotated[
    str | None,
    typer.Option(
        "--calibration-date",
        help="Day that the supplier states the strength for; without it that of the implant.",
        metavar="2026-11-27",
        show_default=False,
    ),
]
SparesOption = Annotated[
    float, typer.Option("--spares-pct", help="Seeds to spare, percent; one at least.")
]
OrderOutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="A .pdf, a .csv, or a folder for both; without it the plan's own.",
        show_default=False,
    ),
]
OrderOverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an order that is there.")
]


def order(
    folder: PlanArgument,
    implant_date: DayOption,
    calibration_date: CalibrationOption = None,
    spares_pct: SparesOption = 5.0,
    output: OrderOutputOption = None,
    overwrite: OrderOverwriteOption = False,
) -> None:
    """Write an order of seeds for a plan: how many, how strong on which day, in what.

    The plan's strength is that of the day of the implant; the order says what it must be on the day
    of calibration, in U and in mCi, and what the seeds come in: cartridges, strands or needles.
    """
    from exports import read_plan
    from exports.again import STEPS
    from exports.order_sheet import order_targets, write_order
    from exports.report_numbers import strength
    from template_designer.postplan.order import order_seeds

    implanted = day(implant_date, "--implant-date")
    calibrated = None if calibration_date is None else day(calibration_date, "--calibration-date")
    files = order_targets(output or folder, overwrite=overwrite)
    with steps("Reading", STEPS) as say:
        plan = read_plan(folder, None, say)
    made = order_seeds(plan, implanted, calibration_date=calibrated, spares_pct=spares_pct)
    write_order(plan, made, files, overwrite=overwrite)
    console = Console()
    nuclide = made.source.nuclide
    console.print(
        f"{made.total} seeds {escape(made.source.id)} ({made.planned} planned, {made.spares} to "
        f"spare), each {strength(made.calibration_u, nuclide)} on {made.calibration_date}: "
        f"{strength(made.implant_u, nuclide)} on {made.implant_date}.",
        highlight=False,
    )
    if made.planned_for not in (None, made.implant_date):
        console.print(
            f"[yellow]note[/yellow]  the plan was made for {made.planned_for}; its strength on the "
            "day of the implant is kept",
            highlight=False,
        )
    names = ", ".join(file.name for file in files)
    console.print(f"Wrote {escape(names)} to [bold]{escape(str(files[0].parent))}[/bold].")
    console.print(NOTICE, style="dim")


def day(text: str, option: str) -> datetime.date:
    """A day of the command line."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise CaseError(f"{option} {text!r} is no day; write it as 2026-12-01") from error
