"""How much of the target permitted seeds can come near, what hides the rest, and what it bounds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from template_designer.frames import inverse, transform_points
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.sampling import volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, Reach, Surface
from template_designer.model.settings import LoadingSettings
from template_designer.planning.approach import Approach
from template_designer.planning.loading import LoadingProblem

REACH_MM = 5.0
"""A point of the target is reached by a permitted seed centre this near: one pitch, which the
prescription isodose of a row of seeds crosses."""

HIDDEN_SURFACE_MM = 1.5
"""Spacing of the grid on which the hidden part of the target is drawn."""


def reach_of_target(
    target: Solid,
    approaches: Sequence[Approach],
    settings: CaseSettings,
    largest_v100_pct: float | None = None,
) -> Reach:
    """Share of the target that some permitted seed comes near, and the rest by cause.

    The cause at a point is what stops the needle of the nearest hole before it gets there; with
    several plates, of each of them.
    """
    points_lps_mm, weights = volume_samples(target)
    total = float(weights.sum())
    hidden = _distance_to_sites(approaches, points_lps_mm, REACH_MM + 1.0) > REACH_MM
    causes = [_causes(points_lps_mm[hidden], approach, settings) for approach in approaches]
    kinds, kind = np.unique(np.stack([codes for codes, _ in causes]), axis=1, return_inverse=True)
    volume: dict[str, float] = defaultdict(float)
    for of_each, share in zip(kinds.T, np.bincount(kind.ravel(), weights[hidden]), strict=True):
        words = [names[code] for code, (_, names) in zip(of_each, causes, strict=True)]
        volume[" and ".join(dict.fromkeys(words))] += float(share)
    shares = {cause: 100.0 * v / total for cause, v in volume.items()}
    return Reach(
        reachable_pct=100.0 * float(weights[~hidden].sum()) / total,
        hidden_pct_by_cause=dict(sorted(shares.items(), key=lambda item: -item[1])),
        largest_v100_pct=largest_v100_pct,
    )


def largest_v100_pct(problem: LoadingProblem, settings: LoadingSettings) -> float:
    """Percent of the target that any loading could give the prescription: an upper bound.

    At every point of the target each hole gives the most it can with its seeds at the least spacing
    or more, whatever the other holes and points need; so no plan from these plates covers more.
    """
    sites = problem.sites
    least_gap = math.ceil(settings.seed_spacing_mm[0] / settings.step_mm - 1e-6)
    inside = problem.influence[: len(sites), : problem.n_target]
    total = problem.earlier[: problem.n_target].astype(np.float64)
    for hole in np.unique(sites.hole):
        of_hole = np.flatnonzero(sites.hole == hole)
        slots = sites.slot[of_hole]
        best = np.zeros((int(slots.max()) + 2, problem.n_target))  # with seeds up to each slot
        dose = dict(zip(slots.tolist(), of_hole.tolist(), strict=True))
        for slot in range(int(slots.max()) + 1):
            best[slot + 1] = best[slot]
            if slot in dose:
                before = best[max(0, slot + 1 - least_gap)]
                best[slot + 1] = np.maximum(best[slot], before + inside[dose[slot]])
        total += best[-1]
    return 100.0 * float(np.mean(total >= problem.reference))


def hidden_surface(target: Solid, approaches: Sequence[Approach]) -> Surface | None:
    """The part of the target that no permitted seed comes near, for pictures; None where none."""
    low, high = (bound.copy() for bound in target.bounds_uvw_mm)
    low, high = low - 2.0 * HIDDEN_SURFACE_MM, high + 2.0 * HIDDEN_SURFACE_MM
    axes = [np.arange(a, b, HIDDEN_SURFACE_MM) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    points = target.to_lps(grid.reshape(-1, 3))
    inside = DistanceField.around(target, target.to_lps(box_corners(low, high))).signed_mm(points)
    near = REACH_MM - _distance_to_sites(approaches, points)
    values = np.maximum(inside, near).reshape(grid.shape[:3])
    if not (values.min() < 0.0 < values.max()):
        return None
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(HIDDEN_SURFACE_MM,) * 3)
    return Surface(target.to_lps(vertices + low), faces.astype(np.int64))


def _distance_to_sites(
    approaches: Sequence[Approach],
    points_lps_mm: NDArray[np.float64],
    farthest_mm: float = math.inf,
) -> NDArray[np.float64]:
    """Distance to the nearest permitted seed; infinite past the farthest that is asked for."""
    sites = np.concatenate([approach.sites.centers_lps_mm for approach in approaches])
    if not len(sites):
        return np.full(len(points_lps_mm), np.inf)
    distance, _ = cKDTree(sites).query(points_lps_mm, distance_upper_bound=farthest_mm)
    return np.asarray(distance)


def _causes(
    points_lps_mm: NDArray[np.float64], approach: Approach, settings: CaseSettings
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """What keeps seeds of one plate from each point: (n,) indices into the causes named."""
    paths = approach.paths
    names = (
        "outside the lattice",
        f"{settings.skin.structure} (seeds too near the skin) or between holes",
        *paths.stop,
    )
    if not (paths.points and len(points_lps_mm)):
        return np.zeros(len(points_lps_mm), dtype=np.int64), names
    local = transform_points(inverse(approach.frame), points_lps_mm)
    aside, _ = cKDTree([(p.x_mm, p.y_mm) for p in approach.points]).query(local[:, :2])
    _, hole = cKDTree([(p.x_mm, p.y_mm) for p in paths.points]).query(local[:, :2])
    codes = np.where(local[:, 2] > paths.deepest_tip_mm[hole], hole + 2, 1)
    return np.where(aside > 0.75 * settings.template.pitch_mm, 0, codes), names
