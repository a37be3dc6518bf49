"""Seeds lie in their needle, at the spacing of the case, and no two capsules overlap."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from scipy.spatial import cKDTree

from template_designer.model import Needle, Plan, Violation

ROUNDING_MM = 1e-6


@dataclass(frozen=True, slots=True)
class SeedPositions:
    """Capsule length and the permitted distance between seeds of one needle."""

    capsule_mm: float
    least_mm: float
    most_mm: float

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Capsule of the plan's seed model, spacing of its case."""
        least, most = plan.settings.loading.seed_spacing_mm
        return cls(plan.source.model.capsule_mm[0], least, most)

    def check(self, plan: Plan) -> tuple[Violation, ...]:
        """Seeds outside their needle, too near or too far from the next, or overlapping."""
        found: list[Violation] = []
        for needle in plan.needles:
            found.extend(Violation("seed positions", text) for text in self._in_needle(needle))
        centers = [seed.center_lps_mm for needle in plan.needles for seed in needle.seeds]
        owners = [needle.label for needle in plan.needles for _ in needle.seeds]
        # capsules nearer than a capsule's length can overlap only along one axis, which the
        # spacing rule covers, or between needles, whose holes are a pitch apart
        for a, b in cKDTree(np.array(centers).reshape(-1, 3)).query_pairs(1.0):
            found.append(
                Violation("seed positions", f"seeds of {owners[a]} and {owners[b]} overlap")
            )
        return tuple(found)

    def _in_needle(self, needle: Needle) -> list[str]:
        texts = []
        entry, tip = np.array(needle.entry_lps_mm), np.array(needle.tip_lps_mm)
        axis = (tip - entry) / np.linalg.norm(tip - entry)
        for seed in needle.seeds:
            from_tip = tip - np.array(seed.center_lps_mm)
            along = float(from_tip @ axis)
            aside = float(np.linalg.norm(from_tip - along * axis))
            if not (aside <= 1e-3 and abs(along - seed.from_tip_mm) <= 1e-3):
                texts.append(
                    f"needle {needle.label}: a seed lies {aside:.3f} mm beside the axis, "
                    f"{along:.3f} mm from the tip instead of {seed.from_tip_mm:.3f} mm"
                )
            if not along >= 0.5 * self.capsule_mm - ROUNDING_MM:
                texts.append(f"needle {needle.label}: a seed stands out past the tip")
        places = sorted(seed.from_tip_mm for seed in needle.seeds)
        for near, far in pairwise(places):
            if not max(self.least_mm, self.capsule_mm) - ROUNDING_MM <= far - near:
                texts.append(f"needle {needle.label}: two seeds are only {far - near:.2f} mm apart")
            if not far - near <= self.most_mm + ROUNDING_MM:
                texts.append(
                    f"needle {needle.label}: two seeds are {far - near:.2f} mm apart, over the "
                    f"{self.most_mm:g} mm of the case"
                )
        return texts
