"""Needles the trade sells, and the rules they must keep."""

from __future__ import annotations

from dataclasses import dataclass

OUTER_DIAMETER_MM = {18: 1.27, 17: 1.47, 16: 1.65, 13: 2.41, 11: 3.05}
"""Outer diameter by gauge, mm (ISO 9626 regular-wall sizes, as in DESIGN.md for 18G)."""


@dataclass(frozen=True, slots=True)
class NeedleRule:
    """A structure and how far the surface of every needle must stay from it."""

    structure: str
    clearance_mm: float
