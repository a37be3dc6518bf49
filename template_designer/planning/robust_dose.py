"""Dose metrics of many scenarios, on points few enough to be quick and enough to be true.

A structure is sampled as for the plan; of these points some are taken evenly over its space, each
with the volume of those that it stands for. A metric of a scenario is that of the few points,
corrected by what they and all points differ for the plan as it stands: without errors the plan's
own numbers come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dose import (
    dose_at_volume_cc,
    dose_at_volume_pct,
    dose_of_arrangements,
    volume_pct_at_dose,
)
from template_designer.geometry.sampling import surface_samples, volume_samples
from template_designer.geometry.solids import Solid
from template_designer.planning.evaluate import Seeds

TARGET_POINTS = 8_000
"""Points in the target: V100 then errs by under 1 point, D90 by under 1 %."""

COLD_PART, COLD_SHARE = 0.6, 0.8
"""The colder part of the target, where D90 and V100 are decided, and its share of the points."""

ORGAN_POINTS, SURFACE_POINTS = 1_000, 500
"""Points inside an organ, nearest to the seeds, and on its surface, where it is hottest or may get
so."""

MOVED_MM = 4.0
"""Surface points are chosen for seeds in place and all moved by this, six ways: about the mean
error of tips in the thorax."""

HOT_CM3 = 4.0
"""Part of an organ nearest to the seeds that is looked at: its hottest 0.1 cm3 lie there."""

FAR_MM, FAR_PART = 30.0, 0.25
"""Organs farther than this from every seed get that part of the points: the dose varies slowly."""

SURFACE_STEP_MM = 1.5
"""Spacing of points on surfaces, as for the plan."""

TARGET_UNITS = {"D90": "Gy", "V100": "%"}
ORGAN_UNITS = {"Dmax": "Gy", "D0.1cc": "Gy"}
"""Metrics that are followed, and their units."""


@dataclass(frozen=True, slots=True, eq=False)
class DoseSample:
    """Points of one structure, and how its metrics are read from their doses."""

    name: str
    points_lps_mm: NDArray[np.float64]  # (n + m, 3): inside, then on the surface
    weights_cm3: NDArray[np.float64]  # (n,) of the points inside
    prescription_gy: float | None  # of the target; None for organs
    planned: Mapping[str, float]  # metrics of the plan, of all points
    sampled: Mapping[str, float]  # the same of these points

    @classmethod
    def of_target(cls, solid: Solid, seeds: Seeds, prescription_gy: float) -> Self:
        """Points of the target, evenly over its volume."""
        points, weights = volume_samples(solid)
        doses = seeds.dose_gy(points)
        planned = _target_values(doses, weights, prescription_gy)
        cold_first = np.argsort(doses, kind="stable")
        cut = int(COLD_PART * len(points))
        counts = round(COLD_SHARE * TARGET_POINTS), round((1.0 - COLD_SHARE) * TARGET_POINTS)
        few, shares = [], []
        for part, count in zip((cold_first[:cut], cold_first[cut:]), counts, strict=True):
            picked, share = few_of_many(points[part], weights[part], count)
            few.append(points[part][picked])
            shares.append(share)
        sample = cls(
            solid.name, np.vstack(few), np.concatenate(shares), prescription_gy, planned, planned
        )
        return replace(sample, sampled=sample.raw_values(seeds.dose_gy(sample.points_lps_mm)))

    @classmethod
    def of_organ(cls, solid: Solid, seeds: Seeds) -> Self:
        """Points of an organ, in its part nearest to the seeds."""
        points, weights = volume_samples(solid)
        surface = surface_samples(solid, SURFACE_STEP_MM)
        surface_gy = seeds.dose_gy(surface)
        planned = _organ_values(seeds.dose_gy(points), weights, surface_gy)
        # neighbouring prisms share the points between them
        once = np.unique(surface.round(3), axis=0, return_index=True)[1]
        hottest = once[np.argsort(-_highest_gy(seeds, surface[once]), kind="stable")]
        tree = cKDTree(seeds.centers_lps_mm)
        off, away = tree.query(surface[once])[0], tree.query(points)[0]
        part = 1.0 if off.min() < FAR_MM else FAR_PART
        order = np.argsort(away, kind="stable")
        near = order[: int(np.searchsorted(np.cumsum(weights[order]), HOT_CM3)) + 1]
        picked, shares = few_of_many(points[near], weights[near], round(part * ORGAN_POINTS))
        every = np.vstack(
            [
                points[near][picked],
                surface[hottest[: round(part * SURFACE_POINTS)]],
            ]
        )
        sample = cls(solid.name, every, shares, None, planned, planned)
        return replace(sample, sampled=sample.raw_values(seeds.dose_gy(every)))

    @property
    def units(self) -> Mapping[str, str]:
        """The metrics of this structure and their units."""
        return ORGAN_UNITS if self.prescription_gy is None else TARGET_UNITS

    def raw_values(self, doses_gy: NDArray[np.float64]) -> dict[str, float]:
        """Metrics of the few points, as they are."""
        inside = doses_gy[: len(self.weights_cm3)]
        if self.prescription_gy is None:
            return _organ_values(inside, self.weights_cm3, doses_gy[len(inside) :])
        return _target_values(inside, self.weights_cm3, self.prescription_gy)

    def values(self, doses_gy: NDArray[np.float64]) -> dict[str, float]:
        """Metrics of a scenario from the doses at the points: doses by ratio, volumes by step."""
        found = self.raw_values(doses_gy)
        corrected = {}
        for metric, unit in self.units.items():
            planned, sampled = self.planned[metric], self.sampled[metric]
            if unit == "%":
                corrected[metric] = min(100.0, max(0.0, found[metric] + planned - sampled))
            else:
                corrected[metric] = found[metric] * planned / sampled
        return corrected


def _highest_gy(seeds: Seeds, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dose at every point, the most of seeds as planned and moved each way."""
    steps = np.vstack([np.zeros(3), MOVED_MM * np.eye(3), -MOVED_MM * np.eye(3)])
    moved = (replace(seeds, centers_lps_mm=seeds.centers_lps_mm + step) for step in steps)
    highest: NDArray[np.float64] = np.max([each.dose_gy(points_lps_mm) for each in moved], axis=0)
    return highest


