"""Needles of different templates keep apart."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np

from template_designer.geometry.segments import segment_distances_mm
from template_designer.model import Plan, Template, Violation

ROUNDING_MM = 1e-6


@dataclass(frozen=True, slots=True)
class NeedlesApart:
    """Least distance between the axes of needles of different templates: one pitch."""

    apart_mm: float

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The pitch of the plan's templates."""
        return cls(plan.settings.template.pitch_mm)

    def check(self, plan: Plan) -> tuple[Violation, ...]:
        """Pairs of needles that come too near each other."""
        found: list[Violation] = []
        for one, other in combinations(plan.templates, 2):
            found.extend(self._between(one, other))
        return tuple(found)

    def _between(self, one: Template, other: Template) -> list[Violation]:
        if not one.needles or not other.needles:
            return []
        ends = [
            np.array([point(needle) for needle in template.needles])
            for template in (one, other)
            for point in (lambda n: n.entry_lps_mm, lambda n: n.tip_lps_mm)
        ]
        distance = segment_distances_mm(*ends)
        return [
            Violation(
                "needles apart",
                f"needles {one.name} {one.needles[i].label} and {other.name} "
                f"{other.needles[j].label} come within {distance[i, j]:.1f} mm of each other "
                f"(at least {self.apart_mm:g} mm)",
            )
            for i, j in np.argwhere(~(distance >= self.apart_mm - ROUNDING_MM))
        ]
