"""What a plan's loading is compared with: textbook patterns, and a seed number without planning."""

from __future__ import annotations

import math
from dataclasses import dataclass

from template_designer.errors import GeometryError


@dataclass(frozen=True, slots=True)
class PatternResult:
    """What one loading gives: a textbook pattern on the plan's plates, or the plan itself."""

    name: str
    seeds: int
    needles: int
    d90_gy: float
    v100_pct: float
    v150_pct: float
    v200_pct: float
    ci: float


@dataclass(frozen=True, slots=True)
class TargetDimensions:
    """Size of a target along its own principal axes."""

    volume_cm3: float
    extents_mm: tuple[float, float, float]  # longest first

    def __post_init__(self) -> None:
        sizes = (self.volume_cm3, *self.extents_mm)
        if not all(size > 0.0 and math.isfinite(size) for size in sizes):  # "not >": NaN too
            raise GeometryError(
                f"a target of {self.volume_cm3:g} cm3 and {self.extents_mm} mm has no size; "
                "check its contours"
            )

    @property
    def semi_axes_mm(self) -> tuple[float, float, float]:
        """Semi-axes of the ellipsoid with this volume and these proportions."""
        a, b, c = self.extents_mm
        scale = (1000.0 * self.volume_cm3 / (4.0 / 3.0 * math.pi * a * b * c)) ** (1.0 / 3.0)
        return scale * a, scale * b, scale * c


@dataclass(frozen=True, slots=True)
class SeedEstimate:
    """A number of seeds from target size, strength and prescription alone."""

    method: str
    seeds: int
    total_strength_u: float

    def ratio(self, planned_seeds: int) -> float:
        """Seeds of a plan per seed of the estimate.

        >>> SeedEstimate("", 40, 30.5).ratio(30)
        0.75
        """
        return planned_seeds / self.seeds


@dataclass(frozen=True, slots=True)
class LoadingReport:
    """How good a loading is: beside a proved bound, textbook patterns and a size estimate."""

    cost: float  # what the search makes small, on the points of the search
    lower_bound: float  # no permitted loading costs less; 0 where nothing is proved
    seeds_at_least: int  # that any permitted loading takes to cover as much of the target
    patterns: tuple[PatternResult, ...] = ()
    estimates: tuple[SeedEstimate, ...] = ()
    strengths_u: tuple[float, ...] = ()  # that were tried; empty where the case states one

    @property
    def gap_pct(self) -> float | None:
        """How much dearer than the best permitted loading it can be at most; None: no bound.

        >>> LoadingReport(cost=100.0, lower_bound=80.0, seeds_at_least=20).gap_pct
        25.0
        """
        return 100.0 * (self.cost / self.lower_bound - 1.0) if self.lower_bound > 0.0 else None
