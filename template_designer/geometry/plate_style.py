"""Sizes that every part of the plate shares, and the pose it is printed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.text import STROKE_MM
from template_designer.model import PlateFeatures

PRINT_FROM_TEMPLATE: NDArray[np.float64] = np.diag([1.0, -1.0, -1.0, 1.0])
"""Half a turn about x; its own inverse. A rotation: it mirrors nothing."""

ROUGH_MM = 0.01
"""Engravings may stray this far from the drawn outline: far below what any printer resolves."""


@dataclass(frozen=True, slots=True)
class PlateStyle:
    """What the printer resolves and how the plate is marked, mm."""

    engraving_depth_mm: float = 0.8
    stroke_mm: float = STROKE_MM  # thinnest groove
    wall_mm: float = 0.6  # thinnest wall between bores, grooves and the rim
    text_to_bore_mm: float = 0.4  # a label meets the round bore in one point only: less is enough
    corner_radius_mm: float = 2.0
    chamfer_mm: float = 6.0  # at the corner of A1, as far as the labels leave room
    counter_sink_mm: float = 0.5  # how much wider than its bore, at most
    ring_mm: float = 0.8  # width of the groove around a planned hole
    chord_mm: float = 0.01  # how far a bore's polygon may stand outside its circle
    cross_lines: bool = True

    @classmethod
    def of(cls, features: PlateFeatures) -> Self:
        """The style that a plate's features ask for."""
        least = features.resolution_mm
        return cls(
            stroke_mm=least,
            wall_mm=least,
            text_to_bore_mm=2.0 / 3.0 * least,
            corner_radius_mm=features.corner_radius_mm,
            counter_sink_mm=features.counter_sink_mm,
            ring_mm=max(0.8, least),
            cross_lines=features.cross_lines,
        )


DEFAULT_STYLE = PlateStyle()
