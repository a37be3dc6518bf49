"""The cameras of pictures in space: where each stands is set by plan and plate alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from exports import isodoses
from exports.drawn3d import (
    View,
    framing,
    freest,
    needle_ends,
    plate_axes,
    plate_corners,
    target_points,
    unit,
)
from template_designer.model import Plan, Surface, SurfaceRole

IMAGE_PX = (1220, 1084)
"""The size that all of them are framed for: width, height."""

_OVERVIEWS = ((-0.72, 0.42, 0.55), (0.72, 0.42, 0.55))
_SIDES = ((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0))
_ON_SKIN = (-0.50, 0.45, 0.74)
_CLOSE_UPS = (
    *((-0.90, 0.30, 0.25), (0.90, 0.30, 0.25)),
    *((-0.70, 0.70, 0.25), (0.70, 0.70, 0.25)),
)


def overview(plan: Plan) -> View:
    """Camera aslant behind the plate: everything between the plates and the needles' tips."""
    y = plate_axes(plan)[1]
    return framing(whole_plan(plan), freest(plan, _OVERVIEWS), -y, 1.16, IMAGE_PX)


def operator_view(plan: Plan) -> View:
    """Camera of the operator: straight along the needles, up as on the plate."""
    _, y, z = plate_axes(plan)
    corners = np.vstack([plate_corners(template) for template in plan.templates])
    return framing(corners, z, -y, 1.14, IMAGE_PX)


def side_view(plan: Plan) -> View:
    """Camera beside the needles, on the side from which more of the target is seen."""
    y = plate_axes(plan)[1]
    return framing(whole_plan(plan), freest(plan, _SIDES), -y, 1.16, IMAGE_PX)


def cord_view(plan: Plan) -> View:
    """Camera along the cord; from the feet, front up, where the cord runs from feet to head."""
    _, forward = cord_direction(plan)
    front = np.array([0.0, -1.0, 0.0])
    up = front if abs(forward @ front) < 0.8 else np.array([0.0, 0.0, 1.0])
    return framing(whole_plan(plan), forward, up, 1.16, IMAGE_PX)


def on_skin_view(plan: Plan) -> View:
    """Camera outside the patient, aslant above the plate."""
    y = plate_axes(plan)[1]
    corners = np.vstack([plate_corners(template) for template in plan.templates])
    hubs = [needle_ends(needle)[0][None] for needle in plan.needles]
    forward = unit(np.asarray(_ON_SKIN) @ plate_axes(plan))
    return framing(np.vstack([corners, *hubs]), forward, -y, 1.45, IMAGE_PX)


def isodose_view(plan: Plan) -> View:
    """Camera beside the target, close to it."""
    y = plate_axes(plan)[1]
    places = [np.array([s.center_lps_mm]) for n in plan.needles for s in n.seeds]
    places += target_points(plan)
    places += [surface.vertices_lps_mm for surface in isodoses.isodose_surfaces(plan).values()]
    places = places or [plate_corners(template) for template in plan.templates]
    return framing(np.vstack(places), freest(plan, _CLOSE_UPS), -y, 1.16, IMAGE_PX)


def cord_direction(plan: Plan) -> tuple[str | None, NDArray[np.float64]]:
    """The structure to look along, and the direction to look in, LPS.

    The cord by its name; else, of the structures that needles keep away from, the most elongated;
    without any, from the feet to the head. Its direction is the principal axis of its surface,
    towards the patient's head, left or back.
    """
    avoided = {n: s for n, (role, s) in plan.surfaces.items() if role is SurfaceRole.AVOID}
    if not avoided:
        return None, np.array([0.0, 0.0, 1.0])
    cords = [n for n in avoided if "cord" in n.casefold() or "spinal" in n.casefold()]
    name = min(cords or avoided, key=lambda n: -_elongation(avoided[n])[0])
    axis = _elongation(avoided[name])[1]
    return name, axis * float(np.sign(axis[int(np.argmax(np.abs(axis)))]))


def _elongation(surface: Surface) -> tuple[float, NDArray[np.float64]]:
    """How much longer than wide a surface is, and its longest axis."""
    points = surface.vertices_lps_mm - surface.vertices_lps_mm.mean(axis=0)
    sizes, axes = np.linalg.eigh(points.T @ points)
    return float(sizes[2] / max(sizes[1], 1e-12)), axes[:, 2]


def whole_plan(plan: Plan) -> NDArray[np.float64]:
    """Points of plates, needles and targets, LPS, mm, (n, 3)."""
    points = [plate_corners(template) for template in plan.templates]
    points += [np.array(needle_ends(needle)) for needle in plan.needles]
    return np.vstack(points + target_points(plan))
