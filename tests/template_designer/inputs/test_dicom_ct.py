import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from template_designer.errors import InputError
from template_designer.inputs.dicom_ct import read_ct_series
from template_designer.inputs.hashing import sha256_of
from tests.template_designer.inputs import dicom_factory as factory

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


@pytest.mark.parametrize("position", ["HFS", "HFP", "FFS", "FFP"])
@pytest.mark.parametrize("name", factory.ORIENTATIONS)
def test_every_voxel_comes_back_at_its_place(tmp_path, name, position):
    written = factory.write_ct_series(
        tmp_path, iop=factory.ORIENTATIONS[name], patient_position=position
    )
    image, warnings = read_ct_series(tmp_path)
    np.testing.assert_array_equal(image.hu, written.hu)
    # positions are written to 1e-6 mm
    np.testing.assert_allclose(image.origin_lps_mm, written.origin_lps_mm, atol=2e-6)
    np.testing.assert_allclose(image.axes_lps, written.axes_lps, atol=1e-8)
    np.testing.assert_allclose(image.spacing_mm, written.spacing_mm, atol=1e-5)
    np.testing.assert_allclose(image.index_of(written.point(3, 4, 5)[None]), [[5, 4, 3]], atol=1e-5)
    assert np.linalg.det(image.axes_lps) == pytest.approx(1.0, abs=1e-8)
    assert image.patient_position == position
    assert image.frame_of_reference_uid == written.frame_uid
    assert warnings == ()


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return factory.write_ct_series(tmp_path_factory.mktemp("ct"), iop=factory.OBLIQUE)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=10)
def test_names_and_order_of_files_do_not_matter(series, tmp_path_factory, seed):
    names = [f"{n:02d}" for n in range(len(series.paths))]
    random.Random(seed).shuffle(names)
    folder = tmp_path_factory.mktemp("shuffled")
    for path, name in zip(series.paths, names, strict=True):
        shutil.copy(path, folder / name)
    image, _ = read_ct_series(folder)
    np.testing.assert_array_equal(image.hu, series.hu)
    assert sha256_of(folder) == sha256_of(series.folder)


def test_a_changed_voxel_changes_the_fingerprint(tmp_path):
    factory.write_ct_series(tmp_path / "a")
    hu = np.zeros((6, 9, 8), dtype=np.int16)
    factory.write_ct_series(tmp_path / "b", hu=hu)
    assert sha256_of(tmp_path / "a") != sha256_of(tmp_path / "b")


