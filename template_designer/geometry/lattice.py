"""The lattice of holes on a plate, and how far the plate must stand off the body."""

from __future__ import annotations

import math
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
    skin = _skin_points(body)
    for axis in range(2):  # one coordinate at a time: there are a million points
        direction = lps_from_template[:3, axis]
        aside = skin @ direction - lps_from_template[:3, 3] @ direction
        skin = skin[np.abs(aside) <= 0.5 * size_mm[axis] + SKIN_SAMPLE_MM]
    if not len(skin):
        return -math.inf
    return float(-((skin - lps_from_template[:3, 3]) @ lps_from_template[:3, 2]).min())


@lru_cache(maxsize=1)
def _skin_points(body: Solid) -> NDArray[np.float64]:
    """Points on all of a body's surface, (n, 3) LPS; kept, for plates are tried on one body."""
    points = np.vstack([surface_samples(body, SKIN_SAMPLE_MM), cap_samples(body, SKIN_SAMPLE_MM)])
    points.flags.writeable = False
    return points
