"""Volumes of every structure at hand: the case that ships, L1, L3, and odd structure sets."""

import numpy as np
import pydicom
import pytest

from template_designer.geometry.solids import build_solid
from template_designer.inputs import inspect_path, read_ct_series, read_rtstruct
from template_designer.inputs.summaries import structure_summaries
from tests.independent import Contours
from tests.paths import DEMO, SHARED, needs_shared

TOLERANCE = 0.03  # the issue's: 3 % of the slab volume


def slab_volume_cm3(rings):
    """Area by the shoelace formula, nested rings taken off (parity of depth), times spacing."""
    heights = np.array([np.round(ring[:, 2].mean(), 2) for ring in rings])
    total = 0.0
    for height in np.unique(heights):
        here = [ring[:, :2] for ring, z in zip(rings, heights, strict=True) if z == height]
        areas = [abs(_shoelace(ring)) for ring in here]
        for ring, area in zip(here, areas, strict=True):
            depth = sum(
                _inside(ring[0], other)
                for other, larger in zip(here, areas, strict=True)
                if larger > area
            )
            total += area if depth % 2 == 0 else -area
    return total * float(np.median(np.diff(np.unique(heights)))) / 1000.0


def _shoelace(ring):
    x, y = ring.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _inside(point, ring):
    (px, py), a, b = point, ring, np.roll(ring, -1, axis=0)
    cross = (a[:, 1] <= py) != (b[:, 1] <= py)
    x = a[cross, 0] + (py - a[cross, 1]) / (b[cross, 1] - a[cross, 1]) * (b[cross, 0] - a[cross, 0])
    return int(np.count_nonzero(x > px)) % 2


def check_volumes(folder, structures):
    image, _ = read_ct_series(folder)
    plain = Contours.read(structures)
    checked = 0
    for roi in read_rtstruct(structures).rois:
        expected = slab_volume_cm3(plain.rings[roi.name])
        if expected > 1.0:
            volume = build_solid(roi, image).volume_cm3
            assert volume == pytest.approx(expected, rel=TOLERANCE), roi.name
            checked += 1
    return checked


def test_every_structure_of_the_demo_case_keeps_its_slab_volume():
    assert check_volumes(DEMO / "dicom", DEMO / "dicom" / "RS.dcm") >= 14


@needs_shared
@pytest.mark.parametrize(
    ("case", "name", "count"), [("L1", "RS.dcm", 16), ("L3", "RS.case_b.dcm", 11)]
)
def test_every_structure_of_the_cases_keeps_its_slab_volume(case, name, count):
    folder = SHARED / "cases" / case / "dicom"
    assert check_volumes(folder, folder / name) == count


# truth of the masks these sets were made from: GTV 25.97 cm3; 26.43 in the oblique one
ODD = {
    "xor_holes": 25.97,
    "keyhole_holes": 25.97,
    "localizer_in_folder": 25.97,
    "contour_z_off_grid_1mm": 25.97,
    "points_open_empty_rois": 25.97,
    "gbk_names_declared_latin1": 25.97,
    "coronal_series": 25.97,
    "sagittal_series": 25.97,
    "oblique_12deg": 26.43,
    "contours_every_2nd_slice": 25.97,
}


@needs_shared
@pytest.mark.parametrize(("folder", "volume_cm3"), ODD.items())
def test_odd_structure_sets_are_read_with_the_right_volume_and_place(folder, volume_cm3):
    path = SHARED / "rtstruct" / "odd" / folder
    found = inspect_path(path)
    target = next(s for s in found.structures if s.name in ("GTV", "靶区"))
    assert target.volume_cm3 == pytest.approx(volume_cm3, rel=TOLERANCE)
    if folder != "oblique_12deg":  # its truth is stated for the unturned series
        shift = 1.0 if folder == "contour_z_off_grid_1mm" else 0.0
        # the sampling of another slice direction moves a centroid by a fraction of a voxel
        assert np.allclose(target.centroid_lps_mm, (-10.2, -130.5, 316.3 + shift), atol=1.0)
    if folder == "contours_every_2nd_slice":
        assert "contours-sparse" in {warning.code for warning in found.warnings}


@needs_shared
def test_a_nested_breast_set_of_a_real_system_is_read():
    path = SHARED / "rtstruct" / "systems" / "dicompyler_breast" / "rtss.dcm"
    rois = read_rtstruct(path)
    summaries, _ = structure_summaries(rois, path, None)
    assert len(summaries) >= 9
    assert all(s.volume_cm3 > 0.0 for s in summaries)
    assert pydicom.dcmread(path).Modality == "RTSTRUCT"
