"""The regions of interest of a plan: the structures as drawn, then needles, seeds and plates.

RTSTRUCT writes them and RTPLAN refers to them, so their names and numbers are made in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from template_designer.model import Needle, Plan, Roi, Template


class RoiKind(StrEnum):
    """What a region of interest of a plan shows."""

    DRAWN = "drawn"
    NEEDLE = "needle"
    SEEDS = "seeds"
    NEEDLE_OUTLINES = "needle outlines"
    SEED_OUTLINES = "seed outlines"
    PLATE = "plate"


@dataclass(frozen=True, slots=True, eq=False)
class PlanRoi:
    """One region of interest of the structure set."""

    number: int
    name: str
    kind: RoiKind
    drawn: Roi | None = None
    needle: Needle | None = None
    template: Template | None = None


def plan_rois(plan: Plan) -> tuple[PlanRoi, ...]:
    """All regions of interest in their order, numbered from 1; names are unique.

    The drawn ones keep their names; where one of ours is taken already, ours gets a number.
    """
    rois: list[PlanRoi] = []
    taken: set[str] = set()

    def add(name: str, kind: RoiKind, **parts: object) -> None:
        unique, count = name, 1
        while unique in taken and kind is not RoiKind.DRAWN:
            count += 1
            unique = f"{name} ({count})"
        taken.add(unique)
        rois.append(PlanRoi(len(rois) + 1, unique, kind, **parts))  # type: ignore[arg-type]

    for drawn in plan.rois.rois if plan.rois is not None else ():
        add(drawn.name, RoiKind.DRAWN, drawn=drawn)
    for template in plan.templates:
        for needle in template.needles:
            name = f"Needle {template.name} {needle.label}"
            add(name, RoiKind.NEEDLE, needle=needle, template=template)
    if plan.seed_count:
        add("Seeds", RoiKind.SEEDS)
        add("Seeds on slices", RoiKind.SEED_OUTLINES)
    if plan.needles:
        add("Needles on slices", RoiKind.NEEDLE_OUTLINES)
    for template in plan.templates:
        add(f"Plate {template.name}", RoiKind.PLATE, template=template)
    return tuple(rois)


def target_roi(plan: Plan) -> PlanRoi | None:
    """The drawn structure that is the target; None where the target was made from others."""
    target = plan.settings.target
    name = target.structure
    made = {table.name for table in plan.settings.structure}
    if name in made or target.cropped_by or target.margin_mm.largest_mm > 0.0:
        return None
    drawn = (roi for roi in plan_rois(plan) if roi.kind is RoiKind.DRAWN)
    return next((roi for roi in drawn if roi.name == name), None)
