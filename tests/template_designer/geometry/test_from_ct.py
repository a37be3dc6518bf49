"""The body and bone from CT numbers: phantoms with couches, and real scans with a drawn body."""

import numpy as np
import pytest
import shapely

from template_designer.demo_case import demo_case_file
from template_designer.errors import GeometryError
from template_designer.geometry.booleans import common_part
from template_designer.geometry.from_ct import body_from_ct, solid_above, solid_mask
from template_designer.geometry.solids import build_solid
from template_designer.inputs import read_case
from template_designer.model import ImageVolume
from template_designer.model.derived import BODY_FROM_CT
from tests.paths import SHARED, needs_shared
from tests.template_designer.geometry.shapes import rotation
from tests.template_designer.geometry.test_margin import block, holds

PIXEL, SLICE = 1.5, 4.0
SHAPE = (8, 120, 150)
HALF_U, HALF_V = 80.0, 50.0  # of the elliptic body, mm
AXES = {"axial": np.eye(3), "tilted": rotation((1, 0, 0), 0.3).T}


def volume(hu, axes=None):
    return ImageVolume(
        hu.astype(np.int16),
        np.array([-111.75, -89.25, 20.0]),
        np.eye(3) if axes is None else axes,
        np.array([PIXEL, PIXEL, SLICE]),
        "1.2.3",
    )


def grid():
    """In-plane coordinates of the pixel centres, mm, the body's middle at 0."""
    v, u = np.meshgrid(
        PIXEL * (np.arange(SHAPE[1]) - 59.5), PIXEL * (np.arange(SHAPE[2]) - 74.5), indexing="ij"
    )
    return u, v


def phantom(couch_mm=None, wires=False):
    """An elliptic body with lungs; a couch shell 3 mm thick so far under it, wires over it."""
    u, v = grid()
    hu = np.full(SHAPE[1:], -1000.0)
    hu[(u / HALF_U) ** 2 + (v / HALF_V) ** 2 <= 1.0] = 20.0
    hu[((np.abs(u) - 40.0) / 22.0) ** 2 + (v / 30.0) ** 2 <= 1.0] = -800.0
    if couch_mm is not None:
        top = HALF_V + couch_mm - (u / 160.0) ** 2 * 20.0  # hollow, as a couch is
        hu[(v > top) & (v <= top + 3.0) & (hu < -500.0)] = 250.0
        hu[(v > top + 30.0) & (v <= top + 33.0)] = 250.0
    stack = np.repeat(hu[None], SHAPE[0], axis=0)
    if wires:
        for k in range(SHAPE[0]):  # across the skin, another place on each slice
            stack[k, 8:12, 40 + 8 * k : 43 + 8 * k] = 2500.0
            stack[k, 12:30, 74:76] = 2500.0
    return stack


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
@pytest.mark.parametrize("couch_mm", [None, 0.0, 12.0], ids=["no couch", "touching", "apart"])
def test_the_body_is_found_without_couch_and_wires(couch_mm, axes):
    image = volume(phantom(couch_mm, wires=True), axes)
    body = body_from_ct(image)
    assert body.name == BODY_FROM_CT
    assert (body.open_low, body.open_high) == (True, True)
    exact = np.pi * HALF_U * HALF_V * SLICE * SHAPE[0] / 1000.0
    # half a pixel round the skin is 1.1 %; a couch that touches adds a wedge beside the contact
    assert body.volume_cm3 == pytest.approx(exact, rel=0.02)
    u, v = grid()
    k = 4
    index = np.column_stack([u.ravel(), v.ravel()])
    centre = image.origin_lps_mm + np.array([74.5, 59.5]) * PIXEL @ image.axes_lps[:2]
    points = centre + index @ image.axes_lps[:2] + k * SLICE * image.axes_lps[2]
    inside = holds(body, points).reshape(u.shape)
    true = (u / HALF_U) ** 2 + (v / HALF_V) ** 2 <= 1.0
    assert 2.0 * (inside & true).sum() / (inside.sum() + true.sum()) > 0.985
    far = (u / (HALF_U + 5.0)) ** 2 + (v / (HALF_V + 5.0)) ** 2 > 1.0  # 5 mm off the skin
    assert not inside[far].any()
    lung = ((np.abs(u) - 40.0) / 22.0) ** 2 + (v / 30.0) ** 2 <= 1.0
    assert inside[lung].all()


def test_a_couch_heavier_than_the_patient_is_not_the_body_where_it_is_thin():
    hu = phantom(12.0)
    hu[:, 100:, :] = np.where(hu[:, 100:, :] > 0, 3000.0, hu[:, 100:, :])
    assert body_from_ct(volume(hu)).bounds_uvw_mm[1, 1] < HALF_V + 2.0


def test_an_empty_scan_has_no_body_and_says_what_to_do():
    with pytest.raises(GeometryError, match=r"holds no body.*\[skin\]"):
        body_from_ct(volume(np.full(SHAPE, -1000.0)))


