"""Templates, needles and their delivery from ``plan.json``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from template_designer.errors import InputError
from template_designer.geometry.plate_case import plate_features
from template_designer.model import (
    BoneAccess,
    CaseSettings,
    Hole,
    HoleState,
    Needle,
    Seed,
    Template,
)
from template_designer.model.delivery import (
    CartridgeUse,
    MickSteps,
    NeedleDelivery,
    SeedTrain,
    Technique,
)

ERROR_STEP_MM = 1e-3
"""``clearance_error_mm`` is written one thousandth larger: the clearance itself is rounded down."""


def number(value: Any) -> float:
    """A number; NaN where the file has null."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{value!r} is not a number")
    return float(value)


def template_of(item: Mapping[str, Any], settings: CaseSettings) -> Template:
    """One plate; its shape and marks beside the lattice follow from the settings."""
    x, y, thickness = item["size_mm"]
    return Template(
        name=str(item["name"]),
        size_mm=(x, y, thickness),
        pitch_mm=item["pitch_mm"],
        bore_mm=number(item["bore_mm"]),
        gap_mm=number(item["gap_mm"]),
        lps_from_template=np.array(item["lps_from_template"], dtype=np.float64).reshape(4, 4),
        holes=tuple(_hole(hole) for hole in item["holes"]),
        needles=tuple(_needle(needle) for needle in item["needles"]),
        features=plate_features(settings),
    )


def _hole(item: Mapping[str, Any]) -> Hole:
    bore = item.get("bore_mm")
    return Hole(
        label=str(item["label"]),
        x_mm=number(item["x_mm"]),
        y_mm=number(item["y_mm"]),
        state=HoleState(item["state"]),
        reason=item["reason"],
        bore_mm=None if bore is None else number(bore),
    )


def _needle(item: Mapping[str, Any]) -> Needle:
    access, bone_hu = item["bone_access"], item["bone_hu"]
    return Needle(
        label=str(item["label"]),
        gauge=int(item["gauge"]),
        length_mm=number(item["length_mm"]),
        entry_lps_mm=_point(item["entry_lps_mm"]),
        tip_lps_mm=_point(item["tip_lps_mm"]),
        depth_mm=number(item["depth_mm"]),
        skin_depth_mm=number(item["skin_depth_mm"]),
        bone_mm=number(item["bone_mm"]),
        clearance_mm={str(n): number(value) for n, value in item["clearance_mm"].items()},
        seeds=tuple(
            Seed(
                _point(seed["center_lps_mm"]), number(seed["from_tip_mm"]), number(seed["skin_mm"])
            )
            for seed in item["seeds"]
        ),
        bone_hu=None if bone_hu is None else number(bone_hu),
        bone_access=None if access is None else BoneAccess(access["gauge"], str(access["reason"])),
        clearance_error_mm={
            str(n): number(value) - ERROR_STEP_MM for n, value in item["clearance_error_mm"].items()
        },
    )


def _point(values: Sequence[Any]) -> tuple[float, float, float]:
    x, y, z = (number(value) for value in values)
    return x, y, z


def deliveries_of(
    templates: Sequence[Mapping[str, Any]], capsule_mm: Callable[[], float]
) -> tuple[NeedleDelivery, ...]:
    """What is done at every needle, in the order of insertion; empty where the file does not say.

    ``capsule_mm`` gives the length of a seed's capsule, where seeds come in strands.
    """
    found = [
        _delivery(str(template["name"]), needle, capsule_mm)
        for template in templates
        for needle in template["needles"]
        if "delivery" in needle
    ]
    return tuple(sorted(found, key=lambda done: done.order))


def _delivery(
    template: str, needle: Mapping[str, Any], capsule_mm: Callable[[], float]
) -> NeedleDelivery:
    stated = needle["delivery"]
    technique = Technique(stated["technique"])
    loading: MickSteps | SeedTrain
    if technique.uses_spacers:
        loading = SeedTrain(
            capsule_mm(), _spacers(stated["strand"]), tuple(number(s) for s in stated["shift_mm"])
        )
    else:
        loading = MickSteps(
            tuple(number(reading) for reading in stated["seed_readings_mm"]),
            int(stated["seeds_before"]),
            tuple(CartridgeUse(use["number"], use["seeds"]) for use in stated["cartridges"]),
        )
    return NeedleDelivery(
        template, str(needle["label"]), int(needle["insertion_order"]), technique, loading
    )


def _spacers(strand: str) -> tuple[tuple[float, ...], ...]:
    """Spacers of every gap from ``S-5.5-S-0.5-S``.

    >>> _spacers("S-5.5-S-0.5-0.5-S-S")
    ((5.5,), (0.5, 0.5), ())
    """
    gaps: list[tuple[float, ...]] = []
    for part in strand.split("S")[1:-1]:
        gaps.append(tuple(float(length) for length in part.strip("-").split("-") if length))
    return tuple(gaps)
