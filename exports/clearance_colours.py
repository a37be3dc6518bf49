"""Colours of needles by their least clearance, on a scale that starts at the rule's distance."""

from __future__ import annotations

from dataclasses import dataclass

from exports.drawn3d import NEEDLE_COLOUR
from template_designer.model import Needle, Plan

BAND_COLOURS = ("#440154", "#3B528B", "#21918C", "#5EC962", "#B5DE2B")
"""From near to far, their lightness rising: five of matplotlib's viridis."""

BROKEN_COLOUR = "#FF0000"
_BEYOND_RULE_MM = (0.0, 2.0, 5.0, 10.0, 20.0)
_REPRESENTATION_MM = 1e-9  # 10.0 may be stored as 9.999999999999998


@dataclass(frozen=True, slots=True)
class ClearanceScale:
    """The widest rule of a plan, the structures it holds for, and its bands of distance."""

    rule_mm: float
    structures: tuple[str, ...]

    @property
    def edges_mm(self) -> tuple[float, ...]:
        """Where the bands begin; the last has no end."""
        return tuple(self.rule_mm + beyond for beyond in _BEYOND_RULE_MM)

    def clearance_mm(self, needle: Needle) -> float | None:
        """Least clearance of a needle to these structures; None where none was measured."""
        known = [needle.clearance_mm[n] for n in self.structures if n in needle.clearance_mm]
        return min(known) if known else None

    def band(self, needle: Needle) -> int | None:
        """Number of a needle's band; -1 under the rule, None where nothing was measured."""
        clearance = self.clearance_mm(needle)
        if clearance is None:
            return None
        return sum(clearance + _REPRESENTATION_MM >= edge for edge in self.edges_mm) - 1

    def colour(self, needle: Needle) -> str:
        """A needle's colour."""
        band = self.band(needle)
        if band is None:
            return NEEDLE_COLOUR
        return BROKEN_COLOUR if band < 0 else BAND_COLOURS[band]

    def legend(self, needles: tuple[Needle, ...]) -> list[tuple[str, str]]:
        """What each colour means, mm: text and colour, from near to far."""
        bands = {self.band(needle) for needle in needles}
        entries = [(f"under {self.rule_mm:g} mm: breaks the rule", BROKEN_COLOUR)]
        entries = entries if -1 in bands else []
        edges = self.edges_mm
        for low, high, colour in zip(edges, edges[1:], BAND_COLOURS, strict=False):
            entries.append((f"{low:g} to {high:g} mm", colour))
        entries.append((f"{edges[-1]:g} mm or more", BAND_COLOURS[-1]))
        return entries + ([("not measured", NEEDLE_COLOUR)] if None in bands else [])


def clearance_scale(plan: Plan) -> ClearanceScale:
    """Scale of the plan's widest rule: cord and large vessels in nearly every case.

    Clearances to structures with a narrower rule do not count: they could not stand on this scale.
    """
    widest = max((rule.clearance_mm for rule in plan.rules), default=0.0)
    names = dict.fromkeys(r.structure for r in plan.rules if r.clearance_mm == widest)
    return ClearanceScale(widest, tuple(names))
