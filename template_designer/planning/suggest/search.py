"""The search itself: all directions once, then the best of them bettered step by step.

Everything here is scored on the coarse grid of :class:`SearchSpace`. Random steps come from a
generator with a fixed seed, so the same case gives the same planes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.planning.suggest import _kernels as k
from template_designer.planning.suggest.directions import (
    Access,
    apart,
    needle_frames,
    spread_directions,
)
from template_designer.planning.suggest.space import SEEN_MM, Scores, SearchSpace

Progress = Callable[[str], None]

DEPTH_PCT, BONE_PCT, GAP_PCT = 0.05, 0.1, 0.1
"""Points of reach that a millimetre of depth, of bone crossed, of gap under the plate costs."""

MARGIN_PCT = 0.3
"""Points of reach that a millimetre of clearance over the rules is worth, up to 10 mm."""

TURN_PCT = 0.02
"""Points of reach that a degree of rotation costs: a turned plate has to earn it."""

SEEDS_APART_DEG, DRIFT_DEG, APART_DEG = 8.0, 5.0, 6.0
"""Planes to better start this far apart, move this far at most, and end this far apart."""

CHILDREN, ROUNDS = 16, 12
"""Steps tried from every plane in each round."""

FIRST_STEP, LAST_STEP = (4.0, 20.0, 3.0), (0.5, 4.0, 0.6)
"""Spread of the steps at both ends: direction deg, rotation deg, offset mm."""

MOST_TURN_DEG, MOST_OFFSET_MM = 45.0, 15.0
"""Rotation and offset of a plate stay within these."""

SHIFT_MM = 12.5
"""Plates are also tried so far towards head and feet: a scan may end beside them."""

CHUNKS = 8
"""Parts of the first pass, for the progress bar."""

_SEED = 43


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """Planes as the search varies them, n of each."""

    directions: NDArray[np.float64]  # (n, 3) unit, LPS
    turns_deg: NDArray[np.float64]  # (n,)
    offsets_mm: NDArray[np.float64]  # (n, 2) plate centre from the line through the target

    def __len__(self) -> int:
        return len(self.directions)

    def pick(self, index: NDArray[np.int64] | list[int]) -> Planes:
        """Some of the planes."""
        return Planes(self.directions[index], self.turns_deg[index], self.offsets_mm[index])

    @property
    def frames(self) -> NDArray[np.float64]:
        """Template axes as rows, (n, 3, 3) LPS."""
        return needle_frames(self.directions, self.turns_deg)


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What the first pass found."""

    planes: Planes  # the best plane of every direction
    scores: Scores
    causes: tuple[str, ...]

    @property
    def merit(self) -> NDArray[np.float64]:
        """Merit of every direction, minus infinity where no plane stands."""
        return merit(self.scores.features, self.planes.turns_deg)


