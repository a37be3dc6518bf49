"""``plan.json`` as it stands in the file: names, types and finite numbers, nothing repaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
"""The layout of ``plan.json`` that is read here."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0.0)]
Point = tuple[Finite, Finite, Finite]
Row = tuple[Finite, Finite, Finite, Finite]


class Record(BaseModel):
    """Base of every part: frozen, no conversion in silence; keys that are not known are let be."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class InputRecord(Record):
    """One input file and its fingerprint."""

    path: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class CalibrationRecord(Record):
    """Strength on the day of calibration."""

    air_kerma_strength_u: Positive
    calibration_date: str
    implant_date: str


class SourceRecord(Record):
    """The seeds."""

    model: str
    air_kerma_strength_u: Positive
    file: str | None = None
    calibration: CalibrationRecord | None = None


class HoleRecord(Record):
    """One hole of the lattice."""

    label: str
    x_mm: Finite
    y_mm: Finite
    state: Literal["planned", "open", "blocked"]
    reason: str | None
    bore_mm: Positive | None = None  # where it is not that of the plate


class SeedRecord(Record):
    """One seed."""

    center_lps_mm: Point
    from_tip_mm: Finite
    skin_mm: Finite


class AccessRecord(Record):
    """The access needle that goes through the hole first."""

    gauge: int


class CartridgeRecord(Record):
    """How many seeds come out of one cartridge."""

    number: Annotated[int, Field(ge=1)]
    seeds: Annotated[int, Field(ge=1, le=1000)]


class DeliveryRecord(Record):
    """What is done at one needle; what the technique does not need is empty."""

    technique: Literal["mick", "strand", "preloaded"]
    seed_readings_mm: list[Finite] = []
    retraction_mm: list[Finite] = []
    seeds_before: int = 0
    cartridges: list[CartridgeRecord] = []
    strand: str = ""
    spacers: int = 0
    strand_mm: Finite = 0.0
    shift_mm: list[Finite] = []


class NeedleRecord(Record):
    """One needle."""

    label: str
    gauge: int
    length_mm: Positive
    entry_lps_mm: Point
    tip_lps_mm: Point
    depth_mm: Positive
    skin_depth_mm: Positive
    bone_mm: Annotated[Finite, Field(ge=0.0)]
    bone_hu: Finite | None = None
    bone_access: AccessRecord | None = None
    clearance_mm: dict[str, Finite]
    clearance_error_mm: dict[str, Annotated[Finite, Field(ge=0.0)]] = {}
    seeds: list[SeedRecord]
    insertion_order: int | None = None
    delivery: DeliveryRecord | None = None

    @property
    def entry(self) -> NDArray[np.float64]:
        """Where the axis meets the patient face, (3,) LPS, mm."""
        return np.array(self.entry_lps_mm)

    @property
    def tip(self) -> NDArray[np.float64]:
        """The tip, (3,) LPS, mm."""
        return np.array(self.tip_lps_mm)

    @property
    def widest_gauge(self) -> int:
        """Gauge of what stands in the hole: the access needle where there is one."""
        return self.gauge if self.bone_access is None else self.bone_access.gauge

    @property
    def axis(self) -> NDArray[np.float64]:
        """Unit vector from entry to tip, (3,) LPS; NaN where they are one point."""
        way = self.tip - self.entry
        length = float(np.linalg.norm(way))
        return way / length if length > 0.0 else np.full(3, np.nan)

    @property
    def centers(self) -> NDArray[np.float64]:
        """Seed centres, (n, 3) LPS, mm."""
        return np.array([seed.center_lps_mm for seed in self.seeds]).reshape(-1, 3)


class MarkerRecord(Record):
    """A pocket for a radio-opaque sphere, template frame and patient frame."""

    center_mm: Point
    center_lps_mm: Point
    sphere_mm: Positive
    pocket_mm: Positive


class MountingRecord(Record):
    """A hole through the plate for a screw, template frame."""

    x_mm: Finite
    y_mm: Finite
    diameter_mm: Positive


class TemplateRecord(Record):
    """One plate."""

    name: str
    size_mm: tuple[Positive, Positive, Positive]
    pitch_mm: Positive
    bore_mm: Positive
    gap_mm: Annotated[Finite, Field(ge=0.0)]
    lps_from_template: tuple[Row, Row, Row, Row]
    holes: Annotated[list[HoleRecord], Field(min_length=1)]
    needles: list[NeedleRecord]
    markers: list[MarkerRecord] = []
    mounting_holes: list[MountingRecord] = []

    @property
    def frame(self) -> NDArray[np.float64]:
        """(4, 4) template frame to LPS."""
        return np.array(self.lps_from_template)

    def to_template(self, points_lps_mm: Any) -> NDArray[np.float64]:
        """LPS points in the template frame, by solving, not by assuming a rotation. (n, 3)."""
        frame = self.frame
        offsets = np.atleast_2d(np.asarray(points_lps_mm, dtype=np.float64)) - frame[:3, 3]
        return np.asarray(np.linalg.solve(frame[:3, :3], offsets.T).T, dtype=np.float64)

    def bore_of(self, hole: HoleRecord) -> float:
        """Diameter of one hole, mm."""
        return self.bore_mm if hole.bore_mm is None else hole.bore_mm


class GoalRecord(Record):
    """One goal and what the plan reaches."""

    structure: str
    metric: str
    at_least: Finite | None = None
    at_most: Finite | None = None
    unit: Literal["Gy", "%"]
    value: Finite | None
    met: bool


class ReachRecord(Record):
    """Share of the target that seeds can come near."""

    reachable_pct: Finite
    hidden_pct_by_cause: dict[str, Finite]
    largest_v100_pct: Finite | None = None  # that any loading from these planes could give


class BeamRecord(Record):
    """External beam before the implant."""

    dose_gy: Positive
    fractions: Annotated[int, Field(ge=1)]
    bed_gy: Finite
    eqd2_gy: Finite


class TissueDoseRecord(Record):
    """One dose in a tissue model."""

    metric: str
    implant_gy: Finite
    implant_bed_gy: Finite
    implant_eqd2_gy: Finite
    total_bed_gy: Finite
    total_eqd2_gy: Finite


class BiologyRecord(Record):
    """One structure in a tissue model."""

    structure: str
    alpha_beta_gy: Positive
    repair_half_time_h: Positive
    external_beam: BeamRecord | None
    doses: list[TissueDoseRecord]


class EarlierSeedRecord(Record):
    """One seed of an implant before."""

    center_lps_mm: Point
    axis_lps: Point
    air_kerma_strength_u: Positive


class EarlierRecord(Record):
    """Seeds of an implant before, which every dose counts."""

    implanted: str | None = None  # the day; None where nobody stated it
    seeds: Annotated[list[EarlierSeedRecord], Field(min_length=1)]


class PlanRecord(Record):
    """The whole of ``plan.json``."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    id: str
    inputs: list[InputRecord]
    source: SourceRecord
    prescription_gy: Positive
    target: str
    templates: Annotated[list[TemplateRecord], Field(min_length=1)]
    metrics: dict[str, dict[str, Finite | None]]
    goals: Annotated[list[GoalRecord], Field(min_length=1)]
    reach: ReachRecord
    biology: list[BiologyRecord] = []
    earlier_seeds: EarlierRecord | None = None
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None

    @property
    def needles(self) -> list[tuple[TemplateRecord, NeedleRecord]]:
        """Every needle with its plate."""
        return [(template, needle) for template in self.templates for needle in template.needles]

    @property
    def seed_centers(self) -> NDArray[np.float64]:
        """All seed centres, (n, 3) LPS, mm."""
        return np.vstack([np.zeros((0, 3)), *(needle.centers for _, needle in self.needles)])

    @property
    def seed_axes(self) -> NDArray[np.float64]:
        """Axis of each seed: that of its needle, (n, 3) LPS."""
        axes = [np.tile(needle.axis, (len(needle.seeds), 1)) for _, needle in self.needles]
        return np.vstack([np.zeros((0, 3)), *axes])


