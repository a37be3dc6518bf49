"""What was delivered beside what was planned. Types only; frame of the preplan (LPS, mm)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dose import DoseField, SeedModel
from template_designer.errors import GeometryError
from template_designer.model.case import ImageVolume, InputFile, PlanWarning, RoiSet
from template_designer.model.plan import (
    BiologyResult,
    DvhCurve,
    GoalResult,
    Plan,
    Surface,
    SurfaceRole,
)

Point = tuple[float, float, float]


class AxisKind(StrEnum):
    """Where the axis of a delivered seed is from: which formalism its dose follows."""

    STATED = "stated"  # 2D, by the axis that came with the seed
    NEEDLE = "needle"  # 2D, by the planned axis of the needle it came through
    NONE = "none"  # 1D: the same in all directions


class RegistrationKind(StrEnum):
    """How the day of the evaluation was brought onto the preplan."""

    SHARED = "shared"  # one frame of reference: nothing moves
    TRANSFORM = "transform"  # a rigid transform that was given
    RIGID = "rigid"  # found from both CTs


@dataclass(frozen=True, slots=True)
class Residual:
    """What a registration leaves: bone surface of one CT to that of the other."""

    median_mm: float
    p95_mm: float
    points: int  # on the bone of the later CT, where the earlier one has been scanned


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """The rigid transform from the frame of the later day to that of the preplan."""

    kind: RegistrationKind
    pre_from_post: NDArray[np.float64]  # (4, 4), LPS, mm
    residual: Residual | None = None  # None where there are not two CTs

    def __post_init__(self) -> None:
        matrix = np.asarray(self.pre_from_post)
        rotation = matrix[:3, :3]
        if (
            matrix.shape != (4, 4)
            or not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
            or not np.linalg.det(rotation) > 0.0
            or not np.array_equal(matrix[3], (0.0, 0.0, 0.0, 1.0))
        ):
            raise GeometryError("pre_from_post is no rigid transform without mirror")

    @property
    def turn_deg(self) -> float:
        """Angle of its rotation."""
        cosine = 0.5 * (float(np.trace(self.pre_from_post[:3, :3])) - 1.0)
        return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


@dataclass(frozen=True, slots=True, eq=False)
class DeliveredSeeds:
    """Seeds as they lie in the patient, in the frame of the preplan."""

    source: SeedModel
    numbers: tuple[str, ...]  # n: as the file has them
    centers_lps_mm: NDArray[np.float64]  # (n, 3)
    axes_lps: NDArray[np.float64]  # (n, 3) unit; of a seed of kind "none" any direction
    axis_kinds: tuple[AxisKind, ...]  # n
    strength_u: NDArray[np.float64]  # (n,) on the day of the implant

    def __post_init__(self) -> None:
        count = len(self.numbers)
        shapes = (self.centers_lps_mm.shape, self.axes_lps.shape, self.strength_u.shape)
        if count < 1 or shapes != ((count, 3), (count, 3), (count,)):
            raise GeometryError(f"delivered seeds of shapes {shapes} with {count} numbers")
        if len(self.axis_kinds) != count or not np.isfinite(self.axes_lps).all():
            raise GeometryError("delivered seeds need one axis and one kind of axis each")

    @property
    def has_axis(self) -> NDArray[np.bool_]:
        """Whether the 2D formalism holds for each seed, (n,)."""
        return np.array([kind is not AxisKind.NONE for kind in self.axis_kinds])


@dataclass(frozen=True, slots=True)
class SeedMatch:
    """One planned seed, one found seed, or both: which is which, and how far apart.

    ``depth_mm`` is along the needle, positive deeper; ``right_mm`` and ``down_mm`` are across it,
    as the operator sees them (x and y of the template frame).
    """

    template: str | None  # of the planned seed; None: extra
    hole: str | None
    number_from_tip: int | None  # 1 is the deepest
    found: int | None  # index of the delivered seed; None: missing
    planned_lps_mm: Point | None
    found_lps_mm: Point | None
    depth_mm: float = math.nan
    right_mm: float = math.nan
    down_mm: float = math.nan

    @property
    def displacement_mm(self) -> float:
        """Distance from where it was planned; NaN of a missing or an extra seed."""
        return math.hypot(self.depth_mm, self.right_mm, self.down_mm)


@dataclass(frozen=True, slots=True)
class NeedleError:
    """How one needle missed, from the seeds that were found of it; template frame, mm.

    ``depth_mm``, ``right_mm`` and ``down_mm`` are means over its found seeds: how much deeper they
    lie than planned, and where aside; NaN where none was found. Angle and entry need a line through
    the seeds, and are None where it would not tell them well enough. The tip is where that line
    puts it, deeper by ``depth_mm``; without a line the needle is taken as parallel to its plan.
    """

    template: str
    hole: str
    planned: int
    found: int
    depth_mm: float = math.nan
    right_mm: float = math.nan
    down_mm: float = math.nan
    tip_mm: float | None = None
    angle_deg: float | None = None
    angle_se_deg: float | None = None  # standard error, from the scatter of all needles' seeds
    entry_mm: float | None = None  # of the line on the plate's patient face
    entry_se_mm: float | None = None

    @property
    def lateral_mm(self) -> float:
        """How far aside its seeds lie on average."""
        return math.hypot(self.right_mm, self.down_mm)


@dataclass(frozen=True, slots=True)
class MeanSd:
    """Mean and standard deviation of a magnitude, as the series print accuracy."""

    mean: float
    sd: float  # NaN of a single value
    count: int


@dataclass(frozen=True, slots=True)
class LossPart:
    """What one kind of difference, put alone into the plan, makes of the target's D90."""

    kind: str  # short and stable, for programs: "depth"
    text: str  # for people
    d90_gy: float  # of the plan with this difference alone

    change_gy: float  # beside the plan's own D90


