"""The seeds of a case: model, strength on the day of the implant, and where both are from."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

from dose import SeedModel


@dataclass(frozen=True, slots=True)
class Calibration:
    """A strength as certified for one day, and the day of the implant it was decayed to."""

    air_kerma_strength_u: float  # of one seed on the calibration date
    calibration_date: datetime.date
    implant_date: datetime.date


@dataclass(frozen=True, slots=True)
class SeedSource:
    """The seeds of a case, all alike."""

    model: SeedModel
    air_kerma_strength_u: float  # of one seed on the day of the implant: what the dose follows from
    file: str | None = None  # the user's own table file, as the case names it; None: on board
    calibration: Calibration | None = None  # None where the stated strength is of the implant's day
    choices_u: tuple[float, ...] = ()  # strengths to choose from, weakest first; empty: one only

    def with_strength(self, air_kerma_strength_u: float) -> SeedSource:
        """The same seeds with another strength on the day of the implant."""
        factor = air_kerma_strength_u / self.air_kerma_strength_u
        calibration = self.calibration
        if calibration is not None:
            stated_u = calibration.air_kerma_strength_u * factor
            calibration = replace(calibration, air_kerma_strength_u=stated_u)
        return replace(self, air_kerma_strength_u=air_kerma_strength_u, calibration=calibration)
