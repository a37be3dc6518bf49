"""Closed surfaces of the structures that pictures show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from template_designer.errors import GeometryError
from template_designer.geometry.sampling import closed_surface
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, Surface, SurfaceRole
from template_designer.planning.approach import Approach
from template_designer.planning.reach import hidden_surface

VOXELS = 150_000
"""A surface is drawn from about this many voxels: fine for a cord, coarse for a body."""

HIDDEN_NAME = "{} out of reach"
"""Name of the surface round the part of the target that no permitted seed comes near."""

MUST_KEEP_MM = 5.0
"""Structures that needles must stay this far from are shown; others would hide the picture."""


def plan_surfaces(
    settings: CaseSettings,
    solids: Mapping[str, Solid],
    target: Solid,
    bone: tuple[str, ...],
    approaches: Sequence[Approach],
) -> dict[str, tuple[SurfaceRole, Surface]]:
    """Surfaces of the target and its hidden part, structures with the widest rules, bone and skin.

    A structure too thin to draw (under a quarter of a millimetre) is left out of the picture.
    """
    shown = {target.name: (SurfaceRole.TARGET, target)}
    for rule in settings.avoid:
        if rule.needle_clearance_mm >= MUST_KEEP_MM:
            shown.update({n: (SurfaceRole.AVOID, solids[n]) for n in rule.patterns})
    shown.update({name: (SurfaceRole.BONE, solids[name]) for name in bone})
    shown[settings.skin.structure] = (SurfaceRole.SKIN, solids[settings.skin.structure])
    surfaces = {name: (role, surface_of(solid)) for name, (role, solid) in shown.items()}
    surfaces[HIDDEN_NAME.format(target.name)] = (
        SurfaceRole.HIDDEN,
        hidden_surface(target, approaches),
    )
    return {name: (role, s) for name, (role, s) in surfaces.items() if s is not None}


def surface_of(solid: Solid) -> Surface | None:
    """A structure as pictures show it; None where it is too thin to draw."""
    low, high = solid.bounds_uvw_mm
    spacing = max(1.0, math.prod((high - low).tolist()) ** (1 / 3) / VOXELS ** (1 / 3))
    for finer in (1.0, 0.5, 0.25):
        try:
            return closed_surface(solid, finer * spacing)
        except GeometryError:  # thinner than the grid: once more on a finer one
            continue
    return None
