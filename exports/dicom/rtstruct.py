"""``RTSTRUCT.dcm``: the structures as drawn, with needles, seeds and plates beside them.

Each needle is a line of its own (``OPEN_NONPLANAR``, a brachytherapy channel that the plan refers
to) and the seeds are points, as the standard has them; many viewers show closed outlines only, so
needles and seeds are there a second time as outlines on the slices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dose.sources.model import ASSUMED_DIAMETER_MM
from exports.dicom.identity import (
    NOTICE,
    RTSTRUCT_CLASS,
    as_file,
    identity_of,
    images_day,
    new_object,
    number,
    plan_uids,
    reference_to,
    short,
    text,
)
from exports.dicom.keyholes import keyhole_rings
from exports.dicom.outlines import Slices, plate_outlines, rod_outlines
from exports.dicom.rois import PlanRoi, RoiKind, plan_rois, target_roi
from exports.rounding import rounded_down
from template_designer.model import OUTER_DIAMETER_MM, DicomSlice, Needle, Plan

COORDINATE_DIGITS = 4
"""Decimals of contour points, mm: far below the 0.01 mm that positions are compared to."""

SAME_SLICE_MM = 0.1
"""A contour this near to a CT slice was drawn on it: positions are often written to 0.1 mm."""

STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, retired: the class that a referenced study still must have."""

_COLOURS = {
    RoiKind.NEEDLE: (90, 90, 90),
    RoiKind.NEEDLE_OUTLINES: (90, 90, 90),
    RoiKind.SEEDS: (230, 159, 0),
    RoiKind.SEED_OUTLINES: (230, 159, 0),
    RoiKind.PLATE: (86, 180, 233),
}
_INTERPRETED = {RoiKind.NEEDLE: "BRACHY_CHANNEL", RoiKind.PLATE: "BRACHY_ACCESSORY"}
_ON_SLICES = "For the eye: each part is moved onto the nearest slice; true places are in the plan"
_DESCRIPTIONS = {
    RoiKind.NEEDLE: "Axis from the tip to the operator's face of the plate",
    RoiKind.SEEDS: "Seed centres, in the order of the plan's channels",
    RoiKind.NEEDLE_OUTLINES: _ON_SLICES,
    RoiKind.SEED_OUTLINES: _ON_SLICES,
    RoiKind.PLATE: "Box of the printed plate, without its bores",
}

Contours = Sequence[tuple[str, NDArray[np.float64]]]
"""Contour Geometric Type and points (n, 3), LPS, mm, of every contour of one ROI."""


def build(plan: Plan) -> bytes:
    """The structure set as a DICOM file.

    Parameters
    ----------
    plan : Plan
        Where it carries no structures as drawn (``plan.rois``), needles, seeds and plates are
        written alone.
    """
    dataset = new_object(plan, RTSTRUCT_CLASS, plan_uids(plan).rtstruct, "RTSTRUCT")
    dataset.StructureSetLabel = short(plan.id)
    dataset.StructureSetName = text(plan.id)
    dataset.StructureSetDescription = f"Structures, needles, seeds and plates of a plan. {NOTICE}"
    dataset.StructureSetDate = images_day(plan)
    dataset.StructureSetTime = identity_of(plan).study_time
    if plan.rois is not None and plan.rois.sop_instance_uid:
        drawn_in = reference_to(RTSTRUCT_CLASS, plan.rois.sop_instance_uid)
        dataset.PredecessorStructureSetSequence = [drawn_in]
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(plan)]
    rois = plan_rois(plan)
    slices, target = Slices.of(plan), target_roi(plan)
    dataset.StructureSetROISequence = [_named(plan, roi) for roi in rois]
    images = sorted(identity_of(plan).slices, key=lambda item: _height(slices, item))
    dataset.ROIContourSequence = [
        _drawn(roi, _contours(plan, roi, slices), slices, images) for roi in rois
    ]
    is_target = [target is not None and roi.number == target.number for roi in rois]
    dataset.RTROIObservationsSequence = [
        _observed(plan, roi, yes) for roi, yes in zip(rois, is_target, strict=True)
    ]
    return as_file(dataset)


def _referenced_frame(plan: Plan) -> Dataset:
    """Frame of reference with every CT image that contours may refer to."""
    identity, uids = identity_of(plan), plan_uids(plan)
    frame = Dataset()
    frame.FrameOfReferenceUID = uids.frame_of_reference
    images = [item for item in identity.slices if item.sop_instance_uid]
    if images and identity.series_uid:
        series = Dataset()
        series.SeriesInstanceUID = identity.series_uid
        series.ContourImageSequence = [
            reference_to(item.sop_class_uid, item.sop_instance_uid) for item in images
        ]
        study = reference_to(STUDY_CLASS, uids.study)
        study.RTReferencedSeriesSequence = [series]
        frame.RTReferencedStudySequence = [study]
    return frame


def _named(plan: Plan, roi: PlanRoi) -> Dataset:
    item = Dataset()
    item.ROINumber = roi.number
    item.ReferencedFrameOfReferenceUID = plan_uids(plan).frame_of_reference
    item.ROIName = text(roi.name)
    description = _DESCRIPTIONS.get(roi.kind)
    if roi.needle is not None:
        description = f"{description}; depth {rounded_down(roi.needle.depth_mm, 1):.1f} mm"
    if description is not None:
        item.ROIDescription = description
    item.ROIGenerationAlgorithm = "" if roi.kind is RoiKind.DRAWN else "AUTOMATIC"
    return item


