"""RTPLAN, RTDOSE and RTSTRUCT of a plan, judged by dciodvfy, read by pydicom and SimpleITK."""

import datetime
import io
import math
import re
import shutil
import subprocess
import time
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import shapely

from dose import DoseField
from exports import registry
from exports.dicom import identity, rtdose, rtplan, rtstruct
from exports.dicom.keyholes import with_slits
from exports.dicom.outlines import Slices, plate_outlines, rod_outlines
from template_designer import frames, read_case
from template_designer.errors import OutputError
from template_designer.geometry.contours import cross_sections, ring_area
from template_designer.inputs.dicom_ct import read_ct_series
from template_designer.inputs.dicom_identity import person_name
from template_designer.inputs.dicom_rtstruct import read_rtstruct
from template_designer.model import (
    Calibration,
    CaseSettings,
    ImageReference,
    Roi,
    RoiSet,
    SeedSource,
)
from tests.exports.conftest import SETTINGS, make_plan, make_template
from tests.paths import DEMO, SHARED, needs_shared
from tests.template_designer.inputs.dicom_factory import write_ct_series

BUILDERS = {"RTPLAN": rtplan.build, "RTDOSE": rtdose.build, "RTSTRUCT": rtstruct.build}
HOSTILE_NAME = "Müller^Ö\\Ø^^Dr.\n=王^小東=おう^しょうとう=more"


@pytest.fixture(scope="module")
def demo_case():
    return read_case(DEMO / "case.toml")


def with_dicom(plan, **changes):
    settings = plan.settings
    new = settings.dicom.model_copy(update=changes)
    return replace(plan, settings=settings.model_copy(update={"dicom": new}))


def with_identity(plan, **changes):
    dicom = replace(plan.image.dicom, **changes)
    image = ImageReference(
        plan.image.shape,
        plan.image.origin_lps_mm,
        plan.image.axes_lps,
        plan.image.spacing_mm,
        dicom,
    )
    return replace(plan, image=image)


@pytest.fixture(scope="module")
def plans(demo_case):
    """Plans of every kind, by name."""
    of_demo = {"image": demo_case.image.reference, "rois": demo_case.rois}
    labels = [f"{column}{row}" for column in "ABCDEFGHJKLM" for row in range(1, 11)]
    plain = make_plan(make_template(), **of_demo)
    two = make_template("T1"), make_template("T2", {"J7": 100.0})
    odd = with_identity(
        plain,
        patient_name=person_name(HOSTILE_NAME),
        patient_id="ID é-7",
        study_description="Wirbelsäule",
    )
    no_dicom = ImageReference((40, 90, 90), np.full(3, -90.0), np.eye(3), np.array([2.0, 2.0, 3.0]))
    return {
        "plain": plain,
        "two plates": make_plan(*two, **of_demo),
        "odd names": odd,
        "de-identified": with_dicom(odd, deidentify=True),
        "no DICOM": make_plan(make_template(), image=no_dicom, rois=demo_case.rois),
        "nothing known": make_plan(make_template()),
        "120 needles": make_plan(make_template("T1", dict.fromkeys(labels, 100.0)), **of_demo),
    }


def read(data):
    return pydicom.dcmread(io.BytesIO(data))


@pytest.fixture(scope="module")
def written(plans):
    """Every plan's three files, as bytes."""
    return {
        name: {kind: build(plan) for kind, build in BUILDERS.items()}
        for name, plan in plans.items()
    }


@pytest.fixture(scope="module")
def plain(plans):
    return plans["plain"]


@pytest.fixture(scope="module")
def files(written):
    """The plain plan's files, read."""
    return {kind: read(data) for kind, data in written["plain"].items()}


