"""``assay.json``, ``.html`` and ``.pdf``: a sample of seeds, and what it does to the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from exports.assay_json import assay_json
from exports.folders import put_files
from exports.plan_json import plan_hash
from exports.report_content import patient_text, tally
from exports.report_document import (
    MISSED,
    Column,
    Document,
    Lines,
    Part,
    Row,
    Section,
    Table,
    facts,
)
from exports.report_html import html_of
from exports.report_numbers import (
    difference,
    goal_value,
    limit_text,
    metric_digits,
    metric_name,
    number,
    strength,
    verdict,
)
from exports.report_pdf import pdf_of
from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.errors import OutputError
from template_designer.model import InputFile, Plan
from template_designer.model.assay import Assay, Restrength, Verdict
from template_designer.postplan.assay import FAIL_PCT, INVESTIGATE_PCT, NOT_OF_DOSE, OUTLIER_PCT

NAMES = ("assay.json", "assay.html", "assay.pdf")

VERDICTS: Mapping[Verdict, str] = {
    Verdict.PASS: f"PASS: the mean lies within {INVESTIGATE_PCT:g} % of the stated strength.",
    Verdict.INVESTIGATE: (
        f"PASS, BUT LOOK INTO IT: the mean lies within {FAIL_PCT:g} % of the stated strength, not "
        f"within {INVESTIGATE_PCT:g} %. Find out why, or measure more seeds."
    ),
    Verdict.FAIL: (
        f"{MISSED}: the mean lies over {FAIL_PCT:g} % off the stated strength. Settle it with the "
        "maker, or measure more seeds, before any seed is used."
    ),
}


def assay_targets(folder: Path, *, overwrite: bool = False) -> Path:
    """The folder for the files of an assay, checked early: its full path.

    Raises
    ------
    OutputError
        If a file of an assay is there and may not be replaced, or the folder is none.
    """
    place = folder.absolute()
    if place.exists() and not place.is_dir():
        raise OutputError(f"{str(place)!r} is a file; name a folder")
    for name in NAMES:
        if (place / name).is_dir() or ((place / name).exists() and not overwrite):
            raise OutputError(
                f"{str(place / name)!r} is there already; name another folder (-o), or ask to "
                "overwrite (--overwrite)"
            )
    return place


def write_assay(
    plan: Plan,
    found: Assay,
    effect: Restrength,
    readings: InputFile,
    folder: Path,
    *,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write an assay: all three files, or none; nothing of the plan is touched."""
    document = assay_document(plan, found, effect, readings)
    made = (assay_json(plan, found, effect, readings), html_of(document), pdf_of(document))
    put_files(folder, dict(zip(NAMES, made, strict=True)), overwrite=overwrite)
    return tuple(folder / name for name in NAMES)


def assay_document(plan: Plan, found: Assay, effect: Restrength, readings: InputFile) -> Document:
    """The assay to read and to print."""
    sections = (
        Section("assay", "Assay", (*_summary(found), _seed_table(found))),
        Section("plan", "The plan with the measured strength", _effect(plan, found, effect)),
        Section("inputs", "Inputs and versions", (_inputs(plan, readings),)),
    )
    return Document(
        title=f"Assay of the seeds for plan {plan.id}",
        head=(patient_text(plan), f"Plan: {plan.id} · {tally(plan)}"),
        plans=(plan,),
        sections=sections,
    )


def _summary(found: Assay) -> tuple[Part, ...]:
    nuclide = found.source.nuclide
    parts: list[Part] = [Lines("", (VERDICTS[found.verdict],), loud=True)]
    if found.outliers:
        names = ", ".join(
            f"{s.reading.seed} ({difference(0.0, s.from_mean_pct)} %)" for s in found.outliers
        )
        text = f"Seeds over {OUTLIER_PCT:g} % off the mean of the sample: {names}."
        parts.append(Lines("", (text,), loud=True))
    if len(found.seeds) < found.advised_readings:
        text = (
            f"{len(found.seeds)} readings keep the least of 10 %; {found.advised_readings} are "
            "advised for a batch of this size."
        )
        parts.append(Lines("", (text,)))
    spread = (
        "one reading" if math.isnan(found.sd_u) else f"{found.sd_u:.4f} U, {found.sd_pct:.1f} %"
    )
    pairs = [
        ("seeds of the batch", f"{found.received}, for a plan of {found.planned}"),
        ("readings", f"{len(found.seeds)} (least {found.least_readings})"),
        (f"stated by {found.stated.origin}", _at(found.stated.strength_u, found)),
        ("mean of the readings", _at(found.mean_u, found)),
        ("mean beside stated", f"{difference(0.0, found.difference_pct, 2)} %"),
        ("spread (SD of single seeds)", spread),
        ("half-life", f"{found.source.half_life_days:.2f} days"),
        (f"planned on {found.implant_date}, the implant", strength(found.planned_u, nuclide)),
        ("measured, decayed to that day", strength(found.measured_u, nuclide)),
        ("measured beside planned", f"{difference(0.0, found.plan_change_pct, 2)} %"),
    ]
    note = (
        "Limits: mean and single seeds as AAPM TG-40 and TG-56 have them (3 %, 5 %; single seeds "
        "5 % from the mean); sample of 10 % at least, ten seeds advised (Med. Phys. 35, 3860)."
    )
    parts.append(facts("Sample and batch", pairs, note))
    return tuple(parts)