def _target_values(
    doses_gy: NDArray[np.float64], weights_cm3: NDArray[np.float64], prescription_gy: float
) -> dict[str, float]:
    return {
        "D90": dose_at_volume_pct(doses_gy, weights_cm3, 90.0),
        "V100": volume_pct_at_dose(doses_gy, weights_cm3, prescription_gy),
    }


def _organ_values(
    doses_gy: NDArray[np.float64],
    weights_cm3: NDArray[np.float64],
    surface_gy: NDArray[np.float64],
) -> dict[str, float]:
    return {
        "Dmax": float(max(doses_gy.max(), surface_gy.max())),
        "D0.1cc": dose_at_volume_cc(doses_gy, weights_cm3, 0.1),
    }


def scenario_doses(
    samples: Sequence[DoseSample],
    seeds: Seeds,
    centers_lps_mm: NDArray[np.float64],
    axes_lps: NDArray[np.float64],
) -> list[list[float]]:
    """Metrics of some scenarios: a row each, structure by structure as in ``samples``.

    Parameters
    ----------
    seeds : Seeds
        The planned seeds: their model and strength.
    centers_lps_mm, axes_lps : (scenarios, s, 3) ndarray
        Where the seeds are and where they point to.
    """
    points = np.vstack([sample.points_lps_mm for sample in samples])
    ends = np.cumsum([len(sample.points_lps_mm) for sample in samples])[:-1]
    doses = dose_of_arrangements(seeds.source, centers_lps_mm, axes_lps, seeds.strength_u, points)
    return [
        [
            value
            for sample, part in zip(samples, np.split(row, ends), strict=True)
            for value in sample.values(part).values()
        ]
        for row in doses
    ]


def few_of_many(
    points_mm: NDArray[np.float64], weights: NDArray[np.float64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Some of many points, evenly over the space they fill, each with the weight of its group.

    The points are halved along their longest side until ``count`` compact groups of about equal
    number are left; of each group one point is drawn, in proportion to the weights (middles of
    groups would lie too deep inside). The draw is always the same.

    Returns
    -------
    picked : (min(count, n),) ndarray of int
    weights : the same number; their sum is that of all weights.
    """
    if len(points_mm) <= count:
        return np.arange(len(points_mm)), weights
    rng = np.random.default_rng(count)
    picked, shares = np.zeros(count, dtype=np.int64), np.zeros(count)
    waiting = [(np.arange(len(points_mm)), 0, count)]
    while waiting:
        members, first, parts = waiting.pop()
        if parts == 1:
            total = np.cumsum(weights[members])
            place = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
            picked[first] = members[min(place, len(members) - 1)]
            shares[first] = total[-1]
            continue
        half = parts // 2
        cut = len(members) * half // parts
        here = points_mm[members]
        order = np.argpartition(here[:, int(np.argmax(np.ptp(here, axis=0)))], cut)
        waiting.append((members[order[:cut]], first, half))
        waiting.append((members[order[cut:]], first + half, parts - half))
    return picked, shares
