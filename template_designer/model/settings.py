"""The case file as types: one frozen model per TOML table, unknown keys refused.

The schema holds names, units, ranges and defaults (DESIGN.md, section 4); it knows no file and no
image. ``inputs/case_file.py`` turns its complaints into one line that names the key.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, model_validator

from dose.biology import REPAIR_HALF_TIME_H
from template_designer.model.delivery import DeliverySettings
from template_designer.model.derived import BODY_FROM_CT, NO_MARGIN, MarginMm, StructureSettings
from template_designer.model.dicom import DicomSettings
from template_designer.model.needles import OUTER_DIAMETER_MM
from template_designer.model.paper import ReportSettings
from template_designer.model.plate_settings import MarkerSettings, MountSettings, PrinterSettings
from template_designer.model.steering import parse_loads, parse_places
from template_designer.model.tables import (
    Date,
    NameList,
    Number,
    Percent,
    Positive,
    Settings,
    Vector,
    names_of,
)


class ImageSettings(Settings):
    """``[images]``: where the CT and the structures are."""

    ct: str
    structures: str
    labels: str | None = None


class TargetSettings(Settings):
    """``[target]``: what the dose must cover."""

    structure: str
    margin_mm: MarginMm = NO_MARGIN
    crop_out_of: NameList | None = None  # the target ends where these begin,
    crop_gap_mm: Annotated[Number, Field(ge=0.0, le=20.0)] = 0.0  # or this far before

    @model_validator(mode="after")
    def _gap_is_to_something(self) -> Self:
        if self.crop_gap_mm > 0.0 and not self.cropped_by:
            raise ValueError("crop_gap_mm stands without crop_out_of; name what to keep off")
        return self

    @property
    def cropped_by(self) -> tuple[str, ...]:
        """The structure names or globs of ``crop_out_of``, as a tuple."""
        return names_of(self.crop_out_of)


class AvoidRule(Settings):
    """``[[avoid]]``: how far every needle surface must stay from some structures."""

    structure: NameList
    needle_clearance_mm: Annotated[Number, Field(ge=0.0, le=50.0)]

    @property
    def patterns(self) -> tuple[str, ...]:
        """The structure names or globs of this rule, always as a tuple."""
        return names_of(self.structure)


class GoalSettings(Settings):
    """``[[goal]]``: what the dose should do to one structure, by a metric of the report.

    A goal of priority 1 is never traded for one of priority 2; within one priority a goal counts
    by its weight.
    """

    structure: str
    metric: str
    priority: Annotated[StrictInt, Field(ge=1, le=9)] = 1
    weight: Annotated[Number, Field(gt=0.0, le=100.0)] = 1.0
    at_least_gy: Positive | None = None
    at_most_gy: Positive | None = None
    at_least_pct: Percent | None = None
    at_most_pct: Percent | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if sum(limit is not None for limit in self.limits) != 1:
            raise ValueError(
                "state exactly one of at_least_gy, at_most_gy, at_least_pct, at_most_pct"
            )
        return self

    @property
    def limits(self) -> tuple[float | None, ...]:
        """The four limits in the order of their fields; exactly one is set."""
        return (self.at_least_gy, self.at_most_gy, self.at_least_pct, self.at_most_pct)

    @property
    def is_minimum(self) -> bool:
        """Whether the metric must reach the limit (else: must not pass it)."""
        return self.at_least_gy is not None or self.at_least_pct is not None

    @property
    def unit(self) -> str:
        """``"Gy"`` or ``"%"``."""
        return "Gy" if self.at_least_gy is not None or self.at_most_gy is not None else "%"

    @property
    def limit(self) -> float:
        """The one limit that is set."""
        return next(value for value in self.limits if value is not None)


class SkinSettings(Settings):
    """``[skin]``: the body outline and how deep every seed must lie under it.

    Without ``structure`` the body is found from the CT numbers.
    """

    structure: str = BODY_FROM_CT
    seed_depth_mm: Annotated[Number, Field(ge=0.0, le=50.0)] = 10.0


LONGEST_VECTOR = 1e6
"""Length of a direction that nobody writes on purpose."""


class EntrySettings(Settings):
    """``[entry]``: the skin entry plane, patient frame (DICOM LPS, mm)."""

    point_lps: Vector
    direction_lps: Vector
    up_lps: Vector
    refine: StrictBool = False  # search lattice offset and rotation within the plane

    @model_validator(mode="after")
    def _vectors_span_a_frame(self) -> Self:
        for key in ("direction_lps", "up_lps"):
            length = math.hypot(*getattr(self, key))
            if length < 1e-6:
                raise ValueError(f"{key} has no length")
            if length > LONGEST_VECTOR:  # its square would overflow, and turn another way
                raise ValueError(
                    f"{key} is {length:.3g} long; only its direction counts, write numbers near 1"
                )
        d, u = self.direction_lps, self.up_lps
        cosine = sum(a * b for a, b in zip(d, u, strict=True)) / math.hypot(*d) / math.hypot(*u)
        if abs(cosine) > 0.996:  # nearer than 5 degrees: "up" would hang on rounding
            raise ValueError(
                "up_lps runs along direction_lps; choose an up_lps across the needles "
                "(for a patient lying down, [0, 0, 1] is towards the head)"
            )
        return self


def _as_list(value: object) -> object:
    """One ``[entry]`` table is a list of one."""
    return (value,) if isinstance(value, Mapping | EntrySettings) else value


Entries = Annotated[
    tuple[EntrySettings, ...], BeforeValidator(_as_list), Field(min_length=1, max_length=8)
]
"""``[entry]``, or ``[[entry]]`` several times: one plate each, T1, T2, ... in their order."""


class PatientPosition(StrEnum):
    """How the patient lies: which skin is free for needles."""

    PRONE = "prone"
    SUPINE = "supine"
    LATERAL_LEFT = "lateral_left"  # on the left side
    LATERAL_RIGHT = "lateral_right"
    ANY = "any"


class SuggestSettings(Settings):
    """``[suggest]``: which entry planes the search may propose."""

    position: PatientPosition | None = None  # None: as in the CT
    max_tilt_deg: Annotated[Number, Field(ge=0.0, le=90.0)] = 30.0  # needles to axial plane
    max_gap_mm: Annotated[Number, Field(ge=0.0, le=60.0)] = 30.0  # plate to skin at its centre


class HoleChoice(StrEnum):
    """Which holes of the lattice are printed."""

    LATTICE = "lattice"
    SAFE = "safe"
    PLAN = "plan"


class TemplateSettings(Settings):
    """``[template]``: the printed plate."""

    size_mm: tuple[Positive, Positive, Positive] = (100.0, 100.0, 20.0)
    pitch_mm: Annotated[Number, Field(ge=2.5, le=50.0)] = 5.0
    holes: HoleChoice = HoleChoice.LATTICE
    edge_mm: Annotated[Number, Field(ge=5.0, le=50.0)] = 5.0  # plate edge to outer hole centres
    corner_radius_mm: Annotated[Number, Field(ge=0.0, le=20.0)] = 2.0
    counter_sink_mm: Annotated[Number, Field(ge=0.0, le=3.0)] = 0.5  # wider than the bore, at most
    cross_lines: StrictBool = True  # for the laser, through the origin
    qr: StrictBool | None = None  # None: where the rim has room
    date: Date | None = None  # on the rim; None: [source] implant_date

    @model_validator(mode="after")
    def _the_lattice_fits(self) -> Self:
        width, height, thickness = self.size_mm
        if not (30.0 <= width <= 200.0 and 30.0 <= height <= 200.0):
            raise ValueError(f"size_mm {width:g} x {height:g} mm is outside 30-200 mm a side")
        if not 5.0 <= thickness <= 60.0:
            raise ValueError(f"size_mm has a thickness of {thickness:g} mm, outside 5-60 mm")
        return self


class NeedleSettings(Settings):
    """``[needle]``: the needle (trocar) and the bore printed for it."""

    gauge: Literal[11, 13, 16, 17, 18] = 18
    length_mm: Annotated[Number, Field(ge=50.0, le=400.0)] = 200.0
    bore_allowance_mm: Annotated[Number, Field(ge=0.0, le=1.0)] = 0.20  # on the diameter
    hub_mm: Annotated[Number, Field(ge=0.0, le=50.0)] = 0.0  # shaft to keep above the plate


MOST_STRENGTHS = 12
"""Strengths a case may offer for choice: one batch is ordered, and each is tried."""


def _strengths(value: object) -> object:
    """A number, or a rising list of different numbers."""
    if not isinstance(value, list | tuple):
        return value
    numbers = [v for v in value if isinstance(v, int | float) and not isinstance(v, bool)]
    if not 2 <= len(value) <= MOST_STRENGTHS or len(numbers) != len(value):
        raise ValueError(f"must be a number, or a list of 2 to {MOST_STRENGTHS} numbers")
    if any(b <= a for a, b in itertools.pairwise(numbers)):
        raise ValueError("must list different strengths, the weakest first")
    return tuple(value)


Strengths = Annotated[Positive | tuple[Positive, ...], BeforeValidator(_strengths)]


class SourceSettings(Settings):
    """``[source]``: the seed model, and its strength in one unit, on a stated day or the implant's.

    Of a list of strengths the loader picks one for the whole implant: clinics order one batch.
    The model is one on board or a table file of the user's own. With both dates the strength is
    that on the calibration date and decays to the implant.
    """

    model: str | None = None
    file: str | None = None  # relative to the case file
    air_kerma_strength_u: Strengths | None = None
    activity_mci: Strengths | None = None
    activity_mbq: Strengths | None = None
    calibration_date: Date | None = None
    implant_date: Date | None = None
    confirm_unusual_strength: StrictBool = False
    accept_unverified: StrictBool = False  # tables that were not cross-checked number by number

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        strengths = ("air_kerma_strength_u", "activity_mci", "activity_mbq")
        for keys in (("model", "file"), strengths):
            stated = [key for key in keys if getattr(self, key) is not None]
            if len(stated) != 1:
                found = " and ".join(stated) if stated else "none"
                raise ValueError(f"state exactly one of {', '.join(keys)} (found: {found})")
        if (self.calibration_date is None) != (self.implant_date is None):
            given, missing = "calibration_date", "implant_date"
            if self.calibration_date is None:
                given, missing = missing, given
            raise ValueError(
                f"{given} stands without {missing}; state both, or neither where the strength is "
                "that on the day of the implant"
            )
        return self


class PrescriptionSettings(Settings):
    """``[prescription]``: the matched peripheral dose, to full decay."""

    dose_gy: Annotated[Number, Field(gt=0.0, le=1000.0)]


class BoneSettings(Settings):
    """``[bone]``: what counts as bone on a needle's way, and when it needs an access needle.

    Bone is a structure, else what lies above a CT threshold. A needle needs access where more than
    ``cortex_mm`` of its way in one piece is at or above ``cortex_hu``, or where more than
    ``access_bone_mm`` is bone.
    """

    structure: NameList | None = None
    threshold_hu: Annotated[Number, Field(ge=50.0, le=2000.0)] = 250.0
    cortex_hu: Annotated[Number, Field(ge=200.0, le=3000.0)] = 600.0  # compact bone from here on
    cortex_mm: Annotated[Number, Field(ge=0.0, le=20.0)] = 1.0  # what the needle passes unaided
    access_bone_mm: Annotated[Number, Field(gt=0.0, le=200.0)] | None = None  # bone of any kind
    access_gauge: Literal[11, 13, 16] = 16

    @property
    def patterns(self) -> tuple[str, ...]:
        """The structure names or globs, as a tuple; empty where none is stated."""
        return names_of(self.structure)


class LoadingPattern(StrEnum):
    """Where along a needle its seeds may sit: at multiples of ``step_mm``."""

    REGULAR = "regular"
    FREE = "free"

    @property
    def step_mm(self) -> float:
        """The step where the case states none."""
        return 5.0 if self is LoadingPattern.REGULAR else 2.5


class LoadingSettings(Settings):
    """``[loading]``: how seeds may sit in a needle and what needles and seeds are worth."""

    loading: LoadingPattern = LoadingPattern.FREE
    seed_spacing_mm: tuple[Positive, Positive] = (5.0, 10.0)  # centre to centre, least and most
    step_mm: Annotated[Number, Field(ge=0.5, le=10.0)] = 2.5  # grid of seed centres; 5 if regular
    outside_target_mm: Annotated[Number, Field(ge=0.0, le=10.0)] = 1.0  # seed centres, at most
    max_needles: Annotated[StrictInt, Field(ge=1, le=500)] | None = None
    max_seeds: Annotated[StrictInt, Field(ge=1, le=2000)] | None = None
    max_seeds_per_needle: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    random_seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] = 43
    search_moves: Annotated[StrictInt, Field(ge=1000, le=100_000_000)] = 64_000  # an annealing
    forbid: NameList = ()  # holes that stay empty: "D5", with several plates "T2:D5"
    load: NameList = ()  # needles set by hand, as in model/steering.py: "C4=0,7.5,15"

    @model_validator(mode="after")
    def _labels_can_be_read(self) -> Self:
        parse_loads(names_of(self.load))
        seeds = [place for place in parse_places(names_of(self.forbid)) if place.seed is not None]
        if seeds:
            raise ValueError(
                f"forbid = {str(seeds[0])!r} names a seed of an earlier plan; a case forbids holes"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _step_of_the_pattern(cls, data: object) -> object:
        """Without ``step_mm`` the pattern's own step holds."""
        if isinstance(data, Mapping) and "step_mm" not in data:
            pattern = data.get("loading", LoadingPattern.FREE)
            if pattern in tuple(LoadingPattern):  # what is none is refused as such
                return {**data, "step_mm": LoadingPattern(pattern).step_mm}
        return data

    @model_validator(mode="after")
    def _spacing_is_a_range(self) -> Self:
        least, most = self.seed_spacing_mm
        if not least <= most:
            raise ValueError(f"seed_spacing_mm: least {least:g} mm is over most {most:g} mm")
        steps = math.ceil(least / self.step_mm - 1e-6) * self.step_mm
        if steps > most + 1e-6:
            raise ValueError(
                f"seed_spacing_mm [{least:g}, {most:g}] holds no multiple of step_mm = "
                f"{self.step_mm:g}; the next is {steps:g} mm"
            )
        return self


