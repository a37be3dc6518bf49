"""The tables of an evaluation: seeds, needles, accuracy, cold spots, what explains the D90."""

from __future__ import annotations

import math

from exports.report_document import NOTHING, Column, Lines, Row, Table, facts
from exports.report_numbers import difference, number
from template_designer.model.evaluation import (
    AxisKind,
    Evaluation,
    MeanSd,
    NeedleError,
    RegistrationKind,
    SeedMatch,
)

ACCURACY_WORDS = {
    "displacement_mm": "seed to its planned place, mm",
    "depth_mm": "depth of needles, mm (without sign)",
    "depth_signed_mm": "depth of needles, mm (+ deeper)",
    "lateral_mm": "needles aside at their seeds, mm",
    "tip_mm": "needle tip, mm",
    "angle_deg": "angle of needles, degrees",
    "entry_mm": "entry on the plate, mm",
}
"""What the accuracy of an implant is told by."""

SMALL_CM3 = 0.05
"""Cold spots under this (a ball of 4.6 mm) are told together."""

_REGISTRATIONS = {
    RegistrationKind.SHARED: "shared frame of reference: nothing was moved",
    RegistrationKind.TRANSFORM: "by the transform that was given",
    RegistrationKind.RIGID: "rigid, found from both CTs",
}


def seed_name(evaluation: Evaluation, match: SeedMatch) -> str:
    """A planned seed by its hole and its number from the tip: ``C4/2``, ``T2:C4/2``."""
    plate = f"{match.template}:" if len(evaluation.plan.templates) > 1 else ""
    return f"{plate}{match.hole}/{match.number_from_tip}"


def found_lines(evaluation: Evaluation) -> Lines:
    """How many seeds were found, and which are missing or were not planned."""
    planned = evaluation.plan.seed_count
    found = len(evaluation.seeds.numbers)
    told = [f"{planned} seeds planned, {found} found."]
    if evaluation.missing:
        names = ", ".join(seed_name(evaluation, match) for match in evaluation.missing)
        told.append(f"Not found where they were planned (hole/number from the tip): {names}.")
    if evaluation.extra:
        numbers = ", ".join(
            evaluation.seeds.numbers[match.found]
            for match in evaluation.extra
            if match.found is not None
        )
        told.append(f"Found and not planned (number in the table of seeds): {numbers}.")
    return Lines("Seeds", tuple(told))


def registration_facts(evaluation: Evaluation) -> Table:
    """What the numbers rest on: day, frames, structures, axes."""
    registration, seeds = evaluation.registration, evaluation.seeds
    matrix = registration.pre_from_post
    told = _REGISTRATIONS[registration.kind]
    if registration.kind is not RegistrationKind.SHARED:
        x, y, z = matrix[:3, 3].tolist()
        told += f"; turned by {registration.turn_deg:.2f}°, shifted {x:.2f}, {y:.2f}, {z:.2f} mm"
    left = registration.residual
    residual = "not known: there are not two CTs with bone"
    if left is not None:
        residual = (
            f"median {left.median_mm:.2f} mm, 95 % within {left.p95_mm:.2f} mm "
            f"({left.points} points on bone)"
        )
    kinds = {kind: seeds.axis_kinds.count(kind) for kind in AxisKind}
    weakest, strongest = float(seeds.strength_u.min()), float(seeds.strength_u.max())
    strength = f"{weakest:.3f} U"
    if strongest - weakest > 5e-4:
        strength = f"{weakest:.3f} to {strongest:.3f} U"
    structures = "of the preplan" if evaluation.structures.of_preplan else "drawn on that day"
    return facts(
        "What the numbers rest on",
        [
            ("implanted", str(evaluation.implanted or NOTHING)),
            ("registration", told),
            ("bone to bone after it", residual),
            ("structures", structures),
            ("strength of a seed on the day of the implant", strength),
            (
                "axes of seeds",
                f"{kinds[AxisKind.STATED]} stated, {kinds[AxisKind.NEEDLE]} of the planned needle, "
                f"{kinds[AxisKind.NONE]} not known (1D formalism)",
            ),
        ],
    )


def accuracy_table(evaluation: Evaluation) -> Table:
    """Mean and standard deviation of every error."""
    rows = []
    for key, words in ACCURACY_WORDS.items():
        value = evaluation.accuracy[key]
        rows.append(Row((words, mean_sd_text(value, signed=key.endswith("signed_mm")), _n(value))))
    note = (
        "From the seeds that were found, not from needles in place. Angle and entry are told of "
        "needles whose seeds tell them to 2° and 3 mm (standard error); without an angle a needle "
        "is taken as parallel to its plan. Published for printed templates: depth 5.2 ± 4.8 mm, "
        "entry 3.4 ± 1.7 mm, tip 4.4 ± 2.9 mm, angle 2.8 ± 1.7° (thorax)."
    )
    columns = (Column("error"), Column("mean ± SD", True), Column("n", True))
    return Table("Accuracy", columns, tuple(rows), note)


def mean_sd_text(value: MeanSd, *, signed: bool = False) -> str:
    """Mean and standard deviation.

    >>> mean_sd_text(MeanSd(5.21, 4.8, 12)), mean_sd_text(MeanSd(math.nan, math.nan, 0))
    ('5.2 ± 4.8', '–')
    """
    if not value.count:
        return NOTHING
    mean = f"{value.mean:+.1f}" if signed else f"{value.mean:.1f}"
    spread = "" if math.isnan(value.sd) else f" ± {value.sd:.1f}"
    return (mean + spread).replace("-", "−")


