"""Points that stand for the volume and for the surface of a solid, for dose-volume histograms."""

from __future__ import annotations

import math

import numpy as np
import shapely
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from dose import DoseGrid
from template_designer.errors import GeometryError
from template_designer.geometry._kernels import signed_distance_grid
from template_designer.geometry.contours import polygon_edges
from template_designer.geometry.solids import Solid
from template_designer.model import Surface

SAMPLE_LAYER_MM = 1.0
"""Points of a structure lie on planes at most this far apart."""

SAMPLES = 60_000
"""Points that a structure of up to 60 cm3 is given, about; a larger one gets as many in each layer
of its mean area."""

FINEST_MM = 0.4
"""Least distance between points: metrics of small targets then move by under 1 % (docs/dose.md)."""

VOXEL_PARTS = 4
"""Samples along each side of a voxel, when its share of a structure is counted."""


def volume_samples(
    solid: Solid, spacing_mm: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points inside a solid, each with the volume it stands for.

    Every slab gets square grids of points at most 1 mm apart in height, or ``spacing_mm`` where
    that is less; its volume is shared among them, so that the weights add up to the solid's volume
    exactly.

    Returns
    -------
    points_lps_mm : (n, 3) ndarray
    weights_cm3 : (n,) ndarray
    """
    if spacing_mm is None:
        share_mm3 = solid.volume_cm3 * 1000.0 / SAMPLES
        finest = max(share_mm3 ** (1.0 / 3.0), FINEST_MM)
        spacing_mm = finest if share_mm3 < 1.0 else min(math.sqrt(share_mm3), 5.0)
    points, weights = [], []
    low, high = solid.bounds_uvw_mm
    us = np.arange(low[0] + 0.5 * spacing_mm, high[0], spacing_mm)
    vs = np.arange(low[1] + 0.5 * spacing_mm, high[1], spacing_mm)
    grid_u, grid_v = (g.ravel() for g in np.meshgrid(us, vs))
    for slab in solid.slabs:
        shapely.prepare(slab.shape)
        within = shapely.contains_xy(slab.shape, grid_u, grid_v)
        uv = np.column_stack([grid_u[within], grid_v[within]])
        if not len(uv):
            uv = np.array([slab.shape.representative_point().coords[0]])
        height = slab.w_high_mm - slab.w_low_mm
        layers = max(1, math.ceil(height / min(SAMPLE_LAYER_MM, spacing_mm) - 1e-6))
        share = slab.shape.area * height / layers / len(uv) / 1000.0
        for k in range(layers):
            w = slab.w_low_mm + (k + 0.5) / layers * height
            points.append(np.column_stack([uv, np.full(len(uv), w)]))
            weights.append(np.full(len(uv), share))
    return solid.to_lps(np.vstack(points)), np.concatenate(weights)


def voxel_shares(
    solid: Solid, grid: DoseGrid, *, parts: int = VOXEL_PARTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much of a solid lies in each voxel of a dose grid, and where.

    The solid is sampled ``parts`` times finer than the smallest side of a voxel. A voxel on its
    surface counts with its share, and at the middle of that share: at its own centre, often
    outside the solid, the dose would be too low.

    Returns
    -------
    points_lps_mm : (n, 3) ndarray
        Middle of the solid's part of each voxel that it touches; ask ``DoseField.interpolate``.
    weights_cm3 : (n,) ndarray
        Volume of that part; the sum is the solid's volume.

    Raises
    ------
    GeometryError
        If the solid reaches out of the grid: its histogram would be cut off.
    """
    points, weights = volume_samples(solid, min(grid.spacing_mm) / parts)
    index = np.floor((points - grid.origin_mm) / grid.spacing_mm + 0.5).astype(np.int64)
    shape_xyz = np.array(grid.shape[::-1])
    if (index < 0).any() or (index >= shape_xyz).any():
        low, high = points.min(axis=0).round(1).tolist(), points.max(axis=0).round(1).tolist()
        raise GeometryError(
            f"structure {solid.name!r} ({low} to {high} mm) reaches out of the dose grid "
            f"({list(grid.origin_mm)} to {list(grid.upper_mm)} mm); let the grid hold all of it"
        )
    flat = np.ravel_multi_index((index[:, 2], index[:, 1], index[:, 0]), grid.shape)
    _, voxel = np.unique(flat, return_inverse=True)
    volume = np.bincount(voxel, weights).astype(np.float64)
    moments = [np.bincount(voxel, weights * points[:, axis]) for axis in range(3)]
    return np.column_stack(moments) / volume[:, None], volume


def surface_samples(solid: Solid, spacing_mm: float = 1.0) -> NDArray[np.float64]:
    """Points on the side surface of all slabs, drawn corners included, (n, 3) LPS, mm."""
    points = []
    for slab in solid.slabs:
        outline = shapely.get_coordinates(shapely.segmentize(slab.shape.boundary, spacing_mm))
        layers = max(1, math.ceil((slab.w_high_mm - slab.w_low_mm) / spacing_mm))
        for w in np.linspace(slab.w_low_mm, slab.w_high_mm, layers + 1):
            points.append(np.column_stack([outline, np.full(len(outline), w)]))
    return solid.to_lps(np.vstack(points))


def cap_samples(solid: Solid, spacing_mm: float = 1.0) -> NDArray[np.float64]:
    """Points on the flat faces where a solid begins and ends along its stack, (n, 3) LPS, mm."""
    points = [np.zeros((0, 3))]
    slabs = solid.slabs
    for k, slab in enumerate(slabs):
        faces = []
        if k == 0 or slabs[k - 1].w_high_mm < slab.w_low_mm - 1e-6:
            faces.append(slab.w_low_mm)
        if k == len(slabs) - 1 or slabs[k + 1].w_low_mm > slab.w_high_mm + 1e-6:
            faces.append(slab.w_high_mm)
        if not faces:
            continue
        low_u, low_v, high_u, high_v = slab.shape.bounds
        u, v = np.meshgrid(
            np.arange(low_u, high_u, spacing_mm), np.arange(low_v, high_v, spacing_mm)
        )
        inside = shapely.contains_xy(slab.shape, u.ravel(), v.ravel())
        for w in faces:
            points.append(np.column_stack([u.ravel(), v.ravel(), np.full(u.size, w)])[inside])
    return solid.to_lps(np.vstack(points))


def closed_surface(solid: Solid, spacing_mm: float) -> Surface:
    """A closed triangle mesh of a solid, for pictures: true to about half of ``spacing_mm``.

    The in-plane signed distances of evenly spaced cuts are contoured as one volume.

    Raises
    ------
    GeometryError
        If the solid falls between the points of that grid.
    """
    low, high = solid.bounds_uvw_mm
    low, high = low - 2.0 * spacing_mm, high + 2.0 * spacing_mm
    columns, rows, planes = (np.ceil((high - low) / spacing_mm).astype(int) + 1).tolist()
    values = np.full((planes, rows, columns), spacing_mm)
    starts = np.array([slab.w_low_mm for slab in solid.slabs])
    for k, w in enumerate(low[2] + spacing_mm * np.arange(planes)):
        slab = solid.slabs[max(0, int(np.searchsorted(starts, w, side="right")) - 1)]
        if slab.w_low_mm <= w <= slab.w_high_mm:
            edges = polygon_edges(slab.shape)
            signed_distance_grid(edges, low[0], low[1], spacing_mm, values[k])
    if not values.min() < 0.0:
        raise GeometryError(f"structure {solid.name!r} is thinner than {spacing_mm:g} mm")
    # cap the distances, so that a cut next to an empty one ends half a spacing beyond itself
    values = np.clip(values, -spacing_mm, spacing_mm)
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(spacing_mm,) * 3)
    return Surface(solid.to_lps(vertices[:, ::-1] + low), faces[:, ::-1].astype(np.int64))