@pytest.mark.parametrize("implicit", [False, True])
def test_rescale_is_applied_rounded_and_clipped(tmp_path, implicit):
    hu = np.zeros((2, 2, 2), dtype=np.int16)
    hu[0, 0] = [100, -1000]

    def change(k: int, dataset: Dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = "2.6", "-1024.3"
        dataset.PixelData = np.array([[0, 10], [30000, -30000]], dtype="<i2").tobytes()

    factory.write_ct_series(tmp_path, shape=(2, 2, 2), change=change, implicit=implicit)
    image, _ = read_ct_series(tmp_path)
    # -1024.3, 26 - 1024.3 = -998.3; 2.6 * 30000 leaves int16 on both sides
    np.testing.assert_array_equal(image.hu[0], [[-1024, -998], [32767, -32768]])


def test_what_is_no_ct_slice_is_passed_over(tmp_path):
    ct = factory.write_ct_series(tmp_path)
    factory.write_ct_series(
        tmp_path,
        shape=(1, 9, 8),
        iop=factory.CORONAL,
        series_uid=factory.uid("localizer"),
        description="scout",
        change=lambda k, ds: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    )
    factory.write_rtstruct(tmp_path / "RS.dcm", {"A": factory.discs(ct, [2], 5.0)}, frame_uid="1.2")
    (tmp_path / "notes.txt").write_text("bring coffee")
    (tmp_path / ".DS_Store").write_bytes(b"\0\1")
    (tmp_path / "old").mkdir()
    image, warnings = read_ct_series(tmp_path)
    np.testing.assert_array_equal(image.hu, ct.hu)
    assert [w.code for w in warnings] == ["localizer-skipped"]
    assert "scou_000.dcm" in warnings[0].text


def test_two_series_are_listed_and_one_can_be_chosen(tmp_path):
    first = factory.write_ct_series(tmp_path, description="arterial")
    second = factory.write_ct_series(
        tmp_path, shape=(4, 9, 8), description="venous", series_uid=factory.uid("second")
    )
    with pytest.raises(InputError, match="2 CT series") as error:
        read_ct_series(tmp_path)
    assert "'arterial', 6 slices" in str(error.value)
    assert "'venous', 4 slices" in str(error.value)
    image, _ = read_ct_series(tmp_path, series_uid=second.series_uid)
    assert image.hu.shape[0] == 4
    image, _ = read_ct_series(tmp_path, referenced_uids=["1.2.3", first.series_uid])
    assert image.series_uid == first.series_uid
    with pytest.raises(InputError, match="2 CT series"):
        read_ct_series(tmp_path, referenced_uids=[first.series_uid, second.series_uid])
    with pytest.raises(InputError, match=r"no CT series 1\.2\.3"):
        read_ct_series(tmp_path, series_uid="1.2.3")


def test_a_series_that_the_structures_do_not_name_is_said(tmp_path):
    factory.write_ct_series(tmp_path)
    _, warnings = read_ct_series(tmp_path, referenced_uids=["1.2.3"])
    assert [w.code for w in warnings] == ["series-not-referenced"]


def test_missing_slice_is_refused_with_its_place(tmp_path):
    factory.write_ct_series(tmp_path, skip=[3], iop=factory.OBLIQUE)
    with pytest.raises(InputError, match=r"1 of the slices is missing.*6\.00 mm apart.*3\.00 mm"):
        read_ct_series(tmp_path)


def test_several_missing_slices_are_counted(tmp_path):
    factory.write_ct_series(tmp_path, shape=(12, 4, 4), skip=[3, 7, 8])
    with pytest.raises(InputError, match="3 of the slices are missing"):
        read_ct_series(tmp_path)


def _moved(slice_number: int, **shift: float):
    def change(k: int, dataset: Dataset) -> None:
        if k == slice_number:
            position = [float(v) for v in dataset.ImagePositionPatient]
            for axis, mm in shift.items():
                position["xyz".index(axis)] += mm
            dataset.ImagePositionPatient = [f"{v:.4f}" for v in position]

    return change


def test_uneven_spacing_is_refused(tmp_path):
    factory.write_ct_series(tmp_path, change=_moved(3, z=1.0))
    with pytest.raises(InputError, match="unevenly spaced"):
        read_ct_series(tmp_path)


def test_positions_rounded_to_a_tenth_are_even(tmp_path):
    def rounded(k: int, dataset: Dataset) -> None:
        dataset.ImagePositionPatient = [f"{v:.1f}" for v in dataset.ImagePositionPatient]

    factory.write_ct_series(
        tmp_path, shape=(20, 4, 4), spacing_mm=(1.0, 1.0, 0.625), change=rounded
    )
    image, _ = read_ct_series(tmp_path)
    assert image.spacing_mm[2] == pytest.approx(0.625, abs=0.1 / 19)  # two rounded ends


def test_gantry_tilt_is_refused(tmp_path):
    def tilted(k: int, dataset: Dataset) -> None:
        x, y, z = (float(v) for v in dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, f"{y + 0.5 * k:.3f}", z]

    factory.write_ct_series(tmp_path, change=tilted)
    with pytest.raises(InputError, match=r"shifted sideways by up to 2\.5 mm"):
        read_ct_series(tmp_path)


@pytest.mark.parametrize("identical", [True, False])
def test_repeated_slice_is_dropped_if_identical_else_refused(tmp_path, identical):
    ct = factory.write_ct_series(tmp_path)

    def change(k: int, dataset: Dataset) -> None:
        dataset.SOPInstanceUID = generate_uid()
        if not identical:
            dataset.PixelData = bytes(len(dataset.PixelData))

    factory.write_ct_series(tmp_path, description="again", skip=[0, 1, 3, 4, 5], change=change)
    if not identical:
        with pytest.raises(InputError, match=r"both at .* with different pixels"):
            read_ct_series(tmp_path)
        return
    image, warnings = read_ct_series(tmp_path)
    np.testing.assert_array_equal(image.hu, ct.hu)
    assert [w.code for w in warnings] == ["slice-repeated"]


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("FrameOfReferenceUID", "1.2.3", "differ in frame of reference"),
        ("ImageOrientationPatient", [1, 0, 0, 0, 0, 1], "differ in image orientation"),
        ("PixelSpacing", [2.5, 2.1], "differ in pixel spacing"),
        ("Columns", 9, "differ in rows and columns"),
        ("PatientPosition", "FFS", "differ in patient position"),
    ],
)
def test_slices_that_differ_are_refused(tmp_path, keyword, value, message):
    def change(k: int, dataset: Dataset) -> None:
        if k == 2:
            setattr(dataset, keyword, value)

    factory.write_ct_series(tmp_path, change=change)
    with pytest.raises(InputError, match=message):
        read_ct_series(tmp_path)


