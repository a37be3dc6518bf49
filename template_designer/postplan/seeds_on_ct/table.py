"""Found seeds as rows of a table that a person settles and ``evaluate`` reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from template_designer.errors import CaseError
from template_designer.geometry.from_ct import solid_mask
from template_designer.geometry.solids import Solid
from template_designer.inputs.seed_csv import SeedRow
from template_designer.model import ImageVolume
from template_designer.postplan.seeds_on_ct.found import FoundSeeds, SeedState


def seed_rows(found: FoundSeeds) -> tuple[SeedRow, ...]:
    """One row a seed: sure ones are kept, of uncertain ones a person decides (``?``)."""
    rows = []
    for number, seed in enumerate(found.seeds, start=1):
        sure = seed.state is SeedState.SURE
        x, y, z = (float(value) for value in seed.center_lps_mm)
        axis = None
        if seed.axis_lps is not None:
            ax, ay, az = (float(value) for value in seed.axis_lps)
            axis = (ax, ay, az)
        reason = "; ".join(seed.reasons)
        rows.append(
            SeedRow(number, (x, y, z), axis, seed.state.value, reason, "yes" if sure else "?")
        )
    return tuple(rows)


def mask_near(solids: Sequence[Solid], margin_mm: float, image: ImageVolume) -> NDArray[np.bool_]:
    """Voxels within a distance of structures, (slices, rows, columns): where to look for seeds.

    Raises
    ------
    CaseError
        If none of the structures has a voxel of the image in it, or the distance is no distance.
    """
    if not 0.0 <= margin_mm <= 500.0:
        raise CaseError(f"a margin of {margin_mm:g} mm makes no sense; give 0 to 500 mm")
    mask = np.zeros(image.hu.shape, dtype=np.bool_)
    for solid in solids:
        mask |= solid_mask(solid, image)
    if not mask.any():
        names = ", ".join(repr(solid.name) for solid in solids)
        raise CaseError(
            f"{names}: lies outside of the CT; name a structure that was drawn on this CT"
        )
    away = ndimage.distance_transform_edt(~mask, sampling=image.spacing_mm[::-1])
    return np.asarray(away <= margin_mm)
