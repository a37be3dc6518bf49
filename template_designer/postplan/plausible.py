"""Are these the seeds of this implant? Unit, place and number, before any dose is computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from template_designer.errors import CaseError
from template_designer.inputs.later_day import outside_ct
from template_designer.model import ImageVolume, PlanWarning

CM = 10.0
"""Millimetres to a centimetre."""

ALIKE = 3.0
"""Two extents within this factor of each other are alike: seeds move, but an implant neither
shrinks to a tenth nor grows to ten times."""

FAR_MM = 50.0
"""Seeds farther than this from every planned one do not lie in the target."""


def check_unit(where: str, found_mm: NDArray[np.float64], planned_mm: NDArray[np.float64]) -> None:
    """Refuse seeds whose extent says that they are not in mm.

    Raises
    ------
    CaseError
        If they are as far apart as the planned ones in cm, or in m.
    """
    if len(found_mm) < 3:
        return
    found, planned = _extent(found_mm), _extent(planned_mm)
    for unit, factor in (("cm", CM), ("m", 1000.0)):
        if found > 0.0 and 1.0 / ALIKE < factor * found / planned < ALIKE:
            raise CaseError(
                f"{where}: the seeds are {found:.2g} mm round their middle (root mean square), the "
                f"planned ones {planned:.3g} mm: they look like {unit}; write the centres in mm"
            )


def check_in_ct(
    where: str, found_mm: NDArray[np.float64], numbers: Sequence[str], image: ImageVolume, ct: str
) -> None:
    """Refuse seeds outside the image that they were found in.

    Raises
    ------
    CaseError
        With the numbers of the first of them.
    """
    outside = np.flatnonzero(outside_ct(image, found_mm))
    if outside.size:
        x, y, z = found_mm[outside[0]]
        listed = ", ".join(numbers[k] for k in outside[:8])
        raise CaseError(
            f"{where}: {outside.size} of {len(found_mm)} seeds lie outside {ct} (seed {listed}; "
            f"the first at {x:.1f}, {y:.1f}, {z:.1f} mm LPS); check frame and signs, or leave them "
            "out"
        )


def check_near_plan(
    where: str,
    found_lps_mm: NDArray[np.float64],
    planned_lps_mm: NDArray[np.float64],
    numbers: Sequence[str],
) -> tuple[PlanWarning, ...]:
    """Refuse seeds that lie elsewhere in the patient; name single ones that do.

    Raises
    ------
    CaseError
        If more than half of them are far from every planned seed.
    """
    apart, _ = cKDTree(planned_lps_mm).query(found_lps_mm)
    far = np.flatnonzero(apart > FAR_MM)
    if 2 * far.size > len(found_lps_mm):
        raise CaseError(
            f"{where}: {far.size} of {len(found_lps_mm)} seeds lie more than {FAR_MM:g} mm from "
            f"every planned one (the nearest {apart.min():.0f} mm): they are in another frame. "
            "State it by the column names, or register the day (--registration)"
        )
    if not far.size:
        return ()
    listed = ", ".join(f"{numbers[k]} ({apart[k]:.0f} mm)" for k in far[:8])
    text = f"seeds far from every planned one: {listed}. Migrated, or not seeds at all? Check them."
    return (PlanWarning("seed-far", text),)


def _extent(points_mm: NDArray[np.float64]) -> float:
    """Root mean square distance from the middle, mm."""
    off = points_mm - points_mm.mean(axis=0)
    return float(np.sqrt(np.mean(np.sum(off**2, axis=1))))
