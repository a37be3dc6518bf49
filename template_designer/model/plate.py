"""What a printed plate carries beside its lattice. Types only; template frame, mm."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarkerPocket:
    """A pocket for a radio-opaque sphere, open towards the patient."""

    x_mm: float
    y_mm: float
    depth_mm: float  # patient face to the centre of the sphere, into the plate
    sphere_mm: float  # diameter of the sphere
    pocket_mm: float  # diameter of the pocket

    @property
    def center_mm(self) -> tuple[float, float, float]:
        """Centre of the sphere at the bottom of its pocket, template frame (z = -depth)."""
        return self.x_mm, self.y_mm, -self.depth_mm


@dataclass(frozen=True, slots=True)
class MountingHole:
    """A hole right through the plate for a screw, square to its faces."""

    x_mm: float
    y_mm: float
    diameter_mm: float


@dataclass(frozen=True, slots=True)
class PlateFeatures:
    """Shape and marks of a plate; the defaults are those of the case file."""

    resolution_mm: float = 0.6  # least stroke and wall
    corner_radius_mm: float = 2.0
    counter_sink_mm: float = 0.5  # wider than the bore at the operator face, at most
    cross_lines: bool = True
    qr: bool | None = None  # None: where the rim has room for it
    date: datetime.date | None = None  # engraved; None: none
    markers: tuple[MarkerPocket, ...] = ()
    mounting_holes: tuple[MountingHole, ...] = ()
