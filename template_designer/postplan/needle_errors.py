"""How needles missed: depth, place, angle, tip, from the seeds that were found of them.

A needle stays straight and its seeds stay in their order, so that what its seeds have in common is
the needle's error, and what is left is a seed's own. The middle of the found seeds is the pivot:
how far aside they lie and how much they lean are then independent of each other. What lies far
from it (the entry on the plate, ten centimetres up) is extrapolated along the fitted line; its
standard error says how well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import inverse, transform_points
from template_designer.model import Needle, Template
from template_designer.model.evaluation import MeanSd, NeedleError, Point, SeedMatch

LEAST_SEEDS = 3
"""A line is fitted through so many seeds or more: two tell nothing of how well it fits."""

ANGLE_SE_DEG, ENTRY_SE_MM = 2.0, 3.0
"""An angle, and a place on the plate, whose standard error is larger is not told: it would be the
error of finding seeds, not of the needle. Published angles are 2.8 +- 1.7 degrees, entries 3.4
+- 1.7 mm."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The displacement of every planned seed taken apart, LPS, mm; they add up where it was found.

    Seeds that were not found share what their needle's others have in common.
    """

    depth_mm: NDArray[np.float64]  # (n, 3) along the needle
    lateral_mm: NDArray[np.float64]  # (n, 3) aside, the same for the whole needle
    tilt_mm: NDArray[np.float64]  # (n, 3) of the needle about the middle of its seeds
    rest_mm: NDArray[np.float64]  # (n, 3) the seed's own
    tilted_axes: NDArray[np.float64]  # (n, 3) unit


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """A line through found seeds in the template frame: (x, y) = middle + slope (z - middle z)."""

    middle_mm: NDArray[np.float64]  # (3,)
    slope: NDArray[np.float64]  # (2,)
    squares_mm2: float  # of what the seeds lie off it, both directions
    spread_mm2: float  # sum of squares of z about the middle
    count: int

    @classmethod
    def through(cls, points_mm: NDArray[np.float64]) -> _Line | None:
        """Least squares; None where the seeds are too few, or lie side by side."""
        if len(points_mm) < LEAST_SEEDS:
            return None
        middle = points_mm.mean(axis=0)
        off = points_mm - middle
        spread = float(off[:, 2] @ off[:, 2])
        if not spread > 0.0:
            return None
        slope = off[:, 2] @ off[:, :2] / spread
        left = off[:, :2] - off[:, 2:] * slope
        return cls(middle, slope, float(np.sum(left**2)), spread, len(points_mm))

    @property
    def freedom(self) -> int:
        """Degrees of freedom of its squares: two lines in a plane each."""
        return 2 * (self.count - 2)

    def at(self, z_mm: float) -> NDArray[np.float64]:
        """Point of the line at a depth, (3,)."""
        return np.append(self.middle_mm[:2] + self.slope * (z_mm - self.middle_mm[2]), z_mm)

    @property
    def angle_deg(self) -> float:
        """Angle between the line and the needles of the plate."""
        return math.degrees(math.atan(float(np.hypot(*self.slope))))

    def angle_se_deg(self, scatter_mm: float) -> float:
        """Standard error of the angle (both directions)."""
        return math.degrees(scatter_mm * math.sqrt(2.0 / self.spread_mm2))

    def place_se_mm(self, z_mm: float, scatter_mm: float) -> float:
        """Standard error of the point at a depth (both directions), mm."""
        far = z_mm - self.middle_mm[2]
        return scatter_mm * math.sqrt(2.0 * (1.0 / self.count + far**2 / self.spread_mm2))


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """One needle with what was found of it, in the template frame, mm."""

    template: Template
    needle: Needle
    planned_mm: NDArray[np.float64]  # (n, 3)
    seen: NDArray[np.bool_]  # (n,)
    found_mm: NDArray[np.float64]  # (k, 3)
    line: _Line | None


def needle_errors(
    templates: Sequence[Template], matches: Iterable[SeedMatch]
) -> tuple[tuple[NeedleError, ...], Parts]:
    """The errors of every needle, and the displacement of every seed taken apart.

    How well lines fit is judged by the scatter of the seeds of all needles together: three seeds
    alone can lie on a line by chance.

    Parameters
    ----------
    templates : sequence of Template
        As planned.
    matches : iterable of SeedMatch
        Those of planned seeds, in the order of the plan.
    """
    place = {(m.template, m.hole, m.number_from_tip): m.found_lps_mm for m in matches}
    every = [
        _found(template, needle, place) for template in templates for needle in template.needles
    ]
    lines = [needle.line for needle in every if needle.line is not None]
    freedom = sum(line.freedom for line in lines)
    squares = sum(line.squares_mm2 for line in lines)
    scatter = math.sqrt(squares / freedom) if freedom else math.inf
    taken = [_error_and_parts(needle, scatter) for needle in every]
    joined = (np.concatenate([part[k] for _, part in taken]) for k in range(5))
    return tuple(error for error, _ in taken), Parts(*joined)


def accuracy(needles: Sequence[NeedleError], matches: Iterable[SeedMatch]) -> dict[str, MeanSd]:
    """Mean and standard deviation of every error, as the series print them: of magnitudes.

    ``depth_signed_mm`` alone keeps its sign, positive deeper. ``displacement_mm`` is over seeds,
    the others over needles.
    """
    seen = [needle for needle in needles if needle.found]
    values: dict[str, list[float | None]] = {
        "displacement_mm": [m.displacement_mm for m in matches if m.hole and m.found is not None],
        "depth_mm": [abs(needle.depth_mm) for needle in seen],
        "depth_signed_mm": [needle.depth_mm for needle in seen],
        "lateral_mm": [needle.lateral_mm for needle in seen],
        "entry_mm": [needle.entry_mm for needle in seen],
        "tip_mm": [needle.tip_mm for needle in seen],
        "angle_deg": [needle.angle_deg for needle in seen],
    }
    return {name: mean_sd([v for v in rows if v is not None]) for name, rows in values.items()}


def mean_sd(values: Sequence[float]) -> MeanSd:
    """Mean and sample standard deviation; NaN where there are too few values."""
    count = len(values)
    return MeanSd(
        float(np.mean(values)) if count else math.nan,
        float(np.std(values, ddof=1)) if count > 1 else math.nan,
        count,
    )


def _found(
    template: Template,
    needle: Needle,
    place: Mapping[tuple[str | None, str | None, int | None], Point | None],
) -> _Found:
    to_plate = inverse(np.asarray(template.lps_from_template))
    places = [
        place[template.name, needle.label, number] for number in range(1, len(needle.seeds) + 1)
    ]
    seen = np.array([at is not None for at in places])
    known = np.array([at for at in places if at is not None]).reshape(-1, 3)
    found = transform_points(to_plate, known)
    planned = transform_points(to_plate, [seed.center_lps_mm for seed in needle.seeds])
    return _Found(template, needle, planned, seen, found, _Line.through(found))


def _error_and_parts(
    at: _Found, scatter_mm: float
) -> tuple[NeedleError, tuple[NDArray[np.float64], ...]]:
    """The errors of one needle, and its share of :class:`Parts`, field by field."""
    frame, count = np.asarray(at.template.lps_from_template), len(at.planned_mm)
    base = (at.template.name, at.needle.label, count, int(at.seen.sum()))
    rotation, still = frame[:3, :3], np.zeros((count, 3))
    if not at.seen.any():
        axes = np.tile(rotation[:, 2], (count, 1))
        return NeedleError(*base), (still, still, still, still, axes)
    planned = at.planned_mm[at.seen]
    right, down, depth = (at.found_mm - planned).mean(axis=0).tolist()
    line = at.line
    if line is not None and line.angle_se_deg(scatter_mm) > ANGLE_SE_DEG:
        line = None
    slope = np.zeros(2) if line is None else line.slope
    high = at.planned_mm[:, 2:] - planned[:, 2].mean()
    lean = np.column_stack([high * slope, np.zeros(count)])
    shifts = np.diag([right, down, depth])
    rest = still.copy()
    rest[at.seen] = at.found_mm - planned - shifts.sum(axis=0) - lean[at.seen]
    tilted = rotation @ (np.array([*slope, 1.0]) / math.sqrt(1.0 + float(slope @ slope)))
    parts = (
        np.tile(shifts[2] @ rotation.T, (count, 1)),
        np.tile((shifts[0] + shifts[1]) @ rotation.T, (count, 1)),
        lean @ rotation.T,
        rest @ rotation.T,
        np.tile(tilted, (count, 1)),
    )
    error = NeedleError(*base, depth_mm=depth, right_mm=right, down_mm=down)
    return _with_line(error, at, line, scatter_mm), parts


def _with_line(
    error: NeedleError, at: _Found, line: _Line | None, scatter_mm: float
) -> NeedleError:
    """The error with what follows from a line; without one the needle is taken as parallel."""
    if line is None:
        return replace(error, tip_mm=math.hypot(error.depth_mm, error.right_mm, error.down_mm))
    to_plate = inverse(np.asarray(at.template.lps_from_template))
    entry, tip = transform_points(to_plate, [at.needle.entry_lps_mm, at.needle.tip_lps_mm])
    entry_se = line.place_se_mm(entry[2], scatter_mm)
    off = float(np.linalg.norm(line.at(entry[2]) - entry))
    return replace(
        error,
        angle_deg=line.angle_deg,
        angle_se_deg=line.angle_se_deg(scatter_mm),
        entry_mm=off if entry_se <= ENTRY_SE_MM else None,
        entry_se_mm=entry_se,
        tip_mm=float(np.linalg.norm(line.at(tip[2] + error.depth_mm) - tip)),
    )
