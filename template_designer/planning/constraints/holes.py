"""Needles go through planned holes of their own plate that they fit, one each, a pitch apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np

from template_designer.frames import inverse, transform_points
from template_designer.model import OUTER_DIAMETER_MM, HoleState, Plan, Template, Violation

PLACE_MM = 0.001
"""A needle lies in its hole's axis to rounding; more means that labels and needles are mixed up."""


@dataclass(frozen=True, slots=True)
class HoleUse:
    """How far a needle's axis may be from its hole's."""

    place_mm: float = PLACE_MM

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The same for every plan."""
        return cls()

    def check(self, plan: Plan) -> tuple[Violation, ...]:
        """Needles in blocked, unknown or doubly used holes, beside their hole, or too near."""
        return tuple(v for template in plan.templates for v in self._check(template))

    def _check(self, template: Template) -> list[Violation]:
        rule = "hole use"
        found = []
        holes = {hole.label: hole for hole in template.holes}
        labels = [needle.label for needle in template.needles]
        planned = sorted(h.label for h in template.holes if h.state is HoleState.PLANNED)
        if planned != sorted(labels):
            odd = sorted(set(planned) ^ set(labels)) or sorted(labels)
            found.append(
                Violation(rule, f"planned holes and needles do not match: {', '.join(odd)}")
            )
        to_template = inverse(template.lps_from_template)
        for needle in template.needles:
            hole = holes.get(needle.label)
            if hole is None:
                continue
            outer_mm = OUTER_DIAMETER_MM[needle.widest_gauge]
            if not template.bore_of(hole) >= outer_mm - self.place_mm:
                text = (
                    f"needle {needle.label}: {needle.widest_gauge}G ({outer_mm:g} mm) does not pass"
                    f" its bore of {template.bore_of(hole):g} mm"
                )
                found.append(Violation(rule, text))
            ends = transform_points(to_template, np.array([needle.entry_lps_mm, needle.tip_lps_mm]))
            aside = float(np.abs(ends[:, :2] - [hole.x_mm, hole.y_mm]).max())
            depth = float(ends[1, 2]) + template.size_mm[2]
            if not (aside <= self.place_mm and abs(float(ends[0, 2])) <= self.place_mm):
                found.append(
                    Violation(rule, f"needle {needle.label} lies {aside:.3f} mm beside its hole")
                )
            if not abs(depth - needle.depth_mm) <= self.place_mm:
                found.append(
                    Violation(
                        rule,
                        f"needle {needle.label}: its tip lies {depth:.3f} mm below the operator "
                        f"face, its depth says {needle.depth_mm:.3f} mm",
                    )
                )
        for a, b in combinations((holes[label] for label in labels if label in holes), 2):
            apart = math.hypot(a.x_mm - b.x_mm, a.y_mm - b.y_mm)
            if not apart >= template.pitch_mm - self.place_mm:
                found.append(
                    Violation(rule, f"needles {a.label} and {b.label} are {apart:.1f} mm apart")
                )
        return found
