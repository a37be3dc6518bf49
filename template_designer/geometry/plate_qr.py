"""A QR code as an area to engrave; no module smaller than the printer resolves."""

from __future__ import annotations

import segno
import shapely
from shapely.geometry import MultiPolygon, box

MODULES = 21
"""Modules along a side of a version 1 code."""

QR_CHARACTERS = 16
"""Characters of a plan's hash that it carries: 64 bits, with a quarter of it to spare for wear."""

QUIET_MODULES = (4, 3, 2)
"""Plain modules around the code, best first: the standard asks for 4, readers manage with 2."""

_JOINT_MM = 0.02
"""Modules grow by this much, so that those that meet in a corner join: a solid needs that."""


def qr_matrix(text: str) -> list[list[bool]]:
    """Dark modules of the code, rows from the top; 25 % of it may be unreadable (level Q).

    Parameters
    ----------
    text : str
        At most 16 capital letters and digits.
    """
    code = segno.make(text, version=1, error="q", mode="alphanumeric", boost_error=False)
    return [[bool(module) for module in row] for row in code.matrix]


def qr_outline(text: str, module_mm: float) -> MultiPolygon:
    """The dark modules, centred on the origin, x in reading direction and y up, mm."""
    half = 0.5 * MODULES * module_mm
    boxes = []
    for row, modules in enumerate(qr_matrix(text)):
        y = half - (row + 0.5) * module_mm
        start = None
        for column, dark in enumerate([*modules, False]):
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                left, right = start * module_mm - half, column * module_mm - half
                boxes.append(
                    box(left, y - 0.5 * module_mm, right, y + 0.5 * module_mm).buffer(
                        _JOINT_MM, join_style="mitre"
                    )
                )
                start = None
    shape = shapely.union_all(boxes).simplify(1e-6)  # corners only: none along straight edges
    return shape if isinstance(shape, MultiPolygon) else MultiPolygon([shape])


def qr_module_mm(
    width_mm: float, height_mm: float, free_height_mm: float, least_mm: float
) -> float | None:
    """Size of a module that fits an area of the rim; None where none prints.

    Parameters
    ----------
    width_mm : float
        Room along the rim, the plain edge of the code included.
    height_mm : float
        Room for the dark modules across the rim.
    free_height_mm : float
        Room across the rim with the plain strips above and below.
    least_mm : float
        What the printer resolves.
    """
    for quiet in QUIET_MODULES:
        across = MODULES + 2 * quiet
        module = min(width_mm / across, free_height_mm / across, height_mm / MODULES, 1.2)
        if module >= least_mm - 1e-9:
            return module
    return None
