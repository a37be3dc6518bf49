"""The lattice of holes on a plate, and how far the plate must stand off the body."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError
from template_designer.frames import hole_label
from template_designer.geometry.sampling import cap_samples, surface_samples
from template_designer.geometry.solids import Solid

SKIN_SAMPLE_MM = 0.5
"""Spacing of the skin points that must clear the plate; between them skin of 20 mm radius bulges
by less than 0.002 mm."""

CUBE_MM = 20.0
"""Skin points lie together in cubes of this side."""


@dataclass(frozen=True, slots=True)
class LatticePoint:
    """One hole position, template frame (mm)."""

    label: str
    x_mm: float
    y_mm: float


def lattice_points(
    size_mm: tuple[float, float, float], pitch_mm: float, edge_mm: float
) -> tuple[LatticePoint, ...]:
    """Every hole position of a plate, row by row (A1, B1, ...), centred on the origin.

    Parameters
    ----------
    size_mm : (x, y, thickness)
        Plate size.
    pitch_mm : float
        Distance between neighbouring holes.
    edge_mm : float
        Least distance from a hole centre to the edge of the plate.

    Raises
    ------
    GeometryError
        If not even one hole fits.
    """
    counts = []
    for side in size_mm[:2]:
        room = side - 2.0 * edge_mm
        if room < 0.0:
            raise GeometryError(
                f"a plate side of {side:g} mm has no room for a hole {edge_mm:g} mm from both "
                "edges; enlarge template.size_mm or reduce template.edge_mm"
            )
        counts.append(math.floor(room / pitch_mm + 1e-9) + 1)
    columns, rows = counts
    return tuple(
        LatticePoint(
            hole_label(column, row),
            (column - 0.5 * (columns - 1)) * pitch_mm,
            (row - 0.5 * (rows - 1)) * pitch_mm,
        )
        for row in range(rows)
        for column in range(columns)
    )


def plate_gap_mm(
    body: Solid, lps_from_template: NDArray[np.float64], size_mm: tuple[float, float, float]
) -> float:
    """How far the body stands out through the entry plane under a plate.

    Parameters
    ----------
    body : Solid
        The body outline.
    lps_from_template : (4, 4) ndarray
        Frame of the plate as the case places it.
    size_mm : (x, y, thickness)
        Plate size.

    Returns
    -------
    float
        Above 0: the plate must be lifted this much to clear the body. Below 0: it hangs this far
        off the skin. Minus infinity where there is no body under the plate.
    """
    nearest = math.inf
    for skin, least_z_mm in _skin_points(body).cubes_under(lps_from_template, size_mm):
        if least_z_mm > nearest:
            break  # the cubes come by their depth: no other one stands out as far
        local = (skin - lps_from_template[:3, 3]) @ lps_from_template[:3, :3]
        under = np.abs(local[:, :2]) <= 0.5 * np.array(size_mm[:2]) + SKIN_SAMPLE_MM
        nearest = min(nearest, float(local[under.all(axis=1), 2].min(initial=math.inf)))
    return -nearest


@dataclass(frozen=True, slots=True, eq=False)
class _SkinPoints:
    """Points all over a body's surface, cube by cube: a plate looks only into those under it."""

    points_lps_mm: NDArray[np.float64]  # (n, 3)
    starts: NDArray[np.int64]  # (cubes + 1,) where each cube's points begin
    middles_lps_mm: NDArray[np.float64]  # (cubes, 3)

    def cubes_under(
        self, frame: NDArray[np.float64], size_mm: tuple[float, float, float]
    ) -> Iterator[tuple[NDArray[np.float64], float]]:
        """Points of every cube that may lie under a plate, and the least z they can have."""
        half_mm = CUBE_MM  # more than half of a cube from corner to corner
        local = (self.middles_lps_mm - frame[:3, 3]) @ frame[:3, :3]
        limit = 0.5 * np.array(size_mm[:2]) + SKIN_SAMPLE_MM + half_mm
        near = np.flatnonzero((np.abs(local[:, :2]) <= limit).all(axis=1))
        for n in near[np.argsort(local[near, 2], kind="stable")]:
            part = self.points_lps_mm[self.starts[n] : self.starts[n + 1]]
            yield part, float(local[n, 2]) - half_mm


@lru_cache(maxsize=1)
def _skin_points(body: Solid) -> _SkinPoints:
    """Points on all of a body's surface; kept, for plates are tried on one body."""
    points = np.vstack([surface_samples(body, SKIN_SAMPLE_MM), cap_samples(body, SKIN_SAMPLE_MM)])
    cube = np.floor(points / CUBE_MM).astype(np.int64)
    low, high = cube.min(axis=0), cube.max(axis=0)
    flat = np.ravel_multi_index(tuple((cube - low).T), tuple(high - low + 1))
    order = np.argsort(flat, kind="stable")
    numbers, first = np.unique(flat[order], return_index=True)
    of_axis = np.unravel_index(numbers, tuple(high - low + 1))
    middles = CUBE_MM * (np.column_stack(of_axis) + low + 0.5)
    return _SkinPoints(points[order], np.append(first, len(points)), middles)
