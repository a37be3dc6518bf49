"""An image and its contours in another frame: nothing is resampled, only their place changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from template_designer.frames import transform_points
from template_designer.model import ImageVolume, RoiSet


def moved_image(image: ImageVolume, matrix: NDArray[np.float64]) -> ImageVolume:
    """The same voxels where a rigid transform (4, 4) puts them, LPS, mm."""
    return replace(
        image,
        origin_lps_mm=transform_points(matrix, image.origin_lps_mm)[0],
        axes_lps=image.axes_lps @ matrix[:3, :3].T,
    )


def moved_rois(rois: RoiSet, matrix: NDArray[np.float64]) -> RoiSet:
    """The same rings where a rigid transform (4, 4) puts them, LPS, mm."""
    return replace(
        rois,
        rois=tuple(
            replace(
                roi,
                rings_lps_mm=tuple(transform_points(matrix, ring) for ring in roi.rings_lps_mm),
            )
            for roi in rois.rois
        ),
    )
