"""What placement errors do to a plan: distributions, chances, needles to watch. Types only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLOSE_MM = (10.0, 5.0, 0.0)
"""Needle surface to structure: the chance of coming nearer is reported; nearer than 0: touched."""

CONFIDENCE_PCT = 95.0
"""Level of the confidence intervals of all chances."""


@dataclass(frozen=True, slots=True)
class PlacementErrors:
    """Standard deviations of every error, per axis; all errors are centred on zero and normal.

    What belongs to the plate is common to its needles; the rest is drawn for each needle or seed.
    """

    site: str  # where the published errors were measured
    entry_mm: float  # along each axis of the plate
    angle_deg: float  # about each axis across the needle
    depth_mm: float  # along the needle
    plate_shift_mm: float  # along each axis of the plate
    plate_rotation_deg: float  # about each axis of the plate
    seed_slip_mm: float  # along the needle, of each seed
    entry_angle_correlation: float  # -1: a needle that enters beside is turned back; 0: independent
    bore_play: bool  # whether needles tilt in their bores too
    random_seed: int


@dataclass(frozen=True, slots=True)
class Spread:
    """One number over all scenarios, and as planned."""

    planned: float
    mean: float
    sd: float  # NaN for a single scenario
    p5: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Chance:
    """Share of the scenarios, with its exact binomial interval (Clopper and Pearson), percent."""

    pct: float
    low_pct: float
    high_pct: float


@dataclass(frozen=True, slots=True)
class DoseSpread:
    """One dose metric of one structure over all scenarios."""

    structure: str
    metric: str  # "D90", "V100", "Dmax", "D0.1cc"
    unit: str  # "Gy" or "%"
    spread: Spread


@dataclass(frozen=True, slots=True)
class GoalChance:
    """How often a goal of the plan is met; only goals on a metric that is followed."""

    structure: str
    metric: str
    limit: float
    unit: str
    is_minimum: bool
    met: Chance


@dataclass(frozen=True, slots=True, eq=False)
class ClearanceSpread:
    """Needle surface to one structure over all scenarios, mm, never too large; below 0: touched."""

    structure: str
    rule_mm: float  # what the case asks for
    spread: Spread
    nearer_than: Mapping[float, Chance]  # by distance, of :data:`CLOSE_MM`
    breaks_rule: Chance


@dataclass(frozen=True, slots=True, eq=False)
class NeedleRisk:
    """One needle: where its tip may end up and how near it may come to what it must avoid."""

    template: str
    label: str
    shortfall_mm: float  # mean over the scenarios of how far it gets into the margin of a rule
    tip_error_mm: Spread
    clearances: tuple[ClearanceSpread, ...]  # to each structure of a rule, worst first


@dataclass(frozen=True, slots=True, eq=False)
class RobustResult:
    """The plan under placement errors."""

    scenarios: int
    errors: PlacementErrors
    bore_play_deg: float  # largest tilt that the bores allow
    tip_error_mm: Spread  # of all needles
    doses: tuple[DoseSpread, ...]  # the target first
    goals: tuple[GoalChance, ...]
    clearances: tuple[ClearanceSpread, ...]  # of the nearest needle of each scenario
    needles: tuple[NeedleRisk, ...]  # those to watch first
