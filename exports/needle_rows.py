"""What the needle table says of every needle, once for CSV, XLSX and PDF."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from exports.delivery_data import delivery_of
from exports.dicom.identity import identity_of
from exports.rounding import rounded, rounded_down
from template_designer.errors import OutputError
from template_designer.model import Needle, NeedleRule, Plan, Seed, Template
from template_designer.model.delivery import MickSteps, NeedleDelivery, SeedTrain

ROUNDING = (
    "Depths, readings and clearances are rounded down: 0.1 mm at most less than planned, never "
    "more (in the cm column 0.1 cm)."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One seed dropped from a cartridge."""

    reading_mm: float  # operator face of the plate to the tip, rounded down
    back_mm: float | None  # from the reading before, as printed; None at the first seed
    cartridge: int
    opens_cartridge: bool  # the first seed of this needle out of that cartridge


@dataclass(frozen=True, slots=True)
class Clearance:
    """Needle surface to one structure, rounded down; ``rule_mm`` is what the case asks for."""

    structure: str
    distance_mm: float
    rule_mm: float | None


@dataclass(frozen=True, slots=True)
class NeedleRow:
    """One needle as it stands on paper. Lengths in mm with one decimal, those of seeds with two."""

    number: int  # in the order of insertion, over all templates, from 1
    template: str
    hole: str
    gauge: int
    length_mm: float
    depth_mm: float
    skin_depth_mm: float
    bone_mm: float
    access_gauge: int | None  # of the access needle that goes first
    access_reason: str
    seeds_from_tip_mm: tuple[float, ...]
    steps: tuple[Step, ...]  # empty where the seeds come as a strand or preloaded
    strand: str  # seeds and spacers from the tip backwards; '' where they come one at a time
    nearest: Clearance | None
    tightest: Clearance | None  # the rule with the least to spare
    seeds_so_far: int  # with this needle's, over all templates

    @property
    def depth_cm(self) -> float:
        """The depth in cm, rounded down to one decimal."""
        return rounded_down(self.depth_mm / 10.0, 1)

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return len(self.seeds_from_tip_mm)


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom the images name; empty where they name nobody."""

    id: str
    name: str
    birth_date: str  # 1960-01-31
    note: str  # why something is missing; ''


def patient_of(plan: Plan) -> Patient:
    """The patient as the images say, or the case's id where ``[dicom] deidentify`` asks for it."""
    if plan.settings.dicom.deidentify:
        return Patient(plan.id, "", "", "de-identified: the case's id")
    identity = identity_of(plan)
    letters, *others = (group.rstrip("^") for group in identity.patient_name.split("="))
    name = letters or next((group for group in others if group), "")
    day = identity.patient_birth_date
    return Patient(
        id=identity.patient_id,
        name=", ".join(part for part in name.split("^") if part),
        birth_date=f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else "",
        note="" if identity.patient_id else "not in the images: fill in",
    )


def states_order(plan: Plan) -> bool:
    """Whether the plan says in which order its needles are inserted."""
    return all(
        delivery_of(plan, template, needle) is not None
        for template in plan.templates
        for needle in template.needles
    )


def needle_rows(plan: Plan) -> dict[str, tuple[NeedleRow, ...]]:
    """The needles of every template, by its name, in the order of insertion.

    Where the plan states no order they are numbered template by template, in the order of holes.
    """
    stated = states_order(plan)
    ordered: list[tuple[int, Template, Needle, NeedleDelivery | None]] = []
    for template in plan.templates:
        for needle in sorted(template.needles, key=by_hole):
            done = delivery_of(plan, template, needle)
            number = done.order if stated and done is not None else len(ordered) + 1
            ordered.append((number, template, needle, done))
    ordered.sort(key=lambda item: item[0])
    numbers = [number for number, *_ in ordered]
    if numbers != list(range(1, len(ordered) + 1)):
        raise OutputError(
            f"plan {plan.id!r}: the order of insertion {numbers} does not count its needles from "
            "1; plan the case again"
        )
    rows: dict[str, list[NeedleRow]] = {template.name: [] for template in plan.templates}
    before = 0
    for number, template, needle, done in ordered:
        before += len(needle.seeds)
        rows[template.name].append(_row(plan, template, needle, done, number, before))
    return {name: tuple(found) for name, found in rows.items()}


def by_hole(needle: Needle) -> tuple[int, str, int]:
    """Sort key: column by column, then row by row."""
    match = re.fullmatch(r"([A-Z]+)([0-9]+)", needle.label)
    if match is None:
        raise OutputError(f"needle label {needle.label!r} is not letters and a number, as C4")
    return len(match[1]), match[1], int(match[2])


def nearest_structure(needle: Needle) -> str | None:
    """Name of the structure that the needle comes nearest to; None where none is known."""
    clearance = needle.clearance_mm
    return min(clearance, key=lambda name: clearance[name], default=None)


def tightest_rule(plan: Plan, needle: Needle) -> NeedleRule | None:
    """The rule that the needle keeps with the least to spare; None where there is none."""
    clearance = needle.clearance_mm
    known = [rule for rule in plan.rules if rule.structure in clearance]
    return min(known, key=lambda r: clearance[r.structure] - r.clearance_mm, default=None)


def from_tip_mm(seed: Seed) -> float:
    """Tip to seed centre to 0.01 mm; halves go up, so that equal steps stay equal."""
    return rounded_down(seed.from_tip_mm + 0.005, 2)


def _row(
    plan: Plan,
    template: Template,
    needle: Needle,
    done: NeedleDelivery | None,
    number: int,
    so_far: int,
) -> NeedleRow:
    if all(hole.label != needle.label for hole in template.holes):
        raise OutputError(f"template {template.name!r} has no hole {needle.label!r} for its needle")
    access, tightest = needle.bone_access, tightest_rule(plan, needle)
    loading = None if done is None else done.loading
    return NeedleRow(
        number=number,
        template=template.name,
        hole=needle.label,
        gauge=needle.gauge,
        length_mm=needle.length_mm,
        depth_mm=rounded_down(needle.depth_mm, 1),
        skin_depth_mm=rounded_down(needle.skin_depth_mm, 1),
        bone_mm=rounded(needle.bone_mm, 1),
        access_gauge=None if access is None else access.gauge,
        access_reason="" if access is None else access.reason,
        seeds_from_tip_mm=tuple(from_tip_mm(seed) for seed in needle.seeds),
        steps=tuple(_steps(loading)) if isinstance(loading, MickSteps) else (),
        strand=loading.text if isinstance(loading, SeedTrain) else "",
        nearest=_clearance(plan, needle, nearest_structure(needle)),
        tightest=_clearance(plan, needle, None if tightest is None else tightest.structure),
        seeds_so_far=so_far,
    )


def _clearance(plan: Plan, needle: Needle, structure: str | None) -> Clearance | None:
    if structure is None:
        return None
    rules = [rule.clearance_mm for rule in plan.rules if rule.structure == structure]
    distance_mm = rounded_down(needle.clearance_mm[structure], 1)
    return Clearance(structure, distance_mm, max(rules, default=None))


def _steps(loading: MickSteps) -> Iterator[Step]:
    """Retractions are the differences of the readings as printed: following them ends right."""
    readings = [rounded_down(reading, 1) for reading in loading.readings_mm]
    backs = [None, *(rounded(deep - high, 1) for deep, high in itertools.pairwise(readings))]
    cartridges = [(use.number, n == 0) for use in loading.cartridges for n in range(use.seeds)]
    for reading, back, (cartridge, opens) in zip(readings, backs, cartridges, strict=True):
        yield Step(reading, back, cartridge, opens)
