"""Closed surfaces of the structures that pictures show."""

from __future__ import annotations

import math
from collections.abc import Mapping

from template_designer.geometry.sampling import closed_surface
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, Surface, SurfaceRole

VOXELS = 150_000
"""A surface is drawn from about this many voxels: fine for a cord, coarse for a body."""

MUST_KEEP_MM = 5.0
"""Structures that needles must stay this far from are shown; others would hide the picture."""


def plan_surfaces(
    settings: CaseSettings, solids: Mapping[str, Solid], target: Solid, bone: tuple[str, ...]
) -> dict[str, tuple[SurfaceRole, Surface]]:
    """Surfaces of the target, the structures with the widest rules, bone and skin."""
    shown = {target.name: (SurfaceRole.TARGET, target)}
    for rule in settings.avoid:
        if rule.needle_clearance_mm >= MUST_KEEP_MM:
            shown.update({n: (SurfaceRole.AVOID, solids[n]) for n in rule.patterns})
    shown.update({name: (SurfaceRole.BONE, solids[name]) for name in bone})
    shown[settings.skin.structure] = (SurfaceRole.SKIN, solids[settings.skin.structure])
    return {name: (role, _surface(solid)) for name, (role, solid) in shown.items()}


def _surface(solid: Solid) -> Surface:
    low, high = solid.bounds_uvw_mm
    spacing = math.prod((high - low).tolist()) ** (1 / 3) / VOXELS ** (1 / 3)
    return closed_surface(solid, max(1.0, spacing))
