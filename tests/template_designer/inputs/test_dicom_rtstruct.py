import random

import numpy as np
import pytest
from pydicom.dataset import Dataset

from template_designer.errors import InputError
from template_designer.inputs._dicom_structure import find_cut
from template_designer.inputs.dicom_rtstruct import read_rtstruct, referenced_series
from tests.template_designer.inputs import dicom_factory as factory

FRAME, SERIES = factory.uid("frame"), factory.uid("series")
SQUARE = np.array([[0, 0, 0], [10, 0, 0], [10, 10, 0], [0, 10, 0]], dtype=np.float64)


def at(z: float, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return SQUARE * scale + [shift, shift, z]


def write(path, rois, **options):
    return factory.write_rtstruct(path, rois, frame_uid=FRAME, series_uid=SERIES, **options)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("undefined_lengths", [False, True])
def test_rings_names_and_references_come_back(tmp_path, implicit, undefined_lengths):
    rois = {"GTV": [at(0), at(3), at(3, 0.2, 4)], "Cord": [at(0, 0.5)]}
    path = write(tmp_path / "RS.dcm", rois, implicit=implicit, undefined_lengths=undefined_lengths)
    read = read_rtstruct(path)
    assert read.names == ("GTV", "Cord")
    assert [roi.number for roi in read.rois] == [1, 2]
    for roi in read.rois:
        for ring, drawn in zip(roi.rings_lps_mm, rois[roi.name], strict=True):
            np.testing.assert_allclose(ring, drawn, atol=1e-4)  # written to 1e-4 mm
        assert not roi.xor
    assert read.frame_of_reference_uid == FRAME
    assert read.referenced_series_uids == referenced_series(path) == (SERIES,)
    assert read.patient_id == "TEST"
    assert read.label == "TEST"
    assert read.warnings == ()


@pytest.mark.parametrize("name", factory.ORIENTATIONS)
def test_rings_in_any_plane_are_planar(tmp_path, name):
    ct = factory.write_ct_series(tmp_path, iop=factory.ORIENTATIONS[name])
    path = write(tmp_path / "RS.dcm", {"A": factory.discs(ct, range(6), 7.0)})
    read = read_rtstruct(path)
    assert len(read.rois[0].rings_lps_mm) == 6
    assert read.warnings == ()


def test_xor_is_marked_and_a_closing_point_removed(tmp_path):
    closed = np.vstack([SQUARE, SQUARE[:1]])
    path = write(tmp_path / "RS.dcm", {"A": [closed]}, geometric_type="CLOSEDPLANAR_XOR")
    (roi,) = read_rtstruct(path).rois
    assert roi.xor
    assert len(roi.rings_lps_mm[0]) == 4


def test_what_encloses_nothing_is_named_and_left_out(tmp_path):
    rois = {
        "GTV": [at(0)],
        "Marker": [at(0)[:1]],
        "Line": [at(0)[:3]],
        "Path": [at(0)[:2]],
        "Empty": [],
        "Twopoint": [at(0)[:2]],
    }
    kinds = {"Marker": "POINT", "Line": "OPEN_PLANAR", "Path": "OPEN_NONPLANAR"}
    read = read_rtstruct(write(tmp_path / "RS.dcm", rois, geometric_type=kinds))
    assert read.names == ("GTV",)
    text = {w.text.split("'")[1]: w.text for w in read.warnings}
    assert all(w.code == "roi-skipped" for w in read.warnings)
    assert "POINT" in text["Marker"]
    assert "OPEN_PLANAR" in text["Line"]
    assert "OPEN_NONPLANAR" in text["Path"]
    assert "no contours" in text["Empty"]
    assert "fewer than three points" in text["Twopoint"]


def test_a_roi_keeps_its_good_rings(tmp_path):
    bent = at(6.0)
    bent[1, 2] += 3.0
    read = read_rtstruct(write(tmp_path / "RS.dcm", {"A": [at(0), at(3), bent, at(9)[:2]]}))
    assert len(read.rois[0].rings_lps_mm) == 2
    (warning,) = read.warnings
    assert warning.code == "contour-skipped"
    assert "'A'" in warning.text
    assert "off its plane" in warning.text
    assert "fewer than three points" in warning.text


def test_rounding_off_the_plane_is_no_bent_ring(tmp_path):
    ring = at(0.0)
    ring[1, 2] = 0.4
    read = read_rtstruct(write(tmp_path / "RS.dcm", {"A": [ring, at(3)]}))
    assert len(read.rois[0].rings_lps_mm) == 2


def test_repeated_rings_are_used_once(tmp_path):
    turned = np.roll(SQUARE, 2, axis=0)
    rings = [SQUARE, turned, SQUARE[::-1], at(3), at(0, 0.3, 2)]
    read = read_rtstruct(write(tmp_path / "RS.dcm", {"A": rings}))
    assert len(read.rois[0].rings_lps_mm) == 3
    assert [w.code for w in read.warnings] == ["ring-repeated"]
    assert "2 rings" in read.warnings[0].text


def _spoil(keyword: str, value: object):
    def change(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        setattr(contour, keyword, value)

    return change


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("ContourData", ["1"] * 11, "triples"),
        ("ContourData", ["nan"] * 12, "finite"),
        ("NumberOfContourPoints", 5, "5 points are stated, 4 are there"),
        ("ContourOffsetVector", ["0", "0", "2"], "offset"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_contour_takes_its_roi_out(tmp_path, keyword, value, reason):
    path = write(
        tmp_path / "RS.dcm", {"A": [at(0), at(3)], "B": [at(0)]}, change=_spoil(keyword, value)
    )
    read = read_rtstruct(path)
    assert read.names == ("B",)
    assert "'A'" in read.warnings[0].text
    assert reason in read.warnings[0].text


def test_text_in_the_coordinates_takes_the_roi_out(tmp_path):
    path = write(tmp_path / "RS.dcm", {"A": [at(7)], "B": [at(0)]})
    path.write_bytes(path.read_bytes().replace(b"\\7.0000", b"\\7,0000"))
    read = read_rtstruct(path)
    assert read.names == ("B",)
    assert "not a number" in read.warnings[0].text


def test_equal_names_are_told_apart(tmp_path):
    def rename(dataset: Dataset) -> None:
        for item in dataset.StructureSetROISequence:
            item.ROIName = " A "
        dataset.StructureSetROISequence[2].ROIName = ""

    rois = {"A": [at(0)], "B": [at(1)], "C": [at(2)]}
    read = read_rtstruct(write(tmp_path / "RS.dcm", rois, change=rename))
    assert read.names == ("A", "A (2)", "ROI 3")
    assert [w.code for w in read.warnings] == ["roi-renamed", "roi-renamed"]


def test_equal_numbers_cannot_be_told_apart(tmp_path):
    def renumber(dataset: Dataset) -> None:
        dataset.StructureSetROISequence[1].ROINumber = 1

    rois = {"A": [at(0)], "B": [at(1)], "C": [at(2)]}
    read = read_rtstruct(write(tmp_path / "RS.dcm", rois, change=renumber))
    assert read.names == ("C",)
    assert sorted(w.code for w in read.warnings) == [
        "contours-unnamed",
        "roi-skipped",
        "roi-skipped",
    ]


def test_rois_of_another_frame_are_left_out_and_named(tmp_path):
    def move(dataset: Dataset) -> None:
        dataset.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"

    path = write(tmp_path / "RS.dcm", {"A": [at(0)], "B": [at(1)], "C": [at(2)]}, change=move)
    read = read_rtstruct(path)
    assert read.names == ("A", "C")
    assert read.frame_of_reference_uid == FRAME
    assert "1.2.3" in read.warnings[0].text
    other = read_rtstruct(path, frame_uid="1.2.3")
    assert other.names == ("B",)
    assert other.frame_of_reference_uid == "1.2.3"


def test_frame_is_taken_from_the_set_where_the_roi_has_none(tmp_path):
    def strip(dataset: Dataset) -> None:
        for item in dataset.StructureSetROISequence:
            del item.ReferencedFrameOfReferenceUID

    read = read_rtstruct(write(tmp_path / "RS.dcm", {"A": [at(0)]}, change=strip))
    assert read.frame_of_reference_uid == FRAME


@pytest.mark.parametrize(
    ("implicit", "undefined_lengths", "preamble", "step"),
    [(False, False, True, 1), (True, True, True, 5), (False, True, False, 5), (True, False, 0, 5)],
)
def test_a_cut_is_refused_or_costs_nothing(tmp_path, implicit, undefined_lengths, preamble, step):
    rois = {"GTV": [at(0), at(3)], "Cord": [at(0, 0.5)]}
    path = write(tmp_path / "RS.dcm", rois, implicit=implicit, undefined_lengths=undefined_lengths)
    whole = path.read_bytes()
    if not preamble:  # some old systems write the bare data set
        whole = whole[whole.index(b"\x08\x00\x05\x00") :]
        path.write_bytes(whole)
        assert read_rtstruct(path).names == ("GTV", "Cord")
    observations = whole.index(b"\x06\x30\x80\x00")
    survivors = []
    for length in sorted({*range(0, len(whole), step), observations}):
        path.write_bytes(whole[:length])
        try:
            read = read_rtstruct(path)
        except InputError:
            continue
        survivors.append(length)
        assert [len(roi.rings_lps_mm) for roi in read.rois] == [2, 1]
        assert read.frame_of_reference_uid == FRAME
    # only the cut right before the last sequence (observations) leaves every contour in
    assert survivors == [observations]


def test_damaged_bytes_are_refused_in_one_line_or_read(tmp_path):
    rng = random.Random(43)
    path = write(tmp_path / "RS.dcm", {"GTV": [at(0), at(3)]}, undefined_lengths=True)
    whole = path.read_bytes()
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 2, 8])):
            damaged[rng.randrange(128, len(whole))] = rng.randrange(256)
        path.write_bytes(bytes(damaged))
        try:  # nothing but InputError may come out
            names = read_rtstruct(path).names
        except InputError as error:
            names = (str(error),)
        assert all(name.isprintable() for name in names)


