"""A series of cases: what each gave, before and after the implant, and all of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

SERIES_METRICS = (
    "d90_gy",
    "d100_gy",
    "v90_pct",
    "v100_pct",
    "v150_pct",
    "v200_pct",
    "volume_cm3",
    "ci",
    "ei",
    "hi",
)
"""Metrics of the target that the published series print, by their keys in ``plan.json``."""


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What became of one case of a series."""

    id: str
    case_file: str  # its name, without folders
    fingerprint: str  # SHA-256 of everything that went in
    exit_code: int  # as the command ``design`` ends with
    error: str = ""  # why there is no plan, or no evaluation of it
    target: str = ""
    prescription_gy: float = math.nan
    strength_u: float = math.nan  # of one seed on the day of the implant
    needles: int = 0
    seeds: int = 0
    goals: int = 0
    goals_met: int = 0
    plan_hash: str = ""
    plan: Mapping[str, float] = field(default_factory=dict)  # SERIES_METRICS; empty without plan
    found_seeds: int = 0  # after the implant
    found: Mapping[str, float] = field(default_factory=dict)  # as ``plan``, of what was delivered

    @property
    def is_planned(self) -> bool:
        """Whether there is a plan."""
        return bool(self.plan)

    @property
    def is_evaluated(self) -> bool:
        """Whether there are the delivered seeds beside it."""
        return bool(self.found)


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric over several cases."""

    count: int
    mean: float
    sd: float  # of the sample (n - 1); NaN of one case
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedTests:
    """The same metric of the same cases before and after: two-sided tests of no difference.

    NaN where a test is not defined: fewer than two pairs, or no spread of the differences.
    """

    mean_difference: float  # after minus before
    t: float  # paired t-test, on pairs - 1 degrees of freedom; above 0: more after
    t_p: float
    w: float  # Wilcoxon: the smaller sum of signed ranks, pairs without difference left out
    w_p: float
    w_is_exact: bool  # else by the normal approximation: ties, zeros or many pairs


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """One metric of a series: a row of the table."""

    key: str  # as in ``plan.json``
    plans: Summary | None  # of all plans; None without any
    before: Summary | None  # of the plans that have an evaluation
    after: Summary | None  # of these evaluations
    tests: PairedTests | None


@dataclass(frozen=True, slots=True)
class Cohort:
    """A whole series, its cases in the order of their ids."""

    outcomes: tuple[CaseOutcome, ...]
    metrics: tuple[MetricSeries, ...]

    @property
    def planned(self) -> tuple[CaseOutcome, ...]:
        """Cases that have a plan."""
        return tuple(outcome for outcome in self.outcomes if outcome.is_planned)

    @property
    def evaluated(self) -> tuple[CaseOutcome, ...]:
        """Cases that have an evaluation beside their plan."""
        return tuple(outcome for outcome in self.planned if outcome.is_evaluated)

    @property
    def failed(self) -> tuple[CaseOutcome, ...]:
        """Cases that gave an error."""
        return tuple(outcome for outcome in self.outcomes if outcome.error)
