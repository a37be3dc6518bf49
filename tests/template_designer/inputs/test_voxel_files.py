"""CTs in NIfTI and NRRD: the same voxels at the same places, and what cannot be trusted refused."""

import gzip

import nibabel
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from template_designer.errors import InputError
from template_designer.inputs import IMAGE_FORMATS, inspect_path, read_ct_series
from template_designer.inputs.nifti import read_nifti
from template_designer.inputs.nrrd_file import read_volume
from tests.template_designer.inputs import dicom_factory
from tests.template_designer.inputs import volume_factory as factory


def read_ct(path):
    form = next(form for form in IMAGE_FORMATS if form.recognises(path))
    return form.read(path, ())


def hu_at(image, points):
    """CT numbers by linear interpolation at (n, 3) LPS points."""
    return map_coordinates(image.hu.astype(float), image.index_of(points).T, order=1)


def scene(shape, lps):
    """HU that tell every place: a slope along each patient axis, air to bone."""
    x, y, z = np.moveaxis(factory.voxel_centres(shape, lps) - factory.CENTRE, -1, 0)
    return np.rint(11.0 * x + 7.0 * y + 3.0 * z).astype(np.int16)


@pytest.mark.parametrize("name", factory.GRIDS)
@pytest.mark.parametrize("file", ["ct.nii.gz", "ct.nii", "ct.nrrd"])
def test_hu_are_where_they_are_in_any_grid(tmp_path, name, file):
    shape, lps = factory.GRIDS[name]
    write = factory.write_nrrd if file.endswith("nrrd") else factory.write_nifti
    image, warnings = read_ct(write(tmp_path / file, scene(shape, lps), lps))
    assert warnings == ()
    assert image.frame_of_reference_uid == image.series_uid == ""
    # right-handed like DICOM: slices rise along cross(+column, +row)
    np.testing.assert_allclose(np.cross(*image.axes_lps[:2]), image.axes_lps[2], atol=1e-12)
    assert sorted(image.hu.shape) == sorted(shape)
    points = factory.CENTRE + np.random.default_rng(43).uniform(-9.0, 9.0, (200, 3))
    wanted = (points - factory.CENTRE) @ (11.0, 7.0, 3.0)
    # a linear field is interpolated exactly; voxels are rounded to 1 HU, places to 1e-5 mm
    np.testing.assert_allclose(hu_at(image, points), wanted, atol=0.51)


def test_slices_run_head_to_feet_or_along_the_coarse_axis(tmp_path):
    for name, axis in (("PIR order", 2), ("sagittal slices", 0), ("RAS, flipped", 2)):
        shape, lps = factory.GRIDS[name]
        image, _ = read_ct(factory.write_nifti(tmp_path / "ct.nii", scene(shape, lps), lps))
        np.testing.assert_allclose(image.axes_lps[2], np.eye(3)[axis], atol=1e-6)


@pytest.mark.parametrize("name", ["axial", "prone", "sagittal", "oblique"])
def test_a_dicom_series_and_its_nifti_are_one_ct(tmp_path, name):
    ct = dicom_factory.write_ct_series(
        tmp_path / "dicom", shape=(7, 20, 18), iop=dicom_factory.ORIENTATIONS[name]
    )
    lps = factory.affine(ct.axes_lps, ct.spacing_mm, ct.origin_lps_mm)
    path = factory.write_nifti(tmp_path / "ct.nii.gz", ct.hu.transpose(2, 1, 0), lps)
    dicom, _ = read_ct_series(tmp_path / "dicom")
    nifti, _ = read_ct(path)
    slices, rows, columns = ct.hu.shape
    inside = np.random.default_rng(43).uniform(0.1, 0.9, (300, 3)) * (columns, rows, slices)
    points = np.array([ct.point(*index) for index in inside - 0.5])
    # neighbours differ by up to 3000 HU, places by 1e-6 mm of 2 mm voxels
    np.testing.assert_allclose(hu_at(nifti, points), hu_at(dicom, points), atol=0.02)


def test_scaled_and_floating_point_values_are_rounded_and_clipped(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    values = np.zeros(shape, dtype=np.float64)
    values[0, 0, :4] = (-1000.4, 12.5, 40_000.0, -2048.0)
    image, (warning,) = read_ct(factory.write_nifti(tmp_path / "ct.nii.gz", values, lps))
    assert image.hu[:4, 0, 0].tolist() == [-1000, 12, 32767, -2048]
    assert warning.code == "ct-values-implausible"
    raw = nibabel.Nifti1Image((values[..., :2] + 1024).astype(np.uint16), factory.FLIP @ lps)
    raw.header.set_xyzt_units("mm")
    raw.header.set_slope_inter(1.0, -1024.0)
    # slope and intercept are written with the raw numbers
    path = tmp_path / "scaled.nii"
    header = raw.header.copy()
    with path.open("wb") as stream:
        header["magic"], header["vox_offset"] = b"n+1", 352
        header.write_to(stream)
        stream.write(np.asarray(raw.dataobj).astype("<u2").tobytes(order="F"))
    scaled, _ = read_ct(path)
    assert scaled.hu[:2, 0, 0].tolist() == [-1001, 12]  # stored as 23 and 1036


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 4095), (-1000, -900), (-70_000, 100)])
def test_values_that_are_hardly_hounsfield_units_are_said(tmp_path, low, high):
    shape, lps = factory.GRIDS["LPS"]
    values = np.full(shape, low, dtype=np.int32)
    values[0, 0, 0] = high
    _, (warning,) = read_ct(factory.write_nifti(tmp_path / "ct.nii.gz", values, lps))
    assert warning.code == "ct-values-implausible"
    assert f"from {low:g} to {high:g}" in warning.text


