"""Solids from CT numbers: the body without the couch, and bone.

A mask of voxels is cleaned slice by slice and in three dimensions; its outline is then drawn where
the CT number crosses the threshold between voxels, and handed to the same builder as a drawn one.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.geometry.booleans import in_frame
from template_designer.geometry.contours import polygon_edges, polygons_only
from template_designer.geometry.solids import Solid, build_solid, outline_under
from template_designer.model import ImageVolume, Roi
from template_designer.model.derived import BODY_FROM_CT

BODY_HU = -300.0
"""Between air (-1000) and fat (-100), nearer to fat: foam of couches and mattresses stays out."""

THIN_MM = 8.0
"""What is thinner than this in a slice is no body: couch shells, wires, sheets."""

GAP_MM = 2.0
"""Gaps in bone up to this wide are closed."""

PORE_MM2 = 50.0
"""Holes in a slice of bone up to this area are filled; a spinal canal is larger."""


def body_from_ct(image: ImageVolume, threshold_hu: float = BODY_HU) -> Solid:
    """The patient's body: the largest thing in the scan, without couch and wires, holes filled.

    In every slice what is thinner than :data:`THIN_MM` is cut off; of the rest the part that is
    largest in three dimensions is kept, and what it encloses (lung, bowel gas) is filled.

    Raises
    ------
    GeometryError
        If there is no body.
    """
    dense = image.hu >= threshold_hu
    thick = np.stack([_opened(part, image, 0.5 * THIN_MM) for part in dense])
    parts, count = ndimage.label(thick)
    if not count:
        raise GeometryError(
            f"the CT holds no body: nothing thicker than {THIN_MM:g} mm is at or above "
            f"{threshold_hu:g} HU. Check the CT, or contour the skin and name it in [skin]"
        )
    sizes = np.bincount(parts.ravel())
    body = parts == 1 + int(np.argmax(sizes[1:]))
    filled = np.stack([ndimage.binary_fill_holes(part) for part in body])
    return _solid_of(filled, image, threshold_hu, BODY_FROM_CT)


def solid_above(
    image: ImageVolume,
    threshold_hu: float,
    *,
    name: str,
    within: Solid | None = None,
    smallest_cm3: float = 0.0,
) -> Solid:
    """What lies at or above a CT number, such as bone: closed, small islands dropped.

    Parameters
    ----------
    image : ImageVolume
    threshold_hu : float
    name : str
        Of the solid.
    within : Solid, optional
        Voxels count whose centres lie in it.
    smallest_cm3 : float
        Parts smaller than this, in three dimensions, are dropped.

    Raises
    ------
    GeometryError
        If nothing is left.
    """
    dense = image.hu >= threshold_hu
    if within is not None:
        dense &= solid_mask(within, image)
    dense = np.stack([_closed(part, image) for part in dense])
    parts, _ = ndimage.label(dense, structure=np.ones((3, 3, 3)))
    sizes_cm3 = np.bincount(parts.ravel()) * float(np.prod(image.spacing_mm)) / 1000.0
    keep = sizes_cm3 >= smallest_cm3
    keep[0] = False
    if not keep.any():
        where = "" if within is None else f" inside {within.name!r}"
        raise GeometryError(
            f"structure {name!r}: the CT holds nothing at or above {threshold_hu:g} HU{where} in "
            f"parts of at least {smallest_cm3:g} cm3; check ct_above_hu, within, drop_below_cm3"
        )
    return _solid_of(keep[parts], image, threshold_hu, name)


def solid_mask(solid: Solid, image: ImageVolume) -> NDArray[np.bool_]:
    """Voxels whose centres lie in a solid, (slices, rows, columns)."""
    aligned = in_frame(solid, image.axes_lps)
    origin = image.axes_lps @ image.origin_lps_mm
    mask = np.zeros(image.hu.shape, dtype=np.bool_)
    for k in range(len(mask)):
        w = origin[2] + k * image.spacing_mm[2]
        slab = next((s for s in aligned.slabs if s.w_low_mm <= w < s.w_high_mm), None)
        if slab is not None:
            mask[k] = _raster(slab.shape, origin, image)
    return mask


def _raster(
    shape: BaseGeometry, origin_mm: NDArray[np.float64], image: ImageVolume
) -> NDArray[np.bool_]:
    """Pixels of a slice whose centres lie in polygons (even-odd along each row)."""
    _, rows, columns = image.hu.shape
    edges = polygon_edges(shape).reshape(-1, 2, 2)
    u, v = np.moveaxis((edges - origin_mm[:2]) / image.spacing_mm[:2], 2, 0)
    row = np.arange(rows)[:, None]
    at, edge = np.nonzero((v[:, 0] <= row) != (v[:, 1] <= row))
    part = (at - v[edge, 0]) / (v[edge, 1] - v[edge, 0])
    crossing = u[edge, 0] + part * (u[edge, 1] - u[edge, 0])
    first = np.clip(np.ceil(crossing), 0, columns).astype(np.int64)  # the next pixel to the right
    passed = np.zeros((rows, columns + 1), dtype=np.int64)
    np.add.at(passed, (at, first), 1)
    return np.asarray(np.cumsum(passed, axis=1)[:, :-1] % 2 == 1)


def _opened(part: NDArray[np.bool_], image: ImageVolume, radius_mm: float) -> NDArray[np.bool_]:
    """A slice without what a disc of that radius does not fit into; beyond its edge it goes on."""
    pixel = image.spacing_mm[1::-1]
    reach = int(np.ceil(radius_mm / pixel.min())) + 1
    padded = np.pad(part, reach, mode="edge")
    if padded.all():
        return part
    core = ndimage.distance_transform_edt(padded, sampling=pixel) > radius_mm
    if not core.any():
        return np.zeros_like(part)
    near = ndimage.distance_transform_edt(~core, sampling=pixel) <= radius_mm
    return np.asarray(part & near[reach:-reach, reach:-reach])


def _closed(part: NDArray[np.bool_], image: ImageVolume) -> NDArray[np.bool_]:
    """A slice of bone without narrow gaps and small holes."""
    if not part.any():
        return part
    pixel, radius_mm = image.spacing_mm[1::-1], 0.5 * GAP_MM
    padded = np.pad(part, int(np.ceil(GAP_MM / pixel.min())) + 1)
    reach = (len(padded) - len(part)) // 2
    grown = ndimage.distance_transform_edt(~padded, sampling=pixel) <= radius_mm
    shut = ndimage.distance_transform_edt(grown, sampling=pixel) > radius_mm
    shut = part | shut[reach:-reach, reach:-reach]
    holes, _ = ndimage.label(ndimage.binary_fill_holes(shut) & ~shut)
    sizes_mm2 = np.bincount(holes.ravel()) * float(np.prod(pixel))
    small = sizes_mm2 <= PORE_MM2
    small[0] = False
    return np.asarray(shut | small[holes])


def _solid_of(mask: NDArray[np.bool_], image: ImageVolume, threshold_hu: float, name: str) -> Solid:
    """Solid of a mask, its outline where the CT number crosses the threshold between voxels."""
    rings = []
    us, vs = (
        image.spacing_mm[axis] * np.arange(-1, image.hu.shape[2 - axis] + 1) for axis in (0, 1)
    )
    step = max(1.0, abs(threshold_hu)) * 1e-3
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        hu = image.hu[k].astype(np.float64)
        inside = np.pad(mask[k], 1)
        # what was filled is inside, what was cut off is outside, whatever its own number
        level = np.pad(np.where(mask[k], np.maximum(hu, threshold_hu + step), hu), 1, mode="edge")
        level[~inside] = np.minimum(level[~inside], threshold_hu - step)
        shape = polygons_only(outline_under(-level, -threshold_hu, us, vs))
        height = image.origin_lps_mm + k * image.spacing_mm[2] * image.axes_lps[2]
        for polygon in shapely.get_parts(shape):
            for ring in (polygon.exterior, *polygon.interiors):
                corners = shapely.get_coordinates(ring)[:-1]
                rings.append(height + corners @ image.axes_lps[:2])
    # holes are holes, however thin the shell round them
    return build_solid(Roi(name, 0, tuple(rings), xor=True), image)
