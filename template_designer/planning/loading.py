"""Choose needles and seeds: what the search weighs, on which points, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dose import SeedModel, influence_matrix
from template_designer.errors import CaseError
from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.sampling import surface_samples, volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import GoalSettings, metrics
from template_designer.model.settings import LoadingSettings
from template_designer.planning import _search
from template_designer.planning.sites import SeedSites

TARGET_POINTS = 2_500
"""Points in the target: coverage is then known to about 0.4 % during the search."""

LEAST_SPACING_MM = 0.7
"""Points of the search lie at least this far apart: a tiny target must not fill its shell."""

SHELL_MM = 9.0
"""Dose outside the target is weighed up to here; conformal plans stay under the prescription."""

NEIGHBOURS = 24
"""Sites nearest to a seed that it may move to in one local move."""

STARTS = 4
"""Independent annealings; twice as many, or twice as long ones, lower the cost by about 1 %."""

T_START_PCT, T_END_PCT = 4.0, 0.02
"""Temperature at both ends, in the unit of the cost: per cent of the target volume."""

COVERAGE_AIM_PCT = 97.5
"""V100 that every plan tries to reach, whatever less its goals ask for: what the clinical series
plan (98 %), a little lower so that the last corners do not cost conformity everywhere."""

LEAST_GAIN = 1e-9
"""Cost by which a move must be better to be made."""

MARGIN_PCT = 1.5
"""Volume goals are aimed at by this much more, for what the search points do not see."""

DOSE_MARGIN = 0.997
"""Maximum doses are aimed at by this factor, for the same reason."""


NO_CLASH = np.zeros((0, 0), dtype=np.bool_)
"""For one plate: the holes keep its needles apart."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a plan is worth: cost in per cent of the target volume."""

    under: float = 1.5  # per % of the target under the prescription
    deficit: float = 1.0  # per % of the target times the missing fraction of the dose
    outside: float = 0.42  # per % (of the target volume) outside at the prescription
    hot: float = 0.2  # per % of the target above 200 %
    goal: float = 400.0  # per unit of a goal missed (fraction of volume or of dose)
    seed: float = 0.2  # per seed
    needle: float = 0.7  # per needle


@dataclass(frozen=True, slots=True, eq=False)
class Loading:
    """The chosen sites, as indices, and what the search thought of them."""

    chosen: NDArray[np.int64]
    cost: float
    start_costs: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LoadingProblem:
    """Everything the search needs, as arrays."""

    influence: NDArray[np.float32]  # (sites + 1, points) Gy per seed; last row zero
    n_target: int
    n_outside: int
    limits: NDArray[np.float64]  # (goals, 6), see _search._cost
    sites: SeedSites
    clash: NDArray[np.bool_]  # (sites, sites) that exclude each other; (0, 0) where none do


def build_problem(
    sites: SeedSites,
    axes_lps: NDArray[np.float64],
    *,
    clash: NDArray[np.bool_] = NO_CLASH,
    source: SeedModel,
    strength_u: float,
    prescription_gy: float,
    target: Solid,
    goals: Sequence[GoalSettings],
    solids: Mapping[str, Solid],
) -> LoadingProblem:
    """Points, doses and goals of one loading problem.

    Parameters
    ----------
    sites : SeedSites
        Permitted seed positions.
    axes_lps : (3,) or (n, 3) ndarray
        Direction of all needles, or of each site's needle.
    clash : (n, n) ndarray of bool
        Sites whose needles, of different plates, come too near each other.
    goals : sequence of GoalSettings
        Stated goals, their structures by exact name.
    solids : mapping of str to Solid
        The structures of the goals.
    """
    inside, outside = _target_points(target)
    blocks = [inside, outside]
    count = len(inside) + len(outside)
    # first the coverage that every plan aims at, then the goals of the case
    limits = [[0, len(inside), prescription_gy, -1.0, COVERAGE_AIM_PCT / 100.0 * len(inside), 1.0]]
    for goal in goals:
        name = goal.structure
        volume_cm3 = (target if name == target.name else solids[name]).volume_cm3
        points = inside if name == target.name else _organ_points(solids[name], goal, sites)
        row = _limit_row(goal, points, volume_cm3, prescription_gy)
        if row is None or not len(points):
            continue
        first = 0 if name == target.name else count
        limits.append([first, first + len(points), *row])
        if name != target.name:
            blocks.append(points)
            count += len(points)
    axes = np.broadcast_to(axes_lps, (len(sites), 3))
    influence = np.zeros((len(sites) + 1, count), dtype=np.float32)
    per_u = influence_matrix(source, sites.centers_lps_mm, axes, np.vstack(blocks))
    influence[:-1] = strength_u * per_u
    return LoadingProblem(
        influence, len(inside), len(outside), np.array(limits).reshape(-1, 6), sites, clash
    )


