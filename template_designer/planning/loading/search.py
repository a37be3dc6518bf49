"""One loading problem with its settings: annealings and single moves on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from template_designer.model.settings import LoadingSettings
from template_designer.planning.loading import _kernels
from template_designer.planning.loading.objective import Weights, loading_cost, search_numbers
from template_designer.planning.loading.problem import LoadingProblem
from template_designer.planning.sites import SeedSites

NEIGHBOURS = 24
"""Sites nearest to a seed that it may move to in one local move."""

LEAST_GAIN = 1e-6
"""Cost by which a move must be better to be made."""

Level = tuple[
    NDArray[np.float32], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]
]  # influence, points inside and outside, limits, numbers

NO_SCREEN: Level = (
    np.zeros((0, 0), dtype=np.float32),
    np.zeros(2, dtype=np.int64),
    np.zeros((0, _kernels.N_COLUMNS)),
    np.zeros(_kernels.N_NUMBERS),
)


@dataclass(frozen=True, slots=True, eq=False)
class Locks:
    """What the search may not change, by site; ``start`` is the plan it begins with."""

    may_add: NDArray[np.bool_]
    may_drop: NDArray[np.bool_]
    start: NDArray[np.bool_]

    @classmethod
    def none(cls, n_sites: int) -> Locks:
        """Every site free, nothing placed."""
        free = np.ones(n_sites, dtype=np.bool_)
        return cls(free, free, np.zeros(n_sites, dtype=np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class Loading:
    """The chosen sites, as indices, and what the search thought of them."""

    chosen: NDArray[np.int64]
    cost: float
    start_costs: NDArray[np.float64]  # of the best plan of each annealing
    misses: NDArray[np.float64]  # by how much each limit of the problem is missed


class Search:
    """One problem with its settings: annealings and local moves on it.

    ``screen`` is the same problem on fewer points: moves clearly too dear there are not tried on
    all points, which makes an annealing several times faster.
    """

    def __init__(
        self,
        problem: LoadingProblem,
        settings: LoadingSettings,
        weights: Weights | None = None,
        locks: Locks | None = None,
        *,
        screen: LoadingProblem | None = None,
    ) -> None:
        sites = problem.sites
        self._screen = screen
        self.problem, self.settings = problem, settings
        self.weights = weights or Weights()
        self.locks = locks or Locks.none(len(sites))
        self._sites = (
            np.searchsorted(sites.hole, sites.hole, side="left"),
            np.searchsorted(sites.hole, sites.hole, side="right"),
            sites.slot,
            self.locks.may_add,
            self.locks.may_drop,
            problem.clash,
        )
        self._counts = (problem.n_target, problem.n_outside)
        self._rules = spacing_rules(settings, len(sites))
        self._neighbours = _neighbours(sites)

    def anneal(
        self,
        starts: NDArray[np.bool_],
        moves: int,
        heat: tuple[float, float],
        *,
        bounds: NDArray[np.float64] | None = None,
        counted: NDArray[np.bool_] | None = None,
        round_number: int = 0,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Cost and chosen sites that an annealing finds from each start, best first."""
        level = self._level(self.problem, bounds, counted)
        screen = NO_SCREEN if self._screen is None else self._level(self._screen, bounds, counted)
        costs, results = np.zeros(len(starts)), np.zeros_like(starts)
        _kernels.anneal_starts(
            level,
            screen,
            self._sites,
            self._neighbours,
            self._rules,
            starts,
            moves,
            heat,
            self.settings.random_seed + 1000 * round_number,
            costs,
            results,
        )
        order = np.argsort(costs, kind="stable")
        return costs[order], results[order]

    def cost(self, chosen: NDArray[np.bool_]) -> float:
        """Cost of a set of sites."""
        return loading_cost(self.problem, chosen, self.weights)

    def _level(
        self,
        problem: LoadingProblem,
        bounds: NDArray[np.float64] | None,
        counted: NDArray[np.bool_] | None,
    ) -> Level:
        numbers, limits = search_numbers(problem, self.weights, bounds=bounds, counted=counted)
        counts = np.array([problem.n_target, problem.n_outside])
        return problem.influence, counts, limits, numbers

    def polished(
        self, chosen: NDArray[np.bool_], bounds: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.bool_], float]:
        """Improve a set of sites until no seed dropped, added or put elsewhere lowers its cost."""
        numbers, limits = search_numbers(self.problem, self.weights, bounds=bounds)
        chosen = chosen.copy()
        now = self._move_costs(chosen, -1, numbers, limits)[-1]
        untried = 0
        candidates = [-1, *np.flatnonzero(chosen).tolist()]
        while untried < len(candidates):
            drop = candidates.pop(0)
            costs = self._move_costs(chosen, drop, numbers, limits)
            best = int(np.argmin(costs))
            if costs[best] < now - LEAST_GAIN:
                now = float(costs[best])
                if drop >= 0:
                    chosen[drop] = False
                if best < chosen.size:
                    chosen[best] = True
                untried = 0
                others = [c for c in candidates if c < 0 or chosen[c]]
                new = [best] if best < chosen.size else []
                candidates = [*others, *new] + ([-1] if drop < 0 else [])
            else:
                untried += 1
                candidates.append(drop)
        return chosen, float(now)

    def _move_costs(
        self,
        chosen: NDArray[np.bool_],
        drop: int,
        numbers: NDArray[np.float64],
        limits: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Cost with each site added and ``drop`` left out; the last entry adds none."""
        costs = np.zeros(len(chosen) + 1)
        _kernels.move_costs(
            self.problem.influence,
            self._counts,
            limits,
            numbers,
            self._sites,
            self._rules,
            self.problem.dose_of(chosen),
            chosen,
            drop,
            costs,
        )
        return costs


def spacing_rules(settings: LoadingSettings, n_sites: int) -> tuple[int, int, int, int, int]:
    """(least steps, most steps, seeds in a needle, seeds, needles), as the search obeys them."""
    least, most = settings.seed_spacing_mm
    return (
        int(np.ceil(least / settings.step_mm - 1e-6)),
        int(np.floor(most / settings.step_mm + 1e-6)),
        settings.max_seeds_per_needle or n_sites,
        settings.max_seeds or n_sites,
        settings.max_needles or n_sites,
    )


def _neighbours(sites: SeedSites) -> NDArray[np.int64]:
    """The nearest sites of each, without itself, (n, k)."""
    wanted = min(NEIGHBOURS + 1, len(sites))
    _, nearest = cKDTree(sites.centers_lps_mm).query(sites.centers_lps_mm, k=wanted)
    nearest = np.asarray(nearest).reshape(len(sites), wanted)
    return np.ascontiguousarray(nearest[:, 1:] if wanted > 1 else nearest)
