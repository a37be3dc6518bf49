"""``RTPLAN.dcm``: the seeds as a permanent low-dose-rate brachytherapy plan.

The standard describes sources that move through channels and stay at places for a time, each place
a pair of control points (DICOM PS3.3 C.8.8.15). One channel is one needle here, each place one of
its seeds. The time at each is the mean life of the nuclide, in which a source of constant strength
gives what a seed gives to full decay: so the Total Reference Air Kerma, which the standard defines
by these times, and the dose are those of the implant.
"""

from __future__ import annotations

import math

import numpy as np
from pydicom.dataset import Dataset

from exports.dicom.identity import (
    NOTICE,
    RTPLAN_CLASS,
    RTSTRUCT_CLASS,
    as_file,
    identity_of,
    images_day,
    new_object,
    number,
    plan_uids,
    reference_to,
    short,
    strength_day,
    text,
)
from exports.dicom.rois import RoiKind, plan_rois, target_roi
from exports.rounding import rounded_down
from template_designer.errors import OutputError
from template_designer.inputs.rtplan_seeds import DATE_NOT_STATED
from template_designer.model import Needle, Plan, Template

POSITION_DIGITS = 4
"""Decimals of positions, mm: far below the 0.01 mm that they are compared to."""

STRENGTH_DIGITS = 6
"""Decimals of the Reference Air Kerma Rate, uGy/h at 1 m: 1e-6 of a usual seed."""

HOURS_PER_DAY, SECONDS_PER_HOUR = 24.0, 3600.0


def build(plan: Plan) -> bytes:
    """The plan as a DICOM file.

    Raises
    ------
    OutputError
        If a needle holds no seed, or no needle is planned.
    """
    for needle in plan.needles:
        if not needle.seeds:
            raise OutputError(f"RTPLAN.dcm: needle {needle.label!r} holds no seed; leave it out")
    if not plan.needles:
        raise OutputError(f"RTPLAN.dcm: plan {plan.id!r} has no needle, so no seeds to write")
    uids = plan_uids(plan)
    dataset = new_object(plan, RTPLAN_CLASS, uids.rtplan, "RTPLAN")
    dataset.RTPlanLabel = short(plan.id)
    dataset.RTPlanName = text(plan.id)
    dataset.RTPlanDescription = (
        f"{plan.seed_count} seeds {plan.source_model} of {plan.air_kerma_strength_u:.4g} U in "
        f"{len(plan.needles)} needles through {len(plan.templates)} printed template(s). {NOTICE}"
    )
    dataset.RTPlanDate = images_day(plan)
    dataset.RTPlanTime = identity_of(plan).study_time
    dataset.PlanIntent = "RESEARCH"
    dataset.RTPlanGeometry = "PATIENT"
    dataset.ReferencedStructureSetSequence = [reference_to(RTSTRUCT_CLASS, uids.rtstruct)]
    dataset.DoseReferenceSequence = [_prescription(plan)]
    loaded = [template for template in plan.templates if template.needles]
    dataset.FractionGroupSequence = [_fractions(plan, len(loaded))]
    dataset.BrachyTreatmentTechnique = "PERMANENT"
    dataset.BrachyTreatmentType = "LDR"
    dataset.TreatmentMachineSequence = [Dataset()]
    dataset.TreatmentMachineSequence[0].TreatmentMachineName = ""
    dataset.SourceSequence = [_source(plan)]
    dataset.ApplicationSetupSequence = [
        _setup(plan, template, index) for index, template in enumerate(loaded, start=1)
    ]
    dataset.ApprovalStatus = "UNAPPROVED"
    return as_file(dataset)


def _prescription(plan: Plan) -> Dataset:
    """Prescribed dose of the target; by its ROI where that was drawn, else by its name."""
    item = Dataset()
    item.DoseReferenceNumber = 1
    item.DoseReferenceUID = plan_uids(plan).dose_reference
    target = target_roi(plan)
    item.DoseReferenceStructureType = "SITE" if target is None else "VOLUME"
    name = plan.settings.target.structure
    margin = plan.settings.target.margin_mm
    if margin.largest_mm > 0.0:
        name = f"{name} + {margin}"
    item.DoseReferenceDescription = text(f"{name}, matched peripheral dose to full decay")
    if target is not None:
        item.ReferencedROINumber = target.number
    item.DoseReferenceType = "TARGET"
    item.TargetPrescriptionDose = number(plan.prescription_gy, 4)
    return item