def _n(value: MeanSd) -> str:
    return str(value.count)


def needle_table(evaluation: Evaluation) -> Table:
    """The errors of every needle."""
    several = len(evaluation.plan.templates) > 1
    heads = (
        "seeds found of planned", "depth mm (+ deeper)", "right mm", "down mm", "aside mm",
        "tip mm", "angle °", "entry mm",
    )  # fmt: skip
    rows = tuple(Row(_needle_cells(needle, several)) for needle in evaluation.needles)
    note = "Means over its seeds. Right and down: as the operator sees the plate."
    columns = (Column("hole"), *(Column(head, True) for head in heads))
    return Table("Needles", columns, rows, note)


def _needle_cells(needle: NeedleError, several: bool) -> tuple[str, ...]:
    name = f"{needle.template}:{needle.hole}" if several else needle.hole
    count = f"{needle.found} of {needle.planned}"
    if not needle.found:
        return (name, count, *(NOTHING,) * 7)
    angle = NOTHING
    if needle.angle_deg is not None and needle.angle_se_deg is not None:
        angle = f"{needle.angle_deg:.1f} ± {needle.angle_se_deg:.1f}"
    entry = NOTHING
    if needle.entry_mm is not None and needle.entry_se_mm is not None:
        entry = f"{needle.entry_mm:.1f} ± {needle.entry_se_mm:.1f}"
    signed = (f"{mm:+.1f}".replace("-", "−") for mm in (needle.depth_mm, needle.right_mm))
    down = f"{needle.down_mm:+.1f}".replace("-", "−")
    aside, tip = number(needle.lateral_mm), number(needle.tip_mm)
    return (name, count, *signed, down, aside, tip, angle, entry)


def seed_table(evaluation: Evaluation) -> Table:
    """Every seed, planned and found."""
    rows = []
    for match in evaluation.matches:
        name = NOTHING if match.hole is None else seed_name(evaluation, match)
        found = NOTHING if match.found is None else evaluation.seeds.numbers[match.found]
        place = match.found_lps_mm or match.planned_lps_mm or ()
        apart = (match.depth_mm, match.right_mm, match.down_mm)
        cells = (
            (NOTHING,) * 4
            if math.isnan(match.displacement_mm)
            else (
                *(f"{mm:+.1f}".replace("-", "−") for mm in apart),
                f"{match.displacement_mm:.1f}",
            )
        )
        where = ", ".join(f"{mm:.1f}" for mm in place).replace("-", "−")
        is_pair = match.hole is not None and match.found is not None
        rows.append(Row((name, found, where, *cells), loud=not is_pair))
    columns = (
        Column("planned: hole/number from the tip"),
        Column("found: number in the table"),
        Column("found at mm (LPS); of a missing seed planned at"),
        *(Column(head, True) for head in ("depth mm", "right mm", "down mm", "displaced mm")),
    )
    return Table("Seeds", columns, tuple(rows))


def cold_table(evaluation: Evaluation) -> Table | Lines:
    """Parts of the target under the prescription, the largest first."""
    spots = evaluation.cold_spots
    target = evaluation.plan.settings.target.structure
    if not spots:
        return Lines("", (f"All of {target} gets the prescription: there is no cold spot.",))
    large = [spot for spot in spots if spot.volume_cm3 >= SMALL_CM3]
    rows = []
    for place, spot in enumerate(large, start=1):
        where = ", ".join(f"{mm:.1f}" for mm in spot.centroid_lps_mm).replace("-", "−")
        file = NOTHING if spot.surface is None else f"cold-spot-{place}.stl"
        cells = (number(spot.volume_cm3, 2), where, number(spot.lowest_gy), file)
        rows.append(Row((str(place), *cells)))
    small = spots[len(large) :]
    total = sum(spot.volume_cm3 for spot in spots)
    note = (
        f"Together {total:.2f} cm³ under {evaluation.plan.prescription_gy:g} Gy, of these "
        f"{len(small)} parts under {SMALL_CM3:g} cm³ with {sum(s.volume_cm3 for s in small):.2f} "
        "cm³ in all."
    )
    columns = (
        Column("no.", True),
        Column("volume cm³", True),
        Column("middle mm (LPS)"),
        Column("coldest Gy", True),
        Column("surface"),
    )
    return Table(f"Parts of {target} under the prescription", columns, tuple(rows), note)


def loss_table(evaluation: Evaluation) -> Table:
    """The plan's D90 with one kind of difference at a time, and what is left."""
    loss = evaluation.loss
    rows = [Row(("as planned", number(loss.planned_gy), NOTHING))]
    rows += [
        Row((part.text, number(part.d90_gy), difference(0.0, part.change_gy)))
        for part in loss.parts
    ]
    rows.append(Row(("together: what the parts do to each other", NOTHING,
                     difference(0.0, loss.remainder_gy))))  # fmt: skip
    total = difference(0.0, loss.delivered_gy - loss.planned_gy)
    rows.append(Row(("as delivered", number(loss.delivered_gy), total)))
    note = (
        "Each line is the plan with this one difference put into it: all needles as much deeper, "
        "or aside, or tilted about the middle of their seeds as was found; what their seeds differ "
        "by beyond that; seeds left out or added. The changes need not add up."
    )
    columns = (Column("the plan with"), Column("D90 Gy", True), Column("change Gy", True))
    return Table("From the planned D90 to the delivered one", columns, tuple(rows), note)
