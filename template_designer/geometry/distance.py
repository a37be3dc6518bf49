"""Distances to solids: exact to rounding, or on the safe side by a stated amount.

A :class:`DistanceField` holds, for every slab of a solid, the exact in-plane distance to its
outline on a grid of 1 mm nodes, and joins slab and height for each query. Between nodes the
in-plane distance is interpolated; interpolation of a distance ``d`` exceeds it by at most
``step^2 / 4 (d - 2.2 step)``, and never by more than ``0.71 step``
(:func:`template_designer.geometry._kernels.interpolation_error`). That much is taken off, so a
reported distance never exceeds the true one; at 10 mm the loss is about 0.03 mm beside the
outline and at most 0.19 mm obliquely above its edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError
from template_designer.geometry._kernels import stack_distance
from template_designer.geometry.contours import polygon_edges
from template_designer.geometry.nodes import (
    FAR_AT_NODES_MM,
    FAR_MM,
    NODE_MM,
    NodeBox,
    fill_nodes,
)
from template_designer.geometry.solids import Solid

_CUT_OFF_MM = FAR_AT_NODES_MM + NODE_MM
"""So far beside a solid no nodes are needed: points there are read at the edge of those there are,
in a cell whose corners all lie beyond :data:`FAR_AT_NODES_MM`."""

_NODE = np.array([[-1.0], [1.0]])


def box_corners(low_mm: Iterable[float], high_mm: Iterable[float]) -> NDArray[np.float64]:
    """Eight corners of an axis-parallel box, (8, 3)."""
    return np.array(list(product(*zip(low_mm, high_mm, strict=True))))


@dataclass(frozen=True, slots=True, eq=False)
class DistanceField:
    """Distances to one solid for points inside a region. Make it with :meth:`around`."""

    solid: Solid
    box: NodeBox  # the nodes that are held
    layers: NDArray[np.float32]  # (slabs, rows, columns) in-plane signed distance
    nearest: NDArray[np.float32]  # (chunks, rows, columns) least of each CHUNK layers
    edges: tuple[NDArray[np.float64], ...]  # of the outline of each slab held
    region_mm: NDArray[np.float64]  # (2, 3) least and most u, v, w that may be asked for

    @classmethod
    def around(cls, solid: Solid, region_lps_mm: NDArray[np.float64]) -> DistanceField:
        """Field for queries inside the box (of the solid's frame) around (n, 3) points, LPS, mm.

        The nodes lie at whole multiples of :data:`NODE_MM`, so that fields of different regions
        agree where both hold a point.
        """
        region = _whole_mm(solid.to_local(region_lps_mm))
        box = _nodes_for(solid, region)
        edges = tuple(polygon_edges(slab.shape) for slab in solid.slabs[slice(*box.slabs)])
        return cls(solid, box, *fill_nodes(box, edges), edges, region)

    def grown(self, region_lps_mm: NDArray[np.float64]) -> DistanceField:
        """The field for a region more, joined with its own; only what is new is worked out."""
        more = _whole_mm(self.solid.to_local(region_lps_mm))
        region = np.stack(
            [np.minimum(self.region_mm, more)[0], np.maximum(self.region_mm, more)[1]]
        )
        box = _nodes_for(self.solid, region)
        known = dict(zip(range(*self.box.slabs), self.edges, strict=True))
        edges = tuple(
            known[k] if k in known else polygon_edges(self.solid.slabs[k].shape)
            for k in range(*box.slabs)
        )
        layers, nearest = fill_nodes(box, edges, self.box, self.layers)
        return DistanceField(self.solid, box, layers, nearest, edges, region)

    def clearance_mm(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from points to the solid, never too large; 0 inside. (n, 3) -> (n,)."""
        distance, inside = self._query(points_lps_mm, safe=True)
        return np.where(inside, 0.0, distance)

    def depth_mm(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """How deep points lie inside the solid, never too large; 0 outside. (n, 3) -> (n,)."""
        distance, inside = self._query(points_lps_mm, safe=True)
        return np.where(inside, distance, 0.0)

    def signed_mm(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Best estimate of the signed distance, negative inside, for shapes. (n, 3) -> (n,).

        For rules use :meth:`clearance_mm` and :meth:`depth_mm`.
        """
        distance, inside = self._query(points_lps_mm, safe=False)
        return np.where(inside, -distance, distance)

    def inside(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points lie inside the solid. (n, 3) -> (n,)."""
        return self._query(points_lps_mm, safe=False)[1]

    def _query(
        self, points_lps_mm: NDArray[np.float64], *, safe: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        local = self.solid.to_local(np.asarray(points_lps_mm, dtype=np.float64))
        low, high = self.region_mm
        if not np.all((local >= low) & (local <= high)):
            raise GeometryError(
                f"a distance to {self.solid.name!r} was asked for outside the region it was "
                "prepared for; pass a larger region to DistanceField.around"
            )
        distance = np.full(len(local), FAR_MM)
        inside = np.zeros(len(local), dtype=np.bool_)
        if not self.box.empty:
            first, end = np.array([self.box.columns, self.box.rows]).T
            across = local[:, :2]
            np.clip(across, NODE_MM * first, NODE_MM * (end - 1), out=across)
            slabs = self.solid.slabs[slice(*self.box.slabs)]
            stack_distance(
                local,
                self.layers,
                self.nearest,
                NODE_MM * first[0],
                NODE_MM * first[1],
                NODE_MM,
                np.array([slab.w_low_mm for slab in slabs]),
                np.array([slab.w_high_mm for slab in slabs]),
                self.solid.open_low,
                self.solid.open_high,
                1.0 if safe else 0.0,
                FAR_MM,
                distance,
                inside,
            )
        return np.minimum(distance, FAR_MM), inside


def _whole_mm(points_uvw_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """The box round points with its sides at nodes, a node farther out, (2, 3)."""
    ends = np.stack([points_uvw_mm.min(axis=0), points_uvw_mm.max(axis=0)])
    return NODE_MM * (np.stack([np.floor(ends[0] / NODE_MM), np.ceil(ends[1] / NODE_MM)]) + _NODE)


def _nodes_for(solid: Solid, region_mm: NDArray[np.float64]) -> NodeBox:
    """The nodes for queries in a box of the solid's frame; none where all of it is too far off."""
    low, high = region_mm
    slabs = solid.slabs
    first = sum(slab.w_high_mm < low[2] - FAR_MM for slab in slabs)
    end = sum(slab.w_low_mm <= high[2] + FAR_MM for slab in slabs)
    near = solid.bounds_uvw_mm + _CUT_OFF_MM * _NODE
    low, high = np.maximum(low, near[0]), np.minimum(high, near[1])
    if not (end > first and (low <= high)[:2].all()):
        return NodeBox((0, 0), (0, 0), (0, 0))
    columns, rows = (
        (math.floor(low[k] / NODE_MM), math.ceil(high[k] / NODE_MM) + 1) for k in range(2)
    )
    return NodeBox(columns, rows, (first, end))
