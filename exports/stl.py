"""``template.stl``: each plate in print pose, binary STL, millimetres."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import trimesh

from exports.plan_json import plan_hash
from template_designer.geometry.plate import build_plate
from template_designer.model import HoleChoice, HoleState, Plan, Template

HEADER_BYTES = 80


def bored_labels(plan: Plan, template: Template) -> tuple[str, ...]:
    """Labels of the holes that the case wants printed (``template.holes`` in the case file)."""
    wanted = {
        HoleChoice.LATTICE: set(HoleState),
        HoleChoice.SAFE: {HoleState.PLANNED, HoleState.OPEN},
        HoleChoice.PLAN: {HoleState.PLANNED},
    }[plan.settings.template.holes]
    return tuple(hole.label for hole in template.holes if hole.state in wanted)


@lru_cache(maxsize=4)
def plate_mesh(plan: Plan, template: Template) -> trimesh.Trimesh:
    """The plate of one template in print pose, built once for all exporters; do not change it."""
    return build_plate(
        template, plan_id=plan.id, bored=bored_labels(plan, template), plan_hash=plan_hash(plan)
    )


def build(plan: Plan, template: Template) -> bytes:
    """Binary STL of one plate in print pose.

    Returns
    -------
    bytes
        80 bytes of header (plan id, template, unit; no time, so that the same plan gives the same
        bytes), the number of triangles, then the triangles.
    """
    return stl_bytes(plate_mesh(plan, template), f"{plan.id} {template.name} units=mm")


def stl_bytes(mesh: trimesh.Trimesh, title: str) -> bytes:
    """Binary STL of a mesh, its header from a title."""
    header = title.encode("ascii", "replace")[:HEADER_BYTES]
    triangles = np.zeros(
        len(mesh.faces),
        dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")],
    )
    triangles["normal"] = mesh.face_normals
    triangles["corners"] = mesh.triangles
    count = np.array([len(triangles)], dtype="<u4")
    return header.ljust(HEADER_BYTES) + count.tobytes() + triangles.tobytes()