def test_a_mask_of_a_solid_is_its_voxel_centres():
    image = volume(np.zeros(SHAPE), AXES["tilted"])
    solid = block([-40, -30, 24], [35.2, 41.7, 45.9])
    index = np.argwhere(np.ones(SHAPE, bool))
    centres = image.origin_lps_mm + (index[:, ::-1] * image.spacing_mm) @ image.axes_lps
    # the solid is cut along the tilted slices into layers of 0.5 mm: under 0.25 mm off
    exact, found = holds(solid, centres).reshape(SHAPE), solid_mask(solid, image)
    assert np.count_nonzero(exact != found) < 0.02 * exact.sum()
    level = volume(np.zeros(SHAPE))
    centres = level.origin_lps_mm + (index[:, ::-1] * level.spacing_mm) @ level.axes_lps
    np.testing.assert_array_equal(solid_mask(solid, level).ravel(), holds(solid, centres))


def bone_phantom():
    """A shell of bone with a pore and a canal, an island, and metal in the couch."""
    u, v = grid()
    hu = phantom(12.0)
    radius = np.hypot(u, v)
    hu[:, (radius <= 20.0) & (radius > 12.0)] = 700.0
    hu[:, (np.hypot(u - 16.0, v) <= 2.0)] = 30.0  # a pore of 12 mm2 in the shell
    hu[3, (np.hypot(u, v - 35.0) <= 2.5)] = 900.0  # an island of 0.08 cm3
    return hu


def test_bone_is_what_is_bright_inside_the_body_without_islands():
    image = volume(bone_phantom())
    body = body_from_ct(image)
    bone = solid_above(image, 250.0, name="Bone", within=body, smallest_cm3=0.1)
    exact = np.pi * (20.0**2 - 12.0**2) * SLICE * SHAPE[0] / 1000.0
    # the pore is filled, the canal stays; edges of 1.5 mm pixels: half a step on both sides, where
    # 700 HU beside 20 HU crosses 250 HU a sixth of a pixel outside the middle
    assert bone.volume_cm3 == pytest.approx(exact, rel=0.06)
    middle = np.array([[0.0, 0.0, 35.0], [16.0, 0.0, 35.0], [0.0, 35.0, 32.0]])
    assert holds(bone, middle).tolist() == [False, True, False]  # canal, pore, island
    whole = solid_above(image, 250.0, name="Bone", within=body)
    assert holds(whole, middle).tolist() == [False, True, True]
    assert whole.bounds_uvw_mm[1, 1] < HALF_V
    # without a body the couch counts
    assert solid_above(image, 250.0, name="All").bounds_uvw_mm[1, 1] > HALF_V + 10.0


def test_nothing_bright_enough_is_an_error_that_names_the_keys():
    with pytest.raises(GeometryError, match="'Bone': the CT holds nothing at or above 2000 HU"):
        solid_above(volume(phantom()), 2000.0, name="Bone")


def agreement(case, name):
    """Dice of found and drawn body, and how far apart their outlines are in plane (mm)."""
    drawn = build_solid(next(roi for roi in case.rois.rois if roi.name == name), case.image)
    found = body_from_ct(case.image)
    shared = common_part("both", drawn, found).volume_cm3
    off = []
    for slab in drawn.slabs[::4]:
        w = 0.5 * (slab.w_low_mm + slab.w_high_mm)
        other = next(s for s in found.slabs if s.w_low_mm <= w < s.w_high_mm)
        for one, two in ((slab.shape, other.shape), (other.shape, slab.shape)):
            corners = shapely.get_coordinates(shapely.segmentize(one.boundary, 2.0))
            off.append(shapely.distance(shapely.points(corners), two.boundary))
    dice = 2.0 * shared / (drawn.volume_cm3 + found.volume_cm3)
    return dice, np.concatenate(off), found, drawn


def test_the_body_of_the_demo_is_the_one_that_was_drawn():
    with demo_case_file() as path:
        dice, off, found, drawn = agreement(read_case(path), "Body")
    assert dice > 0.998  # 0.9986
    # drawn through voxel centres of 1 mm: 95 % agree within 0.48 mm, all within 1.60 mm
    assert np.quantile(off, 0.95) < 0.5
    assert off.max() < 1.7
    # the couch begins 25 mm under the back; nothing of it is in the body
    assert found.bounds_uvw_mm[1, 1] < drawn.bounds_uvw_mm[1, 1] + 1.5


@needs_shared
@pytest.mark.parametrize(
    ("case", "name", "least", "within_mm", "most_mm"),
    # measured: L1 (1 mm) 0.9986, 0.48, 1.60 mm; L3 (3 mm) 0.9967, 1.10, 4.49 mm: a skin fold
    [("L1", "Body", 0.998, 0.5, 1.7), ("L3", "BODY", 0.996, 1.2, 4.6)],
)
def test_the_body_of_real_scans_is_the_one_that_was_drawn(case, name, least, within_mm, most_mm):
    dice, off, found, drawn = agreement(read_case(SHARED / f"cases/{case}/case.toml"), name)
    assert dice > least
    assert np.quantile(off, 0.95) < within_mm
    assert off.max() < most_mm
    # slice positions are written to 0.01 mm in one place, contours to 0.1 mm in the other
    np.testing.assert_allclose(found.bounds_uvw_mm[:, 2], drawn.bounds_uvw_mm[:, 2], atol=0.05)
