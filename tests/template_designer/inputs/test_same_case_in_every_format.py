"""One case as DICOM, NIfTI, NRRD and Slicer segmentation: the same CT, solids and needle paths."""

import dataclasses
import json

import nibabel
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from template_designer.errors import CaseError, InputError
from template_designer.geometry.distance import DistanceField
from template_designer.geometry.sampling import surface_samples
from template_designer.geometry.solids import build_solid
from template_designer.inputs import (
    inspect_path,
    read_case,
    read_ct_series,
    read_rtstruct,
    used_names,
)
from template_designer.inputs._outlines import mask_rings_lps_mm
from template_designer.inputs.hashing import sha256_of
from template_designer.inputs.label_map import read_label_map
from template_designer.inputs.nifti import read_nifti
from template_designer.inputs.slicer_seg import read_segmentation
from template_designer.planning.approach import prepare_approach
from template_designer.planning.structures import build_structures, target_solid
from tests.paths import SHARED, needs_shared
from tests.template_designer.inputs import dicom_factory, volume_factory

LABELS = {1: "Body", 2: "GTV", 3: "SpinalCord", 4: "Kidney_L", 5: "Kidney_R"}
AS_DICOM = ("dicom", "dicom/RS.dcm", "")
FORMS = {
    "dicom": AS_DICOM,
    "nifti": ("ct.nii.gz", "labels.nii.gz", 'labels = "labels.json"'),
    "nrrd": ("ct.nrrd", "labels.nrrd", 'labels = "labels.json"'),
    "slicer": ("ct.nrrd", "all.seg.nrrd", ""),
    "layers": ("ct.nii.gz", "layers.seg.nrrd", ""),
    "dicom and labels": ("dicom", "labels.nii.gz", 'labels = "labels.json"'),
    "nifti and rtstruct": ("ct.nii.gz", "dicom/RS.dcm", ""),
}


def masks_of(ct):
    """Masks of the phantom in the grid of its CT, [slice, row, column], by name."""
    slices, rows, columns = ct.hu.shape
    k, j, i = np.meshgrid(*map(np.arange, ct.hu.shape), indexing="ij")
    u = (i - (columns - 1) / 2) * ct.spacing_mm[0]
    v = (j - (rows - 1) / 2) * ct.spacing_mm[1]

    def rod(radius_mm, first, last, at=(0.0, 0.0)):
        return (np.hypot(u - at[0], v - at[1]) <= radius_mm) & (k >= first) & (k <= last)

    return {
        "Body": rod(45.0, 0, slices - 1),
        "GTV": rod(12.0, 3, 8),
        "SpinalCord": rod(4.0, 0, slices - 1, (22.0, 0.0)),
        "Kidney_L": rod(6.0, 2, 9, (-20.0, -20.0)),
        "Kidney_R": rod(6.0, 2, 9, (20.0, -20.0)),
    }


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """The phantom's case files by form; the RTSTRUCT runs along the edges of the voxels."""
    folder = tmp_path_factory.mktemp("formats")
    text = dicom_factory.write_case(folder).read_text()
    hu = np.where(np.arange(12 * 50 * 50).reshape(12, 50, 50) % 7 < 3, 40, -900).astype(np.int16)
    ct = dicom_factory.write_ct_series(
        folder / "dicom",
        shape=(12, 50, 50),
        spacing_mm=(2.0, 2.0, 3.0),
        frame_uid=dicom_factory.uid("frame"),
        hu=hu,
    )
    masks = masks_of(ct)
    steps = ct.spacing_mm[::-1, None] * ct.axes_lps[::-1]
    dicom_factory.write_rtstruct(
        folder / "dicom" / "RS.dcm",
        {
            name: mask_rings_lps_mm(mask, (0, 0, 0), ct.origin_lps_mm, steps)
            for name, mask in masks.items()
        },
        frame_uid=ct.frame_uid,
    )
    lps = volume_factory.affine(ct.axes_lps, ct.spacing_mm, ct.origin_lps_mm)
    one = np.zeros(hu.shape, dtype=np.uint8)
    for label, name in LABELS.items():
        one[masks[name]] = label
    one, flat = one.transpose(2, 1, 0), hu.transpose(2, 1, 0)
    volume_factory.write_nifti(folder / "ct.nii.gz", flat, lps)
    volume_factory.write_nrrd(folder / "ct.nrrd", flat, lps)
    # turned round: the same voxels, counted to the right and to the front
    back = lps @ np.diag([-1.0, -1.0, 1.0, 1.0])
    back[:3, 3] = lps[:3, 3] + lps[:3, :2] @ (49.0, 49.0)
    volume_factory.write_nifti(folder / "labels.nii.gz", one[::-1, ::-1], back)
    space = "right-anterior-superior"
    volume_factory.write_nrrd(folder / "labels.nrrd", one, lps, space=space)
    (folder / "labels.json").write_text(json.dumps(LABELS))
    segments = [{"Name": n, "LabelValue": v, "Layer": 0} for v, n in LABELS.items()]
    volume_factory.write_segmentation(folder / "all.seg.nrrd", one, lps, segments)
    layers = np.stack([masks[name].transpose(2, 1, 0) for name in LABELS.values()])
    segments = [{"Name": n, "LabelValue": 1, "Layer": v - 1} for v, n in LABELS.items()]
    volume_factory.write_segmentation(
        folder / "layers.seg.nrrd", layers.astype(np.uint8), lps, segments
    )
    paths = {}
    for form, (image, structures, more) in FORMS.items():
        paths[form] = folder / f"{form}.toml"
        stated = f'ct = "{image}"\nstructures = "{structures}"\n{more}'
        paths[form].write_text(
            text.replace('ct = "dicom"\nstructures = "dicom/RS.dcm"', stated), encoding="utf-8"
        )
    return paths