@pytest.mark.parametrize(
    "keyword",
    [
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "PixelData"),
        *("RescaleSlope", "RescaleIntercept", "Rows"),
    ],
)
def test_a_missing_element_is_named(tmp_path, keyword):
    def change(k: int, dataset: Dataset) -> None:
        delattr(dataset, keyword)

    factory.write_ct_series(tmp_path, change=change)
    words = "no pixel data" if keyword == "PixelData" else f"{keyword} is missing"
    with pytest.raises(InputError, match=words):
        read_ct_series(tmp_path)


def test_directions_that_are_no_right_angle_are_refused(tmp_path):
    def change(k: int, dataset: Dataset) -> None:
        dataset.ImageOrientationPatient = [1, 0, 0, 0.1, 0.995, 0]

    factory.write_ct_series(tmp_path, change=change)
    with pytest.raises(InputError, match="right angle"):
        read_ct_series(tmp_path)


def test_one_slice_is_no_volume(tmp_path):
    factory.write_ct_series(tmp_path, shape=(1, 4, 4))
    with pytest.raises(InputError, match="one position only"):
        read_ct_series(tmp_path)


def test_a_folder_without_ct_says_what_it_holds(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(InputError, match=r"no CT slices \(found: 1 not DICOM"):
        read_ct_series(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        read_ct_series(tmp_path / "nowhere")


def test_enhanced_ct_is_refused(tmp_path):
    factory.write_ct_series(
        tmp_path, change=lambda k, ds: setattr(ds, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.2.1")
    )
    with pytest.raises(InputError, match="enhanced multi-frame CT"):
        read_ct_series(tmp_path)


def test_values_that_are_not_hounsfield_are_said(tmp_path):
    factory.write_ct_series(tmp_path, hu=np.full((6, 9, 8), 12, dtype=np.int16))
    _, warnings = read_ct_series(tmp_path)
    assert [w.code for w in warnings] == ["ct-values-implausible"]


def test_a_slice_cut_off_anywhere_is_named(tmp_path):
    ct = factory.write_ct_series(tmp_path, shape=(3, 4, 4))
    whole = ct.paths[1].read_bytes()
    for length in range(len(whole)):  # the two other slices alone would pass for a series
        ct.paths[1].write_bytes(whole[:length])
        with pytest.raises(InputError, match=ct.paths[1].name):
            read_ct_series(tmp_path)


def test_a_cut_slice_of_another_series_does_no_harm(tmp_path):
    ct = factory.write_ct_series(tmp_path)
    other = factory.write_ct_series(tmp_path, description="othr", series_uid=factory.uid("other"))
    other.paths[0].write_bytes(other.paths[0].read_bytes()[:-10])
    image, _ = read_ct_series(tmp_path, series_uid=ct.series_uid)
    np.testing.assert_array_equal(image.hu, ct.hu)
    with pytest.raises(InputError, match="cut off"):
        read_ct_series(tmp_path, series_uid=other.series_uid)


def test_compression_that_cannot_be_decoded_is_named(tmp_path):
    ct = factory.write_ct_series(tmp_path)
    old = b"1.2.840.10008.1.2.1\x00"
    for path in ct.paths:
        data = path.read_bytes()
        assert data.count(old) == 1
        fragment = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00abcd"
        pixels = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + fragment + b"\xfe\xff\xdd\xe0\0\0\0\0"
        start = data.index(b"\xe0\x7f\x10\x00OW")
        path.write_bytes(_with_syntax(data[:start], JPEG_LOSSLESS) + pixels)
    with pytest.raises(InputError, match=r"JPEG Lossless.*1\.2\.4\.70.*cannot be decoded"):
        read_ct_series(tmp_path)


def _with_syntax(data: bytes, syntax: str) -> bytes:
    """Replace the transfer syntax in the file meta information."""
    start = data.index(b"\x02\x00\x10\x00UI")
    length = int.from_bytes(data[start + 6 : start + 8], "little")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    grown = len(value) - length
    group = data.index(b"\x02\x00\x00\x00UL\x04\x00") + 8
    total = int.from_bytes(data[group : group + 4], "little") + grown
    return (
        data[:group]
        + total.to_bytes(4, "little")
        + data[group + 4 : start + 6]
        + len(value).to_bytes(2, "little")
        + value
        + data[start + 8 + length :]
    )


def test_damaged_bytes_are_refused_in_one_line_or_read(tmp_path):
    rng = random.Random(43)
    ct = factory.write_ct_series(tmp_path, shape=(3, 4, 4))
    whole = ct.paths[1].read_bytes()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 2, 8])):
            damaged[rng.randrange(128, len(whole))] = rng.randrange(256)
        ct.paths[1].write_bytes(bytes(damaged))
        said = ""
        try:  # nothing but InputError may come out
            read_ct_series(tmp_path)
        except InputError as error:
            said = str(error)
        assert said == "" or said.isprintable()


