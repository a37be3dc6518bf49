"""What every load of a hole part gives a range of points, averaged over clusters of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.planning.loading.hole_parts import HolePart

ANCHORS = 8
"""Seed positions, far from each other, whose doses say where a point lies."""

Matrix = NDArray[np.float64]


def cluster_points(influence: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], ...]:
    """Cut points into clusters of neighbours by halving, so that finer ones divide coarser ones.

    Parameters
    ----------
    influence : (sites, points) ndarray of float32
        Dose of one seed of each site, quanta: it says where a point lies.
    count : int
        Clusters, at most: the highest power of two up to it, fewer where points are few.

    Returns
    -------
    tuple of (m,) ndarray of int
        The points of each cluster.
    """
    site, reach = 0, np.zeros((0, influence.shape[1]))
    for _ in range(ANCHORS):
        # nearly proportional to the distance from the seed
        reach = np.vstack([reach, 1.0 / np.sqrt(influence[site] + 1.0)])
        farthest = int(np.argmax(reach.min(axis=0)))
        site = int(np.argmax(influence[:, farthest]))
    clusters = [np.arange(influence.shape[1])]
    while 2 * len(clusters) <= count and min(map(len, clusters)) > 1:
        halves = []
        for cluster in clusters:
            inside = reach[:, cluster]
            order = np.argsort(inside[np.argmax(np.ptp(inside, axis=1))], kind="stable")
            middle = len(cluster) // 2
            halves += [cluster[np.sort(order[:middle])], cluster[np.sort(order[middle:])]]
        clusters = halves
    return tuple(clusters)


@dataclass(frozen=True, slots=True)
class OverRows:
    """``share of points over the level >= loads @ x - right``, cluster by cluster, in two ways."""

    alone: Matrix  # (clusters, loads): right is 0
    summed: Matrix
    summed_right: NDArray[np.float64]


class PointSums:
    """The points of one range, in clusters, and the doses of all loads there."""

    def __init__(
        self, influence: NDArray[np.float32], parts: Sequence[HolePart], n_clusters: int
    ) -> None:
        clusters = cluster_points(influence, n_clusters)
        self.sizes = np.array([len(cluster) for cluster in clusters])
        self.shares = self.sizes / influence.shape[1]
        self._first = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        self._influence = np.ascontiguousarray(influence[:, np.concatenate(clusters)])
        self._parts = parts

    def __len__(self) -> int:
        return len(self.sizes)

    def _doses(self, part: HolePart) -> NDArray[np.float64]:
        """Dose of every load of a part, (loads, points) quanta: exact, they are whole numbers."""
        return (part.takes.astype(np.float32) @ self._influence[part.sites]).astype(np.float64)

    def _mean(self, values: NDArray[np.float64]) -> Matrix:
        """Mean of each cluster: (loads, points) -> (clusters, loads)."""
        return (np.add.reduceat(values, self._first, axis=1) / self.sizes).T

    def mean_dose(self) -> Matrix:
        """Mean dose of every load, (clusters, loads) quanta."""
        return np.hstack([self._mean(self._doses(part)) for part in self._parts])

    def covered(self, level: float) -> Matrix:
        """Mean of ``min(dose / level, 1)`` of every load, (clusters, loads)."""
        capped = [np.minimum(self._doses(part) / level, 1.0) for part in self._parts]
        return np.hstack([self._mean(part) for part in capped])

    def over_alone(self, level: float) -> Matrix:
        """Share of points that every load brings over a level by itself, (clusters, loads)."""
        over = [(self._doses(part) > level).astype(np.float64) for part in self._parts]
        return np.hstack([self._mean(part) for part in over])

    def over(self, level: float) -> OverRows:
        """Rows under the share of points with more dose than a level.

        At one point, for whole loads: (alone) the point is over the level if a load is by itself,
        and at most as many loads are as there are parts that can be: their sum over that number is
        1 at most. (summed) Where the dose is at most the level, so is the sum of the doses capped
        at it; else that sum is at most what the parts can give, ``most``: ``over >= (sum - level) /
        (most - level)``. Both are linear in the loads, so their means over a cluster hold too.
        """
        able = np.zeros(self._influence.shape[1])
        most = np.zeros_like(able)
        for part in self._parts:
            highest = self._doses(part).max(axis=0)
            able += highest > level
            most += np.minimum(highest, level)
        one_of = 1.0 / np.maximum(able, 1.0)
        above = most > level * (1.0 + 1e-9)
        scale = np.where(above, level / np.where(above, most - level, 1.0), 0.0)
        alone, summed = [], []
        for part in self._parts:
            doses = self._doses(part)
            alone.append(self._mean((doses > level) * one_of))
            summed.append(self._mean(np.minimum(doses / level, 1.0) * scale))
        return OverRows(np.hstack(alone), np.hstack(summed), self._mean(scale[None])[:, 0])