def needle_paths(path):
    case = read_case(path)
    settings = case.settings
    built = build_structures(case, used_names(settings))
    solids = built[0] if isinstance(built, tuple) else built
    target = target_solid(settings, solids)
    approach = prepare_approach(
        settings, settings.entry[0], case.image, solids, target, case.source.model
    )
    return case, solids, approach.paths


@pytest.fixture(scope="module")
def dicom(cases):
    return needle_paths(cases["dicom"])


@pytest.mark.parametrize("form", [form for form in FORMS if form != "dicom"])
def test_solids_ct_and_needle_paths_are_those_of_dicom(cases, dicom, form):
    case, solids, paths = needle_paths(cases[form])
    wanted_case, wanted, wanted_paths = dicom
    assert set(solids) == set(wanted)
    points = case.image.origin_lps_mm + np.random.default_rng(43).uniform(
        (2.0, 2.0, 1.0), (95.0, 95.0, 32.0), (300, 3)
    )
    for name, solid in solids.items():
        other = wanted[name]
        # cylinders along the slices: nothing to blend; contours are written to 1e-4 mm
        assert solid.volume_cm3 == pytest.approx(other.volume_cm3, rel=1e-4), name
        np.testing.assert_allclose(solid.centroid_lps_mm, other.centroid_lps_mm, atol=1e-3)
        assert (solid.open_low, solid.open_high) == (other.open_low, other.open_high)
        near, far = (DistanceField.around(s, points).signed_mm(points) for s in (solid, other))
        np.testing.assert_allclose(near, far, atol=1e-3)
    hu, other_hu = (
        map_coordinates(image.hu.astype(float), image.index_of(points).T, order=1)
        for image in (case.image, wanted_case.image)
    )
    # voxels differ by up to 940 HU over 2 mm, places by under 1e-5 mm (single precision)
    np.testing.assert_allclose(hu, other_hu, atol=0.01)
    assert len(set(wanted_paths.stop)) == 2  # some reach the far side, some are stopped by the cord
    assert np.ptp(wanted_paths.deepest_tip_mm) > 5.0
    # tips stop on a raster of 0.5 mm: one step where a clearance falls on its limit
    np.testing.assert_allclose(paths.deepest_tip_mm, wanted_paths.deepest_tip_mm, atol=0.5)
    assert np.mean(paths.deepest_tip_mm == wanted_paths.deepest_tip_mm) > 0.9
    assert [stop.split()[0] for stop in paths.stop] == [
        stop.split()[0] for stop in wanted_paths.stop
    ]
    codes = [warning.code for warning in case.warnings]
    assert codes.count("frame-unchecked") == 1
    assert codes.count("label-filled") == (form in ("nifti", "nrrd", "slicer", "dicom and labels"))
    assert set(codes) <= {"frame-unchecked", "label-filled"}