def _observed(plan: Plan, roi: PlanRoi, is_target: bool) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = roi.number
    item.RTROIInterpretedType = _interpreted(plan, roi, is_target)
    item.ROIInterpreter = ""
    return item


def _interpreted(plan: Plan, roi: PlanRoi, is_target: bool) -> str:
    """RT ROI Interpreted Type; '' where the case does not say what a structure is."""
    if roi.kind is not RoiKind.DRAWN:
        return _INTERPRETED.get(roi.kind, "")
    if is_target:
        name = roi.name.upper()
        return next((kind for kind in ("GTV", "CTV", "PTV") if kind in name), "")
    if roi.name == plan.settings.skin.structure:
        return "EXTERNAL"
    return "ORGAN" if roi.name in {rule.structure for rule in plan.rules} else ""


def _contours(plan: Plan, roi: PlanRoi, slices: Slices) -> Contours:
    if roi.drawn is not None:
        rings = keyhole_rings(roi.drawn) if roi.drawn.xor else roi.drawn.rings_lps_mm
        return [("CLOSED_PLANAR", ring) for ring in rings]
    if roi.needle is not None:
        return [("OPEN_NONPLANAR", _axis(roi.needle))]
    if roi.kind is RoiKind.SEEDS:
        return [("POINT", np.array([seed.center_lps_mm])) for n in plan.needles for seed in n.seeds]
    if roi.kind is RoiKind.PLATE and roi.template is not None:
        outlines = plate_outlines(slices, roi.template)
    elif roi.kind is RoiKind.NEEDLE_OUTLINES:
        outlines = _needle_outlines(plan, slices)
    else:
        outlines = _seed_outlines(plan, slices)
    return [("CLOSED_PLANAR", outline) for outline in outlines]


def _axis(needle: Needle) -> NDArray[np.float64]:
    """Ends of a needle's way through plate and patient, the tip first, (2, 3) LPS, mm."""
    tip, entry = np.array(needle.tip_lps_mm), np.array(needle.entry_lps_mm)
    back = (entry - tip) / np.linalg.norm(entry - tip)
    return np.array([tip, tip + needle.depth_mm * back])


def _needle_outlines(plan: Plan, slices: Slices) -> list[NDArray[np.float64]]:
    outlines = []
    for needle in plan.needles:
        tip, face = _axis(needle)
        outlines += rod_outlines(slices, tip, face, 0.5 * OUTER_DIAMETER_MM[needle.gauge])
    return outlines


def _seed_outlines(plan: Plan, slices: Slices) -> list[NDArray[np.float64]]:
    """Capsules of the seeds; of unknown capsules the active length."""
    model = plan.source.model
    length = model.capsule_length_mm or model.active_length_mm
    radius = 0.5 * (model.capsule_diameter_mm or ASSUMED_DIAMETER_MM)
    half = max(0.5 * length - radius, 0.0)  # the outline is round by the radius at both ends
    outlines = []
    for template in plan.templates:
        arm = half * np.asarray(template.lps_from_template)[:3, 2]
        for needle in template.needles:
            for seed in needle.seeds:
                center = np.array(seed.center_lps_mm)
                outlines += rod_outlines(slices, center - arm, center + arm, radius)
    return outlines


def _drawn(
    roi: PlanRoi, contours: Contours, slices: Slices, images: Sequence[DicomSlice]
) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = roi.number
    if roi.kind in _COLOURS:
        item.ROIDisplayColor = list(_COLOURS[roi.kind])
    heights = np.array([_height(slices, image) for image in images])
    item.ContourSequence = [
        _contour(index, kind, points, _image_of(points, slices, heights, images))
        for index, (kind, points) in enumerate(contours, start=1)
    ]
    return item


def _height(slices: Slices, image: DicomSlice) -> float:
    return slices.height_mm(np.array(image.position_lps_mm))


def _image_of(
    points: NDArray[np.float64],
    slices: Slices,
    heights_mm: NDArray[np.float64],
    images: Sequence[DicomSlice],
) -> DicomSlice | None:
    """The CT image that a contour lies on; None between slices and beyond them."""
    if not images:
        return None
    above = points @ slices.normal - slices.first_mm
    at = int(np.argmin(np.abs(heights_mm - above.mean())))
    on_it = float(np.abs(above - heights_mm[at]).max()) <= SAME_SLICE_MM
    return images[at] if on_it and images[at].sop_instance_uid else None


def _contour(
    index: int, kind: str, points: NDArray[np.float64], image: DicomSlice | None
) -> Dataset:
    """One contour. Its points go in as text at once, far quicker than number by number."""
    item = Dataset()
    if image is not None:
        item.ContourImageSequence = [reference_to(image.sop_class_uid, image.sop_instance_uid)]
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourNumber = index
    data = "\\".join(number(value, COORDINATE_DIGITS) for value in points.ravel()).encode()
    data += b" " * (len(data) % 2)
    tag = Tag("ContourData")
    item[tag] = RawDataElement(tag, "DS", len(data), data, 0, True, True)
    item.set_original_encoding(True, True, "iso8859")  # as it will be written: kept as it is
    return item
