"""The loading problem relaxed to a linear programme, which every permitted loading satisfies.

Columns are the loads of short parts of holes (:mod:`.hole_parts`), whether a hole is used, and for
every cluster of points the shares that are missing, under, hot and so on. For whole seeds, the
dose of a point being the sum of what the loads of the parts give, ``d = sum(g)``, with ``R`` the
prescription and ``H`` the hot level, these hold at each point:

- missing part ``s = max(0, 1 - d / R) >= 1 - sum(min(g / R, 1))``: where a ``g`` passes ``R`` the
  right is not above 0; and ``under >= s``.
- ``s + hot >= 1 - sum(min(g / R, 1) - [g > H])``: with ``n >= 1`` loads hot by themselves ``hot``
  is 1 and ``sum(min(g / R, 1)) >= n``, so the right is at most 1; with none it is the row above.
- the rows of :meth:`.point_sums.PointSums.over` for points hot, outside, or over an organ's limit.

All are linear, and prices are the same at every point, so the means of these rows over a cluster
hold for the cluster's mean shares: clusters make the programme small and the bound lower, never
wrong. The cost of a goal, ``w m / (1 + m)``, is concave: under the chord up to ``m = M`` it is
``w m / (1 + M)`` at least. A loading that is no dearer than one at hand of cost ``C < w`` has
``m <= C / (w - C)``, which may be taken for ``M``: the loading at hand bounds all others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from template_designer.planning.loading import _kernels as k
from template_designer.planning.loading.hole_parts import HolePart
from template_designer.planning.loading.linear_program import LinearProgram
from template_designer.planning.loading.objective import Weights, search_numbers
from template_designer.planning.loading.point_sums import PointSums
from template_designer.planning.loading.problem import LoadingProblem

LARGEST_MISS = 2.0
"""By how much a limit on a share can be missed at most: the share and its whole shortfall."""

FEWER = 4
"""Clusters of the target for one of points elsewhere: these bind less."""


class RelaxedLoading:
    """The linear programme of one problem; its goals and prices come with :meth:`add_costs`."""

    def __init__(
        self,
        problem: LoadingProblem,
        parts: Sequence[HolePart],
        rules: tuple[int, int, int, int, int],
        weights: Weights,
        clusters: int,
    ) -> None:
        self._problem, self._parts, self._rules = problem, parts, rules
        self._clusters = clusters
        self._numbers, self._limits = search_numbers(problem, weights)
        self.program = LinearProgram()
        self._load_seeds = np.concatenate([part.takes.sum(axis=1) for part in parts])
        self._first = np.cumsum([0, *(len(part.takes) for part in parts)])
        self._n_holes = parts[-1].hole + 1
        seed, needle = self._numbers[[k.W_SEED, k.W_NEEDLE]]
        self.loads = self.program.columns(seed * self._load_seeds)
        self.needles = self.program.columns(np.full(self._n_holes, needle))
        self._needle_rows()
        self._clash_rows()
        self._coverage_rows()

    def seeds_at_least(self, under_share: float) -> int:
        """Seeds without which no loading leaves this part of the target, or less, under."""
        cost = np.zeros(self.program.n_columns)
        cost[self.loads] = self._load_seeds
        row = [(self.under, self.target.shares[None])]
        # shares are sums of a few thousand numbers: they err by 1e-12
        bound = self.program.lower_bound(cost, (row, np.array([under_share + 1e-9])))
        return max(0, math.ceil(bound - 1e-6))

    def add_costs(self, known_cost: float) -> None:
        """Add what is hot, outside and over limits, for loadings that cost no more than one known.

        From here on the programme bounds the cost of these.
        """
        self._hot_rows()
        self._outside_rows()
        for row in self._limits:
            if row[k.WEIGHT] > 0.0 and row[k.LAST] > row[k.FIRST]:
                self._limit_rows(row, known_cost)

    def _rows_of_loads(self, rows: Sequence[NDArray[np.int64]]) -> sparse.csr_matrix:
        """Ones where a row holds a load."""
        which = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        where = (which, np.concatenate([*rows, np.zeros(0, dtype=np.int64)]))
        shape = (len(rows), len(self._load_seeds))
        return sparse.csr_matrix((np.ones(len(which)), where), shape)

    def _loads_with(self, part: int, marked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Loads of a part that use a marked site of it."""
        uses = self._parts[part].takes[:, marked].any(axis=1)
        return self._first[part] + np.flatnonzero(uses)

    def _needle_rows(self) -> None:
        """Loads need needles, of which there is one a hole; seeds of two parts keep their gap."""
        least_gap, _, most_in_needle, most_seeds, most_needles = self._rules
        slot, parts = self._problem.sites.slot, self._parts
        # a part has one load; of any window as long as the least gap one site is used
        rows = [np.arange(a, b) for a, b in zip(self._first[:-1], self._first[1:], strict=True)]
        holes = [part.hole for part in parts]
        for n in range(1, len(parts)):
            if parts[n - 1].hole != parts[n].hole:
                continue
            edge = int(slot[parts[n].sites[0]])
            for begin in range(edge - least_gap + 1, edge):
                both = []
                for m in (n - 1, n):
                    at = slot[parts[m].sites]
                    both.append(self._loads_with(m, (at >= begin) & (at < begin + least_gap)))
                rows.append(np.concatenate(both))
                holes.append(parts[n].hole)
        where = (np.arange(len(rows)), np.array(holes))
        needle = sparse.csr_matrix((-np.ones(len(rows)), where), (len(rows), self._n_holes))
        blocks = [(self.loads, self._rows_of_loads(rows)), (self.needles, needle)]
        self.program.rows(blocks, np.zeros(len(rows)))
        hole_of_load = np.repeat([part.hole for part in parts], np.diff(self._first))
        where = (hole_of_load, np.arange(len(hole_of_load)))
        seeds = sparse.csr_matrix((self._load_seeds.astype(np.float64), where))
        most = -float(most_in_needle) * sparse.identity(self._n_holes)
        self.program.rows([(self.loads, seeds), (self.needles, most)], np.zeros(self._n_holes))
        self.program.rows([(self.loads, self._load_seeds[None])], np.array([float(most_seeds)]))
        every = np.ones((1, self._n_holes))
        self.program.rows([(self.needles, every)], np.array([float(most_needles)]))

    def _clash_rows(self) -> None:
        """Of two holes that come too near, loads of one or of the other, for each pair of parts.

        Taken are the positions that the one with most clashes excludes, and all those that exclude
        all of these: of the two sets one at most is used.
        """
        clash = self._problem.clash
        if not clash.any():
            return
        rows = []
        for n, one in enumerate(self._parts):
            for m in range(n + 1, len(self._parts)):
                block = clash[np.ix_(one.sites, self._parts[m].sites)]
                if block.any():
                    excluded = np.asarray(block[int(np.argmax(block.sum(axis=1)))])
                    excluding = np.asarray(block[:, excluded].all(axis=1))
                    loads = self._loads_with(n, excluding), self._loads_with(m, excluded)
                    rows.append(np.concatenate(loads))
        self.program.rows([(self.loads, self._rows_of_loads(rows))], np.ones(len(rows)))

    def _points(self, first: int, last: int, clusters: int) -> PointSums:
        influence = self._problem.influence[:-1, first:last]
        return PointSums(influence, self._parts, max(1, clusters))

    def _coverage_rows(self) -> None:
        """Missing part and share under the prescription of every cluster of the target."""
        program, numbers = self.program, self._numbers
        self.target = target = self._points(0, self._problem.n_target, self._clusters)
        price, one = 100.0 * target.shares, sparse.identity(len(target))
        self.short = program.columns(numbers[k.W_DEFICIT] * price)
        self.under = program.columns(numbers[k.W_UNDER] * price)
        self._covered = target.covered(numbers[k.REFERENCE])
        rows = [(self.loads, -self._covered), (self.short, -one)]
        program.rows(rows, -np.ones(len(target)))
        program.rows([(self.short, one), (self.under, -one)], np.zeros(len(target)))

    def _hot_rows(self) -> None:
        """Hot share of every cluster of the target, beside what its loads cover."""
        target, level = self.target, self._numbers[k.HOT]
        one = sparse.identity(len(target))
        hot = self.program.columns(100.0 * self._numbers[k.W_HOT] * target.shares)
        beyond = self.program.columns(np.array([100.0 * self._numbers[k.W_TOO_HOT]]))
        total = [(hot, target.shares[None]), (beyond, -np.ones((1, 1)))]
        self.program.rows(total, np.array([self._numbers[k.HOT_AIM] / 100.0]))
        gain = target.over_alone(level) - self._covered
        rows = [(self.loads, gain), (self.short, -one), (hot, -one)]
        self.program.rows(rows, -np.ones(len(target)))
        self._over_rows(target, level, hot)

    def _outside_rows(self) -> None:
        """Shares outside the target that get the prescription."""
        first, count = self._problem.n_target, self._problem.n_outside
        if not count:
            return
        outside = self._points(first, first + count, self._clusters // FEWER)
        price = 100.0 * count / first * self._numbers[k.W_OUTSIDE]
        over = self.program.columns(price * outside.shares)
        # doses are whole numbers: to reach a level is to pass half a quantum below it
        self._over_rows(outside, self._numbers[k.REFERENCE] - 0.5, over)

    def _over_rows(self, points: PointSums, level: float, over: slice) -> None:
        rows, one = points.over(level), sparse.identity(len(points))
        self.program.rows([(self.loads, rows.alone), (over, -one)], np.zeros(len(points)))
        self.program.rows([(self.loads, rows.summed), (over, -one)], rows.summed_right)

    def _limit_rows(self, row: NDArray[np.float64], known_cost: float) -> None:
        """By how much a limit is missed, and what that costs at least."""
        program, weight, level = self.program, row[k.WEIGHT], row[k.LEVEL]
        first, last, least = int(row[k.FIRST]), int(row[k.LAST]), row[k.LEAST]
        largest = LARGEST_MISS
        if known_cost < weight:
            largest = known_cost / (weight - known_cost)
        elif least < 0.0:
            doses = self._problem.influence[:-1, first:last]
            largest = 1.0 + float(doses.sum(axis=0, dtype=np.float64).max()) / level
        missed = program.columns(np.array([weight / (1.0 + largest)]), largest)
        minus = -np.ones((1, 1))
        if least >= 0.0:
            self._least_rows(row, missed)
        elif row[k.MOST] <= 0.0:  # on the highest dose or the mean: a cluster's mean is no higher
            clusters = self._clusters // FEWER if row[k.MOST] == 0.0 else 1
            points = self._points(first, last, clusters)
            every = np.repeat(minus, len(points), axis=0)
            mean = points.mean_dose() / level
            program.rows([(self.loads, mean), (missed, every)], np.ones(len(points)))
        else:
            points = self._points(first, last, self._clusters // FEWER)
            over = program.columns(np.zeros(len(points)))
            self._over_rows(points, level - 0.5, over)
            most = np.array([row[k.MOST] / (last - first)])
            program.rows([(over, points.shares[None]), (missed, minus)], most)

    def _least_rows(self, row: NDArray[np.float64], missed: slice) -> None:
        """A share that must reach a level: missed by ``u + s - spare`` where ``u > spare``, else 0.

        With ``u`` the share under the level, ``s <= u`` the missing part and ``spare`` the share
        that may be under, that is at least ``u + s - 2 spare`` in both cases.
        """
        first, last, level = int(row[k.FIRST]), int(row[k.LAST]), row[k.LEVEL]
        spare = 1.0 - row[k.LEAST] / (last - first)
        minus = -np.ones((1, 1))
        if (first, last, level) == (0, self._problem.n_target, self._numbers[k.REFERENCE]):
            shares = self.target.shares[None]
            blocks = [(self.short, shares), (self.under, shares), (missed, minus)]
        else:
            points = self._points(first, last, self._clusters // FEWER)
            short = self.program.columns(np.zeros(len(points)))
            reach = [(self.loads, -points.covered(level)), (short, -sparse.identity(len(points)))]
            self.program.rows(reach, -np.ones(len(points)))
            blocks = [(short, 2.0 * points.shares[None]), (missed, minus)]
        self.program.rows(blocks, np.array([2.0 * spare]))
