"""``evaluate``: what was delivered, beside its plan."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import (
    EXIT_DONE,
    EXIT_GOAL_MISSED,
    NOTICE,
    OutputOption,
    OverwriteOption,
    steps,
)


def evaluate(
    plan: Annotated[Path, typer.Argument(help="Folder of the written plan.", metavar="PLAN_DIR")],
    case: Annotated[Path, typer.Option("--case", help="The plan's own case.", metavar="CASE.toml")],
    seeds: Annotated[
        Path,
        typer.Option(
            "--seeds",
            help="Delivered seeds: a table (.csv with x_mm, y_mm, z_mm, LPS) as find-seeds writes "
            "it, a brachytherapy RTPLAN, or the DICOM folder of a CT of that day to find them on.",
        ),
    ],
    output: OutputOption,
    ct: Annotated[
        Path | None,
        typer.Option("--ct", help="CT of that day, any format of a case.", show_default=False),
    ] = None,
    structures: Annotated[
        Path | None,
        typer.Option(
            "--structures",
            help="Structures drawn on that CT; without them those of the preplan are used.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Names of a plain label map.", show_default=False),
    ] = None,
    registration: Annotated[
        str,
        typer.Option(
            "--registration",
            help="How that day lies on the preplan: shared (one frame of reference), rigid (found "
            "from both CTs), or a text file of a 4 x 4 transform from that day to the preplan.",
            metavar="shared|rigid|FILE",
        ),
    ] = "shared",
    strength_u: Annotated[
        float | None,
        typer.Option(
            "--strength-u",
            help="Air-kerma strength of every seed on the day of the implant, U.",
            show_default=False,
        ),
    ] = None,
    implanted: Annotated[
        datetime.datetime | None,
        typer.Option(
            "--implanted",
            help="Day of the implant; without it that of the plan.",
            formats=["%Y-%m-%d"],
            show_default=False,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Dose of the seeds where they ended up, beside the plan: what was lost, where, and why.

    Writes evaluation.html to read, evaluation.json, seeds.csv with every displacement, pictures,
    and the cold spots of the target as surfaces. Ends with 1 when a goal is missed by what was
    delivered. Where the CT of that day leaves a seed uncertain, find-seeds lists it to settle.
    """
    from exports.again import STEPS as PLAN_STEPS
    from exports.again import read_plan
    from exports.evaluation_files import STEPS as FILE_STEPS
    from exports.evaluation_files import check_evaluation_folder, write_evaluation
    from template_designer import evaluating
    from template_designer.evaluation_sheet import evaluation_tables
    from template_designer.inputs import READ_STEPS

    check_evaluation_folder(output, overwrite=overwrite)
    asked = evaluating.Delivered(
        seeds=seeds,
        ct=ct,
        structures=structures,
        labels=labels,
        registration=registration,
        strength_u=strength_u,
        implanted=None if implanted is None else implanted.date(),
    )
    with steps("Evaluating", READ_STEPS + PLAN_STEPS + evaluating.STEPS) as say:
        found = evaluating.evaluate(read_plan(plan, case, say), asked, say)
    with steps("Writing", FILE_STEPS) as say:
        written = write_evaluation(found, output, overwrite=overwrite, progress=say)
    console = Console()
    for table in evaluation_tables(found):
        console.print(table)
    where = escape(str(written[0].parent))
    console.print(f"\nWrote {len(written)} files to [bold]{where}[/bold].")
    console.print(NOTICE, style="dim")
    raise typer.Exit(EXIT_DONE if found.goals_met else EXIT_GOAL_MISSED)