@dataclass(frozen=True, slots=True, eq=False)
class DoseSeeds:
    """Every seed that gives dose: those of the plan, and of an implant before."""

    centers: NDArray[np.float64]  # (n, 3) LPS, mm
    axes: NDArray[np.float64]  # (n, 3)
    parts: NDArray[np.float64]  # (n,) strength in units of the plan's own

    @classmethod
    def of(cls, plan: PlanRecord) -> DoseSeeds:
        """Of a plan as its file has it."""
        centers, axes = plan.seed_centers, plan.seed_axes
        parts = np.ones(len(centers))
        if plan.earlier_seeds is None:
            return cls(centers, axes, parts)
        seeds = plan.earlier_seeds.seeds
        directions = np.array([seed.axis_lps for seed in seeds])
        strengths = np.array([seed.air_kerma_strength_u for seed in seeds])
        return cls(
            np.vstack([centers, [seed.center_lps_mm for seed in seeds]]),
            np.vstack([axes, directions / np.linalg.norm(directions, axis=1)[:, None]]),
            np.concatenate([parts, strengths / plan.source.air_kerma_strength_u]),
        )

    @property
    def key(self) -> bytes:
        """Tells sets of seeds apart."""
        return self.centers.tobytes() + self.axes.tobytes() + self.parts.tobytes()


def where(template: TemplateRecord, label: str, plates: int) -> str:
    """How a needle or hole is named in a line: ``C4``, with several plates ``T2 C4``."""
    return label if plates < 2 else f"{template.name} {label}"
