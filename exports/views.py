"""``views/*.png``: the plan from five sides, each from a fixed camera.

From the operator's side, from the side, along the cord, the plate on the skin, and the seeds in the
target with isodose surfaces. Needles are coloured by their least clearance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports import isodoses
from exports.clearance_colours import clearance_scale
from exports.drawn3d import (
    BONE_COLOUR,
    ENGRAVING_COLOUR,
    OTHER_COLOUR,
    PLATE_COLOUR,
    SEED_COLOUR,
    SKIN_COLOUR,
    SOFT,
    TARGET_COLOUR,
    View,
    add_plates,
    avoid_colours,
    needle_ends,
    needle_tube,
    rendered,
    seed_capsule,
    smoothed,
    target_points,
)
from exports.opengl import SkippedFileError, rendering_problem
from exports.views_cameras import (
    IMAGE_PX,
    cord_direction,
    cord_view,
    isodose_view,
    on_skin_view,
    operator_view,
    side_view,
)
from exports.views_page import LegendPart, Note, page
from template_designer.frames import direction_letters
from template_designer.model import Plan, Surface, SurfaceRole

_HUB_MM = 1.5  # radius of the discs that stand for needles in the operator's view
_SIDE_NAMES = {"L": "left", "R": "right", "A": "front", "P": "back", "H": "head", "F": "feet"}


def build(plan: Plan) -> dict[str, bytes]:
    """Every view as PNG, 1600 x 1200, by its name without ``.png``.

    Raises
    ------
    SkippedFileError
        If this machine cannot render: the text names the packages to install.
    """
    problem = rendering_problem()
    if problem is not None:
        raise SkippedFileError(problem)
    makers: dict[str, Callable[[Plan], bytes]] = {
        "operator": _operator,
        "side": _side,
        "cord": _cord,
        "plate-on-skin": _on_skin,
        "isodoses": _isodoses,
    }
    return {name: make(plan) for name, make in makers.items()}


# The five pictures


def _operator(plan: Plan) -> bytes:
    view = operator_view(plan)

    def fill(plotter: Any) -> None:
        _add_structures(plotter, plan, target_opacity=1.0)
        add_plates(plotter, plan, opacity=0.25)
        _add_hubs(plotter, plan)

    notes = []
    for template in plan.templates:
        below = 0.5 * template.pitch_mm * np.asarray(template.lps_from_template)[:3, 1]
        notes += [Note(n.label, needle_ends(n)[0] + below) for n in template.needles]
    text = "From the operator's side: along the needles, through the plate"
    parts = [_structure_part(plan), _needle_part(plan), _plate_part("plate (see-through)")]
    return _page(plan, view, fill, text, parts, notes)


def _side(plan: Plan) -> bytes:
    view = side_view(plan)
    text = f"From the side: seen from the patient's {_towards(-view.forward_lps)}"
    return _page(plan, view, _whole_scene(plan, view), text, _whole_legend(plan))


def _cord(plan: Plan) -> bytes:
    view, (name, _) = cord_view(plan), cord_direction(plan)
    along = "Along the patient" if name is None else f"Along {name}"
    text = f"{along}: seen from the patient's {_towards(-view.forward_lps)}"
    return _page(plan, view, _whole_scene(plan, view), text, _whole_legend(plan))


def _on_skin(plan: Plan) -> bytes:
    def fill(plotter: Any) -> None:
        for role, surface in plan.surfaces.values():
            if role is SurfaceRole.SKIN:
                plotter.add_mesh(smoothed(surface), color=SKIN_COLOUR, **SOFT)
        add_plates(plotter, plan)
        _add_needles(plotter, plan)

    skin = [(name, SKIN_COLOUR) for name in _named(plan, SurfaceRole.SKIN)]
    parts = [LegendPart("Seen from outside", [*skin, ("plate", PLATE_COLOUR)]), _needle_part(plan)]
    gaps = ", ".join(f"{t.name} {t.gap_mm:.1f} mm" for t in plan.templates)
    text = f"The plate over the skin; lifted off the entry point to clear the body: {gaps}"
    return _page(plan, on_skin_view(plan), fill, text, parts)


def _isodoses(plan: Plan) -> bytes:
    view, surfaces = isodose_view(plan), isodoses.isodose_surfaces(plan)
    centre = np.vstack(target_points(plan) or [view.focus_lps_mm[None]]).mean(axis=0)

    def fill(plotter: Any) -> None:
        for role, surface in plan.surfaces.values():
            if role is SurfaceRole.TARGET:
                outline = smoothed(surface).slice(normal=view.forward_lps, origin=centre)
                _add_outline(plotter, outline, view, TARGET_COLOUR, 7)
        for pct, surface in surfaces.items():
            mesh, colour = _as_given(surface), isodoses.COLOURS[pct]
            far = mesh.clip(normal=view.forward_lps, origin=centre, invert=False)
            cut = mesh.slice(normal=view.forward_lps, origin=centre)
            if far.n_points:
                plotter.add_mesh(far, color=colour, opacity=0.25 + 0.003 * (pct - 50), **SOFT)
            _add_outline(plotter, cut, view, colour, 4)
        _add_needles(plotter, plan, thickness=0.45, opacity=0.5)
        _add_seeds(plotter, plan)

    levels = [
        (f"{pct} %: {0.01 * pct * plan.prescription_gy:g} Gy", isodoses.COLOURS[pct])
        for pct in surfaces
    ]
    target = [
        (f"{name} (outline in the cut)", TARGET_COLOUR) for name in _named(plan, SurfaceRole.TARGET)
    ]
    parts = [
        LegendPart("Isodose surfaces, cut through\nthe middle of the target", levels),
        LegendPart("In the target", [*target, ("seeds (drawn thicker)", SEED_COLOUR)]),
        _needle_part(plan),
    ]
    text = f"Seeds and isodoses: seen from the patient's {_towards(-view.forward_lps)}"
    return _page(plan, view, fill, text, parts)


def _add_outline(plotter: Any, line: Any, view: View, colour: str, width: int) -> None:
    """A line in a cut, with a dark rim so that it can be seen on any colour."""
    if line.n_points:
        plotter.add_mesh(line, color="#303030", line_width=width + 3, lighting=False)
        front = line.translate(-0.3 * view.forward_lps)
        plotter.add_mesh(front, color=colour, line_width=width, lighting=False)


# What is in them


def _whole_scene(plan: Plan, view: View) -> Callable[[Any], None]:
    def fill(plotter: Any) -> None:
        _add_structures(plotter, plan, target_opacity=0.6)
        for role, surface in plan.surfaces.values():
            if role is SurfaceRole.BONE:  # the far half: the near one would hide the target
                focus = np.vstack(target_points(plan) or [view.focus_lps_mm[None]]).mean(axis=0)
                far = smoothed(surface).clip(normal=view.forward_lps, origin=focus, invert=False)
                if far.n_points:
                    plotter.add_mesh(far, color=BONE_COLOUR, opacity=0.22, **SOFT)
        add_plates(plotter, plan)
        _add_needles(plotter, plan)
        _add_seeds(plotter, plan)

    return fill


def _whole_legend(plan: Plan) -> list[LegendPart]:
    bone = [(f"{name} (far half)", BONE_COLOUR) for name in _named(plan, SurfaceRole.BONE)]
    parts = _structure_part(plan)
    more = [("seeds (drawn thicker)", SEED_COLOUR), ("plate", PLATE_COLOUR)]
    return [LegendPart(parts.heading, [*parts.entries, *bone, *more]), _needle_part(plan)]


def _add_structures(plotter: Any, plan: Plan, *, target_opacity: float) -> None:
    """The target and what needles keep away from."""
    colours = avoid_colours(plan)
    for name, (role, surface) in plan.surfaces.items():
        if role is SurfaceRole.TARGET:
            mesh = smoothed(surface)
            plotter.add_mesh(mesh, color=TARGET_COLOUR, opacity=target_opacity, **SOFT)
        elif role is SurfaceRole.AVOID:
            opacity = 0.25 if colours[name] == OTHER_COLOUR else 1.0
            plotter.add_mesh(smoothed(surface), color=colours[name], opacity=opacity, **SOFT)


def _add_needles(plotter: Any, plan: Plan, *, thickness: float = 1.0, opacity: float = 1.0) -> None:
    scale = clearance_scale(plan)
    for needle in plan.needles:
        plotter.add_mesh(
            needle_tube(needle, thickness),
            color=scale.colour(needle),
            opacity=opacity,
            ambient=0.3,
            diffuse=0.7,
        )


def _add_hubs(plotter: Any, plan: Plan) -> None:
    """A disc on every needle's end: seen from there the needle itself is a dot."""
    import pyvista

    scale = clearance_scale(plan)
    for needle in plan.needles:
        hub, tip = needle_ends(needle)
        disc = pyvista.Disc(center=hub, inner=0.0, outer=_HUB_MM, normal=hub - tip, c_res=32)
        plotter.add_mesh(disc, color=scale.colour(needle), lighting=False)


