"""Label maps become the structures they show, wherever and however their grid lies."""

import json

import nrrd
import numpy as np
import pytest

from template_designer.errors import CaseError, InputError
from template_designer.geometry.solids import build_solid
from template_designer.inputs import STRUCTURE_FORMATS, inspect_path
from template_designer.inputs.consistency import check_place
from template_designer.inputs.label_map import read_label_map
from template_designer.inputs.label_names import read_label_names
from template_designer.inputs.nifti import read_nifti
from template_designer.inputs.nrrd_file import read_volume
from template_designer.inputs.slicer_seg import read_segmentation
from template_designer.model import ImageVolume
from tests.template_designer.inputs import volume_factory as factory

BALL_CM3 = 4.0 / 3.0 * np.pi * factory.RADIUS_MM**3 / 1000.0
NAMES = {1: "GTV"}


def structure(rois, name="GTV"):
    return next(roi for roi in rois.rois if roi.name == name)


def read_by(form, path, values, lps):
    """The same labels through each format; segments are called like the labels."""
    if form == "nifti":
        return read_label_map(read_nifti(factory.write_nifti(path, values, lps)), NAMES)
    if form.startswith("nrrd"):
        space = form.removeprefix("nrrd ")
        return read_label_map(
            read_volume(factory.write_nrrd(path, values, lps, space=space)), NAMES
        )
    segments = [{"Name": "GTV", "LabelValue": 1, "Layer": 0}]
    return read_segmentation(factory.write_segmentation(path, values, lps, segments))


FORMS = {
    "nifti": "a.nii.gz",
    "nrrd left-posterior-superior": "a.nrrd",
    "nrrd right-anterior-superior": "b.nrrd",
    "nrrd left-anterior-superior": "c.nrrd",
    "segmentation": "a.seg.nrrd",
}


@pytest.mark.parametrize("name", factory.GRIDS)
def test_a_ball_is_where_it_is_in_every_format(tmp_path, name):
    shape, lps = factory.GRIDS[name]
    mask = factory.ball(shape, lps)
    voxel_cm3 = abs(np.linalg.det(lps[:3, :3])) / 1000.0
    solids = {
        form: build_solid(structure(read_by(form, tmp_path / file, mask.astype(np.uint8), lps)))
        for form, file in FORMS.items()
    }
    centre = factory.voxel_centres(shape, lps)[mask].mean(axis=0)
    for form, solid in solids.items():
        # blends meet the area of voxels to 0.5 %
        assert solid.volume_cm3 == pytest.approx(mask.sum() * voxel_cm3, rel=5e-3), form
        np.testing.assert_allclose(solid.centroid_lps_mm, centre, atol=0.05)
        # against the ball itself: 3000 voxels and more count its volume to 1.5 %, its centre
        # to a tenth of a voxel
        assert solid.volume_cm3 == pytest.approx(BALL_CM3, rel=0.015), form
        np.testing.assert_allclose(solid.centroid_lps_mm, factory.CENTRE, atol=0.15)
        # one grid, so one solid: transforms are stored in single precision
        np.testing.assert_allclose(
            solid.centroid_lps_mm, solids["nifti"].centroid_lps_mm, atol=1e-4
        )


def test_a_tilted_cylinder_keeps_its_volume_and_centre(tmp_path):
    shape, lps = factory.GRIDS["oblique"]
    axis = np.array([0.3, 0.2, 1.0]) / np.linalg.norm([0.3, 0.2, 1.0])
    away = factory.voxel_centres(shape, lps) - factory.CENTRE
    along = away @ axis
    across = np.linalg.norm(away - along[..., None] * axis, axis=-1)
    mask = ((across <= 8.0) & (np.abs(along) <= 12.0)).astype(np.uint8)
    rois = read_by("nifti", tmp_path / "a.nii.gz", mask, lps)
    solid = build_solid(structure(rois))
    # flat ends half across slices of 2 mm: 3 %; centre to a tenth of a slice
    assert solid.volume_cm3 == pytest.approx(np.pi * 64.0 * 24.0 / 1000.0, rel=0.03)
    np.testing.assert_allclose(solid.centroid_lps_mm, factory.CENTRE, atol=0.2)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1), (2, 1)])
