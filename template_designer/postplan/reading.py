"""What was found and drawn on the later day: read, checked, brought into the preplan's frame."""

from __future__ import annotations

import datetime
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.frames import transform_points
from template_designer.inputs.delivered_seeds import read_delivered_seeds
from template_designer.inputs.hashing import sha256_of
from template_designer.inputs.later_day import (
    LaterDay,
    check_same_patient,
    check_same_place,
    read_later_day,
)
from template_designer.inputs.transform_file import read_transform
from template_designer.model import ImageVolume, InputFile, Plan, PlanWarning, RoiSet
from template_designer.model.evaluation import Registration, RegistrationKind
from template_designer.model.seed_set import SeedSet
from template_designer.postplan.moving import moved_image, moved_rois
from template_designer.postplan.plausible import check_in_ct, check_near_plan, check_unit
from template_designer.postplan.registration import bone_residual, register_rigid
from template_designer.postplan.seeds_on_ct import find_seeds
from template_designer.postplan.strength import (
    on_day_of_implant,
    planned_strength_u,
    stated_strength_u,
)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What an evaluation is asked for: files of the later day, and how to take them."""

    seeds: Path  # table (.csv), brachytherapy plan (RTPLAN), or folder of the CT to find them on
    ct: Path | None = None  # of that day; None: seeds are in the frame of the preplan
    structures: Path | None = None  # drawn on that CT; None: those of the preplan
    labels: Path | None = None  # names of a plain label map
    registration: str = "shared"  # or "rigid", or the path of a transform
    strength_u: float | None = None  # of every seed on the day of the implant; None: as stated
    implanted: datetime.date | None = None  # None: as the plan states it


@dataclass(frozen=True, slots=True, eq=False)
class AsRead:
    """Seeds and images in the frame of their own day."""

    seeds: SeedSet  # strengths on the day of the implant
    day: LaterDay | None  # None: there was no CT
    warnings: tuple[PlanWarning, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LaterImplant:
    """The later day in the frame of the preplan."""

    seeds: SeedSet
    image: ImageVolume | None  # None: there was no CT
    rois: RoiSet | None
    registration: Registration
    inputs: tuple[InputFile, ...]
    warnings: tuple[PlanWarning, ...]


def read_later(
    plan: Plan, ct: ImageVolume, delivered: Delivered, implanted: datetime.date | None
) -> AsRead:
    """Read what was found and drawn; refuse what is not of this patient or not in mm.

    Raises
    ------
    CaseError, InputError
        If a file cannot be read or used; the text says which and why.
    """
    settings, source, stated_u = plan.settings, plan.source, delivered.strength_u
    where = str(delivered.seeds)
    if stated_u is not None:
        stated_u = stated_strength_u(stated_u, settings, source)
    table_u = planned_strength_u(source, implanted) if stated_u is None else stated_u
    on_ct = delivered.seeds.is_dir()
    if on_ct and delivered.ct not in (None, delivered.seeds):
        raise CaseError(
            f"--seeds {where} is a folder of a CT, and --ct is another ({delivered.ct}); name one"
        )
    day = _read_day(ct, replace(delivered, ct=delivered.seeds) if on_ct else delivered)
    told_of_day = () if day is None else _told_of_day(ct, delivered, day)
    if on_ct and day is not None:
        found = _found_on_ct(plan, delivered, day.image, table_u)
    else:
        found = read_delivered_seeds(
            delivered.seeds,
            strength_u=table_u,
            nuclide=source.model.nuclide,
            confirm_unusual_strength=settings.source.confirm_unusual_strength,
        )
    if not (settings.dicom.deidentify and found.patient_id == plan.id):
        check_same_patient(ct, where, found.patient_id)
    strengths, told = on_day_of_implant(where, found, source, implanted)
    if stated_u is not None:
        strengths, told = np.full(len(strengths), stated_u), ()
    check_unit(where, found.centers_lps_mm, _planned_mm(plan))
    seeds = replace(found, strength_u=strengths)
    return AsRead(seeds, day, (*found.warnings, *told, *told_of_day))


def on_preplan(plan: Plan, ct: ImageVolume, delivered: Delivered, read: AsRead) -> LaterImplant:
    """Everything of the later day in the frame of the preplan.

    Raises
    ------
    CaseError
        If frames of reference do not go together, seeds lie outside the image or far from the
        planned ones, or the transform is of no use.
    """
    day, found = read.day, read.seeds
    scanned = ct if day is None else day.image
    where = str(delivered.seeds)
    is_shared = delivered.registration == RegistrationKind.SHARED
    warnings = read.warnings
    if found.frame_of_reference_uid and (is_shared or day is not None):
        warnings += check_same_place(scanned, where, found.frame_of_reference_uid)
    if day is not None or is_shared:
        name = "the plan's CT" if day is None else "the CT of that day"
        check_in_ct(where, found.centers_lps_mm, found.channels, scanned, name)
    registration = _registration(plan, ct, delivered, read)
    matrix = registration.pre_from_post
    seeds = replace(
        found,
        centers_lps_mm=transform_points(matrix, found.centers_lps_mm),
        axes_lps=found.axes_lps @ matrix[:3, :3].T,
    )
    warnings += check_near_plan(where, seeds.centers_lps_mm, _planned_mm(plan), seeds.channels)
    return LaterImplant(
        seeds=seeds,
        image=None if day is None else moved_image(day.image, matrix),
        rois=None if day is None or day.rois is None else moved_rois(day.rois, matrix),
        registration=registration,
        inputs=_inputs(delivered, day),
        warnings=warnings,
    )


def _read_day(ct: ImageVolume, delivered: Delivered) -> LaterDay | None:
    if delivered.ct is None:
        if delivered.structures is not None:
            raise CaseError(
                f"--structures {delivered.structures}: name the CT that they were drawn on (--ct)"
            )
        return None
    day = read_later_day(delivered.ct, delivered.structures, delivered.labels)
    identity = day.image.dicom
    name = "" if identity is None else identity.patient_name
    option = "--seeds" if delivered.ct == delivered.seeds else "--ct"
    check_same_patient(ct, f"{option} {delivered.ct}", day.image.patient_id, name)
    if day.rois is not None:
        check_same_patient(ct, f"--structures {delivered.structures}", day.rois.patient_id)
    return day


def _told_of_day(ct: ImageVolume, delivered: Delivered, day: LaterDay) -> tuple[PlanWarning, ...]:
    """What is odd about the later day; an error where it cannot lie on the preplan as asked for."""
    if delivered.registration != RegistrationKind.SHARED:
        return day.warnings
    shared = check_same_place(ct, "the CT of that day", day.image.frame_of_reference_uid)
    return (*day.warnings, *shared)


def _found_on_ct(
    plan: Plan, delivered: Delivered, image: ImageVolume, strength_u: float
) -> SeedSet:
    """Seeds as the CT shows them, where nothing has to be settled by a person."""
    length_mm, diameter_mm = plan.source.model.capsule_mm
    try:
        found = find_seeds(
            image,
            seed_length_mm=length_mm,
            seed_diameter_mm=diameter_mm,
            expected=plan.seed_count,
        )
    except CaseError as error:
        raise CaseError(f"--seeds {delivered.seeds}: {error}") from error
    if found.uncertain:
        ct = shlex.quote(str(delivered.seeds))
        raise CaseError(
            f"--seeds {delivered.seeds}: {len(found.uncertain)} of {len(found.seeds)} seeds on the "
            f"CT are uncertain; run find-seeds {ct} -o seeds.csv --seed-length {length_mm:g} "
            f"--expected {plan.seed_count}, settle them there, and name both: --seeds seeds.csv "
            f"--ct {ct}"
        )
    unknown = np.full(3, np.nan)
    axes = [unknown if seed.axis_lps is None else seed.axis_lps for seed in found.seeds]
    return SeedSet(
        centers_lps_mm=found.centers_lps_mm,
        axes_lps=np.array(axes),
        strength_u=np.full(len(found.seeds), strength_u),
        nuclide=plan.source.model.nuclide,
        reference_date=None,
        channels=tuple(str(number) for number in range(1, len(found.seeds) + 1)),
        frame_of_reference_uid=image.frame_of_reference_uid,
        patient_id=image.patient_id,
        warnings=found.warnings,
    )


def _registration(plan: Plan, ct: ImageVolume, delivered: Delivered, read: AsRead) -> Registration:
    day, seeds_mm = read.day, read.seeds.centers_lps_mm
    middle = _planned_mm(plan).mean(axis=0)  # about that of the target
    if delivered.registration == RegistrationKind.RIGID:
        if day is None:
            raise CaseError(
                "--registration rigid compares two CTs; name the one of that day (--ct)"
            )
        return register_rigid(ct, day.image, middle, seeds_mm)
    kind, matrix = RegistrationKind.SHARED, np.eye(4)
    if delivered.registration != RegistrationKind.SHARED:
        kind = RegistrationKind.TRANSFORM
        matrix = read_transform(Path(delivered.registration))
    if day is None:
        return Registration(kind, matrix, None)
    return Registration(kind, matrix, bone_residual(ct, day.image, matrix, middle, seeds_mm))


def _planned_mm(plan: Plan) -> NDArray[np.float64]:
    """Centres of all planned seeds, (n, 3) LPS, mm."""
    return np.array([seed.center_lps_mm for needle in plan.needles for seed in needle.seeds])


def _inputs(delivered: Delivered, day: LaterDay | None) -> tuple[InputFile, ...]:
    named = [] if delivered.seeds.is_dir() else [delivered.seeds]
    if delivered.registration not in (RegistrationKind.SHARED, RegistrationKind.RIGID):
        named.append(Path(delivered.registration))
    files = tuple(InputFile(path.name, sha256_of(path)) for path in named)
    return files if day is None else (*files, *day.inputs)
