"""What the three DICOM objects of a plan share: patient, study, UIDs, dates, and their file.

Patient and study are those of the CT, so that a viewer puts plan, dose and structures beside it.
UIDs follow from the plan's content alone: the same plan gives the same bytes on every run.
"""

from __future__ import annotations

import datetime
import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ImplicitVRLittleEndian, generate_uid

from exports import plan_json
from template_designer._version import SOFTWARE_NAME
from template_designer.inputs.dicom_identity import LONGEST_ID, LONGEST_TEXT, plain_text
from template_designer.model import DicomIdentity, Plan

RTPLAN_CLASS = "1.2.840.10008.5.1.4.1.1.481.5"
RTDOSE_CLASS = "1.2.840.10008.5.1.4.1.1.481.2"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"

NOTICE = "Research and education only; not a medical device."
NEW_STUDY = "Plan on images that were not DICOM"
"""Description of the study that is made up where the case's images belong to none."""

KEPT = "Patient module of the CT left out; UIDs, dates, ROI names kept"
"""De-identification Method: what ``[dicom] deidentify`` does and does not."""

_IMPLEMENTATION_VERSION = "TEMPLATEDESIGNER"
_UNKNOWN = DicomIdentity(study_uid="", series_uid="", frame_of_reference_uid="", slices=())


@dataclass(frozen=True, slots=True)
class PlanUids:
    """UIDs of one plan's objects; study and frame of reference are the CT's where it has them."""

    study: str
    frame_of_reference: str
    rtplan: str
    rtdose: str
    rtstruct: str
    dose_reference: str
    series: dict[str, str]  # by SOP class


def identity_of(plan: Plan) -> DicomIdentity:
    """Identity of the plan's CT; one without any entry where the images were not DICOM."""
    if plan.image is None or plan.image.dicom is None:
        return _UNKNOWN
    return plan.image.dicom


def today() -> datetime.date:
    """Day of writing, for the one date that DICOM insists on and some cases do not state."""
    return datetime.date.today()


def images_day(plan: Plan) -> str:
    """Study date of the CT as DICOM writes it, '' where there is none."""
    return identity_of(plan).study_date


def strength_day(plan: Plan) -> tuple[datetime.date, bool]:
    """Day that the planned strength is written with, and whether the case states it.

    A strength without dates is that of the implant's day, whenever that will be; the day of the CT
    then stands in its place, and without one the day of writing.
    """
    if plan.source.calibration is not None:
        return plan.source.calibration.implant_date, True
    day = images_day(plan)
    if day:
        return datetime.datetime.strptime(day, "%Y%m%d").date(), False
    return today(), False


def plan_uids(plan: Plan) -> PlanUids:
    """All UIDs of a plan, the same for the same plan and the same images."""
    return _uids(plan, strength_day(plan)[0])


@lru_cache(maxsize=2)  # three files of one plan ask for them
def _uids(plan: Plan, day: datetime.date) -> PlanUids:
    identity = identity_of(plan)
    seal = _content_hash(plan, day)

    def new(what: str) -> str:
        return str(generate_uid(entropy_srcs=[SOFTWARE_NAME, seal, what]))

    return PlanUids(
        study=identity.study_uid or new("study"),
        frame_of_reference=identity.frame_of_reference_uid or new("frame of reference"),
        rtplan=new("RTPLAN"),
        rtdose=new("RTDOSE"),
        rtstruct=new("RTSTRUCT"),
        dose_reference=new("dose reference"),
        series={kind: new(f"series of {kind}") for kind in (RTPLAN_CLASS, RTDOSE_CLASS)}
        | {RTSTRUCT_CLASS: new("series of RTSTRUCT")},
    )


def _content_hash(plan: Plan, day: datetime.date) -> str:
    """Hash of all that can make a file of this plan differ from another plan's."""
    seal = hashlib.sha256(plan_json.build(plan))
    seal.update(repr((identity_of(plan), day, plan.settings.dicom)).encode())
    seal.update(repr(plan.dose.grid).encode())
    seal.update(plan.dose.values_gy.tobytes())
    for roi in plan.rois.rois if plan.rois is not None else ():
        seal.update(repr((roi.name, roi.number, roi.xor)).encode())
        for ring in roi.rings_lps_mm:
            seal.update(ring.tobytes())
    return seal.hexdigest()


