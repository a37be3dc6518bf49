"""Every needle is long enough for plate, gap and depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from template_designer.model import Plan, Violation


@dataclass(frozen=True, slots=True)
class NeedleLength:
    """Shaft that must stay above the plate."""

    hub_mm: float

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The hub allowance of the plan's case."""
        return cls(plan.settings.needle.hub_mm)

    def check(self, plan: Plan) -> tuple[Violation, ...]:
        """Needles whose shaft ends before the tip is where it should be."""
        return tuple(
            Violation(
                "needle length",
                f"needle {needle.label} must reach {needle.depth_mm:.1f} mm below the operator "
                f"face and keep {self.hub_mm:g} mm above it; it is {needle.length_mm:g} mm long",
            )
            for needle in plan.needles
            if not needle.depth_mm + self.hub_mm <= needle.length_mm + 1e-6
        )
