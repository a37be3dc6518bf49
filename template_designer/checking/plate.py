"""A printed plate from its triangles alone: is it closed, where is material, what is engraved.

Print pose: X = x, Y = -y, Z = -z of the template frame; the patient face lies on Z = 0.
"""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from stl import mesh as numpy_stl

from template_designer.errors import InputError

OFF_GRID_MM = (1.37e-5, 2.11e-5)
"""Rays are moved aside by this much, so that none runs along an edge or through a corner."""


class PlateModel:
    """The triangles of one STL file.

    Parameters
    ----------
    triangles_mm : (n, 3, 3) ndarray
        Corners, counter-clockwise from outside.
    """

    def __init__(self, triangles_mm: NDArray[np.float64]) -> None:
        self.triangles_mm = np.asarray(triangles_mm, dtype=np.float64)

    @classmethod
    def read(cls, path: Path) -> PlateModel:
        """Read an STL file with numpy-stl.

        Raises
        ------
        InputError
            If there is none, it holds no triangle, or a corner is not finite.
        """
        if not path.is_file():
            raise InputError(f"{path}: the template model is missing; write the plan again")
        logging.getLogger("stl").setLevel(logging.ERROR)
        try:
            triangles = numpy_stl.Mesh.from_file(str(path), calculate_normals=False).vectors
        except Exception as error:  # numpy-stl raises many kinds on damaged bytes
            raise InputError(f"{path}: cannot be read as STL ({error}); write it again") from error
        if not len(triangles) or not np.isfinite(triangles).all():
            raise InputError(f"{path}: holds no triangles, or corners that are not finite")
        return cls(np.asarray(triangles, dtype=np.float64))

    @cached_property
    def _corners(self) -> NDArray[np.int64]:
        """Index of each triangle's corners, equal positions sharing one, (n, 3)."""
        flat = self.triangles_mm.reshape(-1, 3) + 0.0  # no -0.0
        rows = np.ascontiguousarray(flat).view([("", np.float64)] * 3).ravel()
        _, index = np.unique(rows, return_inverse=True)
        return np.asarray(index, dtype=np.int64).reshape(-1, 3)

    @cached_property
    def open_edges(self) -> int:
        """Edges that do not join exactly two triangles, run through once each way; 0 = closed."""
        corners = self._corners
        count = int(corners.max()) + 1
        start, end = corners.ravel(), np.roll(corners, -1, axis=1).ravel()
        there, seen = np.unique(start * count + end, return_counts=True)
        back = np.unique(end * count + start)
        return int(np.count_nonzero(seen > 1)) + len(np.setdiff1d(there, back))

    @cached_property
    def volume_mm3(self) -> float:
        """Enclosed volume, mm3; negative if the triangles face inwards."""
        a, b, c = (self.triangles_mm[:, n] for n in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    @cached_property
    def bodies(self) -> int:
        """Number of separate pieces."""
        corners = self._corners
        start = np.concatenate([corners[:, 0], corners[:, 1]])
        end = np.concatenate([corners[:, 1], corners[:, 2]])
        count = int(corners.max()) + 1
        graph = coo_matrix((np.ones(len(start)), (start, end)), shape=(count, count))
        return int(connected_components(graph, directed=False)[0])

    @cached_property
    def through_holes(self) -> int:
        """Holes right through the body, by Euler's formula; engraving does not count."""
        corners = self._corners
        euler = int(corners.max()) + 1 - len(corners) // 2  # V - E + F with 2 E = 3 F
        return (2 * self.bodies - euler) // 2

    @property
    def bounds_mm(self) -> NDArray[np.float64]:
        """Lowest and highest corner, (2, 3)."""
        flat = self.triangles_mm.reshape(-1, 3)
        return np.array([flat.min(axis=0), flat.max(axis=0)])

    @cached_property
    def _upright(self) -> tuple[NDArray[np.float64], NDArray[np.float64], shapely.STRtree]:
        """Triangles that a ray along Z can hit, twice their area in the XY plane, and an index."""
        p = self.triangles_mm
        u, v = p[:, 1, :2] - p[:, 0, :2], p[:, 2, :2] - p[:, 0, :2]
        area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        seen = area != 0.0
        low, high = p[seen, :, :2].min(axis=1), p[seen, :, :2].max(axis=1)
        boxes = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
        return p[seen], area[seen], shapely.STRtree(boxes)

    def solid_mm(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Length of material on rays along Z through (n, 2) points, exact; 0 where nothing is hit.

        Every crossing counts with its height, upward faces plus, downward faces minus.
        """
        triangles, area, tree = self._upright
        points = np.atleast_2d(points_mm) + OFF_GRID_MM
        ray, hit = tree.query(shapely.points(points))
        p, at, twice = triangles[hit], points[ray], area[hit]
        a, b, c = (p[:, n, :2] - at for n in range(3))
        parts = [
            (x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]) / twice for x, y in ((b, c), (c, a), (a, b))
        ]
        inside = np.minimum.reduce(parts) > 0.0
        height = sum(part * p[:, n, 2] for n, part in enumerate(parts))
        signed = np.where(inside, np.sign(twice) * height, 0.0)
        return np.bincount(ray, signed, minlength=len(points)).astype(np.float64)

    @cached_property
    def engraved(self) -> tuple[shapely.Polygon, ...]:
        """Connected floors of what is engraved into the top face, print plane, mm."""
        p = self.triangles_mm
        top = float(p[..., 2].max())
        thickness = top - float(p[..., 2].min())
        flat = np.ptp(p[..., 2], axis=1) < 1e-3
        level = p[..., 2].mean(axis=1)
        u, v = p[:, 1, :2] - p[:, 0, :2], p[:, 2, :2] - p[:, 0, :2]
        upward = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] > 0.0
        floor = flat & upward & (level < top - 0.05) & (level > top - 0.25 * thickness)
        faces = shapely.polygons(p[floor][:, :, :2])
        ink = shapely.union_all(shapely.set_precision(faces, 1e-4))
        return tuple(part for part in shapely.get_parts(ink) if part.area > 0.01)
