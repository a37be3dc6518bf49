"""Pairs of planes that reach the most of the target together and stand beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.boxes import boxes_meet
from template_designer.geometry.distance import box_corners
from template_designer.planning.suggest import _kernels as k
from template_designer.planning.suggest.directions import Access, apart
from template_designer.planning.suggest.search import (
    CHILDREN,
    ROUNDS,
    Pass,
    Planes,
    Progress,
    children,
    merit,
    mixed,
)
from template_designer.planning.suggest.space import SearchSpace

CANDIDATES, CANDIDATES_APART_DEG = 300, 4.0
"""Directions from which pairs are made: the best for which the target is reached at all."""

LEAST_ANGLE_DEG = 20.0
"""Planes nearer than this are one approach, not two."""

PAIRS_APART_DEG = 15.0
"""Two pairs differ if some plane of one is this far from both of the other."""

PAIR_COST = 0.25
"""Part of both planes' costs that counts for a pair: it is there for what it reaches."""

PLATES_APART_MM = 5.0
"""Room between two plates."""

_SEED = 44


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of planes, n of each side."""

    one: Planes
    other: Planes

    def __len__(self) -> int:
        return len(self.one)


def best_pairs(
    space: SearchSpace, access: Access, found: Pass, count: int, progress: Progress
) -> Pairs:
    """The best pairs, bettered, best first."""
    start = _first_pairs(space, found, count)
    rng = np.random.default_rng(_SEED)
    now = [start.one, start.other]
    known = [_looked_at(space, planes) for planes in now]
    value = _joint_merit(*known)
    rows = np.arange(len(start))
    for number in range(ROUNDS):
        progress("bettering the best pairs")
        for side, origin in enumerate((start.one, start.other)):
            tried = children(rng, access, origin, now[side], number)
            looked = _looked_at(space, tried)
            of_them = _joint_merit(looked, known[1 - side].pick(np.repeat(rows, CHILDREN)))
            of_them[~access.allows(tried.directions)] = -math.inf
            table = of_them.reshape(len(rows), CHILDREN)
            best = np.argmax(table, axis=1)
            gain = table[rows, best]
            better = gain > value
            value = np.where(better, gain, value)
            index = rows * CHILDREN + best
            now[side] = mixed(now[side], tried.pick(index), better)
            known[side] = known[side].mixed(looked.pick(index), better)
    order = np.argsort(-value, kind="stable")
    order = order[np.isfinite(value[order])]
    return Pairs(now[0].pick(order), now[1].pick(order))


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """What a pair needs to know of its planes, n of each."""

    reached: NDArray[np.uint8]  # (n, nodes inside the target)
    cost: NDArray[np.float64]  # (n,) minus infinity where a plane cannot be used
    boxes_lps_mm: NDArray[np.float64]  # (n, 8, 3) plates
    directions: NDArray[np.float64]  # (n, 3)

    def pick(self, index: NDArray[np.int64]) -> _Looked:
        return _Looked(
            self.reached[index], self.cost[index], self.boxes_lps_mm[index], self.directions[index]
        )

    def mixed(self, other: _Looked, take_other: NDArray[np.bool_]) -> _Looked:
        index = np.arange(len(self.cost)) + np.where(take_other, len(self.cost), 0)
        return _Looked(
            np.concatenate([self.reached, other.reached])[index],
            np.concatenate([self.cost, other.cost])[index],
            np.concatenate([self.boxes_lps_mm, other.boxes_lps_mm])[index],
            np.concatenate([self.directions, other.directions])[index],
        )


def _looked_at(space: SearchSpace, planes: Planes) -> _Looked:
    scores = space.score(planes.frames, planes.offsets_mm, with_masks=True)
    cost = merit(scores.features, planes.turns_deg) - scores.features[:, k.REACHED]
    boxes = plate_boxes(space, planes, scores.features)
    return _Looked(scores.masks[:, space.inside], cost, boxes, planes.directions)


def _first_pairs(space: SearchSpace, found: Pass, count: int) -> Pairs:
    """Pairs of scored directions with the largest union, no two alike."""
    planes = found.planes
    usable = np.flatnonzero(np.isfinite(found.merit))
    order = usable[np.argsort(-found.merit[usable], kind="stable")]
    pool = planes.pick(apart(planes.directions, order, CANDIDATES_APART_DEG, CANDIDATES))
    looked = _looked_at(space, pool)
    masks = looked.reached.astype(np.float32)
    own = masks.sum(axis=1)
    union = own[:, None] + own[None, :] - masks @ masks.T
    cost = looked.cost[:, None] + looked.cost[None, :]
    value = 100.0 * union / max(masks.shape[1], 1) + PAIR_COST * cost
    value[pool.directions @ pool.directions.T > math.cos(math.radians(LEAST_ANGLE_DEG))] = -np.inf
    rows, columns = np.triu_indices(len(pool), 1)
    ranked = np.argsort(-value[rows, columns], kind="stable")
    boxes = looked.boxes_lps_mm
    taken: list[tuple[int, int]] = []
    for n in ranked:
        i, j = int(rows[n]), int(columns[n])
        if len(taken) == count or not np.isfinite(value[i, j]):
            break
        if _differs(pool.directions, (i, j), taken) and not boxes_meet(boxes[i], boxes[j]):
            taken.append((i, j))
    return Pairs(pool.pick([i for i, _ in taken]), pool.pick([j for _, j in taken]))


def _differs(
    directions: NDArray[np.float64], pair: tuple[int, int], taken: Sequence[tuple[int, int]]
) -> bool:
    """Whether some plane of a pair is far from both planes of each pair taken before."""
    near = math.cos(math.radians(PAIRS_APART_DEG))
    for other in taken:
        cosines = directions[list(pair)] @ directions[list(other)].T
        if cosines.max(axis=1).min() > near and cosines.max(axis=0).min() > near:
            return False
    return True


def _joint_merit(one: _Looked, other: _Looked) -> NDArray[np.float64]:
    """Reach of both together, less a part of what else their planes cost; -inf if they meet."""
    union = (one.reached | other.reached).mean(axis=1) * 100.0
    value = union + PAIR_COST * (one.cost + other.cost)
    angle = np.sum(one.directions * other.directions, axis=1)
    value[angle > math.cos(math.radians(LEAST_ANGLE_DEG))] = -math.inf
    for n in np.flatnonzero(np.isfinite(value)):
        if boxes_meet(one.boxes_lps_mm[n], other.boxes_lps_mm[n]):
            value[n] = -math.inf
    return np.asarray(value)


def plate_boxes(
    space: SearchSpace, planes: Planes, features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Corners of the plates with room around them, (n, 8, 3) LPS."""
    half = 0.5 * PLATES_APART_MM
    half_x, half_y = (0.5 * space.numbers[n] + half for n in (k.SIZE_X, k.SIZE_Y))
    corners = box_corners(
        (-half_x, -half_y, -space.numbers[k.THICKNESS] - half), (half_x, half_y, half)
    )
    frames = planes.frames
    at = np.column_stack([planes.offsets_mm, features[:, k.PLATE_Z]])
    return space.centre_lps_mm + np.einsum("nca,nak->nck", corners[None] + at[:, None, :], frames)
