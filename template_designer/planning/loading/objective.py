"""What a loading is worth: prices, the coverage every plan aims at, goals by priority."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.planning.loading import _kernels as k
from template_designer.planning.loading.problem import COVERAGE, LoadingProblem


@dataclass(frozen=True, slots=True)
class Weights:
    """Cost of a loading, in per cent of the target volume.

    ``cost = under (% of the target under the prescription) + deficit (mean missing part of the
    prescription over the target, %) + outside (volume outside at the prescription, % of the
    target) + hot (% of the target above 200 %) + too_hot (the part of it beyond the aim)
    + seed (seeds) + needle (needles) + sum over goals of goal * weight * m / (1 + m)``, where m is
    by how much the goal is missed: part of the structure that is over or under, and of the dose.
    """

    under: float = 1.5
    deficit: float = 1.0
    outside: float = 0.75
    hot: float = 1.0
    too_hot: float = 3.0
    hot_aim_pct: float = 37.8  # V200 beyond which it costs more
    goal: float = 1500.0
    coverage: float = 1400.0  # as a goal: the V100 that every plan aims at
    seed: float = 0.4
    needle: float = 1.5


FEWEST_SEEDS = Weights(
    under=0.02,
    deficit=0.02,
    outside=0.02,
    hot=0.0,
    too_hot=0.0,
    goal=60_000.0,
    coverage=0.0,
    seed=1.0,
    needle=0.2,
)
"""For a supplement: the goals whatever they take, then as few seeds, then needles as can be. The
rest only chooses among equals."""

NOT_BOUND = -1.0
"""Bound of a limit that may be missed by any amount."""


def search_numbers(
    problem: LoadingProblem,
    weights: Weights,
    *,
    bounds: NDArray[np.float64] | None = None,
    counted: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Prices and limits as the compiled search wants them.

    Parameters
    ----------
    bounds : (limits,) ndarray, optional
        By how much each limit may be missed at most; :data:`NOT_BOUND` for any amount.
    counted : (limits,) ndarray of bool, optional
        Limits whose misses cost something; all by default.

    Returns
    -------
    numbers : (10,) ndarray
    limits : (limits, 7) ndarray
    """
    numbers = np.zeros(k.N_NUMBERS)
    numbers[k.W_UNDER] = weights.under
    numbers[k.W_DEFICIT] = weights.deficit
    numbers[k.W_OUTSIDE] = weights.outside * problem.outside_weight
    numbers[k.W_HOT] = weights.hot
    numbers[k.W_TOO_HOT] = weights.too_hot
    numbers[k.W_SEED] = weights.seed
    numbers[k.W_NEEDLE] = weights.needle
    numbers[k.REFERENCE] = problem.reference
    numbers[k.HOT] = 2.0 * problem.reference
    numbers[k.HOT_AIM] = weights.hot_aim_pct
    limits = np.zeros((len(problem.limits), k.N_COLUMNS))
    for row, limit in zip(limits, problem.limits, strict=True):
        row[k.FIRST], row[k.LAST], row[k.LEVEL] = limit.first, limit.last, limit.level
        row[k.MOST], row[k.LEAST] = limit.most_above, limit.least_above
        row[k.WEIGHT] = limit.weight * (
            weights.coverage if limit.goal == COVERAGE else weights.goal
        )
    limits[:, k.BOUND] = NOT_BOUND if bounds is None else bounds
    if counted is not None:
        limits[~counted, k.WEIGHT] = 0.0
    return numbers, limits


def goal_misses(problem: LoadingProblem, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """By how much each limit of a problem is missed by a set of sites, (limits,)."""
    _, limits = search_numbers(problem, Weights())
    misses = np.zeros(len(limits))
    k.limit_misses(problem.dose_of(chosen), problem.nothing, limits, misses)
    return misses


def loading_cost(
    problem: LoadingProblem, chosen: NDArray[np.bool_], weights: Weights | None = None
) -> float:
    """Cost of a set of sites: the number that the search makes small."""
    weights = weights or Weights()
    numbers, limits = search_numbers(problem, weights)
    none = problem.nothing
    value, _ = k._cost(
        problem.dose_of(chosen), none, none, problem.n_target, problem.n_outside, limits, numbers
    )
    needles = len(np.unique(problem.sites.hole[chosen]))
    return float(value + weights.seed * np.count_nonzero(chosen) + weights.needle * needles)
