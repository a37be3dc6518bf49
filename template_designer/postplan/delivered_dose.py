"""Dose of delivered seeds: 2D where their axis is known, 1D where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dose import DoseField, dose_at_points, dose_at_points_1d, dose_field_enclosing
from template_designer.model.evaluation import DeliveredSeeds
from template_designer.planning.evaluate import GRID_MM

GROWTH_MM = 5.0
"""How far every side of the grid moves out at a time, where 1D seeds reach over it."""

REACH_MM = 150.0
"""Farthest that a grid is followed beyond the seeds, as in :mod:`dose.enclosing`."""


@dataclass(frozen=True, slots=True, eq=False)
class DeliveredDose:
    """Dose of delivered seeds at points and on a grid, preplan frame (LPS, mm)."""

    seeds: DeliveredSeeds

    def dose_gy(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Dose to full decay at points, (n, 3) -> (n,) Gy."""
        total = np.zeros(len(points_lps_mm))
        for chosen, formalism in ((True, dose_at_points), (False, dose_at_points_1d)):
            rows = self.seeds.has_axis == chosen
            if rows.any():
                total += formalism(
                    self.seeds.source,
                    self.seeds.centers_lps_mm[rows],
                    self.seeds.axes_lps[rows],
                    self.seeds.strength_u[rows],
                    points_lps_mm,
                )
        return total

    def field(self, prescription_gy: float) -> DoseField:
        """Dose on a grid whose border lies under the prescription."""
        seeds, known = self.seeds, self.seeds.has_axis
        centers = seeds.centers_lps_mm
        for reach_mm in np.arange(0.0, REACH_MM + GROWTH_MM, GROWTH_MM):
            # the grid holds every seed; where some are 1D it grows until their dose is in it too
            low, high = centers.min(axis=0) - reach_mm, centers.max(axis=0) + reach_mm
            field = dose_field_enclosing(
                seeds.source,
                centers[known],
                seeds.axes_lps[known],
                seeds.strength_u[known],
                dose_gy=prescription_gy,
                spacing_mm=GRID_MM,
                include_mm=np.array(list(product(*zip(low, high, strict=True)))),
            )
            if known.all():
                break
            more = dose_at_points_1d(
                seeds.source,
                centers[~known],
                seeds.axes_lps[~known],
                seeds.strength_u[~known],
                field.grid.points_mm(),
            )
            field = DoseField(field.grid, field.values_gy + more.reshape(field.grid.shape))
            if field.border_max_gy < prescription_gy:
                break
        return field
