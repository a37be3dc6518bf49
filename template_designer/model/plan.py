"""A finished plan: templates, holes, needles, seeds, dose and metrics. Types only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dose import DoseField
from template_designer.errors import GeometryError
from template_designer.model.case import ImageVolume, InputFile, PlanWarning, RoiSet
from template_designer.model.delivery import NeedleDelivery
from template_designer.model.dicom import ImageReference
from template_designer.model.earlier_seeds import EarlierSeeds
from template_designer.model.loading_report import LoadingReport
from template_designer.model.needles import NeedleRule
from template_designer.model.plate import PlateFeatures
from template_designer.model.robust import RobustResult
from template_designer.model.settings import CaseSettings
from template_designer.model.source import SeedSource
from template_designer.model.steering import Steering

Point = tuple[float, float, float]


class HoleState(StrEnum):
    """What may go through a hole: a planned needle, any needle, or none."""

    PLANNED = "planned"
    OPEN = "open"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Hole:
    """One position of the lattice, template frame (mm)."""

    label: str
    x_mm: float
    y_mm: float
    state: HoleState
    reason: str | None = None  # what blocks it, with the distance; None unless blocked
    bore_mm: float | None = None  # None: that of the template


@dataclass(frozen=True, slots=True)
class Seed:
    """One seed; its axis is its needle's axis."""

    center_lps_mm: Point
    from_tip_mm: float  # needle tip to seed centre
    skin_mm: float  # capsule surface to the nearest skin, never too large


@dataclass(frozen=True, slots=True)
class BoneAccess:
    """The access needle that a way through compact bone asks for: the needle goes through it."""

    gauge: int
    reason: str  # what the way crosses, with lengths and limits


