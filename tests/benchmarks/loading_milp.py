"""The loading problem as a mixed-integer programme for HiGHS: the yardstick of the search.

Every seed position, needle, point under, hot or outside is a binary, so that the optimum is that of
``loading_cost`` itself, with one exception: a missed goal costs ``w m`` here and ``w m / (1 + m)``
there, which is the same to ``m``, some per cent, in plans worth having. Without goals the two are
equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from template_designer.model.settings import LoadingSettings
from template_designer.planning.loading import LoadingProblem, Weights, search_numbers
from template_designer.planning.loading import _kernels as k
from template_designer.planning.loading.linear_program import LinearProgram
from template_designer.planning.loading.search import spacing_rules


@dataclass(frozen=True)
class MilpResult:
    """What HiGHS found until it was done or its time was over."""

    chosen: NDArray[np.int64] | None  # None: nothing yet
    cost: float  # in its own model; infinite where it found nothing
    lower: float  # what it proved
    proved: bool  # optimal
    binaries: int


def solve_milp(
    problem: LoadingProblem,
    settings: LoadingSettings,
    weights: Weights | None = None,
    *,
    time_limit_s: float,
) -> MilpResult:
    """Let HiGHS choose the seeds, on one thread.

    Parameters
    ----------
    problem : LoadingProblem
        Its limits: a share of the target at the prescription, or a highest dose.
    """
    model = _Milp(problem, settings, weights or Weights())
    matrix, right, upper = model.program.arrays()
    found = milp(
        model.program.cost(),
        integrality=np.concatenate(model.whole),
        bounds=Bounds(0.0, upper),
        constraints=LinearConstraint(matrix, -np.inf, right),
        options={"time_limit": time_limit_s, "mip_rel_gap": 0.0},
    )
    lower = float(found.mip_dual_bound) if found.mip_dual_bound is not None else 0.0
    binaries = int(np.sum(np.concatenate(model.whole)))
    if found.x is None:
        return MilpResult(None, float("inf"), lower, False, binaries)
    chosen = np.flatnonzero(found.x[model.seeds] > 0.5)
    return MilpResult(chosen, float(found.fun), lower, found.status == 0, binaries)


class _Milp:
    def __init__(
        self, problem: LoadingProblem, settings: LoadingSettings, weights: Weights
    ) -> None:
        self.problem, self.program = problem, LinearProgram()
        self.rules = spacing_rules(settings, len(problem.sites))
        self.whole: list[NDArray[np.float64]] = []
        numbers, limits = search_numbers(problem, weights)
        _, self.hole = np.unique(problem.sites.hole, return_inverse=True)
        self.seeds = self._columns(len(problem.sites), numbers[k.W_SEED])
        self.needles = self._columns(int(self.hole.max()) + 1, numbers[k.W_NEEDLE])
        self._needle_rows()
        n, outside = problem.n_target, problem.n_outside
        price, reference = 100.0 / n, numbers[k.REFERENCE]
        self.under = self._columns(n, price * numbers[k.W_UNDER])
        self.short = self._columns(n, price * numbers[k.W_DEFICIT], whole=False)
        covered = np.minimum(problem.influence[:-1, :n].T.astype(np.float64) / reference, 1.0)
        for missing in (self.under, self.short):
            self._rows([(self.seeds, -covered), (missing, -sparse.identity(n))], -np.ones(n))
        hot = self._columns(n, price * numbers[k.W_HOT])
        beyond = self._columns(1, 100.0 * numbers[k.W_TOO_HOT], whole=False)
        share = [(hot, np.full((1, n), 1.0 / n)), (beyond, -np.ones((1, 1)))]
        self._rows(share, np.array([numbers[k.HOT_AIM] / 100.0]))
        self._reach_rows(0, n, numbers[k.HOT] + 1.0, hot)
        over = self._columns(outside, price * numbers[k.W_OUTSIDE])
        self._reach_rows(n, n + outside, reference, over)
        for row in limits:
            if row[k.WEIGHT] > 0.0:
                self._limit(row)

    def _columns(self, count: int, price: float, whole: bool = True, upper: float = 1.0) -> slice:
        self.whole.append(np.full(count, float(whole)))
        return self.program.columns(np.full(count, price), upper)

    def _rows(
        self, blocks: list[tuple[slice, NDArray[np.float64]]], right: NDArray[np.float64]
    ) -> None:
        self.program.rows(blocks, right)

    def _needle_rows(self) -> None:
        """Spacing, numbers, needles that exclude each other, as the search keeps them."""
        sites, n = self.problem.sites, len(self.problem.sites)
        least_gap, most_gap, most_in_needle, most_seeds, most_needles = self.rules
        n_holes = int(self.hole.max()) + 1
        seeds, needles, right = [], [], []

        def row(at: NDArray[np.int64], sign: NDArray[np.float64], hole: int, most: float) -> None:
            seeds.append(np.zeros(n))
            seeds[-1][at] = sign
            needles.append(np.zeros(n_holes))
            needles[-1][hole] = -1.0 if most == 0.0 else 0.0
            right.append(most)

        for hole in range(n_holes):
            at = np.flatnonzero(self.hole == hole)
            slot = sites.slot[at]
            for i in range(len(at)):
                near = (slot >= slot[i]) & (slot < slot[i] + least_gap)
                row(at[near], np.ones(int(near.sum())), hole, 0.0)
                for j in range(i + 1, len(at)):
                    if slot[j] - slot[i] > most_gap:  # both only with one between
                        ends = np.array([1.0, *(-1.0,) * (j - i - 1), 1.0])
                        row(at[i : j + 1], ends, hole, 1.0)
            row(at, np.ones(len(at)), hole, float(most_in_needle))
        for i, j in np.argwhere(np.triu(self.problem.clash)):
            row(np.array([i, j]), np.ones(2), 0, 1.0)
        row(np.arange(n), np.ones(n), 0, float(most_seeds))
        blocks = [(self.seeds, np.array(seeds)), (self.needles, np.array(needles))]
        self._rows(blocks, np.array(right))
        self._rows([(self.needles, np.ones((1, n_holes)))], np.array([float(most_needles)]))

    def _reach_rows(self, first: int, last: int, level: float, reached: slice) -> None:
        """``reached`` is 1 where the dose, a whole number, is at the level or above."""
        doses = np.minimum(self.problem.influence[:-1, first:last].T.astype(np.float64), level)
        spare = doses.sum(axis=1) - (level - 1.0)
        able = np.flatnonzero(spare > 0.0)
        count = last - first
        matrix = np.zeros_like(doses)
        matrix[able] = doses[able] / spare[able, None]
        right = np.zeros(count)
        right[able] = (level - 1.0) / spare[able]
        self._rows([(self.seeds, matrix), (reached, -sparse.identity(count))], right)

    def _limit(self, row: NDArray[np.float64]) -> None:
        first, last, level = int(row[k.FIRST]), int(row[k.LAST]), row[k.LEVEL]
        n, count = self.problem.n_target, last - first
        minus, share = -np.ones((1, 1)), np.full((1, count), 1.0 / count)
        missed = self._columns(1, row[k.WEIGHT], whole=False, upper=1000.0)
        if row[k.LEAST] >= 0.0 and (first, last) == (0, n) and level == self.problem.reference:
            # missed by under + short - spare, but only where under > spare
            spare, is_missed = 1.0 - row[k.LEAST] / count, self._columns(1, 0.0)
            self._rows([(self.under, share), (is_missed, minus)], np.array([spare]))
            blocks = [(self.under, share), (self.short, share)]
            blocks += [(missed, minus), (is_missed, -2.0 * minus)]
            self._rows(blocks, np.array([2.0 + spare]))
        elif row[k.LEAST] < 0.0 and row[k.MOST] == 0.0:
            above = self._columns(count, 0.0)
            self._reach_rows(first, last, level, above)
            doses = self.problem.influence[:-1, first:last].T.astype(np.float64) / level
            blocks = [(self.seeds, doses), (above, np.repeat(share, count, axis=0))]
            self._rows([*blocks, (missed, np.repeat(minus, count, axis=0))], np.ones(count))
        else:
            raise NotImplementedError(f"limit {row} has no rows here; see the docstring")
