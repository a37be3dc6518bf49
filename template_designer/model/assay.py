"""Seeds as they are ordered, and as the well chamber found them. Types only."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dose import SeedModel
from template_designer.errors import GeometryError
from template_designer.model.delivery import Technique
from template_designer.model.plan import GoalResult


@dataclass(frozen=True, slots=True)
class OrderedNeedle:
    """The seeds that one needle takes, as they are to be put together."""

    number: int  # in the order of insertion
    template: str
    hole: str
    seeds: int
    train: str  # seeds (S) and spacers (mm) from the tip backwards
    length_mm: float


@dataclass(frozen=True, slots=True)
class SeedOrder:
    """What to order of a supplier, so that the strength is right on the day of the implant."""

    source: SeedModel
    planned: int  # seeds of the plan
    spares: int
    implant_date: datetime.date
    calibration_date: datetime.date
    implant_u: float  # of one seed on the day of the implant: that of the plan
    calibration_u: float  # of one seed on the day of calibration
    schedule: tuple[tuple[datetime.date, float], ...]  # strength for other days of calibration, U
    technique: Technique | None  # None where the plan does not say how seeds get in
    cartridges: tuple[int, ...]  # seeds in each, spares in the last ones; empty unless Mick
    needles: tuple[OrderedNeedle, ...]  # empty unless strands or preloaded needles
    planned_for: datetime.date | None  # the implant date of the plan's case, where it states one

    @property
    def total(self) -> int:
        """Seeds in all."""
        return self.planned + self.spares


@dataclass(frozen=True, slots=True)
class Reading:
    """One seed in the well chamber."""

    seed: str  # its number or name in the table
    strength_u: float  # air-kerma strength when it was measured
    measured: datetime.datetime


@dataclass(frozen=True, slots=True)
class Stated:
    """The maker's strength of one seed, and the moment it holds for."""

    strength_u: float
    when: datetime.datetime
    origin: str  # "the certificate", or "the plan"


class Verdict(StrEnum):
    """What the mean of a sample says of the batch."""

    PASS = "pass"
    INVESTIGATE = "investigate"  # it may be used; find out why
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class MeasuredSeed:
    """One reading, decayed to the moment of the stated strength."""

    reading: Reading
    reference_u: float  # then
    from_stated_pct: float
    from_mean_pct: float
    is_outlier: bool  # too far from the mean


@dataclass(frozen=True, slots=True)
class Assay:
    """A sample of a batch beside what its maker states."""

    source: SeedModel
    planned: int  # seeds of the plan
    received: int  # seeds of the batch
    least_readings: int  # at least one in ten
    advised_readings: int  # as many as are advised for a batch of this size
    stated: Stated
    seeds: tuple[MeasuredSeed, ...]
    mean_u: float  # at the moment of the stated strength
    sd_u: float  # of single seeds; NaN of one reading
    verdict: Verdict
    implant_date: datetime.date
    planned_u: float  # of one seed on the day of the implant, as the plan has it
    measured_u: float  # the mean, decayed to that day

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean_u) and self.mean_u > 0.0 and self.seeds):
            raise GeometryError(f"an assay of {len(self.seeds)} seeds has a mean of {self.mean_u}")

    @property
    def difference_pct(self) -> float:
        """Mean of the sample beside the stated strength, percent of the latter."""
        return 100.0 * (self.mean_u / self.stated.strength_u - 1.0)

    @property
    def sd_pct(self) -> float:
        """Spread of single seeds, percent of the mean."""
        return 100.0 * self.sd_u / self.mean_u

    @property
    def plan_change_pct(self) -> float:
        """How much stronger the seeds are on the day of the implant than planned, percent."""
        return 100.0 * (self.measured_u / self.planned_u - 1.0)

    @property
    def outliers(self) -> tuple[MeasuredSeed, ...]:
        """Seeds too far from the mean."""
        return tuple(seed for seed in self.seeds if seed.is_outlier)


@dataclass(frozen=True, slots=True, eq=False)
class Restrength:
    """A plan with seeds of another strength in the same places."""

    strength_u: float
    metrics: Mapping[str, Mapping[str, float]]  # as those of the plan; NaN where not known
    goals: tuple[GoalResult, ...]  # those whose value is known, in the order of the plan
    recomputed: bool  # from the case; else doses are scaled, and the rest is not known
