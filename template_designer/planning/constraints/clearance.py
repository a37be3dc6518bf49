"""Every needle keeps its distance from every structure of an avoid rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from template_designer.model import NeedleRule, Plan, Violation


@dataclass(frozen=True, slots=True)
class NeedleClearance:
    """Least distance from needle surface to each structure."""

    rules: tuple[NeedleRule, ...]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The avoid rules of the plan's case."""
        return cls(plan.rules)

    def check(self, plan: Plan) -> tuple[Violation, ...]:
        """Needles that come too near, or whose distance is not known."""
        found = []
        for needle in plan.needles:
            for rule in self.rules:
                distance = needle.clearance_mm.get(rule.structure)
                if distance is None:
                    text = f"needle {needle.label}: its distance to {rule.structure} is not known"
                elif not distance >= rule.clearance_mm:
                    text = (
                        f"needle {needle.label} passes {rule.structure} at {distance:.2f} mm; "
                        f"the case asks for at least {rule.clearance_mm:g} mm"
                    )
                else:
                    continue
                found.append(Violation("needle clearance", text))
        return tuple(found)