@dataclass(frozen=True, slots=True, eq=False)
class Needle:
    """One straight needle through a hole, patient frame (LPS, mm)."""

    label: str  # as printed on the plate, e.g. "C4"
    gauge: int
    length_mm: float
    entry_lps_mm: Point  # where the needle axis meets the plate's patient face
    tip_lps_mm: Point
    depth_mm: float  # operator face of the plate to tip: what the surgeon sets
    skin_depth_mm: float  # skin to tip along the needle
    bone_mm: float  # length of bone crossed between skin and tip
    clearance_mm: Mapping[str, float]  # needle surface to each structure of a rule, never too large
    seeds: tuple[Seed, ...]  # from the tip backwards
    bone_hu: float | None = None  # mean CT number of the bone crossed; None without bone
    bone_access: BoneAccess | None = None  # None where the needle passes unaided
    clearance_error_mm: Mapping[str, float] = field(default_factory=dict)  # how short at most

    @property
    def widest_gauge(self) -> int:
        """Gauge of what stands in the hole: the access needle where there is one."""
        return self.gauge if self.bone_access is None else self.bone_access.gauge

    def __post_init__(self) -> None:
        if not 0.0 < self.skin_depth_mm < self.depth_mm:  # "not <" also catches NaN
            raise GeometryError(
                f"needle {self.label!r}: skin depth {self.skin_depth_mm:g} mm does not lie between "
                f"0 and the plate depth {self.depth_mm:g} mm. Check the entry plane."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One printed plate with its lattice and its needles."""

    name: str  # "T1"
    size_mm: Point  # x, y, thickness
    pitch_mm: float
    bore_mm: float  # diameter of every bore whose hole states none of its own
    gap_mm: float  # how far the plate was lifted off the entry point to clear the body
    lps_from_template: NDArray[np.float64]  # (4, 4) rigid
    holes: tuple[Hole, ...]  # row by row: A1, B1, ...
    needles: tuple[Needle, ...]
    features: PlateFeatures = field(default_factory=PlateFeatures)  # shape, marks, pockets

    def __post_init__(self) -> None:
        rotation = np.asarray(self.lps_from_template)[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9) or not (
            np.linalg.det(rotation) > 0.0
        ):
            raise GeometryError(
                f"template {self.name!r}: lps_from_template is not a rotation without mirror; "
                "a mirrored plate harms a patient"
            )

    def bore_of(self, hole: Hole) -> float:
        """Diameter of the bore of one hole, mm."""
        return self.bore_mm if hole.bore_mm is None else hole.bore_mm


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A closed triangle mesh, patient frame (LPS, mm), for pictures."""

    vertices_lps_mm: NDArray[np.float64]  # (n, 3)
    faces: NDArray[np.int64]  # (m, 3)


class SurfaceRole(StrEnum):
    """What a surface shows: decides its colour in every picture."""

    TARGET = "target"
    AVOID = "avoid"
    SKIN = "skin"
    BONE = "bone"
    HIDDEN = "hidden"  # the part of the target that no permitted seed comes near


@dataclass(frozen=True, slots=True)
class GoalResult:
    """One goal beside what the plan reached."""

    structure: str
    metric: str
    limit: float
    unit: str  # "Gy" or "%"
    is_minimum: bool
    value: float
    met: bool

    @property
    def value_text(self) -> str:
        """The value with one decimal, or as many as show on which side of the limit it lies.

        >>> GoalResult("GTV", "V100", 93.0, "%", True, 92.98, False).value_text
        '92.98'
        >>> GoalResult("GTV", "V100", 93.0, "%", True, 96.04, True).value_text
        '96.0'
        """
        for digits in range(1, 7):
            text = f"{self.value:.{digits}f}"
            shown = float(text)
            met = shown >= self.limit if self.is_minimum else shown <= self.limit
            if met == self.met:
                break
        return text


@dataclass(frozen=True, slots=True, eq=False)
class DvhCurve:
    """Cumulative dose-volume histogram of one structure, for pictures; metrics are never read off.

    Its levels are whole parts of the prescription, which is one of them.
    """

    structure: str
    dose_gy: NDArray[np.float64]  # (n,) rising from 0
    volume_pct: NDArray[np.float64]  # (n,) part of the structure that gets so much or more


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of the target no permitted seed can reach, and what hides it."""

    reachable_pct: float
    hidden_pct_by_cause: Mapping[str, float]  # percent of the target volume, largest first
    largest_v100_pct: float | None = None  # no loading from these plates can cover more


@dataclass(frozen=True, slots=True)
class BiologyDose:
    """One dose metric of the implant in a tissue model, and with the earlier external beam."""

    metric: str  # "Dmax", "D0.1cc", "D2cc", "Dmean"; of the target "D90", "Dmean"
    implant_gy: float  # physical, to full decay
    implant_bed_gy: float
    implant_eqd2_gy: float
    total_bed_gy: float  # implant and external beam
    total_eqd2_gy: float


@dataclass(frozen=True, slots=True)
class ExternalBeam:
    """External beam before the implant: the whole dose in the whole structure."""

    dose_gy: float  # physical, of all fractions
    fractions: int
    bed_gy: float
    eqd2_gy: float


@dataclass(frozen=True, slots=True)
class BiologyResult:
    """What a tissue model, not a measurement, makes of the dose in one structure."""

    structure: str
    alpha_beta_gy: float
    repair_half_time_h: float
    external_beam: ExternalBeam | None
    doses: tuple[BiologyDose, ...]
    model: str  # the formula and what it takes for granted, for whoever reads the numbers


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The whole plan: the single source of every export."""

    settings: CaseSettings
    software_version: str
    inputs: tuple[InputFile, ...]
    source: SeedSource
    templates: tuple[Template, ...]
    metrics: Mapping[str, Mapping[str, float]]
    goals: tuple[GoalResult, ...]
    reach: Reach
    warnings: tuple[PlanWarning, ...]
    dose: DoseField
    rules: tuple[NeedleRule, ...] = ()  # the case's avoid rules, one per structure
    surfaces: Mapping[str, tuple[SurfaceRole, Surface]] = field(default_factory=dict)
    biology: tuple[BiologyResult, ...] = ()  # of the case's biology tables
    robust: RobustResult | None = None  # under placement errors; None where not asked for
    image: ImageReference | None = None  # the CT it was made on, without voxels
    rois: RoiSet | None = None  # the structures as they were read
    delivery: tuple[NeedleDelivery, ...] = ()  # one per needle, in the order of insertion
    loading: LoadingReport | None = None  # the loading beside bound, patterns and estimate
    steering: Steering | None = None  # what was held, closed or set by hand; None: nothing
    ct: ImageVolume | None = None  # voxels, for pictures; None where the case was not read
    earlier_seeds: EarlierSeeds | None = None  # of an implant before; dose and metrics count them
    dvh: tuple[DvhCurve, ...] = ()  # target first; empty where the case was not read

    @property
    def id(self) -> str:
        """The case's id, engraved on the plate."""
        return self.settings.id

    @property
    def prescription_gy(self) -> float:
        """Prescribed dose to full decay, Gy."""
        return self.settings.prescription.dose_gy

    @property
    def source_model(self) -> str:
        """The seed model's id."""
        return self.source.model.id

    @property
    def air_kerma_strength_u(self) -> float:
        """Strength of one seed on the day of the implant, U."""
        return self.source.air_kerma_strength_u

    @property
    def needles(self) -> tuple[Needle, ...]:
        """The needles of all templates."""
        return tuple(needle for template in self.templates for needle in template.needles)

    @property
    def seed_count(self) -> int:
        """Number of seeds in all needles."""
        return sum(len(needle.seeds) for needle in self.needles)

    @property
    def goals_met(self) -> bool:
        """Whether every stated goal is met."""
        return all(goal.met for goal in self.goals)


@dataclass(frozen=True, slots=True)
class Violation:
    """One hard rule that a plan breaks: what, where, by how much."""

    rule: str
    text: str