def complaints(path):
    """Lines in which dciodvfy finds an error, and its exit code."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if "Error" in line or "Assert" in line], done.returncode


needs_validator = pytest.mark.skipif(
    shutil.which("dciodvfy") is None,
    reason="dciodvfy is missing; on Debian install it with: apt install dicom3tools",
)


@needs_validator
def test_dciodvfy_finds_no_error_in_any_file_of_any_plan(written, tmp_path):
    for name, contents in written.items():
        for kind, data in contents.items():
            path = tmp_path / f"{name} {kind}.dcm"
            path.write_bytes(data)
            assert complaints(path) == ([], 0), f"{kind} of {name}"


@needs_validator
def test_dciodvfy_finds_no_error_in_the_demos_files(planned_demo):
    folder, _ = planned_demo
    for kind in BUILDERS:
        assert complaints(folder / f"{kind}.dcm") == ([], 0), kind


@needs_validator
def test_dciodvfy_does_find_errors(written, tmp_path):
    spoilt = read(written["plain"]["RTPLAN"])
    del spoilt.ApplicationSetupSequence[0].ChannelSequence[0].ChannelTotalTime
    spoilt.save_as(tmp_path / "spoilt.dcm")
    assert any("ChannelTotalTime" in line for line in complaints(tmp_path / "spoilt.dcm")[0])


def test_each_is_registered_under_its_name():
    for kind, build in BUILDERS.items():
        assert registry.EXPORTERS[f"{kind}.dcm"] is build


def test_the_same_plan_gives_the_same_bytes_and_another_plan_other_uids(plans, written, demo_case):
    again = make_plan(make_template(), image=demo_case.image.reference, rois=demo_case.rois)
    for kind, build in BUILDERS.items():
        assert build(again) == written["plain"][kind]
    doubled = replace(again, dose=DoseField(again.dose.grid, 2.0 * again.dose.values_gy))
    uids = set()
    for plan in (*plans.values(), doubled):
        mine = identity.plan_uids(plan)
        uids |= {mine.rtplan, mine.rtdose, mine.rtstruct, *mine.series.values()}
    assert len(uids) == 6 * (len(plans) + 1)
    assert all(pydicom.uid.UID(uid).is_valid for uid in uids)


def test_patient_study_and_frame_are_the_cts_and_the_files_name_each_other(plain, files):
    ct = pydicom.dcmread(DEMO / "dicom" / "CT_001.dcm", stop_before_pixels=True)
    for kind, dataset in files.items():
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID",
                        "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber",
                        "FrameOfReferenceUID", "StudyDescription"):  # fmt: skip
            assert dataset[keyword].value == ct[keyword].value, (kind, keyword)
        assert dataset.Modality == kind
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.PatientIdentityRemoved == "YES"  # the demo's CT came de-identified
    assert len({dataset.SeriesInstanceUID for dataset in files.values()}) == 3
    plan, dose, structures = (files[kind] for kind in ("RTPLAN", "RTDOSE", "RTSTRUCT"))
    (of_plan,) = dose.ReferencedRTPlanSequence
    assert of_plan.ReferencedSOPInstanceUID == plan.SOPInstanceUID
    (of_set,) = plan.ReferencedStructureSetSequence
    assert of_set.ReferencedSOPInstanceUID == structures.SOPInstanceUID
    (before,) = structures.PredecessorStructureSetSequence
    assert before.ReferencedSOPInstanceUID == plain.rois.sop_instance_uid


def test_the_plan_holds_every_seed_in_its_needles_channel(plain, files):
    dataset = files["RTPLAN"]
    assert (dataset.BrachyTreatmentTechnique, dataset.BrachyTreatmentType) == ("PERMANENT", "LDR")
    (setup,) = dataset.ApplicationSetupSequence
    names = {roi.ROINumber: roi.ROIName for roi in files["RTSTRUCT"].StructureSetROISequence}
    assert len(setup.ChannelSequence) == len(plain.needles)
    axis = plain.templates[0].lps_from_template[:3, 2]
    for needle, channel in zip(plain.needles, setup.ChannelSequence, strict=True):
        assert channel.SourceApplicatorID == f"T1 {needle.label}"
        assert names[channel.ReferencedROINumber] == f"Needle T1 {needle.label}"
        points = channel.BrachyControlPointSequence
        assert channel.NumberOfControlPoints == len(points) == 2 * len(needle.seeds)
        assert [point.ControlPointIndex for point in points] == list(range(len(points)))
        weights = [float(point.CumulativeTimeWeight) for point in points]
        assert weights == sorted(weights)
        assert (weights[0], weights[-1]) == (0.0, float(channel.FinalCumulativeTimeWeight))
        for seed, (first, last) in zip(needle.seeds, pairwise_by_two(points), strict=True):
            for point in (first, last):
                # written with 4 decimals
                np.testing.assert_allclose(
                    [float(v) for v in point.ControlPoint3DPosition], seed.center_lps_mm, atol=6e-5
                )
                assert float(point.ControlPointRelativePosition) == seed.from_tip_mm
                # 32-bit floats; from the tip's side of the seed, as the standard wants it
                np.testing.assert_allclose(point.ControlPointOrientation, axis, atol=1e-7)


def pairwise_by_two(items):
    return zip(items[::2], items[1::2], strict=True)


def test_strength_time_and_prescription(plain, files):
    dataset = files["RTPLAN"]
    (source,) = dataset.SourceSequence
    # Reference Air Kerma Rate is in uGy/h at 1 m, U is uGy m2/h: one number for both
    assert float(source.ReferenceAirKermaRate) == 0.762
    assert (source.SourceIsotopeName, float(source.SourceIsotopeHalfLife)) == ("I-125", 59.4)
    (setup,) = dataset.ApplicationSetupSequence
    hours = sum(float(channel.ChannelTotalTime) for channel in setup.ChannelSequence) / 3600.0
    # to full decay a seed gives its rate times the mean life; times have 0.01 s, kerma 4 decimals
    assert hours == pytest.approx(plain.seed_count * 59.4 * 24.0 / math.log(2.0), rel=1e-9)
    assert float(setup.TotalReferenceAirKerma) == pytest.approx(0.762 * hours, rel=1e-8)
    (prescribed,) = dataset.DoseReferenceSequence
    assert float(prescribed.TargetPrescriptionDose) == 120.0
    names = {roi.ROINumber: roi.ROIName for roi in files["RTSTRUCT"].StructureSetROISequence}
    assert names[prescribed.ReferencedROINumber] == "GTV"
    assert (dataset.ApprovalStatus, dataset.PlanIntent) == ("UNAPPROVED", "RESEARCH")


def test_a_target_that_was_made_is_named_not_referred_to(plain):
    target = plain.settings.target.model_copy(
        update={"margin_mm": type(plain.settings.target.margin_mm).uniform(5.0)}
    )
    grown = replace(plain, settings=plain.settings.model_copy(update={"target": target}))
    (prescribed,) = read(rtplan.build(grown)).DoseReferenceSequence
    assert prescribed.DoseReferenceStructureType == "SITE"
    assert "ReferencedROINumber" not in prescribed
    assert "GTV + 5 mm" in prescribed.DoseReferenceDescription


def test_two_plates_are_two_application_setups(plans, written):
    dataset = read(written["two plates"]["RTPLAN"])
    one, two = dataset.ApplicationSetupSequence
    assert (one.TemplateName, two.TemplateName) == ("T1", "T2")
    assert [len(setup.ChannelSequence) for setup in (one, two)] == [6, 1]
    (group,) = dataset.FractionGroupSequence
    assert group.NumberOfBrachyApplicationSetups == 2
    # neither plate gives the prescription by itself
    assert not any(
        "BrachyApplicationSetupDose" in item
        for item in group.ReferencedBrachyApplicationSetupSequence
    )
    names = [r.ROIName for r in read(written["two plates"]["RTSTRUCT"]).StructureSetROISequence]
    assert len(set(names)) == len(names)
    assert {"Needle T1 K10", "Needle T2 J7", "Plate T1", "Plate T2"} <= set(names)


def test_more_than_99_needles_are_all_there(plans, written):
    dataset = read(written["120 needles"]["RTPLAN"])
    channels = dataset.ApplicationSetupSequence[0].ChannelSequence
    assert [channel.ChannelNumber for channel in channels] == list(range(1, 121))
    assert len({channel.ReferencedROINumber for channel in channels}) == 120


def test_the_dates_are_the_implants_and_the_cts_never_the_clocks(plain, plans, monkeypatch):
    monkeypatch.setattr(identity, "today", lambda: pytest.fail("asked the clock"))
    dataset = read(rtplan.build(plain))
    assert dataset.RTPlanDate == dataset.StudyDate == "20260101"
    (source,) = dataset.SourceSequence
    assert source.SourceStrengthReferenceDate == "20260101"
    assert "not stated" in source.SourceDescription
    days = datetime.date(2026, 2, 1), datetime.date(2026, 2, 9)
    dated = replace(
        plain, source=SeedSource(plain.source.model, 0.762, None, Calibration(0.8366, *days))
    )
    (source,) = read(rtplan.build(dated)).SourceSequence
    assert source.SourceStrengthReferenceDate == "20260209"  # with the strength of that day
    assert float(source.ReferenceAirKermaRate) == 0.762
    assert "not stated" not in source.SourceDescription
    # with no date anywhere the one that DICOM insists on is the day of writing, and no other
    monkeypatch.setattr(identity, "today", lambda: datetime.date(2031, 5, 6))
    unknown = read(rtplan.build(plans["no DICOM"]))
    assert unknown.SourceSequence[0].SourceStrengthReferenceDate == "20310506"
    assert unknown.StudyDate == unknown.RTPlanDate == ""


def test_without_dicom_images_study_and_frame_are_new_and_the_same_in_all_three(written):
    datasets = [read(data) for data in written["no DICOM"].values()]
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert len({dataset[keyword].value for dataset in datasets}) == 1
    for dataset in datasets:
        assert dataset.StudyDescription == "Plan on images that were not DICOM"
        assert dataset.PatientID == "L1-demo"
    structures = read(written["no DICOM"]["RTSTRUCT"])
    (frame,) = structures.ReferencedFrameOfReferenceSequence
    assert "RTReferencedStudySequence" not in frame  # no images to refer to


def test_unusual_names_come_out_whole(written):
    for data in written["odd names"].values():
        dataset = read(data)
        assert dataset.PatientName == "Müller^Ö Ø^^Dr.=王^小東=おう^しょうとう more"
        assert dataset.PatientID == "ID é-7"
        assert dataset.StudyDescription == "Wirbelsäule"


@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The PN component length")
@pytest.mark.parametrize(
    ("raw", "charset", "name"),
    [
        ("王^小東".encode(), "ISO_IR 100", "王^小東"),  # misdeclared, as so often
        ("Müller^Jörg".encode("latin-1"), "ISO_IR 100", "Müller^Jörg"),
        (
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            "\\ISO 2022 IR 87",
            "Yamada^Tarou=山田^太郎",
        ),
        (b"", "ISO_IR 6", ""),
        (b"A" * 80 + b"^B", "ISO_IR 6", "A" * 64),
    ],
)
def test_names_are_read_from_the_ct_in_any_character_set(tmp_path, raw, charset, name):
    def change(_k, dataset):
        sets = charset.split("\\")
        dataset.SpecificCharacterSet = sets
        name = pydicom.valuerep.PersonName(raw, pydicom.charset.convert_encodings(sets))
        dataset.PatientName = name  # goes out byte by byte, whatever the set
        dataset.StudyDate, dataset.PatientSex = "2026-01-01", "?"

    image, _ = read_ct_series(write_ct_series(tmp_path / "ct", change=change).folder)
    assert image.dicom.patient_name == name
    assert image.dicom.study_date == image.dicom.patient_sex == ""  # breaks its type: left out


def test_the_identity_lists_the_slices_in_order(tmp_path):
    series = write_ct_series(tmp_path / "ct")
    image, _ = read_ct_series(series.folder)
    assert tuple(item.sop_instance_uid for item in image.dicom.slices) == series.sop_uids
    for k, item in enumerate(image.dicom.slices):
        np.testing.assert_allclose(item.position_lps_mm, series.point(0, 0, k), atol=1e-6)
    assert image.dicom.study_uid == series.study_uid
    assert image.reference.shape == image.hu.shape


def test_deidentified_files_name_nobody(plans, written):
    hidden = ("Müller", "王", "おう", "ID é-7", "Wirbels")
    for kind, data in written["de-identified"].items():
        named = written["odd names"][kind]
        for text in hidden:
            assert text.encode() in named, (kind, text)  # else this test could not fail
            assert text.encode() not in data, (kind, text)
        dataset = read(data)
        assert (dataset.PatientID, dataset.PatientIdentityRemoved) == ("L1-demo", "YES")
        assert dataset.StudyInstanceUID == plans["odd names"].image.dicom.study_uid
        assert dataset.SOPInstanceUID != read(named).SOPInstanceUID


def itk_image(path):
    sitk = pytest.importorskip("SimpleITK")
    return sitk, sitk.ReadImage(str(path))


def stated_error_gy(dataset):
    return float(re.search(r"rounded by (\S+) Gy", dataset.DoseComment)[1])


@pytest.mark.parametrize("bits", [16, 32])
def test_the_dose_read_back_is_the_plans(plain, tmp_path, bits):
    path = tmp_path / "RTDOSE.dcm"
    path.write_bytes(rtdose.build(with_dicom(plain, dose_bits=bits)))
    dataset = pydicom.dcmread(path)
    wanted = plain.dose.values_gy
    sitk, image = itk_image(path)
    error_gy = stated_error_gy(dataset)
    # the house's limit: 0.1 % of the prescription everywhere, and of the dose where 32 bits allow
    assert error_gy <= 1e-3 * 120.0
    for values in (
        dataset.pixel_array * float(dataset.DoseGridScaling),
        sitk.GetArrayFromImage(image) * float(image.GetMetaData("3004|000e")),
    ):
        assert values.shape == wanted.shape
        largest = float(np.abs(values - wanted).max())
        # floats of 32 bits, if the reader makes such: 6e-8 of the largest dose
        assert largest <= error_gy + 1e-7 * wanted.max()
        if bits == 32:
            np.testing.assert_allclose(values, wanted, rtol=1e-3)
    assert (dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType) == (
        "GY", "PHYSICAL", "PLAN",
    )  # fmt: skip


def test_the_dose_is_read_back_where_it_is(plain, tmp_path):
    path = tmp_path / "RTDOSE.dcm"
    path.write_bytes(rtdose.build(plain))
    _, image = itk_image(path)
    grid = plain.dose.grid
    frames_, rows, columns = grid.shape
    for i, j, k in ((0, 0, 0), (columns - 1, 0, 0), (0, rows - 1, 0), (3, 5, frames_ - 1)):
        place = image.TransformIndexToPhysicalPoint((i, j, k))
        # positions are written with 6 decimals; 0.01 mm is what the issue asks for
        np.testing.assert_allclose(
            place, (grid.x_mm[i], grid.y_mm[j], grid.z_mm[k]), rtol=0.0, atol=1e-4
        )


def test_uneven_voxels_keep_their_axes(plain, tmp_path):
    grid = replace(plain.dose.grid, spacing_mm=(1.0, 2.0, 3.0))
    path = tmp_path / "RTDOSE.dcm"
    path.write_bytes(rtdose.build(replace(plain, dose=DoseField(grid, plain.dose.values_gy))))
    _, image = itk_image(path)
    assert image.GetSpacing() == pytest.approx((1.0, 2.0, 3.0), abs=1e-9)


def test_steps_never_overflow(plain):
    rng = np.random.default_rng(43)
    for bits in (16, 32):
        for largest in rng.uniform(1e-3, 1e5, 50):
            values = np.array([0.0, 0.3 * largest, largest])
            scaling, stored = rtdose.scaled(values, bits)
            assert len(scaling) <= 16
            # half a step, and the rounding of the products
            off = np.abs(stored.astype(np.float64) * float(scaling) - values)
            assert off.max() <= 0.5 * float(scaling) * (1.0 + 1e-6)


def test_drawn_structures_come_back_as_they_were(plain, tmp_path):
    path = tmp_path / "RTSTRUCT.dcm"
    path.write_bytes(rtstruct.build(plain))
    again = {roi.name: roi for roi in read_rtstruct(path).rois}
    for roi in plain.rois.rois:
        back = again[roi.name]
        assert back.xor == roi.xor
        for mine, theirs in zip(roi.rings_lps_mm, back.rings_lps_mm, strict=True):
            np.testing.assert_allclose(theirs, mine, rtol=0.0, atol=6e-5)  # 4 decimals


def shoelace(ring):
    return 0.5 * float(
        np.sum(ring[:, 0] * np.roll(ring[:, 1], -1) - ring[:, 1] * np.roll(ring[:, 0], -1))
    )


def random_polygons(rng, count):
    """Polygons with many holes, corners of pixels all, as label maps have them."""
    for _ in range(count):
        mask = rng.random((14, 14)) < 0.8
        boxes = [shapely.box(x, y, x + 1.0, y + 1.0) for y, x in np.argwhere(mask)]
        yield from shapely.get_parts(shapely.union_all(boxes))


def test_keyholes_enclose_what_the_polygon_does():
    most = 0
    for polygon in random_polygons(np.random.default_rng(43), 12):
        ring = with_slits(polygon)
        most = max(most, len(polygon.interiors))
        # by winding (a hole that is run the same way round would add) and by the even-odd rule
        assert shoelace(ring) == pytest.approx(polygon.area, abs=1e-9)
        assert ring_area(ring).symmetric_difference(polygon).area <= 1e-9
        assert polygon.covers(shapely.LinearRing(ring))  # no slit leaves it
    assert most > 10


@needs_validator
def test_structures_of_label_maps_come_back_with_their_holes(plain, tmp_path):
    corners = ((0.0, 0.0), (30.0, 0.0), (30.0, 30.0), (0.0, 30.0))
    rings = tuple(
        np.array([(inset + x * part, inset + y * part, z) for x, y in corners])
        for z in (-330.0, -325.0, -320.0)
        for inset, part in ((0.0, 1.0), (5.0, 0.5), (8.0, 0.2))
    )
    of_labels = Roi("shell", 7, rings, xor=True, slice_spacing_mm=5.0)
    path = tmp_path / "RTSTRUCT.dcm"
    path.write_bytes(rtstruct.build(replace(plain, rois=RoiSet((of_labels,), ""))))
    assert complaints(path) == ([], 0)
    again = next(roi for roi in read_rtstruct(path).rois if roi.name == "shell")
    assert not again.xor
    mine, theirs = cross_sections(of_labels), cross_sections(again)
    np.testing.assert_allclose(theirs.w_mm, mine.w_mm, atol=1e-4)
    for one, other in zip(mine.shapes, theirs.shapes, strict=True):
        assert one.area == pytest.approx(900.0 - 225.0 + 36.0)
        assert one.symmetric_difference(other).area <= 0.01  # 4 decimals along 150 mm of outline


def contours(dataset, name):
    """Contours of one ROI: type and points."""
    (number,) = (r.ROINumber for r in dataset.StructureSetROISequence if r.ROIName == name)
    (roi,) = (r for r in dataset.ROIContourSequence if r.ReferencedROINumber == number)
    return [
        (c.ContourGeometricType, np.array(c.ContourData, dtype=float).reshape(-1, 3), c)
        for c in roi.ContourSequence
    ]


def test_contours_name_the_image_they_lie_on(plain, files):
    dataset = files["RTSTRUCT"]
    heights = {s.sop_instance_uid: s.position_lps_mm[2] for s in plain.image.dicom.slices}
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == plain.image.dicom.series_uid
    listed = {image.ReferencedSOPInstanceUID for image in series.ContourImageSequence}
    assert listed == set(heights)
    seen = 0
    for name in ("GTV", "Body", "Seeds on slices", "Plate T1"):
        for _, points, item in contours(dataset, name):
            on = [uid for uid, z in heights.items() if np.abs(points[:, 2] - z).max() <= 0.1]
            found = [i.ReferencedSOPInstanceUID for i in item.get("ContourImageSequence", ())]
            assert found == on
            seen += len(found)
    assert seen > 20


def test_needles_are_lines_and_seeds_are_points(plain, files):
    dataset = files["RTSTRUCT"]
    points = [p for kind, p, _ in contours(dataset, "Seeds") if kind == "POINT"]
    wanted = [seed.center_lps_mm for needle in plain.needles for seed in needle.seeds]
    np.testing.assert_allclose(np.concatenate(points), wanted, rtol=0.0, atol=6e-5)
    frame = plain.templates[0].lps_from_template
    for needle in plain.needles:
        ((kind, line, _),) = contours(dataset, f"Needle T1 {needle.label}")
        assert (kind, len(line)) == ("OPEN_NONPLANAR", 2)
        tip, face = frames.transform_points(np.linalg.inv(frame), line)
        np.testing.assert_allclose(line[0], needle.tip_lps_mm, atol=6e-5)
        assert face[2] == pytest.approx(-20.0, abs=1e-3)  # on the operator's face of the plate
        assert tip[2] - face[2] == pytest.approx(needle.depth_mm, abs=1e-3)
    kinds = {
        o.ReferencedROINumber: o.RTROIInterpretedType for o in dataset.RTROIObservationsSequence
    }
    by_name = {r.ROIName: kinds[r.ROINumber] for r in dataset.StructureSetROISequence}
    assert by_name["Needle T1 K10"] == "BRACHY_CHANNEL"
    assert by_name["GTV"] == "GTV"
    assert by_name["Body"] == "EXTERNAL"
    assert by_name["SpinalCord"] == "ORGAN"


def test_a_taken_name_is_not_used_twice(plain):
    first = plain.rois.rois[0]
    rois = replace(plain.rois, rois=(replace(first, name="Seeds"), *plain.rois.rois[1:]))
    names = [
        r.ROIName for r in read(rtstruct.build(replace(plain, rois=rois))).StructureSetROISequence
    ]
    assert names[0] == "Seeds"
    assert "Seeds (2)" in names
    assert len(set(names)) == len(names)


DIRECTIONS = {
    "across": (1.0, 0.0, 0.0),
    "along": (0.0, 0.0, 1.0),
    "down": (0.0, 0.0, -1.0),
    "oblique": (0.6, -0.64, 0.48),
    "nearly across": (0.999, 0.0, 0.0447),
}


def slices_of(step_mm, plan):
    image = ImageReference((10, 9, 9), np.array([0.0, 0.0, -7.0]), np.eye(3), np.full(3, step_mm))
    return Slices.of(replace(plan, image=image))


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("step_mm", [1.0, 3.0, 5.0])
def test_every_point_of_a_rod_is_inside_the_outline_of_its_slice(plain, name, step_mm):
    slices = slices_of(step_mm, plain)
    start = np.array([3.0, -2.0, 1.3])
    end = start + 40.0 * np.array(DIRECTIONS[name]) / np.linalg.norm(DIRECTIONS[name])
    outlines = {round((o[0, 2] + 7.0) / step_mm): o for o in rod_outlines(slices, start, end, 0.6)}
    for part in np.linspace(0.001, 0.999, 400):
        point = start + part * (end - start)
        outline = outlines[math.floor((point[2] + 7.0) / step_mm + 0.5)]
        np.testing.assert_allclose(outline[:, 2], outline[0, 2], atol=1e-9)
        # distance to each edge's line: inside a convex outline, the radius from all
        edges = np.roll(outline, -1, axis=0) - outline
        arms = point[:2] - outline[:, :2]
        away = edges[:, 0] * arms[:, 1] - edges[:, 1] * arms[:, 0]
        away /= np.hypot(*edges[:, :2].T)
        assert np.abs(np.sign(away).sum()) == len(away)
        assert np.abs(away).min() >= 0.6 - 1e-9
    # and nowhere wider than the octagon's corners, 1.09 of the radius, beyond the ends
    flat = np.concatenate(list(outlines.values()))[:, :2]
    box = np.array([np.minimum(start, end)[:2], np.maximum(start, end)[:2]])
    assert (flat >= box[0] - 0.66).all()
    assert (flat <= box[1] + 0.66).all()


def test_the_plates_sections_add_up_to_the_plate(plain):
    template = plain.templates[0]
    slices = slices_of(0.5, plain)
    sections = plate_outlines(slices, template)
    local = frames.transform_points(
        np.linalg.inv(template.lps_from_template), np.concatenate(sections)
    )
    half = np.array([50.0, 50.0, 10.0])  # the plate reaches from z = -20 mm to its face at 0
    off = np.abs(local + np.array([0.0, 0.0, 10.0])) - half
    assert off.max() <= 1e-6
    np.testing.assert_allclose(off.max(axis=1), 0.0, atol=1e-6)  # on the box's surface
    areas = [abs(shoelace(section)) for section in sections]
    # trapezoid sums of a section area without jumps, 200 slices: far below 1 %
    assert 0.5 * sum(areas) == pytest.approx(100.0 * 100.0 * 20.0, rel=0.01)


def test_a_plate_between_two_slices_is_drawn_all_the_same(plain):
    frame = np.eye(4)
    frame[2, 3] = 21.0  # from 1 to 21 mm along the slices' normal, which are 50 mm apart
    template = replace(plain.templates[0], lps_from_template=frame)
    (section,) = plate_outlines(slices_of(50.0, plain), template)
    np.testing.assert_allclose(section[:, 2], 11.0, atol=1e-9)
    assert len(section) == 4


def test_what_cannot_be_written_is_refused(plain):
    template = plain.templates[0]
    bare = replace(template.needles[0], seeds=())
    with pytest.raises(OutputError, match=r"needle 'K10' holds no seed"):
        rtplan.build(replace(plain, templates=(replace(template, needles=(bare,)),)))
    with pytest.raises(OutputError, match=r"has no needle"):
        rtplan.build(replace(plain, templates=(replace(template, needles=()),)))
    nothing = DoseField(plain.dose.grid, np.zeros(plain.dose.grid.shape))
    with pytest.raises(OutputError, match=r"cannot be written"):
        rtdose.build(replace(plain, dose=nothing))


@needs_shared
def test_all_three_of_l1_in_under_two_seconds():
    case = read_case(SHARED / "cases" / "L1" / "case.toml")
    plan = make_plan(make_template(), image=case.image.reference, rois=case.rois)
    start = time.process_time()
    for build in BUILDERS.values():
        build(plan)
    assert time.process_time() - start < 2.0


def test_the_case_file_asks_for_it():
    asked = CaseSettings.model_validate({**SETTINGS, "dicom": {"deidentify": True}})
    assert (asked.dicom.deidentify, asked.dicom.dose_bits) == (True, 16)
    assert not CaseSettings.model_validate(SETTINGS).dicom.deidentify
    for table in ({"deidentify": "yes"}, {"dose_bits": 24}, {"anonymise": True}):
        with pytest.raises(ValueError, match=next(iter(table))):
            CaseSettings.model_validate({**SETTINGS, "dicom": table})
