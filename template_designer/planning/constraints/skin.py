"""Every seed lies deep enough under the skin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from template_designer.model import Plan, Violation


@dataclass(frozen=True, slots=True)
class SeedToSkin:
    """Least distance from capsule surface to skin."""

    depth_mm: float

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The skin rule of the plan's case."""
        return cls(plan.settings.skin.seed_depth_mm)

    def check(self, plan: Plan) -> tuple[Violation, ...]:
        """Seeds too near the skin."""
        return tuple(
            Violation(
                "seed to skin",
                f"needle {needle.label}: a seed lies {seed.skin_mm:.1f} mm under the skin; the "
                f"case asks for at least {self.depth_mm:g} mm",
            )
            for needle in plan.needles
            for seed in needle.seeds
            if not seed.skin_mm >= self.depth_mm
        )