def merit(
    features: NDArray[np.float64], turns_deg: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """What planes are worth, in points of reach; minus infinity where a plane cannot be used."""
    value = merit_of(
        features[:, k.REACHED],
        features[:, k.DEPTH],
        features[:, k.BONE],
        features[:, k.GAP],
        features[:, k.MARGIN],
        turns_deg,
    )
    return np.where(features[:, k.STATUS] == k.FOUND, value, -math.inf)


def merit_of(
    reach_pct: NDArray[np.float64] | float,
    depth_mm: NDArray[np.float64] | float,
    bone_mm: NDArray[np.float64] | float,
    gap_mm: NDArray[np.float64] | float,
    margin_mm: NDArray[np.float64] | float,
    turn_deg: NDArray[np.float64] | float,
) -> NDArray[np.float64]:
    """Reach, less what depth, bone, gap and rotation cost, and what clearance to spare is worth.

    >>> float(merit_of(80.0, 100.0, 10.0, 10.0, 2.0, 0.0))
    73.6
    """
    return np.asarray(
        reach_pct
        - DEPTH_PCT * np.asarray(depth_mm)
        - BONE_PCT * np.asarray(bone_mm)
        - GAP_PCT * np.abs(gap_mm)
        + MARGIN_PCT * np.minimum(margin_mm, SEEN_MM)
        - TURN_PCT * np.abs(turn_deg)
    )


def first_pass(
    space: SearchSpace, access: Access, count: int, pitch_mm: float, progress: Progress
) -> Pass:
    """Score at least ``count`` allowed directions, each with several places of the plate."""
    directions = spread_directions(access, count)
    half = 0.5 * pitch_mm
    places = ((0.0, 0.0), (half, half), (0.0, SHIFT_MM), (0.0, -SHIFT_MM))
    chunks = [
        _best_place(space, chunk, places, progress, len(directions))
        for chunk in np.array_split(directions, min(CHUNKS, len(directions)))
    ]
    planes = Planes(
        directions, np.zeros(len(directions)), np.concatenate([offsets for offsets, _ in chunks])
    )
    features, hides = (
        np.concatenate([getattr(scores, name) for _, scores in chunks])
        for name in ("features", "hides")
    )
    return Pass(planes, Scores(features, np.zeros((0, 0), np.uint8), hides), space.causes)


def _best_place(
    space: SearchSpace,
    directions: NDArray[np.float64],
    places: Sequence[tuple[float, float]],
    progress: Progress,
    total: int,
) -> tuple[NDArray[np.float64], Scores]:
    """The best of some places of the plate for every direction, and its scores."""
    progress(f"scoring {total} directions")
    frames = needle_frames(directions, np.zeros(len(directions)))
    tried = [space.score(frames, np.tile(place, (len(directions), 1))) for place in places]
    value = np.stack([merit(scores.features, 0.0) for scores in tried])
    best = np.argmax(value, axis=0)
    rows = np.arange(len(directions))
    return np.array(places)[best], Scores(
        np.stack([scores.features for scores in tried])[best, rows],
        np.zeros((0, 0), np.uint8),
        np.stack([scores.hides for scores in tried])[best, rows],
    )


def best_planes(
    space: SearchSpace,
    access: Access,
    found: Pass,
    count: int,
    own: NDArray[np.float64],
    progress: Progress,
) -> Planes:
    """The best planes, bettered, best first, at least :data:`APART_DEG` apart.

    Parameters
    ----------
    count : int
        How many to look for; twice as many are bettered.
    own : (n, 3) ndarray
        Directions of the case's own entries: bettered with the others where they are allowed.
    """
    usable = np.flatnonzero(np.isfinite(found.merit))
    order = usable[np.argsort(-found.merit[usable], kind="stable")]
    seeds = found.planes.pick(apart(found.planes.directions, order, SEEDS_APART_DEG, 2 * count))
    own = own[access.allows(own)] if len(own) else own
    start = Planes(
        np.vstack([seeds.directions, own]),
        np.concatenate([seeds.turns_deg, np.zeros(len(own))]),
        np.vstack([seeds.offsets_mm, np.zeros((len(own), 2))]),
    )
    bettered, value = better_planes(space, access, start, progress)
    order = np.argsort(-value, kind="stable")
    order = order[np.isfinite(value[order])]
    return bettered.pick(apart(bettered.directions, order, APART_DEG, count))


def better_planes(
    space: SearchSpace,
    access: Access,
    start: Planes,
    progress: Progress,
) -> tuple[Planes, NDArray[np.float64]]:
    """Better every plane by random steps in direction, rotation and offset; and their merits."""
    rng = np.random.default_rng(_SEED)
    value = merit(space.score(start.frames, start.offsets_mm).features, start.turns_deg)
    now = start
    for number in range(ROUNDS):
        progress("bettering the best planes")
        tried = children(rng, access, start, now, number)
        of_them = merit(space.score(tried.frames, tried.offsets_mm).features, tried.turns_deg)
        of_them[~access.allows(tried.directions)] = -math.inf
        table = of_them.reshape(len(now), CHILDREN)
        best = np.argmax(table, axis=1)
        gain = table[np.arange(len(now)), best]
        better = gain > value
        index = np.arange(len(now)) * CHILDREN + best
        now = mixed(now, tried.pick(index), better)
        value = np.where(better, gain, value)
    return now, value


def children(
    rng: np.random.Generator,
    access: Access,
    start: Planes,
    now: Planes,
    number: int,
) -> Planes:
    """:data:`CHILDREN` variants of every plane, plane after plane; steps shrink round by round."""
    share = number / max(1, ROUNDS - 1)
    step = [a * (b / a) ** share for a, b in zip(FIRST_STEP, LAST_STEP, strict=True)]
    count = len(now) * CHILDREN
    parent, origin = (np.repeat(p.directions, CHILDREN, axis=0) for p in (now, start))
    directions = parent + math.radians(step[0]) * rng.standard_normal((count, 3))
    directions = _within_tilt(directions, access.most_along)
    near = np.sum(directions * origin, axis=1) >= math.cos(math.radians(DRIFT_DEG))
    directions = np.where(near[:, None], directions, parent)
    turns = np.repeat(now.turns_deg, CHILDREN) + step[1] * rng.standard_normal(count)
    # a third of the variants are not turned: an upright plate is easier to place
    turns[::3] = 0.0
    offsets = np.repeat(now.offsets_mm, CHILDREN, axis=0)
    offsets = offsets + step[2] * rng.standard_normal((count, 2))
    return Planes(
        directions,
        np.clip(turns, -MOST_TURN_DEG, MOST_TURN_DEG),
        np.clip(offsets, -MOST_OFFSET_MM, MOST_OFFSET_MM),
    )


def _within_tilt(vectors: NDArray[np.float64], most_along: float) -> NDArray[np.float64]:
    """Unit vectors, turned back to the tilt limit where they passed it."""
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    z = np.clip(units[:, 2], -most_along, most_along)
    across = np.maximum(np.linalg.norm(units[:, :2], axis=1), 1e-9)
    return np.column_stack([units[:, :2] * (np.sqrt(1.0 - z * z) / across)[:, None], z])


def mixed(one: Planes, other: Planes, take_other: NDArray[np.bool_]) -> Planes:
    """Plane by plane the one or the other."""
    return Planes(
        np.where(take_other[:, None], other.directions, one.directions),
        np.where(take_other, other.turns_deg, one.turns_deg),
        np.where(take_other[:, None], other.offsets_mm, one.offsets_mm),
    )