def test_every_input_file_has_its_fingerprint(cases):
    path = cases["nifti"]
    inputs = read_case(path).inputs
    names = ["nifti.toml", "ct.nii.gz", "labels.nii.gz", "labels.json"]
    assert [file.path for file in inputs] == names
    assert [file.sha256 for file in inputs] == [sha256_of(path.parent / name) for name in names]


def test_wrong_label_settings_are_refused(cases, tmp_path):
    path = cases["nifti"]
    text = path.read_text()
    other = path.with_name("other.toml")
    other.write_text(text.replace('labels = "labels.json"', ""))
    with pytest.raises(CaseError, match=r"\[images\] labels is missing"):
        read_case(other)
    other.write_text(text.replace("labels.json", "none.json"))
    with pytest.raises(InputError, match=r"\[images\] labels: .*none\.json does not exist"):
        read_case(other)
    other.write_text(text.replace('"labels.nii.gz"', '"all.seg.nrrd"'))
    with pytest.raises(CaseError, match=r"\[images\] labels: .*names of its own"):
        read_case(other)
    other.write_text(text.replace('"labels.nii.gz"', '"ct.nii.gz"'))
    with pytest.raises(InputError, match=r"is not a label map: its values run from -900 to 40"):
        read_case(other)
    names = path.with_name("names.json")
    names.write_text(json.dumps({**LABELS, 9: "Heart"}))
    other.write_text(
        text.replace("labels.json", "names.json").replace('"SpinalCord"\nneedle', '"Heart"\nneedle')
    )
    with pytest.raises(CaseError, match=r"'Heart' matches no structure.*no voxel has the label"):
        read_case(other)


def test_label_maps_elsewhere_are_refused(cases):
    path = cases["nifti"]
    image = nibabel.load(path.parent / "labels.nii.gz")
    moved = image.affine.copy()
    moved[:3, 3] += (500.0, 0.0, 0.0)
    far = nibabel.Nifti1Image(np.asarray(image.dataobj), moved)
    far.header.set_xyzt_units("mm")
    nibabel.save(far, path.parent / "far.nii.gz")
    other = path.with_name("far.toml")
    other.write_text(path.read_text().replace('"labels.nii.gz"', '"far.nii.gz"'))
    with pytest.raises(InputError, match="no structure lies in the CT .*one frame of reference"):
        read_case(other)


L1 = SHARED / "cases" / "L1"
OVERWRITTEN = ("Bone", "Vertebra_L1")
"""In the segmentation of L1 other segments were drawn over these: voxels hold one each."""


@pytest.fixture(scope="module")
def l1_truth():
    return json.loads((L1 / "case.json").read_text())


@needs_shared
def test_segments_of_l1_have_their_true_volumes_and_centroids(l1_truth):
    found = inspect_path(L1 / "segmentation.seg.nrrd")
    checked = [item for item in found.structures if item.name not in OVERWRITTEN]
    assert len(checked) == 13
    for item in checked:
        true = l1_truth[item.name]
        # truths are rounded to 0.01 cm3 and 0.1 mm; blends meet the voxels' area to 0.5 %
        assert item.volume_cm3 == pytest.approx(true["volume_cm3"], rel=5e-3), item.name
        off = np.linalg.norm(np.subtract(item.centroid_lps_mm, true["centroid_LPS"]))
        assert off < 0.25, item.name
    assert [w.code for w in found.warnings] == ["label-filled", "labels-nested"]
    for name in ("Body", *OVERWRITTEN):
        assert any(repr(name) in w.text for w in found.warnings)


OTHER_NAMES = {
    "SpinalCord": "spinal_cord",
    "Aorta": "aorta",
    "IVC": "inferior_vena_cava",
    "OtherVessels": "portal_vein_and_splenic_vein",
    "Kidney_L": "kidney_left",
    "Kidney_R": "kidney_right",
    "Esophagus": "esophagus",
    "Lung_L": "lung_lower_lobe_left",
}
PIXEL_MM, SLICE_MM = 1.0, 5.0


