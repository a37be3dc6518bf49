"""``assay``: a sample of the seeds in the well chamber, and what it does to the plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from template_designer.cli.common import EXIT_CHECK_FAILED, EXIT_DONE, NOTICE, steps
from template_designer.cli.order import PlanArgument, day
from template_designer.errors import CaseError

if TYPE_CHECKING:
    import datetime

    from template_designer.model import Plan
    from template_designer.model.assay import Assay, Restrength, Stated


ReadingsOption = Annotated[
    Path | None,
    typer.Option(
        "--readings",
        help="Table of readings (CSV): seed, strength_u, measured.",
        metavar="FILE.csv",
        show_default=False,
    ),
]
TemplateOption = Annotated[
    Path | None,
    typer.Option(
        "--write-template",
        help="Write an empty table to fill in, for as many seeds as are advised, and stop.",
        metavar="FILE.csv",
        show_default=False,
    ),
]
StatedOption = Annotated[
    float | None,
    typer.Option(
        "--stated-u",
        help="Strength of one seed on the certificate, U; without it the plan's own.",
        show_default=False,
    ),
]
StatedDateOption = Annotated[
    str | None,
    typer.Option(
        "--stated-date",
        help="Day, or day and time, that the certificate's strength holds for.",
        metavar="2026-11-27",
        show_default=False,
    ),
]
ImplantOption = Annotated[
    str | None,
    typer.Option(
        "--implant-date",
        help="Day of the implant, where the plan does not state it.",
        metavar="2026-12-01",
        show_default=False,
    ),
]
ReceivedOption = Annotated[
    int | None,
    typer.Option(
        "--received",
        help="Seeds in the batch; without it as many as the plan has.",
        show_default=False,
    ),
]
CaseOption = Annotated[
    Path | None,
    typer.Option(
        "--case",
        help="The plan's case: then volumes and indices are computed again, too.",
        metavar="CASE.toml",
        show_default=False,
    ),
]
AssayOutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Folder to write to; without it the plan's.", show_default=False
    ),
]
UnitsOption = Annotated[
    bool,
    typer.Option(
        "--units-are-right", help="The strengths are in U, though they look like another unit."
    ),
]
AssayOverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace an assay that is there.")
]


def assay(
    folder: PlanArgument,
    readings: ReadingsOption = None,
    template: TemplateOption = None,
    stated_u: StatedOption = None,
    stated_date: StatedDateOption = None,
    implant_date: ImplantOption = None,
    received: ReceivedOption = None,
    case: CaseOption = None,
    output: AssayOutputOption = None,
    units_are_right: UnitsOption = False,
    overwrite: AssayOverwriteOption = False,
) -> None:
    """Compare measured seeds with what their maker states, and redo the plan's doses with them.

    Readings are air-kerma strengths in U, each with its day; all are decayed to the day of the
    certificate. Writes assay.json, assay.html and assay.pdf, nothing of the plan. Ends with 1 when
    the mean is over 5 % off.
    """
    if (readings is None) == (template is None):
        raise CaseError("name the table of readings (--readings), or ask for --write-template")
    if template is not None:
        _write_template(folder, template, received, overwrite)
        return
    from exports import read_plan
    from exports.again import STEPS
    from exports.assay_files import assay_targets, write_assay
    from template_designer.inputs import READ_STEPS
    from template_designer.inputs.hashing import sha256_of
    from template_designer.model import InputFile
    from template_designer.postplan.assay import assay_seeds, with_strength
    from template_designer.postplan.readings import read_readings

    assert readings is not None
    found = read_readings(readings)
    place = assay_targets(output or folder, overwrite=overwrite)
    with steps("Reading", STEPS + READ_STEPS * (case is not None)) as say:
        plan = read_plan(folder, case, say)
    implanted = _implant_date(plan, implant_date)
    stated = _stated(plan, stated_u, stated_date, implanted)
    result = assay_seeds(
        plan, found, stated, implanted, received=received, units_are_right=units_are_right
    )
    with steps("Computing", 2) as say:
        say("the plan with the measured strength")
        effect = with_strength(plan, result.measured_u)
        say("writing")
        table = InputFile(readings.name, sha256_of(readings))
        files = write_assay(plan, result, effect, table, place, overwrite=overwrite)
    _say(result, effect, files)
    failed = result.verdict.value == "fail"
    raise typer.Exit(EXIT_CHECK_FAILED if failed else EXIT_DONE)


def _write_template(folder: Path, template: Path, received: int | None, overwrite: bool) -> None:
    from exports import read_plan
    from exports.folders import put_files
    from template_designer.postplan.assay import advised_sample, least_sample
    from template_designer.postplan.readings import readings_template

    with steps("Reading", 1) as say:
        plan = read_plan(folder, None, say)
    count = plan.seed_count if received is None else received
    note = (
        f"Plan {plan.id}: readings of seeds drawn at random from a batch of {count} "
        f"({least_sample(count)} at least, {advised_sample(count)} advised).",
        "strength_u: air-kerma strength in U when it was measured. measured: 2026-11-25 09:30",
    )
    target = template.absolute()
    content = readings_template(advised_sample(count), note)
    put_files(target.parent, {target.name: content}, overwrite=overwrite)
    Console().print(f"Wrote [bold]{escape(str(template))}[/bold].", highlight=False)


def _implant_date(plan: Plan, stated: str | None) -> datetime.date:
    """The day of the implant: as asked for, else that of the plan."""
    if stated is not None:
        return day(stated, "--implant-date")
    if plan.source.calibration is None:
        raise CaseError("the plan states no day of the implant; add --implant-date 2026-12-01")
    return plan.source.calibration.implant_date


def _stated(
    plan: Plan, strength_u: float | None, text: str | None, implanted: datetime.date
) -> Stated:
    """What the maker states: the certificate where it is given, else what the plan asks for."""
    from template_designer.model.assay import Stated
    from template_designer.postplan.assay import noon
    from template_designer.postplan.readings import moment

    if (strength_u is None) != (text is None):
        raise CaseError("--stated-u and --stated-date go together: a strength holds for one day")
    if strength_u is not None and text is not None:
        if not strength_u > 0.0:
            raise CaseError(f"--stated-u {strength_u:g} is no strength; it must be above 0 U")
        return Stated(strength_u, moment(text, "--stated-date"), "the certificate")
    calibration = plan.source.calibration
    if calibration is None:
        return Stated(plan.air_kerma_strength_u, noon(implanted), "the plan")
    when = noon(calibration.calibration_date)
    return Stated(calibration.air_kerma_strength_u, when, "the plan")


def _say(result: Assay, effect: Restrength, files: tuple[Path, ...]) -> None:
    from exports.assay_files import VERDICTS

    console = Console()
    console.print(
        f"{len(result.seeds)} readings: mean {result.mean_u:.4f} U, stated by "
        f"{result.stated.origin} {result.stated.strength_u:.4f} U: {result.difference_pct:+.2f} %. "
        f"On {result.implant_date} {result.measured_u:.4f} U, planned {result.planned_u:.4f} U.",
        highlight=False,
    )
    console.print(VERDICTS[result.verdict], style="bold", highlight=False)
    for seed in result.outliers:
        console.print(
            f"[yellow]note[/yellow]  seed {escape(seed.reading.seed)} is {seed.from_mean_pct:+.1f} "
            "% off the mean",
            highlight=False,
        )
    if not effect.recomputed:
        console.print(
            "[yellow]note[/yellow]  only doses are redone; with --case volumes and indices, too",
            highlight=False,
        )
    missed = sum(not goal.met for goal in effect.goals)
    console.print(f"Goals with this strength: {len(effect.goals) - missed} met, {missed} missed.")
    names = ", ".join(file.name for file in files)
    console.print(f"Wrote {escape(names)} to [bold]{escape(str(files[0].parent))}[/bold].")
    console.print(NOTICE, style="dim")
