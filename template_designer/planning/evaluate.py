"""What a plan gives: dose on a grid, metrics of every structure, goals met and missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dose import (
    DoseField,
    SeedModel,
    conformal_index_with_organs,
    dose_at_points,
    dose_at_volume_cc,
    dose_at_volume_pct,
    dose_field_enclosing,
    organ_metrics,
    target_metrics,
    volume_pct_at_dose,
)
from template_designer.geometry.sampling import surface_samples, volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, GoalResult, GoalSettings, Reach, Template
from template_designer.model.earlier_seeds import EarlierSeeds
from template_designer.model.metrics import MetricKind, parse

GRID_MM = 1.0
"""Dose grid: V_ref then errs by under 1 % for implants of 30 cm3."""


class DoseAtPoints(Protocol):
    """Seeds, planned or found, as far as structures are judged by them."""

    def dose_gy(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Dose to full decay at points, (n, 3) -> (n,) Gy."""


@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """The planned seeds as the dose engine wants them, LPS, mm."""

    source: SeedModel
    centers_lps_mm: NDArray[np.float64]  # (n, 3)
    axes_lps: NDArray[np.float64]  # (n, 3)
    strength_u: float | NDArray[np.float64]  # of all, or (n,)

    @classmethod
    def of(
        cls,
        templates: Sequence[Template],
        source: SeedModel,
        strength_u: float,
        earlier: EarlierSeeds | None = None,
    ) -> Seeds:
        """All seeds of all plates, along their needles, and those that lay there before."""
        places = [
            (seed.center_lps_mm, np.asarray(template.lps_from_template)[:3, 2])
            for template in templates
            for needle in template.needles
            for seed in needle.seeds
        ]
        centers, axes = (np.array(column) for column in zip(*places, strict=True))
        if earlier is None:
            return cls(source, centers, axes, strength_u)
        return cls(
            source,
            np.concatenate([centers, earlier.centers_lps_mm]),
            np.concatenate([axes, earlier.axes_lps]),
            np.concatenate([np.full(len(centers), strength_u), earlier.strength_u]),
        )

    @classmethod
    def of_earlier(cls, earlier: EarlierSeeds, source: SeedModel) -> Seeds:
        """The seeds that lay there before, alone."""
        return cls(source, earlier.centers_lps_mm, earlier.axes_lps, earlier.strength_u)

    def dose_gy(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Dose to full decay at points, (n, 3) -> (n,) Gy."""
        return dose_at_points(
            self.source, self.centers_lps_mm, self.axes_lps, self.strength_u, points_lps_mm
        )

    def field(self, prescription_gy: float) -> DoseField:
        """Dose on a grid whose border lies under the prescription."""
        return dose_field_enclosing(
            self.source,
            self.centers_lps_mm,
            self.axes_lps,
            self.strength_u,
            dose_gy=prescription_gy,
            spacing_mm=GRID_MM,
        )


@dataclass(frozen=True, slots=True, eq=False)
class StructureDose:
    """Doses in one structure: at points that share its volume, and on its surface."""

    solid: Solid
    doses_gy: NDArray[np.float64]
    weights_cm3: NDArray[np.float64]
    surface_gy: NDArray[np.float64]

    @classmethod
    def of(cls, solid: Solid, seeds: DoseAtPoints) -> StructureDose:
        """Doses of the seeds in a solid."""
        points, weights = volume_samples(solid)
        return cls(
            solid, seeds.dose_gy(points), weights, seeds.dose_gy(surface_samples(solid, 1.5))
        )

    @property
    def dmax_gy(self) -> float:
        """Highest dose inside or on the surface."""
        return float(max(self.doses_gy.max(), self.surface_gy.max()))


def structure_doses(
    settings: CaseSettings, solids: Mapping[str, Solid], target: Solid, seeds: DoseAtPoints
) -> dict[str, StructureDose]:
    """Doses in the target and in every other structure, the target first.

    The body itself is left out unless a goal or a biology table names it.
    """
    asked = {goal.structure for goal in settings.goal}
    asked |= {name for tissue in settings.biology for name in tissue.patterns}
    left_out = {settings.skin.structure} - asked
    organs = {n: s for n, s in solids.items() if n not in (*left_out, target.name)}
    return {n: StructureDose.of(s, seeds) for n, s in {target.name: target, **organs}.items()}


def structure_metrics(
    settings: CaseSettings,
    doses: Mapping[str, StructureDose],
    target: str,
    field: DoseField,
    reach: Reach,
) -> dict[str, dict[str, float]]:
    """Metrics of every structure by the names of ``plan.json``, the target first."""
    prescription_gy = settings.prescription.dose_gy
    hit = doses[target]
    own = target_metrics(
        hit.doses_gy,
        hit.weights_cm3,
        field.volume_at_or_above_cm3(prescription_gy),
        prescription_gy,
        reference_150_cm3=field.volume_at_or_above_cm3(1.5 * prescription_gy),
    )
    protected = (doses[name] for name in doses if name in critical_structures(settings, target))
    own["coin"] = conformal_index_with_organs(
        own["ci"],
        (volume_pct_at_dose(d.doses_gy, d.weights_cm3, prescription_gy) / 100.0 for d in protected),
    )
    metrics = {target: own | {"reachable_pct": reach.reachable_pct}}
    for name, dose in doses.items():
        if name != target:
            metrics[name] = organ_metrics(dose.doses_gy, dose.weights_cm3, dose.surface_gy)
    return metrics


def critical_structures(settings: CaseSettings, target: str) -> set[str]:
    """What the case protects, for COIN: structures of an avoid rule or under an upper limit."""
    avoided = {name for rule in settings.avoid for name in rule.patterns}
    limited = {goal.structure for goal in settings.goal if not goal.is_minimum}
    return (avoided | limited) - {target}


def goal_results(
    goals: Sequence[GoalSettings],
    doses: Mapping[str, StructureDose],
    metrics: Mapping[str, Mapping[str, float]],
    prescription_gy: float,
) -> tuple[GoalResult, ...]:
    """Every goal beside what the plan gives."""
    results = []
    for goal in goals:
        name = goal.structure
        value = metric_value(goal.metric, doses[name], metrics[name], prescription_gy)
        met = value >= goal.limit if goal.is_minimum else value <= goal.limit
        results.append(
            GoalResult(name, goal.metric, goal.limit, goal.unit, goal.is_minimum, value, met)
        )
    return tuple(results)


def metric_value(
    name: str, dose: StructureDose, metrics: Mapping[str, float], prescription_gy: float
) -> float:
    """Value of one metric by its name in a case file, in Gy or percent."""
    metric = parse(name)
    number = metric.number or 0.0
    match metric.kind:
        case MetricKind.DOSE_MAX:
            return dose.dmax_gy
        case MetricKind.DOSE_MEAN:
            return float(np.average(dose.doses_gy, weights=dose.weights_cm3))
        case MetricKind.DOSE_AT_PERCENT:
            return dose_at_volume_pct(dose.doses_gy, dose.weights_cm3, number)
        case MetricKind.DOSE_AT_CC:
            return dose_at_volume_cc(dose.doses_gy, dose.weights_cm3, number)
        case MetricKind.VOLUME_AT_PERCENT:
            level = number / 100.0 * prescription_gy
            return volume_pct_at_dose(dose.doses_gy, dose.weights_cm3, level)
        case _:
            return 100.0 * metrics[metric.key]