def new_object(plan: Plan, sop_class: str, sop_instance_uid: str, modality: str) -> Dataset:
    """Data set with everything that the three objects have in common."""
    uids = plan_uids(plan)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_instance_uid
    _add_patient(dataset, plan)
    _add_study(dataset, plan, uids)
    dataset.Modality = modality
    dataset.SeriesInstanceUID = uids.series[sop_class]
    dataset.SeriesNumber = {RTPLAN_CLASS: 901, RTDOSE_CLASS: 902, RTSTRUCT_CLASS: 903}[sop_class]
    dataset.SeriesDescription = text(f"{modality} of plan {plan.id}")
    dataset.OperatorsName = ""
    dataset.InstanceNumber = 1
    dataset.FrameOfReferenceUID = uids.frame_of_reference
    dataset.PositionReferenceIndicator = identity_of(plan).position_reference_indicator
    dataset.Manufacturer = SOFTWARE_NAME
    dataset.ManufacturerModelName = SOFTWARE_NAME
    dataset.SoftwareVersions = text(plan.software_version)
    return dataset


def _add_patient(dataset: Dataset, plan: Plan) -> None:
    identity = identity_of(plan)
    if plan.settings.dicom.deidentify:
        dataset.PatientName = f"Deidentified^{plan.id}"
        dataset.PatientID = plan.id
        dataset.PatientBirthDate = dataset.PatientSex = ""
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = KEPT
        dataset.LongitudinalTemporalInformationModified = "UNMODIFIED"
        return
    dataset.PatientName = identity.patient_name
    dataset.PatientID = identity.patient_id
    if identity is _UNKNOWN:  # nobody's: the case's id is all that is known
        dataset.PatientName, dataset.PatientID = f"Case^{plan.id}", plan.id
    dataset.PatientBirthDate = identity.patient_birth_date
    dataset.PatientSex = identity.patient_sex
    if identity.identity_removed:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "As in the CT"


def _add_study(dataset: Dataset, plan: Plan, uids: PlanUids) -> None:
    identity = identity_of(plan)
    hidden = plan.settings.dicom.deidentify
    dataset.StudyInstanceUID = uids.study
    dataset.StudyDate = identity.study_date
    dataset.StudyTime = identity.study_time
    dataset.StudyID = "" if hidden else identity.study_id
    dataset.AccessionNumber = "" if hidden else identity.accession_number
    dataset.ReferringPhysicianName = "" if hidden else identity.referring_physician_name
    description = "" if hidden else identity.study_description
    if not identity.study_uid:
        description = NEW_STUDY
    if description:
        dataset.StudyDescription = description


def reference_to(sop_class: str, sop_instance_uid: str) -> Dataset:
    """Item that refers to another object."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def as_file(dataset: Dataset) -> bytes:
    """A data set as a DICOM file: Implicit VR Little Endian, which every DICOM system reads.

    (Explicit VR has no room for the coordinates of an outline of more than 64 kB.)
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    meta.ImplementationClassUID = UID(generate_uid(entropy_srcs=[SOFTWARE_NAME, "implementation"]))
    meta.ImplementationVersionName = _IMPLEMENTATION_VERSION
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def text(value: str) -> str:
    """A text fit for LO: one line of at most 64 characters."""
    return plain_text(value, LONGEST_TEXT)


def short(value: str) -> str:
    """A text fit for SH: one line of at most 16 characters."""
    return plain_text(value, LONGEST_ID)


def number(value: float, digits: int) -> str:
    """A number as DICOM's decimal text of at most 16 characters, never ``-0``.

    Examples
    --------
    >>> number(-0.00001, 4), number(12.5, 4)
    ('0', '12.5')
    """
    shown = f"{value:.{digits}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown
