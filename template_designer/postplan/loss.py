"""Which of the differences explains the loss of D90: each put alone into the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dose import dose_at_volume_pct
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model.evaluation import (
    AxisKind,
    DeliveredSeeds,
    LossOfD90,
    LossPart,
    SeedMatch,
)
from template_designer.planning.evaluate import Seeds
from template_designer.postplan.delivered_dose import DeliveredDose
from template_designer.postplan.needle_errors import Parts


def loss_of_d90(
    planned: Seeds,
    delivered: DeliveredSeeds,
    matches: Sequence[SeedMatch],
    parts: Parts,
    target_before: Solid,
    target_after: Solid,
) -> LossOfD90:
    """D90 of the plan, of what was delivered, and of the plan with one kind of difference each.

    Parameters
    ----------
    planned : Seeds
        In the order of ``matches``.
    delivered : DeliveredSeeds
        In the same frame.
    matches : sequence of SeedMatch
        Planned seeds first.
    parts : Parts
        Displacement of each planned seed.
    target_before, target_after : Solid
        The target that was planned on, and the one that the delivered dose is judged on; the same
        object where nothing was drawn afterwards.
    """
    before, after = (_Target(solid) for solid in (target_before, target_after))
    plan = _as_delivered(planned)
    planned_gy = before.d90_gy(plan)
    found = [(k, m.found) for k, m in enumerate(matches) if m.hole and m.found is not None]
    known = np.array([k for k, _ in found], dtype=np.int64)
    partner = np.array([f for _, f in found], dtype=np.int64)
    extra = np.array([m.found for m in matches if m.hole is None], dtype=np.int64)

    def moved(by_mm: NDArray[np.float64]) -> DeliveredSeeds:
        return replace(plan, centers_lps_mm=plan.centers_lps_mm + by_mm)

    trials = [
        ("depth", "needles too deep or too shallow", moved(parts.depth_mm)),
        ("lateral", "needles aside", moved(parts.lateral_mm)),
        ("angle", "needles at an angle", replace(moved(parts.tilt_mm), axes_lps=parts.tilted_axes)),
        ("rest", "seeds on their own: migration, and the error of finding", moved(parts.rest_mm)),
    ]
    if len(known) < len(plan.numbers):
        trials.append(("missing", "seeds not found", _taken(plan, known)))
    if len(extra):
        trials.append(("extra", "seeds not planned", _joined(plan, _taken(delivered, extra))))
    other_u = plan.strength_u.copy()
    other_u[known] = delivered.strength_u[partner]
    if not np.array_equal(other_u, plan.strength_u):
        trials.append(("strength", "another strength", replace(plan, strength_u=other_u)))
    turned = _turned(plan, delivered, known, partner)
    if turned is not None:
        trials.append(("orientation", "seeds turned, or of no known axis", turned))
    rows = [_part(kind, text, before.d90_gy(seeds), planned_gy) for kind, text, seeds in trials]
    if target_after is not target_before:
        text = "the target itself, as it was drawn and where it lay on that day"
        rows.append(_part("target", text, after.d90_gy(plan), planned_gy))
    return LossOfD90(planned_gy, after.d90_gy(delivered), tuple(rows))


class _Target:
    """Sample points of a target."""

    def __init__(self, solid: Solid) -> None:
        self._points, self._weights = volume_samples(solid)

    def d90_gy(self, seeds: DeliveredSeeds) -> float:
        doses = DeliveredDose(seeds).dose_gy(self._points)
        return dose_at_volume_pct(doses, self._weights, 90.0)


def _part(kind: str, text: str, d90_gy: float, planned_gy: float) -> LossPart:
    return LossPart(kind, text, d90_gy, d90_gy - planned_gy)


def _as_delivered(planned: Seeds) -> DeliveredSeeds:
    count = len(planned.centers_lps_mm)
    return DeliveredSeeds(
        planned.source,
        tuple(str(n) for n in range(1, count + 1)),
        planned.centers_lps_mm,
        planned.axes_lps,
        (AxisKind.NEEDLE,) * count,
        np.full(count, planned.strength_u),
    )


def _taken(seeds: DeliveredSeeds, rows: NDArray[np.int64]) -> DeliveredSeeds:
    return replace(
        seeds,
        numbers=tuple(seeds.numbers[k] for k in rows),
        centers_lps_mm=seeds.centers_lps_mm[rows],
        axes_lps=seeds.axes_lps[rows],
        axis_kinds=tuple(seeds.axis_kinds[k] for k in rows),
        strength_u=seeds.strength_u[rows],
    )


def _joined(one: DeliveredSeeds, other: DeliveredSeeds) -> DeliveredSeeds:
    return replace(
        one,
        numbers=one.numbers + other.numbers,
        centers_lps_mm=np.concatenate([one.centers_lps_mm, other.centers_lps_mm]),
        axes_lps=np.concatenate([one.axes_lps, other.axes_lps]),
        axis_kinds=one.axis_kinds + other.axis_kinds,
        strength_u=np.concatenate([one.strength_u, other.strength_u]),
    )


def _turned(
    plan: DeliveredSeeds,
    delivered: DeliveredSeeds,
    known: NDArray[np.int64],
    partner: NDArray[np.int64],
) -> DeliveredSeeds | None:
    """The plan with the axes of the seeds that were found; None where they are the needles'."""
    kinds, axes = list(plan.axis_kinds), plan.axes_lps.copy()
    for k, f in zip(known.tolist(), partner.tolist(), strict=True):
        kinds[k], axes[k] = delivered.axis_kinds[f], delivered.axes_lps[f]
    if all(kind is AxisKind.NEEDLE for kind in kinds):
        return None
    return replace(plan, axis_kinds=tuple(kinds), axes_lps=axes)