def test_a_unit_that_is_not_stated_is_said(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    path = factory.write_nifti(tmp_path / "ct.nii", scene(shape, lps), lps, unit="unknown")
    _, (warning,) = read_ct(path)
    assert warning.code == "unit-unknown"
    path = factory.write_nifti(tmp_path / "ct.nii", scene(shape, lps), lps, sform=4)
    _, (warning,) = read_ct(path)
    assert warning.code == "place-standard"


def bad_nifti(folder):
    """Files by name, and what the reader must say of each."""
    shape, lps = factory.GRIDS["LPS"]
    hu = scene(shape, lps)

    def write(name, values=hu, matrix=lps, **options):
        return factory.write_nifti(folder / f"{name}.nii.gz", values, matrix, **options)

    nan = hu.astype(np.float32)
    nan[3, 3, 3:5] = np.nan
    yield write("nan", nan), "2 of 31680 voxels are not finite"
    yield write("no place", sform=0), "states no place in the patient"
    yield write("micron", unit="micron"), "lengths are in micrometres; save it again in mm"
    yield write("meter", unit="meter"), "lengths are in metres; save it again in mm"
    small = lps @ np.diag([1e-3, 1e-3, 1e-3, 1.0])
    yield write("metres said to be mm", matrix=small), "must be in mm"
    yield write("4D", np.stack([hu, hu], axis=-1)), "not one volume"
    yield write("2D", hu[..., 0]), "not one volume"
    yield write("one slice", hu[..., :1]), "one slice only"
    colour = np.zeros(shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    yield write("colour", colour), "not one number each"
    yield write("complex", hu.astype(np.complex64)), "not one number each"
    sheared = lps.copy()
    sheared[1, 2] = 0.5
    yield write("sheared", matrix=sheared, sform=1), "not at right angles"
    two = nibabel.Nifti1Image(hu, factory.FLIP @ lps)
    two.header.set_xyzt_units("mm")
    moved = factory.FLIP @ lps
    moved[:3, 3] += (0.0, 3.0, 0.0)
    two.set_sform(factory.FLIP @ lps, 1)
    two.set_qform(moved, 1)
    nibabel.save(two, folder / "two.nii.gz")
    yield folder / "two.nii.gz", "places up to 3.0 mm apart"
    whole = (folder / "micron.nii.gz").read_bytes()
    for name, data, words in (
        ("cut gzip", whole[: len(whole) // 2], "compressed data end too early"),
        ("cut at the check sum", whole[:-4], "compressed data end too early"),
        ("damaged gzip", whole[:-8] + b"\1\2\3\4" + whole[-4:], "compressed data are damaged"),
        ("empty", b"", "is not a NIfTI file"),
        ("text", b"no image", "is not a NIfTI file"),
        ("cut inside", gzip.compress(gzip.decompress(whole)[:4000]), "is cut off or damaged"),
    ):
        path = folder / f"{name}.nii.gz"
        path.write_bytes(data)
        yield path, words
    pair = bytearray(gzip.decompress(whole))
    pair[344:348] = b"ni1\0"
    (folder / "pair.nii").write_bytes(pair)
    yield folder / "pair.nii", "a pair of files"
    huge = bytearray(gzip.decompress(whole))
    huge[42:48] = b"\xff\x7f" * 3
    (folder / "huge.nii").write_bytes(huge)
    yield folder / "huge.nii", "header states 32767 x 32767 x 32767 voxels"
    strange = bytearray(gzip.decompress(whole))
    strange[70:72] = b"\x99\x77"  # a data type that does not exist
    (folder / "strange.nii").write_bytes(strange)
    yield folder / "strange.nii", "damaged or cut off NIfTI"
    turned = factory.write_nifti(folder / "turned.nii", hu, lps, sform=0, qform=1)
    for name, place, value, words in (
        ("code", slice(254, 256), b"\x0b\0", "sform_code is 11"),
        ("size", slice(80, 84), np.float32(-1.0).tobytes(), "states voxels of -1 x 0.9 x 2.5 mm"),
    ):  # a library would set these right by a guess
        other = bytearray(turned.read_bytes())
        other[place] = value
        (folder / f"{name}.nii").write_bytes(other)
        yield folder / f"{name}.nii", words


def bad_nrrd(folder):
    shape, lps = factory.GRIDS["LPS"]
    hu = scene(shape, lps)

    def write(name, values=hu, matrix=lps, **options):
        return factory.write_nrrd(folder / f"{name}.nrrd", values, matrix, **options)

    no_space = write("no space", drop=["space"], **{"space dimension": 3})
    yield no_space, "states no space"
    nowhere = ["space", "space directions", "space origin"]
    yield write("spacings", drop=nowhere, spacings=[1.0, 1.0, 1.0]), "states no space"
    other = write("other space")
    other.write_bytes(other.read_bytes().replace(b"left-posterior-superior", b"scanner-xyz"))
    yield other, "its space is 'scanner-xyz'"
    yield write("no origin", drop=["space origin"]), "space origin is missing"
    yield write("no directions", drop=["space directions"]), "space directions is missing"
    yield write("inches", **{"space units": ["in", "in", "in"]}), "lengths are in 'in'"
    vectors = factory.nrrd_header(lps)["space directions"]
    rgb = write(
        "colour",
        np.stack([hu] * 3),
        drop=["kinds", "space directions"],
        kinds=["RGB-color", "domain", "domain", "domain"],
        **{"space directions": np.vstack([np.full((1, 3), np.nan), vectors])},
    )
    yield rgb, "not one volume"
    nan = hu.astype(np.float32)
    nan[0] = np.inf
    yield write("inf", nan), "are not finite"
    whole = write("whole").read_bytes()
    for name, data, words in (
        ("cut gzip", whole[: len(whole) // 2], "compressed data end too early"),
        ("cut header", whole[:60], "cut off in its header"),
        ("empty", b"", "is not an NRRD file"),
        ("detached", whole.replace(b"\nkinds:", b"\ndata file: x.raw\nkinds:"), "in another file"),
        ("more", whole.replace(b"sizes: 40", b"sizes: 80"), "damaged or cut off NRRD"),
        ("huge", whole.replace(b"sizes: 40 44", b"sizes: 400000 440000"), "which is no CT"),
        ("hex", whole.replace(b"encoding: gzip", b"encoding: hex"), "damaged or cut off NRRD"),
        ("twice", whole.replace(b"\nkinds:", b"\nsizes: 1 1 1\nkinds:"), "damaged NRRD header"),
        ("block", whole.replace(b"type: int16", b"type: block"), "blocks of bytes"),
    ):
        assert data != whole
        path = folder / f"{name}.nrrd"
        path.write_bytes(data)
        yield path, words


@pytest.mark.parametrize("files", [bad_nifti, bad_nrrd])
def test_what_cannot_be_trusted_is_refused_in_one_line(tmp_path, files):
    count = 0
    for path, words in files(tmp_path):
        count += 1
        with pytest.raises(InputError) as error:
            read_ct(path)
        assert words in str(error.value), path.name
        assert path.name in str(error.value)
        assert "\n" not in str(error.value)
        with pytest.raises(InputError):
            inspect_path(path)
    assert count >= 17


@pytest.mark.parametrize("kind", ["nifti", "nrrd", "segmentation"])
def test_no_damage_to_a_header_is_a_defect_of_ours(tmp_path, kind, capfd):
    shape, lps = (8, 9, 7), factory.affine(factory.turned((1, 2, 3), 0.3), (1, 1, 2), (0, 0, 0))
    values = np.zeros(shape, dtype=np.uint8)
    values[2:5, 2:6, 2:5] = 1
    segments = [{"Name": "A", "LabelValue": 1, "Layer": n} for n in (0, 1)]
    if kind == "nifti":
        path = factory.write_nifti(tmp_path / "a.nii", values, lps, qform=1)
    elif kind == "nrrd":
        path = factory.write_nrrd(
            tmp_path / "a.nrrd", values, lps, drop=["encoding"], encoding="raw"
        )
    else:
        layers = np.stack([values, values])
        path = factory.write_segmentation(tmp_path / "a.seg.nrrd", layers, lps, segments)
    whole = path.read_bytes()
    header = 352 if kind == "nifti" else whole.find(b"\n\n")
    rng = np.random.default_rng(43)
    refused = []
    for _ in range(150):
        data = bytearray(whole)
        for place in rng.integers(0, header, rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data[: rng.integers(0, len(data))] if rng.random() < 0.2 else data)
        try:
            inspect_path(path)
        except InputError as error:
            refused.append(str(error))
    assert 10 < len(refused) < 150
    assert not any("\n" in message for message in refused)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("encoding", ["raw", "bzip2", "ascii"])
def test_other_encodings_of_nrrd(tmp_path, encoding):
    shape, lps = factory.GRIDS["LPS"]
    path = factory.write_nrrd(
        tmp_path / "a.nrrd", scene(shape, lps), lps, drop=["encoding"], encoding=encoding
    )
    np.testing.assert_array_equal(read_volume(path).values, scene(shape, lps))


def test_a_nifti_is_told_by_its_content_too_and_extra_dimensions_of_one_are_dropped(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    path = factory.write_nifti(tmp_path / "a.nii.gz", scene(shape, lps)[..., None], lps)
    other = path.rename(tmp_path / "volume.gz")
    assert [form.recognises(other) for form in IMAGE_FORMATS] == [False, True, False]
    assert read_nifti(other).values.shape == shape
