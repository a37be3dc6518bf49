"""Domain objects: types only, valid from the constructor on."""

from template_designer.model.case import Case, ImageVolume, InputFile, PlanWarning, Roi, RoiSet
from template_designer.model.dicom import DicomIdentity, DicomSlice, ImageReference
from template_designer.model.needles import OUTER_DIAMETER_MM, NeedleRule
from template_designer.model.plan import (
    BiologyDose,
    BiologyResult,
    BoneAccess,
    DvhCurve,
    ExternalBeam,
    GoalResult,
    Hole,
    HoleState,
    Needle,
    Plan,
    Reach,
    Seed,
    Surface,
    SurfaceRole,
    Template,
    Violation,
)
from template_designer.model.plate import MarkerPocket, MountingHole, PlateFeatures
from template_designer.model.settings import (
    AvoidRule,
    BiologySettings,
    CaseSettings,
    EntrySettings,
    GoalSettings,
    HoleChoice,
)
from template_designer.model.source import Calibration, SeedSource

__all__ = [
    "OUTER_DIAMETER_MM",
    "AvoidRule",
    "BiologyDose",
    "BiologyResult",
    "BiologySettings",
    "BoneAccess",
    "Calibration",
    "Case",
    "CaseSettings",
    "DicomIdentity",
    "DicomSlice",
    "DvhCurve",
    "EntrySettings",
    "ExternalBeam",
    "GoalResult",
    "GoalSettings",
    "Hole",
    "HoleChoice",
    "HoleState",
    "ImageReference",
    "ImageVolume",
    "InputFile",
    "MarkerPocket",
    "MountingHole",
    "Needle",
    "NeedleRule",
    "Plan",
    "PlanWarning",
    "PlateFeatures",
    "Reach",
    "Roi",
    "RoiSet",
    "Seed",
    "SeedSource",
    "Surface",
    "SurfaceRole",
    "Template",
    "Violation",
]
