"""Points that fill a structure between its outlines, and dose metrics of those points."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from template_designer.checking.outlines import Blend, Outlines, Rings

POINTS = 10_000
"""About so many points stand for a structure: a fraction of it then errs by under 0.5 points."""

HOT_CM3 = 4.0
"""The hottest part is filled with denser points, for doses to up to half of it (D0.1cc, D2cc)."""

TURN = (math.cos(0.5), math.sin(0.5))
"""Angle of the grid of points, 0.5 rad: no simple part of a right angle."""

FINEST_MM, COARSEST_MM = 0.5, 4.0
"""Least and greatest distance of the points."""

DoseOf = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Dose in Gy at (n, 3) points."""


def fill(
    outlines: Outlines, box_uvw_mm: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], float]:
    """Evenly spaced points inside a structure, (n, 3) u, v, w, and the volume of each, cm3.

    Beyond the first and last drawn slice it ends after half a spacing, cut by the scan or not.
    ``box_uvw_mm`` (2, 3) keeps to a part of it.
    """
    half = 0.5 * outlines.spacing_mm
    corners = np.vstack([ring for rings in outlines.slices for ring in rings])
    low = np.append(corners.min(axis=0), outlines.heights_mm[0] - half)
    high = np.append(corners.max(axis=0), outlines.heights_mm[-1] + half)
    about = sum(_enclosed(rings) for rings in outlines.slices) * outlines.spacing_mm
    if box_uvw_mm is not None:
        low, high = np.maximum(low, box_uvw_mm[0]), np.minimum(high, box_uvw_mm[1])
        about = min(about, float(np.prod(high - low)))
    step = min(max((about / POINTS) ** (1.0 / 3.0), FINEST_MM), COARSEST_MM)
    grid = _grid(low[:2], high[:2], step)
    # whole numbers of planes between slices, so that every slice counts with its own thickness
    thick = half / math.ceil(half / step)
    heights = np.arange(outlines.heights_mm[0] - half + 0.5 * thick, high[2], thick)
    blends: dict[int, Blend] = {}
    points = [np.zeros((0, 3))]
    for w in heights[heights >= low[2]]:
        inside = np.zeros(len(grid), dtype=bool)
        for layer in outlines.layers:
            if layer.low_mm <= w <= layer.high_mm:
                if id(layer) not in blends:
                    blends[id(layer)] = Blend.of(layer, grid)
                share = float(w - layer.low_mm) / (layer.high_mm - layer.low_mm)
                inside |= blends[id(layer)].inside(share)
        points.append(np.column_stack([grid[inside], np.full(int(inside.sum()), w)]))
    return np.vstack(points), step * step * thick / 1000.0


