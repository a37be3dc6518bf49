"""Solids that plates are made of: bores, pockets, engravings, and the proof of a closed body."""

from __future__ import annotations

import math

import manifold3d
import numpy as np
import shapely
import trimesh
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.frames import transform_points
from template_designer.geometry.plate_style import PlateStyle

FREE_MM = 1.0
"""How far a tool stands out of the face that it cuts."""

SINK_SLOPE = math.sqrt(3.0)
"""Depth of a counter-sink over the width it adds on each side: 60 degrees between its walls."""

_POCKET_CHORD_MM = 0.02  # how far a pocket's polygons may stand outside its sphere


def sides_of(radius_mm: float, chord_mm: float) -> int:
    """Sides of a polygon around a circle that stands out of it by ``chord_mm`` at most."""
    return max(32, 4 * math.ceil(math.pi / math.acos(radius_mm / (radius_mm + chord_mm)) / 4.0))


def bore_tool(
    diameter_mm: float, face_mm: float, thickness_mm: float, chord_mm: float
) -> trimesh.Trimesh:
    """What a bore takes out of a plate, along Z from under it to above it.

    Parameters
    ----------
    diameter_mm : float
        Of the bore; its polygon stands around the circle, so that the full bore stays free.
    face_mm : float
        Radius at the operator face: more than the bore's own makes a counter-sink.
    thickness_mm : float
        Of the plate.
    chord_mm : float
        How far the polygon may stand outside the circle.
    """
    radius = 0.5 * diameter_mm
    sides = sides_of(radius, chord_mm)
    wider = face_mm - radius
    profile = [(radius, -FREE_MM)]
    if wider > 1e-6:
        profile.append((radius, thickness_mm - SINK_SLOPE * wider))
    outside = FREE_MM / SINK_SLOPE if wider > 1e-6 else 0.0
    profile.append((face_mm + outside, thickness_mm + FREE_MM))
    return _turned(profile, sides)


def pocket_tool(diameter_mm: float, bottom_mm: float) -> trimesh.Trimesh:
    """What a pocket takes out: from under the patient face (Z = 0) to ``bottom_mm``, a dome."""
    radius = 0.5 * diameter_mm
    sides = sides_of(radius, _POCKET_CHORD_MM)
    quarter = sides // 4
    out = 1.0 / math.cos(0.25 * math.pi / quarter)  # arc drawn around the sphere, not inside it
    angles = (np.arange(quarter) + 0.5) * (0.5 * math.pi / quarter)
    centre = bottom_mm - radius
    arc = [(radius * out * math.cos(a), centre + radius * out * math.sin(a)) for a in angles]
    return _turned([(radius, -FREE_MM), *arc], sides)  # the arc ends flat at the bottom


def _turned(profile: list[tuple[float, float]], sides: int) -> trimesh.Trimesh:
    """Solid of revolution about Z: a stack of rings drawn around their circles, closed by fans."""
    angles = (np.arange(sides) + 0.5) * (2.0 * math.pi / sides)
    circle = np.column_stack([np.cos(angles), np.sin(angles)]) / math.cos(math.pi / sides)
    rings = [np.column_stack([r * circle, np.full(sides, z)]) for r, z in profile]
    last = len(rings) * sides
    vertices = np.vstack([*rings, [(0.0, 0.0, profile[0][1]), (0.0, 0.0, profile[-1][1])]])
    here = np.arange(sides)
    there = np.roll(here, -1)
    faces = [np.column_stack([there, here, np.full(sides, last)])]
    for n in range(len(rings) - 1):
        low, high = n * sides, (n + 1) * sides
        faces.append(np.column_stack([low + here, low + there, high + there]))
        faces.append(np.column_stack([low + here, high + there, high + here]))
    top = last - sides
    faces.append(np.column_stack([top + here, top + there, np.full(sides, last + 1)]))
    return trimesh.Trimesh(vertices, np.vstack(faces), process=False)


def placed(tool: trimesh.Trimesh, places_mm: ArrayLike) -> trimesh.Trimesh:
    """Copies of a tool at (n, 2) places of the print plane, one mesh."""
    places = np.asarray(places_mm, dtype=np.float64).reshape(-1, 2)
    shift = np.column_stack([places, np.zeros(len(places))])
    vertices = (tool.vertices[None] + shift[:, None]).reshape(-1, 3)
    steps = np.arange(len(places))[:, None, None] * len(tool.vertices)
    return trimesh.Trimesh(vertices, (tool.faces[None] + steps).reshape(-1, 3), process=False)


def carve(shape: BaseGeometry, frame: NDArray[np.float64], depth_mm: float) -> trimesh.Trimesh:
    """Solid that cuts an area out of a face: from the engraving's floor to outside the plate.

    Parameters
    ----------
    shape : BaseGeometry
        Area in the plane of the face; its parts must not meet in a point.
    frame : (4, 4) ndarray
        Its x, y and outward normal z in print pose; its origin lies on the floor.
    depth_mm : float
        Depth of the engraving.
    """
    shape = shapely.set_precision(shape, 1e-4)
    rings = [
        np.array(ring.coords[:-1])
        for polygon in shapely.get_parts(shape)
        if isinstance(polygon, Polygon) and not polygon.is_empty
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    if not rings:
        return trimesh.Trimesh()
    # its triangles are never flat, as those of an ear-cut polygon with corners in line can be
    area = manifold3d.CrossSection(rings, manifold3d.FillRule.EvenOdd)
    mesh = manifold3d.Manifold.extrude(area, depth_mm + FREE_MM).to_mesh64()
    corners = transform_points(frame, np.asarray(mesh.vert_properties)[:, :3])
    return trimesh.Trimesh(corners, np.asarray(mesh.tri_verts), process=False)


def side_frame(
    normal: NDArray[np.float64], floor_mm: float, middle_mm: float
) -> NDArray[np.float64]:
    """Frame of a side face: x in reading direction, y towards the operator face, z outward."""
    up = np.array([0.0, 0.0, 1.0])
    frame = np.eye(4)
    frame[:3, 0], frame[:3, 1], frame[:3, 2] = np.cross(up, normal), up, normal
    frame[:3, 3] = normal * floor_mm + up * middle_mm
    return frame


def top_frame(thickness_mm: float, style: PlateStyle) -> NDArray[np.float64]:
    """Frame of the operator face, its origin on the floor of what is engraved there."""
    frame = np.eye(4)
    frame[2, 3] = thickness_mm - style.engraving_depth_mm
    return frame


def cut(body: trimesh.Trimesh, tools: list[trimesh.Trimesh], name: str) -> trimesh.Trimesh:
    """A body less its tools, rounded to what an STL keeps and proved to be one closed solid.

    Raises
    ------
    GeometryError
        If the result is not closed, or is not one body.
    """
    used = [body, *(tool for tool in tools if len(tool.faces))]
    solid = trimesh.boolean.difference(used, engine="manifold", check_volume=False)
    rounded = np.asarray(solid.vertices, dtype=np.float32).astype(np.float64)
    plate = trimesh.Trimesh(rounded, solid.faces, process=True, validate=True)
    if not (plate.is_watertight and plate.is_winding_consistent and plate.is_volume):
        raise GeometryError(f"plate {name!r} is not a closed solid; report this plan as a bug")
    if plate.body_count != 1 or not plate.volume > 0.0:
        raise GeometryError(
            f"plate {name!r} came out as {plate.body_count} bodies of {plate.volume:g} mm3 "
            "instead of one; report this plan as a bug"
        )
    return plate