LARGEST_FRACTION_GY = 30.0
"""External beam above this a fraction is a total dose with its fractions left out or mistaken."""


class BiologySettings(Settings):
    """``[[biology]]``: the tissue model of some structures, and the beam dose they had before."""

    structure: NameList
    alpha_beta_gy: Annotated[Number, Field(gt=0.0, le=50.0)]
    repair_half_time_h: Annotated[Number, Field(gt=0.0, le=24.0)] = REPAIR_HALF_TIME_H
    external_beam_gy: Annotated[Number, Field(gt=0.0, le=200.0)] | None = None  # in all
    external_beam_fractions: Annotated[StrictInt, Field(ge=1, le=200)] | None = None

    @model_validator(mode="after")
    def _beam_is_whole(self) -> Self:
        dose_gy, fractions = self.external_beam_gy, self.external_beam_fractions
        if dose_gy is None and fractions is None:
            return self
        if dose_gy is None or fractions is None:
            raise ValueError("state external_beam_gy and external_beam_fractions, or neither")
        if dose_gy > LARGEST_FRACTION_GY * fractions:
            raise ValueError(
                f"external_beam_gy = {dose_gy:g} in external_beam_fractions = {fractions} is "
                f"{dose_gy / fractions:g} Gy a fraction, over {LARGEST_FRACTION_GY:g} Gy; "
                "external_beam_gy is the dose of all fractions together, check both"
            )
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """The structure names or globs of this table, always as a tuple."""
        return names_of(self.structure)