def _fractions(plan: Plan, setups: int) -> Dataset:
    """One fraction, given once and for all."""
    group = Dataset()
    group.FractionGroupNumber = 1
    group.NumberOfFractionsPlanned = 1
    group.NumberOfBeams = 0
    group.NumberOfBrachyApplicationSetups = setups
    items = []
    for index in range(1, setups + 1):
        item = Dataset()
        item.ReferencedBrachyApplicationSetupNumber = index
        if setups == 1:  # of several, none gives the prescription alone
            item.BrachyApplicationSetupDose = number(plan.prescription_gy, 4)
        items.append(item)
    group.ReferencedBrachyApplicationSetupSequence = items
    return group


def _source(plan: Plan) -> Dataset:
    """The one kind of seed, with its strength.

    The Reference Air Kerma Rate is in uGy/h at 1 m, the air-kerma strength in U = uGy m2/h: the
    same number.
    """
    model = plan.source.model
    day, stated = strength_day(plan)
    item = Dataset()
    item.SourceNumber = 1
    item.SourceModelID = short(model.id)
    item.SourceDescription = text(model.id if stated else f"{DATE_NOT_STATED}; {model.id}")
    item.SourceType = "LINE"
    item.SourceManufacturer = text(model.manufacturer)
    item.ActiveSourceLength = number(model.active_length_mm, 4)
    item.SourceIsotopeName = text(model.nuclide)
    item.SourceIsotopeHalfLife = number(model.half_life_days, 6)
    item.SourceStrengthUnits = "AIR_KERMA_RATE"
    strength = number(plan.air_kerma_strength_u, STRENGTH_DIGITS)
    item.ReferenceAirKermaRate = item.SourceStrength = strength  # both, in the same unit
    item.SourceStrengthReferenceDate = day.strftime("%Y%m%d")
    item.SourceStrengthReferenceTime = "000000"
    return item


def _mean_life_h(plan: Plan) -> float:
    return HOURS_PER_DAY * plan.source.model.half_life_days / math.log(2.0)


def _setup(plan: Plan, template: Template, index: int) -> Dataset:
    """Everything that goes through one plate."""
    channels = {roi.needle: roi.number for roi in plan_rois(plan) if roi.kind is RoiKind.NEEDLE}
    seeds = sum(len(needle.seeds) for needle in template.needles)
    item = Dataset()
    item.ApplicationSetupType = "UNDEFINED"
    item.ApplicationSetupNumber = index
    item.ApplicationSetupName = text(f"Template {template.name}")
    item.TemplateNumber = index
    item.TemplateType = short(f"{template.pitch_mm:g} mm lattice")
    item.TemplateName = text(template.name)
    kerma = seeds * plan.air_kerma_strength_u * _mean_life_h(plan)
    item.TotalReferenceAirKerma = number(kerma, 4)
    item.ChannelSequence = [
        _channel(plan, template, needle, number_, channels[needle])
        for number_, needle in enumerate(template.needles, start=1)
    ]
    return item


def _channel(plan: Plan, template: Template, needle: Needle, index: int, roi: int) -> Dataset:
    """One needle with its seeds, from the tip backwards."""
    seeds = len(needle.seeds)
    item = Dataset()
    item.ChannelNumber = index
    item.ChannelLength = number(needle.length_mm, 4)
    item.ChannelTotalTime = number(seeds * _mean_life_h(plan) * SECONDS_PER_HOUR, 2)
    item.SourceMovementType = "FIXED"
    item.SourceApplicatorNumber = index
    item.SourceApplicatorID = short(f"{template.name} {needle.label}")
    item.SourceApplicatorType = "RIGID"
    depth = f"{rounded_down(needle.depth_mm, 1):.1f}"
    item.SourceApplicatorName = text(f"{needle.label}, {needle.gauge}G, depth {depth} mm")
    item.SourceApplicatorLength = number(needle.length_mm, 4)
    item.ReferencedROINumber = roi
    item.TransferTubeNumber = None
    item.ReferencedSourceNumber = 1
    item.NumberOfControlPoints = 2 * seeds
    item.FinalCumulativeTimeWeight = seeds
    axis = [float(value) for value in np.asarray(template.lps_from_template)[:3, 2]]
    points: list[Dataset] = []
    for place, seed in enumerate(needle.seeds):
        for weight in (place, place + 1):
            point = Dataset()
            point.ControlPointIndex = len(points)
            point.CumulativeTimeWeight = weight
            point.ControlPointRelativePosition = number(seed.from_tip_mm, POSITION_DIGITS)
            point.ControlPoint3DPosition = [number(v, POSITION_DIGITS) for v in seed.center_lps_mm]
            point.ControlPointOrientation = axis  # of the seed, in the direction of insertion
            points.append(point)
    item.BrachyControlPointSequence = points
    return item