@needs_shared
def test_solids_of_l1_are_the_same_in_every_format():
    names = {
        int(label): name for label, name in json.loads((L1 / "labels.json").read_text()).items()
    }
    image, _ = read_ct_series(L1 / "dicom")
    drawn, segments, labels = (
        {roi.name: roi for roi in rois.rois}
        for rois in (
            read_rtstruct(L1 / "dicom" / "RS.dcm"),
            read_segmentation(L1 / "segmentation.seg.nrrd", image),
            read_label_map(read_nifti(L1 / "labels.nii.gz"), names, image),
        )
    )
    gtv = read_label_map(read_nifti(L1 / "gtv.nii.gz"), {1: "GTV"}, image)
    pairs = {name: (segments[name], labels[other]) for name, other in OTHER_NAMES.items()}
    pairs["GTV"] = (segments["GTV"], gtv.rois[0])
    # contours run through the centres of pixels, on every other slice: half a pixel, across its
    # corner, and half a slice of 5 mm where shapes end
    bound = 0.5 * PIXEL_MM * np.sqrt(2.0) + 0.5 * SLICE_MM
    for name, (segment, label) in pairs.items():
        solids = [build_solid(roi, image) for roi in (drawn[name], segment, label)]
        contour, one, other = (
            dataclasses.replace(s, open_low=False, open_high=False) for s in solids
        )
        # the same voxels: exactly one solid
        assert one.volume_cm3 == pytest.approx(other.volume_cm3, rel=1e-9), name
        assert np.allclose(one.centroid_lps_mm, other.centroid_lps_mm, atol=1e-4), name
        assert (solids[0].open_low, solids[0].open_high) == (
            solids[1].open_low,
            solids[1].open_high,
        )
        points = surface_samples(contour, 4.0)
        beyond = DistanceField.around(one, points).signed_mm(points)
        # nearly all: contours leave out islands and thin ends of the masks between their slices
        assert np.percentile(np.abs(beyond), 99) < bound, name
        # voxels reach half a pixel further than contours through their centres
        assert -1.0 < np.median(beyond) < 0.0, name


@needs_shared
def test_hu_of_l1_are_at_the_same_places_in_dicom_and_nifti():
    dicom, _ = read_ct_series(L1 / "dicom")
    path = L1 / "ct.nii.gz"
    nifti = read_case_image(path)
    rng = np.random.default_rng(43)
    index = rng.integers((1, 1, 1), np.array(dicom.hu.shape)[::-1] - 1, (2000, 3))
    points = dicom.origin_lps_mm + (index * dicom.spacing_mm) @ dicom.axes_lps
    there = map_coordinates(nifti.hu.astype(float), nifti.index_of(points).T, order=1)
    here = dicom.hu[index[:, 2], index[:, 1], index[:, 0]]
    # each DICOM slice of 5 mm is the mean of two of 2.5 mm, rounded; positions to 1e-4 mm
    assert np.abs(there - here).max() <= 1.0


def read_case_image(path):
    from template_designer.inputs import IMAGE_FORMATS

    form = next(form for form in IMAGE_FORMATS if form.recognises(path))
    return form.read(path, ())[0]


@needs_shared
@pytest.mark.parametrize(
    "file",
    [
        "nifti_PIR_verse_like/sub-ct_seg-subreg_label-22_msk.nii.gz",
        "nifti_PIR_verse_like/sub-ct_seg-vert_label-22_msk.nii.gz",
        "nifti_label_other_grid/gtv_1p5mm_cropped_RAS.nii.gz",
    ],
)
def test_odd_label_maps_are_read_right(file):
    path = SHARED / "rtstruct" / "odd" / file
    ct = next(f for f in path.parent.iterdir() if f.name.endswith("ct.nii.gz"))
    image = read_case_image(ct)
    values = np.asarray(nibabel.load(path).dataobj)
    affine = nibabel.load(path).affine
    present = [int(n) for n in np.unique(values) if n]
    rois = read_label_map(read_nifti(path), {n: str(n) for n in present}, image)
    assert len(rois.rois) == len(present)
    for roi in rois.rois:
        solid = build_solid(roi, image)
        index = np.argwhere(values == int(roi.name))
        voxels_cm3 = len(index) * abs(np.linalg.det(affine[:3, :3])) / 1000
        centre = nibabel.affines.apply_affine(affine, index).mean(axis=0) * (-1, -1, 1)
        # blends: 0.5 % of an area, more where a hole opens from slice to slice
        assert solid.volume_cm3 == pytest.approx(voxels_cm3, rel=0.02)
        # blending moves ends by parts of a slice
        np.testing.assert_allclose(solid.centroid_lps_mm, centre, atol=0.3)