def search_loading(
    problem: LoadingProblem,
    settings: LoadingSettings,
    prescription_gy: float,
    weights: Weights | None = None,
) -> Loading:
    """Best set of seed positions found by annealing from several starts; the same every time.

    The best is improved until no seed dropped, added or put elsewhere lowers its cost.
    """
    numbers, limits = search_numbers(problem, prescription_gy, weights or Weights())
    starts = np.zeros((STARTS, len(problem.sites)), dtype=np.bool_)
    if len(limits) > 1:
        # goals that cannot be met would keep an empty start empty: half of the starts begin with
        # what coverage alone would choose
        moves = settings.search_moves // 4
        _, loose = _anneal(problem, settings, numbers, limits[:1], starts[:1], moves)
        starts[STARTS // 2 :] = loose
    costs, results = _anneal(problem, settings, numbers, limits, starts, settings.search_moves)
    best = int(np.argmin(costs))
    chosen, cost = _polished(problem, settings, numbers, limits, results[best])
    return Loading(np.flatnonzero(chosen), cost, costs)


def _polished(
    problem: LoadingProblem,
    settings: LoadingSettings,
    numbers: NDArray[np.float64],
    limits: NDArray[np.float64],
    chosen: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], float]:
    """Improve a set of sites until no seed dropped, added or put elsewhere lowers its cost."""
    chosen = chosen.copy()
    while True:
        before = chosen.copy()
        for drop in (-1, *np.flatnonzero(before).tolist()):
            if drop >= 0 and not chosen[drop]:
                continue
            costs = _move_costs(problem, settings, numbers, limits, chosen, drop)
            now = _move_costs(problem, settings, numbers, limits, chosen, -1)[-1]
            best = int(np.argmin(costs))
            if costs[best] < now - LEAST_GAIN:
                chosen[drop] = False if drop >= 0 else chosen[drop]
                if best < chosen.size:
                    chosen[best] = True
        if np.array_equal(before, chosen):
            return chosen, float(_move_costs(problem, settings, numbers, limits, chosen, -1)[-1])


def _move_costs(
    problem: LoadingProblem,
    settings: LoadingSettings,
    numbers: NDArray[np.float64],
    limits: NDArray[np.float64],
    chosen: NDArray[np.bool_],
    drop: int,
) -> NDArray[np.float64]:
    """Cost with each site added and ``drop`` left out; the last entry adds none."""
    sites, members = problem.sites, np.flatnonzero(chosen)
    costs = np.zeros(len(sites) + 1)
    _search.move_costs(
        problem.influence,
        problem.n_target,
        problem.n_outside,
        limits,
        numbers,
        np.searchsorted(sites.hole, sites.hole, side="left"),
        np.searchsorted(sites.hole, sites.hole, side="right"),
        sites.slot,
        problem.clash,
        _gaps(settings),
        _caps(settings, len(sites)),
        problem.influence[members].astype(np.float64).sum(axis=0),
        chosen,
        members,
        len(np.unique(sites.hole[members])),
        drop,
        costs,
    )
    return costs


def _gaps(settings: LoadingSettings) -> tuple[int, int]:
    """Least and most steps between seeds of one needle."""
    least, most = settings.seed_spacing_mm
    return (
        int(np.ceil(least / settings.step_mm - 1e-6)),
        int(np.floor(most / settings.step_mm + 1e-6)),
    )


def _caps(settings: LoadingSettings, n_sites: int) -> tuple[int, int]:
    """Most seeds and most needles."""
    return settings.max_seeds or n_sites, settings.max_needles or n_sites