def test_padding_is_no_cut_and_a_cut_sequence_is_one(tmp_path):
    path = write(tmp_path / "RS.dcm", {"A": [at(z) for z in range(300)]}, undefined_lengths=True)
    data = path.read_bytes()
    assert find_cut(data) is None
    assert find_cut(data + bytes(64)) is None  # some media pad files with zeros
    cut = find_cut(data[: len(data) // 2])
    assert cut is not None
    assert "breaks off" in cut


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"hello, world\n" * 40, "a text file"),
        (b"\x1f\x8b" + bytes(range(200)), "gzip"),
        (b"PK\x03\x04" + bytes(range(200)), "zip"),
        (b"NRRD0004\n" + bytes(range(200)), "NRRD"),
        (bytes(range(255, 0, -1)), "unknown"),
    ],
)
def test_a_file_that_is_not_dicom_is_described(tmp_path, content, words):
    path = tmp_path / "RS.dcm"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"not a DICOM file.*{words}"):
        read_rtstruct(path)


def test_dicom_of_another_kind_is_named(tmp_path):
    ct = factory.write_ct_series(tmp_path)
    with pytest.raises(InputError, match="not an RTSTRUCT but a DICOM file of modality CT"):
        read_rtstruct(ct.paths[0])
    with pytest.raises(InputError, match="cannot be read"):
        read_rtstruct(tmp_path / "nowhere.dcm")