@dataclass(frozen=True, slots=True)
class LossOfD90:
    """From the planned D90 to the delivered one."""

    planned_gy: float
    delivered_gy: float
    parts: tuple[LossPart, ...]

    @property
    def remainder_gy(self) -> float:
        """What the parts, added up, leave: they work on each other."""
        return self.delivered_gy - self.planned_gy - sum(part.change_gy for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class ColdSpot:
    """One connected part of the target under the prescription."""

    volume_cm3: float
    centroid_lps_mm: Point
    lowest_gy: float
    surface: Surface | None  # None where it is too small to draw


@dataclass(frozen=True, slots=True, eq=False)
class StructuresOfDay:
    """The structures that the delivered dose is judged on, in the frame of the preplan."""

    of_preplan: bool  # nothing was drawn afterwards: those of the preplan
    missing: tuple[str, ...] = ()  # names the case uses that were not drawn on that day
    image: ImageVolume | None = None  # the CT of the day, else that of the preplan
    rois: RoiSet | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The delivered implant beside its plan; everything in the frame of the preplan."""

    plan: Plan
    software_version: str
    inputs: tuple[InputFile, ...]
    implanted: datetime.date | None  # None where nobody stated it
    registration: Registration
    structures: StructuresOfDay
    seeds: DeliveredSeeds
    matches: tuple[SeedMatch, ...]  # planned seeds in the order of the plan, then extra ones
    needles: tuple[NeedleError, ...]
    accuracy: Mapping[str, MeanSd]  # "depth_mm", "entry_mm", "tip_mm", "angle_deg", ...
    metrics: Mapping[str, Mapping[str, float]]  # as those of the plan, of what was delivered
    goals: tuple[GoalResult, ...]
    biology: tuple[BiologyResult, ...]
    dose: DoseField
    dvh: tuple[DvhCurve, ...]
    planned_dvh: tuple[DvhCurve, ...]  # of the plan as it was planned
    cold_spots: tuple[ColdSpot, ...]  # largest first; empty where all of the target is covered
    loss: LossOfD90
    surfaces: Mapping[str, tuple[SurfaceRole, Surface]]
    warnings: tuple[PlanWarning, ...]

    @property
    def missing(self) -> tuple[SeedMatch, ...]:
        """Planned seeds that were not found."""
        return tuple(match for match in self.matches if match.found is None)

    @property
    def extra(self) -> tuple[SeedMatch, ...]:
        """Found seeds that nobody planned."""
        return tuple(match for match in self.matches if match.hole is None)

    @property
    def goals_met(self) -> bool:
        """Whether the delivered dose meets every goal."""
        return all(goal.met for goal in self.goals)