def _grid(low: NDArray[np.float64], high: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Points of a square grid in a box, turned: outlines along voxel edges cannot keep step."""
    half = 0.5 * float(np.linalg.norm(high - low)) + step
    at = np.arange(-half, half, step)
    x, y = (axis.ravel() for axis in np.meshgrid(at, at))
    turned = np.column_stack([x, y]) @ np.array([[TURN[0], TURN[1]], [-TURN[1], TURN[0]]])
    turned += 0.5 * (low + high)
    return turned[np.all((turned >= low) & (turned < high), axis=1)]


def _enclosed(rings: Rings) -> float:
    """Rough area of some rings: holes count too, which only makes the points denser."""
    return float(
        sum(
            0.5 * abs(np.sum(r[:, 0] * np.roll(r[:, 1], -1) - r[:, 1] * np.roll(r[:, 0], -1)))
            for r in rings
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class Doses:
    """Doses in one structure, falling, each standing for the same volume."""

    doses_gy: NDArray[np.float64]  # everywhere
    point_cm3: float
    hot_gy: NDArray[np.float64]  # in the part that holds the hottest cm3, on denser points
    hot_point_cm3: float
    highest_gy: float

    @classmethod
    def of(cls, outlines: Outlines, dose_gy: DoseOf) -> Doses | None:
        """Doses at points that fill a structure, denser where it is hottest; None if none does."""

        def dose(points_uvw_mm: NDArray[np.float64]) -> NDArray[np.float64]:
            return dose_gy(outlines.to_lps(points_uvw_mm))

        points, share = fill(outlines)
        if not len(points):
            return None
        doses = dose(points)
        order = np.argsort(-doses)
        hottest = points[order[: math.ceil(HOT_CM3 / share)]]
        step = (1000.0 * share) ** (1.0 / 3.0)
        box = np.array([hottest.min(axis=0) - step, hottest.max(axis=0) + step])
        near, hot_share = fill(outlines, box)
        hot = dose(near)
        return cls(
            doses_gy=doses[order],
            point_cm3=share,
            hot_gy=-np.sort(-hot),
            hot_point_cm3=hot_share,
            highest_gy=_highest(outlines, dose, near[np.argsort(-hot)[:3]], step),
        )

    def times(self, factor: float) -> Doses:
        """The same with every dose multiplied, as another strength would."""
        return replace(
            self,
            doses_gy=factor * self.doses_gy,
            hot_gy=factor * self.hot_gy,
            highest_gy=factor * self.highest_gy,
        )

    @property
    def volume_cm3(self) -> float:
        """Volume of all points."""
        return self.point_cm3 * len(self.doses_gy)

    def at_volume_gy(self, volume_cm3: float) -> float:
        """Dose that the hottest ``volume_cm3`` get at least; the lowest dose if there is less."""
        doses, share = self.doses_gy, self.point_cm3
        if volume_cm3 <= 0.5 * HOT_CM3:
            doses, share = self.hot_gy, self.hot_point_cm3
        index = math.ceil(volume_cm3 / share - 1e-9) - 1
        return float(doses[min(max(index, 0), len(doses) - 1)])

    def above_pct(self, level_gy: float) -> float:
        """Percent of the volume at a level or more."""
        return 100.0 * float(np.count_nonzero(self.doses_gy >= level_gy)) / len(self.doses_gy)


def _highest(
    outlines: Outlines, dose: DoseOf, hottest: NDArray[np.float64], step_mm: float
) -> float:
    """Highest dose: of the drawn corners and of ever finer points around the hottest ones."""
    drawn = np.vstack(
        [
            np.column_stack([ring, np.full(len(ring), w)])
            for w, rings in zip(outlines.heights_mm, outlines.slices, strict=True)
            for ring in rings
        ]
    )
    on_outline = dose(drawn)
    highest = float(on_outline.max())
    around = np.vstack([hottest, drawn[np.argsort(-on_outline)[:3]]])
    offsets = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 9)] * 3), axis=-1).reshape(-1, 3)
    for width in (step_mm, 0.25 * step_mm):
        near = (around[:, None] + width * offsets).reshape(-1, 3)
        near = near[outlines.contains(outlines.to_lps(near))]
        if len(near):
            found = dose(near)
            around = near[np.argsort(-found)[:3]]
            highest = max(highest, float(found.max()))
    return highest


def metric_value(name: str, doses: Doses, prescription_gy: float) -> float | None:
    """A metric by its name in a goal or its key in plan.json, Gy or percent; None for others.

    >>> doses = np.array([150.0, 90.0])
    >>> metric_value("V100", Doses(doses, 1.0, doses, 1.0, 150.0), 120.0)
    50.0
    """
    text = name.lower().removesuffix("_gy").removesuffix("_pct").replace("_", ".")
    fixed = {
        "dmax": doses.highest_gy,
        "dmean": float(doses.doses_gy.mean()),
        "mean": float(doses.doses_gy.mean()),
        "volume.cm3": doses.volume_cm3,
    }
    if text in fixed:
        return fixed[text]
    match = re.fullmatch(r"([dv])([0-9.]+)(cc)?", text)
    if match is None:
        return None
    number = float(match[2])
    if match[1] == "v":
        return doses.above_pct(number / 100.0 * prescription_gy)
    if match[3]:
        return doses.at_volume_gy(number)
    return doses.at_volume_gy(number / 100.0 * doses.volume_cm3)
