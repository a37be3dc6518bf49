"""Tables of the case file about the printed plate: printer, marker pockets, mounting holes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from template_designer.model.tables import Number, Settings

PlaceMm = tuple[Number, Number]
"""x to the right and y down as the operator sees the plate, from its centre, mm."""


class PrinterSettings(Settings):
    """``[printer]``: what a printer makes of a material; one table for each pair, kept at hand."""

    name: str = ""
    material: str = ""
    resolution_mm: Annotated[Number, Field(ge=0.3, le=1.2)] = 0.6  # least stroke and least wall
    bore_allowance_mm: Annotated[Number, Field(ge=0.0, le=1.0)] | None = None  # None: [needle]'s
    fit_gauge_mm: Annotated[
        tuple[Annotated[Number, Field(ge=0.0, le=1.0)], ...], Field(min_length=1, max_length=12)
    ] = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40)  # allowances on the fit gauge


class MarkerSettings(Settings):
    """``[markers]``: pockets for radio-opaque spheres, open towards the patient."""

    diameter_mm: Annotated[Number, Field(ge=0.8, le=6.0)] = 2.0  # of the sphere
    allowance_mm: Annotated[Number, Field(ge=0.0, le=1.0)] = 0.2  # pocket wider than the sphere
    depth_mm: Annotated[Number, Field(gt=0.0, le=50.0)] | None = None
    """Patient face to the sphere's centre; None: one diameter."""
    positions_mm: Annotated[tuple[PlaceMm, ...], Field(min_length=3, max_length=20)] | None = None
    """None: four places near the corners that no turn and no mirror brings onto each other."""


class MountSettings(Settings):
    """``[mount]``: holes right through the plate for the screws of a support arm."""

    positions_mm: Annotated[tuple[PlaceMm, ...], Field(min_length=1, max_length=20)]
    diameter_mm: Annotated[Number, Field(ge=1.0, le=12.0)] = 3.4  # M3, medium fit (ISO 273)