def _anneal(
    problem: LoadingProblem,
    settings: LoadingSettings,
    numbers: NDArray[np.float64],
    limits: NDArray[np.float64],
    starts: NDArray[np.bool_],
    moves: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cost and chosen sites that the search finds from each start."""
    sites = problem.sites
    costs = np.zeros(len(starts))
    results = np.zeros_like(starts)
    _search.anneal_starts(
        problem.influence,
        problem.n_target,
        problem.n_outside,
        limits,
        numbers,
        np.searchsorted(sites.hole, sites.hole, side="left"),
        np.searchsorted(sites.hole, sites.hole, side="right"),
        sites.slot,
        problem.clash,
        _neighbours(sites),
        _gaps(settings),
        _caps(settings, len(sites)),
        starts,
        moves,
        settings.random_seed,
        costs,
        results,
    )
    return costs, results


def search_numbers(
    problem: LoadingProblem, prescription_gy: float, weights: Weights
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Settings and limits as the compiled search wants them."""
    numbers = np.zeros(_search.N_SETTINGS)
    numbers[_search.W_UNDER] = weights.under
    numbers[_search.W_DEFICIT] = weights.deficit
    numbers[_search.W_OUTSIDE] = weights.outside
    numbers[_search.W_HOT] = weights.hot
    numbers[_search.W_SEED] = weights.seed
    numbers[_search.W_NEEDLE] = weights.needle
    numbers[_search.REFERENCE] = prescription_gy
    numbers[_search.HOT] = 2.0 * prescription_gy
    numbers[_search.T_START], numbers[_search.T_END] = T_START_PCT, T_END_PCT
    limits = problem.limits.copy()
    limits[:, 5] *= weights.goal
    return numbers, limits


def _neighbours(sites: SeedSites) -> NDArray[np.int64]:
    wanted = min(NEIGHBOURS + 1, len(sites))
    _, nearest = cKDTree(sites.centers_lps_mm).query(sites.centers_lps_mm, k=wanted)
    return np.ascontiguousarray(np.atleast_2d(nearest).reshape(len(sites), wanted))


def _target_points(target: Solid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A cubic lattice over the target and a shell round it: points inside, points outside."""
    spacing = max(float(np.cbrt(target.volume_cm3 * 1000.0 / TARGET_POINTS)), LEAST_SPACING_MM)
    low, high = target.bounds_uvw_mm
    low, high = low - SHELL_MM, high + SHELL_MM
    axes = [np.arange(a + 0.5 * spacing, b, spacing) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points = target.to_lps(grid)
    distance = DistanceField.around(target, target.to_lps(box_corners(low, high))).signed_mm(points)
    if not np.any(distance <= 0.0):
        raise CaseError(
            f"[target] structure {target.name!r} has {target.volume_cm3:.3f} cm3, too little to "
            "plan on; check its contours"
        )
    return points[distance <= 0.0], points[(distance > 0.0) & (distance <= SHELL_MM)]


def _organ_points(solid: Solid, goal: GoalSettings, sites: SeedSites) -> NDArray[np.float64]:
    metric = metrics.parse(goal.metric)
    if metric.kind is metrics.MetricKind.DOSE_MAX:
        points = surface_samples(solid, 1.5)
        near, _ = cKDTree(sites.centers_lps_mm).query(points)
        if not len(points):
            return points
        return points[near <= near.min() + 6.0]
    spacing = min(max(float(np.cbrt(solid.volume_cm3 * 1000.0 / 2000.0)), 1.0), 8.0)
    points, weights = volume_samples(solid, spacing)
    # equal weights for the counts of the search: slabs are 1 mm, thin them to the in-plane spacing
    rng = np.random.default_rng(0)
    wanted = min(len(points), 2000)
    return points[rng.choice(len(points), wanted, replace=False, p=weights / weights.sum())]


def _limit_row(
    goal: GoalSettings,
    points: NDArray[np.float64],
    volume_cm3: float,
    prescription_gy: float,
) -> list[float] | None:
    """(limit Gy, most above, least above, weight) of one goal; None where points cannot say."""
    metric = metrics.parse(goal.metric)
    count, number = len(points), metric.number or 0.0
    if metric.kind is metrics.MetricKind.VOLUME_AT_PERCENT:
        level, share = number / 100.0 * prescription_gy, goal.limit / 100.0
    elif metric.kind is metrics.MetricKind.DOSE_AT_PERCENT:
        level, share = goal.limit, number / 100.0
    elif metric.kind is metrics.MetricKind.DOSE_AT_CC:
        level, share = goal.limit, min(1.0, number / max(volume_cm3, 1e-9))
    elif metric.kind is metrics.MetricKind.DOSE_MAX and not goal.is_minimum:
        return [goal.limit * DOSE_MARGIN, 0.0, -1.0, 1.0]
    elif metric.kind is metrics.MetricKind.DOSE_MEAN and not goal.is_minimum:
        return [goal.limit * DOSE_MARGIN, -1.0, -1.0, 1.0]
    else:
        return None
    if goal.is_minimum:
        return [level, -1.0, min(1.0, share + MARGIN_PCT / 100.0) * count, 1.0]
    return [level, max(0.0, share - MARGIN_PCT / 100.0) * count, -1.0, 1.0]