def _at(strength_u: float, found: Assay) -> str:
    when = found.stated.when.strftime("%Y-%m-%d %H:%M")
    return f"{strength(strength_u, found.source.nuclide)} on {when}"


def _seed_table(found: Assay) -> Table:
    columns = (
        Column("seed"),
        Column("reading U", True),
        Column("measured"),
        Column("decayed to the stated day U", True),
        Column("from stated %", True),
        Column("from mean %", True),
    )
    rows = tuple(
        Row(
            (
                seed.reading.seed,
                f"{seed.reading.strength_u:.4g}",
                seed.reading.measured.strftime("%Y-%m-%d %H:%M"),
                f"{seed.reference_u:.4f}",
                difference(0.0, seed.from_stated_pct, 2),
                difference(0.0, seed.from_mean_pct, 2),
            ),
            loud=seed.is_outlier,
        )
        for seed in found.seeds
    )
    return Table("Readings", columns, rows, "A day without a time counts as noon of that day.")


def _effect(plan: Plan, found: Assay, effect: Restrength) -> tuple[Part, ...]:
    told = (
        f"Every seed with {found.measured_u:.4f} U on {found.implant_date} in place of "
        f"{found.planned_u:.4f} U, in the planned places. "
    )
    told += (
        "Everything is computed again."
        if effect.recomputed
        else "Doses are scaled; volumes and indices need the plan's case (--case)."
    )
    missed = [goal for goal in effect.goals if not goal.met]
    parts: list[Part] = [Lines("", (told,))]
    if missed:
        items = tuple(f"{g.structure} {g.metric}: {goal_value(g)}: {verdict(g)}" for g in missed)
        parts.append(
            Lines("", (f"{MISSED}: {len(missed)} of {len(effect.goals)} goals.", *items), loud=True)
        )
    return (*parts, _goal_table(plan, effect), _metric_table(plan, effect))


def _goal_table(plan: Plan, effect: Restrength) -> Table:
    planned = {(g.structure, g.metric, g.limit): g for g in plan.goals}
    columns = (
        Column("structure"),
        Column("metric"),
        Column("goal"),
        Column("planned", True),
        Column("measured strength", True),
        Column("result"),
    )
    rows = []
    for goal in effect.goals:
        before = planned.get((goal.structure, goal.metric, goal.limit))
        cells = (goal.structure, goal.metric, limit_text(goal))
        of_plan = "" if before is None else goal_value(before)
        rows.append(Row((*cells, of_plan, goal_value(goal), verdict(goal)), loud=not goal.met))
    note = "" if effect.recomputed else "Goals in percent need the plan's case (--case)."
    return Table("Goals", columns, tuple(rows), note)


def _metric_table(plan: Plan, effect: Restrength) -> Table:
    columns = (
        Column("structure"),
        Column("metric"),
        Column("planned", True),
        Column("measured strength", True),
        Column("change", True),
    )
    rows = []
    for name, values in effect.metrics.items():
        for key, value in values.items():
            if key in NOT_OF_DOSE:
                continue
            before = plan.metrics.get(name, {}).get(key)
            after = value if math.isfinite(value) else None
            digits, (title, unit) = metric_digits(key), metric_name(key)
            cells = (
                name,
                f"{title} {unit}".strip(),
                number(before, digits),
                number(after, digits),
                difference(before, after, digits),
            )
            rows.append(Row(cells))
    return Table("Metrics", columns, tuple(rows))


def _inputs(plan: Plan, readings: InputFile) -> Table:
    pairs = [
        ("plan", plan.id),
        ("plan hash (SHA-256)", plan_hash(plan)),
        ("readings", readings.path),
        ("readings (SHA-256)", readings.sha256),
        ("written by", f"{SOFTWARE_NAME} {__version__}"),
    ]
    return facts("Inputs", pairs)
