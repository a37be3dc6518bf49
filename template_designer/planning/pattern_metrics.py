"""What textbook patterns give beside a plan: each at its best, at the plan's coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel, influence_matrix, target_metrics
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model.loading_report import PatternResult
from template_designer.planning.evaluate import Seeds
from template_designer.planning.patterns import Sites, family_of
from template_designer.planning.sites import SeedSites

SURVEY_POINTS = 3_000
"""Points in the target on which patterns are sorted: V100 to about half a point."""

SURVEY_CELLS, LEAST_POINTS = 10_000_000, 500
"""Doses in the target that are tabled at most (fine lattices take fewer points), down to these."""

SURVEY_SHELL_MM = 10.0
"""How far round the target the reference volume is looked for there."""

SAME_COVERAGE_PCT = 1.0
"""Patterns whose V100 is this much farther from the plan's than the nearest count as near as it;
of them the most conformal one stands for its family."""


@dataclass(frozen=True, slots=True, eq=False)
class PatternScene:
    """What every pattern of one case shares."""

    sites: SeedSites
    axes_lps: NDArray[np.float64]  # (n, 3) direction of each site's needle, or (3,) of all
    target: Solid
    source: SeedModel
    strength_u: float
    prescription_gy: float

    def seeds(self, chosen: Sites) -> Seeds:
        """The chosen sites as the dose engine wants them."""
        axes = np.broadcast_to(self.axes_lps, (len(self.sites), 3))
        centers = self.sites.centers_lps_mm
        return Seeds(self.source, centers[chosen], axes[chosen], self.strength_u)


def pattern_metrics(name: str, chosen: Sites, scene: PatternScene) -> PatternResult:
    """Exact metrics of one loading, as a plan's are made.

    Parameters
    ----------
    name : str
        What it is called.
    chosen : (m,) ndarray of int64
        Indices of its sites, at least one.
    scene : PatternScene
    """
    seeds, dose_gy = scene.seeds(chosen), scene.prescription_gy
    points, weights = volume_samples(scene.target)
    reference_cm3 = seeds.field(dose_gy).volume_at_or_above_cm3(dose_gy)
    values = target_metrics(seeds.dose_gy(points), weights, reference_cm3, dose_gy)
    return PatternResult(
        name=name,
        seeds=len(chosen),
        needles=len(np.unique(scene.sites.hole[chosen])),
        d90_gy=values["d90_gy"],
        v100_pct=values["v100_pct"],
        v150_pct=values["v150_pct"],
        v200_pct=values["v200_pct"],
        ci=values["ci"],
    )


def compare_patterns(
    patterns: Mapping[str, Sites], scene: PatternScene, v100_pct: float
) -> tuple[PatternResult, ...]:
    """One pattern of each family: the one nearest in coverage to a plan, and there the best.

    Parameters
    ----------
    patterns : mapping of str to (m,) ndarray of int64
        From :func:`patterns.loading_patterns`.
    scene : PatternScene
        At the plan's own strength.
    v100_pct : float
        V100 of the plan, percent.

    Returns
    -------
    tuple of PatternResult
        In the order in which the families first appear.
    """
    if not patterns:
        return ()
    names, survey = list(patterns), _Survey.of(list(patterns.values()), scene)
    off = np.abs([survey.v100_pct(chosen) - v100_pct for chosen in patterns.values()])
    families = np.array([family_of(name) for name in names])
    results = []
    for family in dict.fromkeys(families.tolist()):
        mine = np.flatnonzero(families == family)
        near = mine[off[mine] <= off[mine].min() + SAME_COVERAGE_PCT]
        best = names[max(near, key=lambda n: survey.ci(patterns[names[n]]))]
        results.append(pattern_metrics(best, patterns[best], scene))
    return tuple(results)


@dataclass(frozen=True, slots=True, eq=False)
class _Survey:
    """Doses of all sites in use on common points: what one pattern gives is a sum of rows."""

    used: Sites
    gy_per_u: NDArray[np.float32]  # (used, points), those in the target first
    n_target: int
    level_gy_per_u: float  # the prescription

    @classmethod
    def of(cls, patterns: list[Sites], scene: PatternScene) -> _Survey:
        used = np.unique(np.concatenate(patterns))
        wanted = max(LEAST_POINTS, min(SURVEY_POINTS, SURVEY_CELLS // len(used)))
        points, n_target = _survey_points(scene.target, wanted)
        seeds = scene.seeds(used)
        doses = influence_matrix(scene.source, seeds.centers_lps_mm, seeds.axes_lps, points)
        level = scene.prescription_gy / scene.strength_u
        return cls(used, np.asarray(doses, dtype=np.float32), n_target, level)

    def v100_pct(self, chosen: Sites) -> float:
        return 100.0 * self._hits(chosen, slice(0, self.n_target)) / self.n_target

    def ci(self, chosen: Sites) -> float:
        inside = self._hits(chosen, slice(0, self.n_target))
        outside = self._hits(chosen, slice(self.n_target, None))
        return inside**2 / self.n_target / max(inside + outside, 1)

    def _hits(self, chosen: Sites, columns: slice) -> int:
        rows = self.gy_per_u[np.searchsorted(self.used, chosen), columns]
        return int(np.count_nonzero(rows.sum(axis=0) >= self.level_gy_per_u))


def _survey_points(target: Solid, wanted: int) -> tuple[NDArray[np.float64], int]:
    """A cubic lattice over a target and a shell round it: points, those inside first; how many."""
    spacing_mm = float(np.cbrt(target.volume_cm3 * 1000.0 / wanted))
    low, high = target.bounds_uvw_mm
    low, high = low - SURVEY_SHELL_MM, high + SURVEY_SHELL_MM
    axes = [np.arange(a + 0.5 * spacing_mm, b, spacing_mm) for a, b in zip(low, high, strict=True)]
    points = target.to_lps(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    field = DistanceField.around(target, target.to_lps(box_corners(low, high)))
    signed_mm = field.signed_mm(points)
    inside, shell = signed_mm <= 0.0, (signed_mm > 0.0) & (signed_mm <= SURVEY_SHELL_MM)
    return np.concatenate([points[inside], points[shell]]), int(np.count_nonzero(inside))