class RobustSite(StrEnum):
    """Where the placement errors were measured that a plan is tried against."""

    THORAX = "thorax"
    HEAD_NECK = "head_neck"


class RobustSettings(Settings):
    """``[robust]``: placement errors for ``--robust``, one standard deviation per axis.

    What is not stated is taken from the published errors of the site.
    """

    site: RobustSite = RobustSite.THORAX
    entry_mm: Annotated[Number, Field(ge=0.0, le=20.0)] | None = None
    angle_deg: Annotated[Number, Field(ge=0.0, le=15.0)] | None = None
    depth_mm: Annotated[Number, Field(ge=0.0, le=30.0)] | None = None
    plate_shift_mm: Annotated[Number, Field(ge=0.0, le=20.0)] | None = None
    plate_rotation_deg: Annotated[Number, Field(ge=0.0, le=15.0)] | None = None
    seed_slip_mm: Annotated[Number, Field(ge=0.0, le=20.0)] | None = None
    entry_angle_correlation: Annotated[Number, Field(ge=-1.0, le=1.0)] | None = None
    bore_play: StrictBool = True  # needles tilt in their bores
    random_seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] = 43


class Site(StrEnum):
    """Where the tumour lies: which goals a case has that states none."""

    SPINE = "spine"


class CaseSettings(Settings):
    """A whole case file, checked but not yet read: see DESIGN.md, section 5, for an example."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}$")]
    site: Site | None = None
    images: ImageSettings
    target: TargetSettings
    avoid: tuple[AvoidRule, ...] = ()
    goal: tuple[GoalSettings, ...] = ()
    skin: SkinSettings = SkinSettings()
    entry: Entries = ()  # read_case asks for one, unless a search is to find it
    template: TemplateSettings = TemplateSettings()
    needle: NeedleSettings = NeedleSettings()
    printer: PrinterSettings = PrinterSettings()
    markers: MarkerSettings | None = None
    mount: MountSettings | None = None
    source: SourceSettings
    prescription: PrescriptionSettings
    bone: BoneSettings = BoneSettings()
    loading: LoadingSettings = LoadingSettings()
    delivery: DeliverySettings = DeliverySettings()
    biology: tuple[BiologySettings, ...] = ()
    robust: RobustSettings = RobustSettings()
    suggest: SuggestSettings = SuggestSettings()
    structure: tuple[StructureSettings, ...] = ()
    dicom: DicomSettings = DicomSettings()
    report: ReportSettings = ReportSettings()

    @property
    def access_gauge(self) -> int | None:
        """Gauge for ways through compact bone; None where the needles themselves are as thick."""
        gauge = self.bone.access_gauge
        thicker = OUTER_DIAMETER_MM[gauge] > OUTER_DIAMETER_MM[self.needle.gauge]
        return gauge if thicker else None

    @property
    def bore_allowance_mm(self) -> float:
        """Bore minus needle, on the diameter: the printer's where it states one."""
        stated = self.printer.bore_allowance_mm
        return self.needle.bore_allowance_mm if stated is None else stated

    def bore_for_mm(self, gauge: int) -> float:
        """Diameter of the bore printed for a gauge."""
        return OUTER_DIAMETER_MM[gauge] + self.bore_allowance_mm

    @model_validator(mode="after")
    def _one_allowance(self) -> Self:
        printer, needle = self.printer.bore_allowance_mm, self.needle.bore_allowance_mm
        stated = "bore_allowance_mm" in self.needle.model_fields_set
        if printer is not None and stated and printer != needle:
            raise ValueError(
                f"needle.bore_allowance_mm = {needle:g} and printer.bore_allowance_mm = "
                f"{printer:g} differ; state the one that was measured with the fit gauge"
            )
        return self

    @model_validator(mode="after")
    def _bores_leave_a_wall(self) -> Self:
        bore, least = self.bore_for_mm(self.needle.gauge), self.printer.resolution_mm
        if self.template.pitch_mm < bore + least:
            raise ValueError(
                f"template.pitch_mm = {self.template.pitch_mm:g} leaves under {least:g} mm "
                f"of wall between bores of {bore:g} mm; use a larger pitch or a thinner needle"
            )
        access = self.access_gauge
        if access and self.template.pitch_mm < self.bore_for_mm(access) + least:
            raise ValueError(
                f"template.pitch_mm = {self.template.pitch_mm:g} leaves under {least:g} mm "
                f"of wall between bores of {self.bore_for_mm(access):g} mm for bone access "
                f"({access}G, [bone] access_gauge); use a larger pitch or a thinner access needle"
            )
        return self