@pytest.mark.parametrize("version", [1, 2])
def test_sform_and_qform_give_one_place(tmp_path, codes, version):
    shape, lps = factory.GRIDS["oblique"]
    path = factory.write_nifti(
        tmp_path / "a.nii",
        np.ones(shape, np.uint8),
        lps,
        sform=codes[0],
        qform=codes[1],
        version=version,
    )
    grid = read_nifti(path)
    # quaternions in single precision turn by 1e-7: 1e-5 mm at the far corner
    np.testing.assert_allclose(grid.origin_lps_mm, lps[:3, 3], atol=1e-4)
    np.testing.assert_allclose(grid.steps_mm, lps[:3, :3].T, atol=1e-6)


def test_layers_may_overlap_and_names_are_utf8(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    layers = np.zeros((2, *shape), dtype=np.uint8)
    layers[0][factory.ball(shape, lps, radius_mm=12.0)] = 3
    layers[1][factory.ball(shape, lps, radius_mm=6.0)] = 3
    layers[1][:3, :3, :3] = 1
    segments = [
        {"Name": "Body", "ID": "S1", "LabelValue": 3, "Layer": 0},
        {"Name": "NAME-IN-UTF8", "LabelValue": 3, "Layer": 1},
        {"ID": "S3", "LabelValue": 1, "Layer": 1},
        {"Name": "Empty", "LabelValue": 2, "Layer": 1},
    ]
    rois = read_segmentation(
        factory.write_segmentation(tmp_path / "a.seg.nrrd", layers, lps, segments)
    )
    assert rois.names == ("Body", "靶区", "S3")
    assert [w.code for w in rois.warnings] == ["labels-empty"]
    assert "'Empty'" in rois.warnings[0].text
    volumes = {roi.name: build_solid(roi).volume_cm3 for roi in rois.rois}
    for name, layer, label in (("Body", 0, 3), ("靶区", 1, 3), ("S3", 1, 1)):
        voxels_cm3 = np.count_nonzero(layers[layer] == label) * 1.0 * 0.9 * 2.5 / 1000
        assert volumes[name] == pytest.approx(voxels_cm3, rel=5e-3)


def test_old_segmentations_have_a_layer_a_segment(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    layers = np.zeros((2, *shape), dtype=np.uint8)
    layers[0, 5:9, 5:9, 5:9] = layers[1, 20:23, 5:9, 5:9] = 1
    path = factory.write_segmentation(
        tmp_path / "a.seg.nrrd", layers, lps, [{"Name": "A"}, {"Name": "B"}]
    )
    low = {
        roi.name: np.concatenate(roi.rings_lps_mm)[:, 0].min()
        for roi in read_segmentation(path).rois
    }
    # the first voxels lie at 5 and 20 mm from the origin, their edges half a voxel before
    assert low == pytest.approx({"A": -10 + 5 - 0.5, "B": -10 + 20 - 0.5}, abs=1e-6)


def test_a_segmentation_is_told_by_its_header_and_a_label_map_by_its_lack(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    values = np.ones(shape, dtype=np.uint8)
    segment = [{"Name": "A", "LabelValue": 1, "Layer": 0}]
    seg = factory.write_segmentation(tmp_path / "seg.nrrd", values, lps, segment)
    plain = factory.write_nrrd(tmp_path / "plain.nrrd", values, lps)
    found = [
        next(form.name for form in STRUCTURE_FORMATS if form.recognises(path))
        for path in (seg, plain)
    ]
    assert found == ["a 3D Slicer segmentation (.seg.nrrd)", "a label map in NRRD (.nrrd)"]


def test_the_body_of_a_label_map_holds_what_was_drawn_into_it(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    values = np.zeros(shape, dtype=np.uint8)
    values[2:-2, 2:-2] = 1
    values[2:-2, 2:-2, 4][10:14, 10:14] = 0  # air inside stays air
    values[10:20, 10:20, 2:9] = 2
    values[24:30, 24:30, :] = 3
    names = {1: "Body", 2: "GTV", 3: "Cord"}
    rois = read_label_map(read_nifti(factory.write_nifti(tmp_path / "a.nii", values, lps)), names)
    assert [w.code for w in rois.warnings] == ["label-filled"]
    volumes = {roi.name: build_solid(roi).volume_cm3 for roi in rois.rois}
    voxel = 1.0 * 0.9 * 2.5 / 1000
    hole = np.count_nonzero(values[2:-2, 2:-2] == 0)
    # rectangles, blended at most beside the hole: areas to 0.5 %
    assert volumes["Body"] == pytest.approx((36 * 40 * 18 - hole) * voxel, rel=5e-3)
    assert volumes["GTV"] == pytest.approx(10 * 10 * 7 * voxel, rel=5e-3)


def test_a_shell_round_one_structure_is_left_as_drawn_and_said(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    values = factory.ball(shape, lps).astype(np.uint8)
    values[factory.ball(shape, lps, radius_mm=7.0)] = 2
    path = factory.write_nifti(tmp_path / "a.nii", values, lps)
    rois = read_label_map(read_nifti(path), {1: "CTV", 2: "GTV"})
    assert [w.code for w in rois.warnings] == ["labels-nested"]
    assert "'CTV'" in rois.warnings[0].text
    ctv = build_solid(structure(rois, "CTV")).volume_cm3
    # a hole appears from one slice to the next: there blends meet areas to a few per cent
    voxels_cm3 = np.count_nonzero(values == 1) * 0.9 * 2.5 / 1000
    assert ctv == pytest.approx(voxels_cm3, rel=0.02)


def test_labels_with_one_name_are_one_structure_and_oddities_are_said(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    values = np.zeros(shape, dtype=np.int16)
    values[2:8, 2:8, 4:8], values[8:12, 2:8, 4:8], values[20:24, 2:8, 4:8] = 5, 300, 7
    path = factory.write_nifti(tmp_path / "a.nii.gz", values.astype(np.float32), lps)
    rois = read_label_map(read_nifti(path), {5: "Bowel", 300: "Bowel", 9: "Spleen"})
    assert rois.names == ("Bowel",)
    assert [w.code for w in rois.warnings] == ["labels-joined", "labels-empty", "labels-unnamed"]
    texts = " ".join(w.text for w in rois.warnings)
    for word in ("'Bowel'", "5, 300", "'Spleen'", ": 7;"):
        assert word in texts
    solid = build_solid(structure(rois, "Bowel"))
    assert solid.volume_cm3 == pytest.approx(10 * 6 * 4 * 0.9 * 2.5 / 1000, rel=1e-6)


def test_a_structure_cut_by_the_end_of_the_map_is_said_where_the_ct_goes_on(tmp_path):
    _, lps = factory.GRIDS["LPS"]
    values = np.zeros((12, 12, 6), dtype=np.uint8)
    values[2:6, 2:6, :3], values[7:10, 7:10, 2:4] = 1, 2
    grid = read_nifti(factory.write_nifti(tmp_path / "a.nii", values, lps))
    names = {1: "Cord", 2: "GTV"}

    def ct(first_slice):
        origin = lps[:3, 3] + (0.0, 0.0, 2.5 * first_slice)
        hu = np.zeros((30, 44, 40), dtype=np.int16)
        return ImageVolume(hu, origin, np.eye(3), np.array([1.0, 0.9, 2.5]), "")

    assert read_label_map(grid, names, ct(0)).warnings == ()  # the CT ends there as well
    (warning,) = read_label_map(grid, names, ct(-4)).warnings
    assert warning.code == "label-map-ends"
    assert "'Cord'" in warning.text
    assert "'GTV'" not in warning.text


def test_a_label_map_finer_than_the_ct_keeps_its_own_slices(tmp_path):
    shape, lps = (30, 30, 30), factory.affine(np.eye(3), (1.0,) * 3, factory.CENTRE - 14.3)
    mask = factory.ball(shape, lps)
    grid = read_nifti(factory.write_nifti(tmp_path / "a.nii", mask.astype(np.uint8), lps))
    hu, origin = np.zeros((20, 20, 20), dtype=np.int16), factory.CENTRE - 47.5
    image = ImageVolume(hu, origin, np.eye(3), np.full(3, 5.0), "")
    rois = read_label_map(grid, NAMES, image)
    solid = build_solid(structure(rois), image)
    # slices of 1 mm: voxels exactly; taken for slices of 5 mm four of five would merge
    assert solid.volume_cm3 == pytest.approx(mask.sum() / 1000.0, rel=1e-6)
    assert solid.warnings == ()
    # slices half way between those of the CT are nothing odd: a label map has its own
    origin = grid.origin_lps_mm - 20.5
    image = ImageVolume(np.zeros((70, 70, 70), dtype=np.int16), origin, np.eye(3), np.ones(3), "")
    assert check_place(image, rois, used=("GTV",)) == ()


WRONG_NAMES = {
    "a list": ('["cord"]', "not an object"),
    "not JSON": ("{79: cord}", "not valid JSON"),
    "a number as name": ('{"79": 1.5}', "which is no name"),
    "an empty name": ('{"79": " "}', "which is no name"),
    "a label with a fraction": ('{"7.5": "cord"}', "'7.5' is not a label"),
    "a negative label": ('{"-1": "cord"}', "'-1' is not a label"),
    "names as keys": ('{"cord": 79}', "'cord' is not a label"),
    "a label twice": ('{"79": "cord", "79": "aorta"}', "label 79 stands twice"),
    "a label twice in two spellings": ('{"79": "cord", "079": "aorta"}', "79 stands twice"),
    "nothing": ("{}", "names no label"),
    "a large label": ('{"70000": "cord"}', "above 65535"),
    "deep": ("[" * 100_000, "not valid JSON"),
}


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_wrong_label_names_are_refused(tmp_path, name):
    text, words = WRONG_NAMES[name]
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"labels\.json") as error:
        read_label_names(path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_names_of_the_background_and_a_bom_do_no_harm(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('\ufeff{"0": "background", "79": " spinal_cord "}', encoding="utf-8")
    assert read_label_names(path) == ({79: "spinal_cord"}, ())
    path.write_text('{"0": "Body", "79": "spinal_cord"}')
    names, (warning,) = read_label_names(path)
    assert names == {79: "spinal_cord"}
    assert "'Body'" in warning.text
    path.write_bytes(b'{"1": "\xe9"}')
    with pytest.raises(InputError, match="UTF-8"):
        read_label_names(path)


WRONG_VALUES = {
    "fractions": (np.float32(0.37), "hold no whole number, such as 0.37"),
    "NaN": (np.float32(np.nan), "hold no whole number, such as nan"),
    "a CT": (np.int16(-1000), r"values run from -1000 to 1 \(a CT\?\)"),
    "large": (np.int32(70_000), "run from 0 to 70000"),
}


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_what_is_no_label_map_is_refused(tmp_path, name):
    value, words = WRONG_VALUES[name]
    shape, lps = factory.GRIDS["LPS"]
    values = np.zeros(shape, dtype=value.dtype)
    values[0, 0, 0], values[1, 1, 1] = value, 1
    grid = read_nifti(factory.write_nifti(tmp_path / "a.nii.gz", values, lps))
    with pytest.raises(InputError, match=words):
        read_label_map(grid, NAMES)


def test_labels_that_are_not_in_the_map_are_refused(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    grid = read_nifti(factory.write_nifti(tmp_path / "a.nii", np.ones(shape, np.uint8), lps))
    with pytest.raises(InputError, match="no voxel has the label of 'Cord'"):
        read_label_map(grid, {79: "Cord"})


def test_slices_too_thin_to_tell_apart_are_refused(tmp_path):
    lps = factory.affine(np.eye(3), (0.2, 0.2, 0.2), np.zeros(3))
    path = factory.write_nifti(tmp_path / "a.nii", np.ones((4, 4, 4), np.uint8), lps)
    with pytest.raises(InputError, match=r"0\.2 mm apart; resample it to at least 0\.25 mm"):
        read_label_map(read_nifti(path), NAMES)


WRONG_SEGMENTS = {
    "no such layer": ([{"Name": "A", "LabelValue": 1, "Layer": 1}], "label 1 of layer 1"),
    "label 0": ([{"Name": "A", "LabelValue": 0, "Layer": 0}], "labels begin with 1"),
    "no number": ([{"Name": "A", "LabelValue": "1.5", "Layer": 0}], "LabelValue '1.5'"),
    "one value for two": (
        [{"Name": n, "LabelValue": 1, "Layer": 0} for n in "AB"],
        "'A' and 'B' are both label 1 of layer 0",
    ),
    "no segments": ([], "names no segments"),
    "a value missing": (
        [{"Name": "A", "LabelValue": 1}, {"Name": "B"}],
        "LabelValue '', which is no whole number",
    ),
}


@pytest.mark.parametrize("name", WRONG_SEGMENTS)
def test_damaged_segmentations_are_refused(tmp_path, name):
    segments, words = WRONG_SEGMENTS[name]
    shape, lps = factory.GRIDS["LPS"]
    values = np.ones(shape, dtype=np.uint8)
    path = factory.write_segmentation(tmp_path / "a.seg.nrrd", values, lps, segments)
    with pytest.raises(InputError) as error:
        read_segmentation(path)
    assert words in str(error.value)


def test_a_label_map_needs_names_and_a_segmentation_takes_none(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    values = np.ones(shape, dtype=np.uint8)
    segment = [{"Name": "A", "LabelValue": 1, "Layer": 0}]
    seg = factory.write_segmentation(tmp_path / "a.seg.nrrd", values, lps, segment)
    plain = factory.write_nifti(tmp_path / "a.nii.gz", values, lps)
    labels = tmp_path / "labels.json"
    labels.write_text('{"1": "A"}')
    for path, given, words in (
        (plain, None, r'labels is missing.*add labels = "labels\.json"'),
        (seg, labels, "has names of its own"),
    ):
        form = next(form for form in STRUCTURE_FORMATS if form.recognises(path))
        with pytest.raises(CaseError, match=words):
            form.read(path, None, given)


def test_inspect_says_what_voxel_files_hold(tmp_path):
    shape, lps = factory.GRIDS["RAS, flipped"]
    mask = factory.ball(shape, lps).astype(np.uint8)
    hu = np.where(mask, 40, -1000).astype(np.int16)
    factory.write_nifti(tmp_path / "ct.nii.gz", hu, lps)
    factory.write_nifti(tmp_path / "tumour.nii.gz", mask, lps)
    factory.write_nifti(tmp_path / "named.nii.gz", mask * 79, lps)
    (tmp_path / "named.json").write_text(json.dumps({"79": "spinal_cord"}))
    factory.write_nrrd(tmp_path / "unnamed.nrrd", mask * 5, lps)
    segment = [{"Name": "GTV", "LabelValue": 1, "Layer": 0}]
    factory.write_segmentation(tmp_path / "a.seg.nrrd", mask, lps, segment)
    (tmp_path / "broken.nii.gz").write_bytes((tmp_path / "ct.nii.gz").read_bytes()[:200])
    found = inspect_path(tmp_path)
    assert {s.file: s.name for s in found.structures} == {
        "tumour.nii.gz": "tumour",
        "named.nii.gz": "spinal_cord",
        "unnamed.nrrd": "label 5",
        "a.seg.nrrd": "GTV",
    }
    for item in found.structures:
        assert item.volume_cm3 == pytest.approx(BALL_CM3, rel=0.015)
        np.testing.assert_allclose(item.centroid_lps_mm, factory.CENTRE, atol=0.15)
    (image,) = found.images
    assert (image.size, image.spacing_mm) == ((40, 44, 18), (1.0, 0.9, 2.5))
    # +column is +L, +row is +P: the origin is the corner of least x and y
    np.testing.assert_allclose(image.origin_lps_mm, (-10.0, 20.3, -62.0), atol=1e-3)
    assert {w.code for w in found.warnings} == {"labels-unnamed", "volume-unreadable"}
    keys = {"path", "structures", "images", "warnings"}
    assert set(inspect_path(tmp_path / "ct.nii.gz").to_dict()) == keys
    alone = inspect_path(tmp_path / "unnamed.nrrd", labels=_names(tmp_path, {"5": "Aorta"}))
    assert [s.name for s in alone.structures] == ["Aorta"]
    with pytest.raises(InputError, match="has names of its own"):
        inspect_path(tmp_path / "a.seg.nrrd", labels=tmp_path / "l.json")
    with pytest.raises(InputError, match="does not exist"):
        inspect_path(tmp_path / "named.nii.gz", labels=tmp_path / "none.json")


def _names(folder, names):
    path = folder / "l.json"
    path.write_text(json.dumps(names))
    return path


def test_big_headers_and_comments_of_others_are_read(tmp_path):
    shape, lps = factory.GRIDS["LPS"]
    path = factory.write_nrrd(tmp_path / "a.nrrd", np.ones(shape, np.uint8), lps)
    data = path.read_bytes()
    head, body = data.split(b"\n\n", 1)
    crlf = head.replace(b"\n", b"\r\n") + b"\r\n# from elsewhere\r\nkey:=a \xe9 b\r\n\r\n" + body
    path.write_bytes(crlf)
    grid = read_volume(path)
    assert np.all(grid.values == 1)
    assert nrrd.read_header(str(tmp_path / "a.nrrd"))["dimension"] == 3
