"""How near many needles come to a structure: the same numbers as of planned needles, but fast.

A planned needle is measured every 0.5 mm. Here a coarse grid of distances first says how near each
of these points can be at most; measured are those that may be the nearest of their needle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.paths import STEP_MM, between_points_mm
from template_designer.geometry.solids import Solid
from template_designer.planning._robust_kernels import lower_bounds

NODE_MM = 3.0
"""Spacing of the coarse grid."""

MEASURED_MM = 30.0
"""Needles that stay farther than this from a structure are not measured: the coarse grid's lower
bound is given, which is short by up to 0.5 mm there."""

SHORT_MM = 1.5
"""A measured distance may be short by this: as much goes for the bound of what is to be measured,
so that the result is that of all points."""


@dataclass(frozen=True, slots=True, eq=False)
class NearField:
    """Distances to one structure, fine and coarse. Make it with :meth:`around`."""

    field: DistanceField
    coarse_mm: NDArray[np.float64]  # [z, y, x], at the nodes
    origin_lps_mm: NDArray[np.float64]  # (3,) of node 0, 0, 0

    @classmethod
    def around(
        cls, solid: Solid, low_lps_mm: NDArray[np.float64], high_lps_mm: NDArray[np.float64]
    ) -> Self:
        """Distances for needles inside a box, LPS, mm."""
        counts = np.ceil((high_lps_mm - low_lps_mm) / NODE_MM).astype(int) + 1
        axes = [low + NODE_MM * np.arange(n) for low, n in zip(low_lps_mm, counts, strict=True)]
        z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
        field = DistanceField.around(solid, box_corners(low_lps_mm, [axis[-1] for axis in axes]))
        coarse = field.clearance_mm(np.column_stack([x.ravel(), y.ravel(), z.ravel()]))
        return cls(field, coarse.reshape(x.shape), np.array(low_lps_mm, dtype=np.float64))

    def least_clearances_mm(
        self,
        entry_lps_mm: NDArray[np.float64],
        tip_lps_mm: NDArray[np.float64],
        radius_mm: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Least distance of every needle's surface to the structure, never too large.

        Parameters
        ----------
        entry_lps_mm, tip_lps_mm : (n, 3) ndarray
            Ends of the needles, inside the box.
        radius_mm : (n,) ndarray
            Their outer radii.

        Returns
        -------
        (n,) ndarray
            mm; below 0 where the needle may touch the structure.
        """
        span = tip_lps_mm - entry_lps_mm
        length = np.linalg.norm(span, axis=1)
        along = span / np.maximum(length, 1e-9)[:, None]
        points = int(np.ceil(length.max() / STEP_MM - 1e-9)) + 1
        bounds = np.full((len(length), points), np.inf)
        args = entry_lps_mm, along, length, STEP_MM
        lower_bounds(self.coarse_mm, self.origin_lps_mm, NODE_MM, *args, bounds)
        nearest = np.argmin(bounds, axis=1)
        least = bounds[np.arange(len(length)), nearest]

        near = np.flatnonzero(least < MEASURED_MM)
        measured = self._measured(near, nearest[near], entry_lps_mm, along, length)
        within = bounds[near] < (measured + SHORT_MM)[:, None]
        rows, columns = np.nonzero(within & (measured > 0.0)[:, None])
        others = self._measured(near[rows], columns, entry_lps_mm, along, length)
        np.minimum.at(measured, rows, others)
        least[near] = measured
        return least - between_points_mm(least, STEP_MM) - radius_mm

    def _measured(
        self,
        needles: NDArray[np.int64],
        columns: NDArray[np.int64],
        entry_lps_mm: NDArray[np.float64],
        along: NDArray[np.float64],
        length: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        t = np.minimum(columns * STEP_MM, length[needles])
        return self.field.clearance_mm(entry_lps_mm[needles] + t[:, None] * along[needles])
