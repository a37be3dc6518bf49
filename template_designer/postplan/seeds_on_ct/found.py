"""What was found on a CT. Types only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import GeometryError
from template_designer.model import PlanWarning


class SeedState(Enum):
    """How sure a seed is."""

    SURE = "sure"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, eq=False)
class FoundSeed:
    """One seed on the CT, patient frame (LPS, mm)."""

    center_lps_mm: NDArray[np.float64]  # (3,)
    axis_lps: NDArray[np.float64] | None  # (3,) unit, either sense; None where it does not show
    axis_error_deg: float  # one sigma; of an axis that is None, why it is
    signal_hu_mm3: float  # integral of the CT number above its surroundings, clipping undone
    likeness: float  # R squared of the rod in its voxels
    contrast: float  # height above the surroundings, as a part of what a seed would show
    state: SeedState
    reasons: tuple[str, ...] = ()  # why it is uncertain, why it has no axis

    def __post_init__(self) -> None:
        if self.center_lps_mm.shape != (3,) or not np.all(np.isfinite(self.center_lps_mm)):
            raise GeometryError(f"a seed at {self.center_lps_mm} is nowhere")
        if self.state is SeedState.UNCERTAIN and not self.reasons:
            raise GeometryError("a seed is uncertain for a reason; none is given")


@dataclass(frozen=True, slots=True, eq=False)
class FoundSeeds:
    """The seeds of a CT, and what was taken for something else."""

    seeds: tuple[FoundSeed, ...]  # by z from feet to head, then y, then x
    expected: int | None
    signal_hu_mm3: float  # of one seed in this CT
    full_width_mm: float  # of the point spread in the plane, as learnt from the seeds
    slice_mm: float
    rejected: Mapping[str, int]  # candidates by the reason why they are no seeds
    warnings: tuple[PlanWarning, ...] = ()

    @property
    def centers_lps_mm(self) -> NDArray[np.float64]:
        """Centres of all seeds, (n, 3) LPS, mm."""
        return np.array([seed.center_lps_mm for seed in self.seeds]).reshape(-1, 3)

    @property
    def uncertain(self) -> tuple[int, ...]:
        """Numbers (from 1) of the seeds that a person must look at."""
        return tuple(
            number
            for number, seed in enumerate(self.seeds, start=1)
            if seed.state is SeedState.UNCERTAIN
        )