def _add_seeds(plotter: Any, plan: Plan) -> None:
    for needle in plan.needles:
        for seed in needle.seeds:
            plotter.add_mesh(seed_capsule(needle, seed), color=SEED_COLOUR)


def _as_given(surface: Surface) -> Any:
    import pyvista

    return pyvista.PolyData.from_regular_faces(
        surface.vertices_lps_mm, np.asarray(surface.faces, dtype=int)
    )


# What is written beside them


def _page(
    plan: Plan,
    view: View,
    fill: Callable[[Any], None],
    text: str,
    parts: Sequence[LegendPart],
    notes: Sequence[Note] = (),
) -> bytes:
    return page(rendered(view, IMAGE_PX, fill), view, (f"Plan {plan.id}", text), parts, notes)


def _named(plan: Plan, wanted: SurfaceRole) -> list[str]:
    return [name for name, (role, _) in plan.surfaces.items() if role is wanted]


def _towards(direction: NDArray[np.float64]) -> str:
    """A direction in words: ``back``, or ``back and left`` where it is oblique."""
    return " and ".join(_SIDE_NAMES[letter] for letter in direction_letters(direction))


def _structure_part(plan: Plan) -> LegendPart:
    colours = avoid_colours(plan)
    entries = [(name, TARGET_COLOUR) for name in _named(plan, SurfaceRole.TARGET)]
    entries += [(name, colour) for name, colour in colours.items() if colour != OTHER_COLOUR]
    if OTHER_COLOUR in colours.values():
        entries.append(("others with a rule", OTHER_COLOUR))
    return LegendPart("Structures", entries)


def _needle_part(plan: Plan) -> LegendPart:
    scale = clearance_scale(plan)
    if not scale.structures:
        return LegendPart("Needles", [])
    heading = (
        "Needles, by least clearance\nfrom needle surface to what\n"
        f"must stay {scale.rule_mm:g} mm away"
    )
    return LegendPart(heading, scale.legend(plan.needles))


def _plate_part(text: str) -> LegendPart:
    return LegendPart("Plate", [(text, PLATE_COLOUR), ("engraving", ENGRAVING_COLOUR)])
