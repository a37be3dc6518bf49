"""Colours, dashes and legend of the slice pictures.

Isodoses are the only yellow and orange lines; structures are told apart by colour and dash, and
those of no colour of their own by their names. Colours are those of Okabe and Ito.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from template_designer.model import Plan, SurfaceRole

ISODOSES = (
    (50.0, "#F0E442", (0, (1, 1.2)), 1.6),
    (100.0, "#F0E442", "-", 2.8),
    (150.0, "#E69F00", (0, (5, 1.5)), 1.6),
    (200.0, "#E69F00", "-", 1.2),
)
"""Percent of the prescription, colour, dash and width (points)."""

TARGET_COLOUR = "#D55E00"
NEEDLE_COLOUR = "#FFFFFF"
SEED_COLOUR = "#000000"
_OTHER_COLOUR, _SKIN_COLOUR, _BONE_COLOUR = "#C8C8C8", "#D9B8A3", "#E8DFC8"
_AVOID_LOOKS = (
    ("#0072B2", "-"),
    ("#56B4E9", (0, (6, 1.5))),
    ("#CC79A7", (0, (3, 1))),
    ("#009E73", (0, (6, 1.5, 1, 1.5))),
)
_OTHER_DASH = (0, (2, 1))


@dataclass(frozen=True, slots=True)
class Look:
    """How one structure is drawn."""

    colour: str
    dash: Any = "-"
    width_pt: float = 1.8
    named: bool = False  # by its name beside the line, for want of a colour of its own


def structure_looks(plan: Plan, names: Sequence[str]) -> dict[str, Look]:
    """Looks of structures: those with the widest rule, and nearest to a needle, stand out."""
    roles = {name: role for name, (role, _) in plan.surfaces.items()}
    looks: dict[str, Look] = {}
    rest: list[str] = []
    for name in names:
        if name == plan.settings.target.structure:
            looks[name] = Look(TARGET_COLOUR, width_pt=2.4)
        elif roles.get(name) is SurfaceRole.SKIN:
            looks[name] = Look(_SKIN_COLOUR, width_pt=1.2)
        elif roles.get(name) is SurfaceRole.BONE:
            looks[name] = Look(_BONE_COLOUR, (0, (1, 1)), 1.0)
        else:
            rest.append(name)
    strict = {rule.structure: rule.clearance_mm for rule in plan.rules}
    least = {
        name: min((n.clearance_mm.get(name, np.inf) for n in plan.needles), default=np.inf)
        for name in rest
    }
    rest.sort(key=lambda name: (-strict.get(name, 0.0), least[name], name))
    for number, name in enumerate(rest):
        if number < len(_AVOID_LOOKS):
            looks[name] = Look(*_AVOID_LOOKS[number])
        else:
            looks[name] = Look(_OTHER_COLOUR, _OTHER_DASH, 1.2, named=True)
    return looks


def legend_handles(plan: Plan, looks: Mapping[str, Look]) -> list[Any]:
    """What the lines of the panels mean."""
    handles: list[Any] = [
        Line2D([], [], color=look.colour, ls=look.dash, lw=look.width_pt + 0.6, label=as_text(name),
               path_effects=halo(look.colour, look.width_pt + 0.6))
        for name, look in looks.items()
        if not look.named
    ]  # fmt: skip
    if any(look.named for look in looks.values()):
        handles.append(
            Line2D([], [], color=_OTHER_COLOUR, ls=_OTHER_DASH, lw=1.8, label="others, by name",
                   path_effects=halo(_OTHER_COLOUR, 1.8))
        )  # fmt: skip
    for percent, colour, dash, width in ISODOSES:
        level = f"{percent:g} % = {percent / 100.0 * plan.prescription_gy:g} Gy"
        handles.append(
            Line2D([], [], color=colour, ls=dash, lw=width + 0.4, label=level,
                   path_effects=halo(colour, width + 0.4))
        )  # fmt: skip
    return [
        *handles,
        Line2D([], [], color=NEEDLE_COLOUR, lw=2.2, label="needle in the plane",
               path_effects=halo(NEEDLE_COLOUR, 2.2)),
        Line2D([], [], color=NEEDLE_COLOUR, lw=0.8, label="out of the plane",
               path_effects=halo(NEEDLE_COLOUR, 0.8)),
        Patch(facecolor=SEED_COLOUR, edgecolor="white", label="seed within 2.5 mm"),
        Patch(facecolor="none", edgecolor="0.2", label="seed farther off"),
    ]  # fmt: skip


def as_text(name: str) -> str:
    """A name as matplotlib shows it: no formula between dollar signs, no hidden legend entry."""
    shown = name.lstrip("_") or "structure"
    return shown.replace("$", r"\$")


def halo(colour: str, width_pt: float) -> list[Any]:
    """A dark edge round light lines, a light one round dark lines: seen on any grey."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    dark = 0.3 * red + 0.59 * green + 0.11 * blue < 110.0
    return [withStroke(linewidth=width_pt + 1.4, foreground="#E0E0E0" if dark else "#202020")]