def test_a_secondary_capture_is_passed_over(tmp_path):
    factory.write_ct_series(tmp_path)

    def capture(k: int, dataset: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        del dataset.ImagePositionPatient

    factory.write_ct_series(tmp_path, shape=(1, 4, 4), description="dose", change=capture)
    image, warnings = read_ct_series(tmp_path)
    assert image.hu.shape == (6, 9, 8)
    assert [w.code for w in warnings] == ["image-skipped"]


def test_deflated_files_are_read_and_their_cuts_found(tmp_path):
    ct = factory.write_ct_series(tmp_path)
    for path in ct.paths:
        dataset = dcmread(path)
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.save_as(path)
    image, _ = read_ct_series(tmp_path)
    np.testing.assert_array_equal(image.hu, ct.hu)
    ct.paths[2].write_bytes(ct.paths[2].read_bytes()[:-20])
    with pytest.raises(InputError, match=f"{ct.paths[2].name}: is cut off"):
        read_ct_series(tmp_path)


def test_damaged_pixel_data_are_named(tmp_path: Path):
    def change(k: int, dataset: Dataset) -> None:
        if k == 1:
            dataset.PixelData = dataset.PixelData[:20]

    ct = factory.write_ct_series(tmp_path, change=change)
    with pytest.raises(InputError, match=f"{ct.paths[1].name}.*damaged"):
        read_ct_series(tmp_path)
