"""Slices of the page against sampling by scipy, in CTs of any orientation."""

import base64
import io
import itertools
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import map_coordinates

from dose import dose_at_points
from exports.slice_layers import Outlines
from template_designer.errors import CaseError
from template_designer.model import ImageVolume
from template_designer.page.draft import Draft
from template_designer.page.slice_pictures import (
    GreyScale,
    Section,
    bounds_of,
    ct_slice,
    outlines_of,
    slice_picture,
)
from tests.template_designer.geometry.shapes import rotation
from tests.template_designer.planning.plans import good_plan

AXES = [
    np.eye(3)[list(order)] * np.array(signs)[:, None]
    for order in itertools.permutations(range(3))
    for signs in ((1, 1, 1), (-1, 1, -1))
]


def volume(axes, shape=(9, 14, 11)) -> ImageVolume:
    rng = np.random.default_rng(5)
    hu = rng.integers(-1000, 1500, shape).astype(np.int16)
    spacing, origin = np.array([1.5, 2.0, 4.0]), np.array([-3.0, 7.0, 11.0])
    return ImageVolume(hu, origin, np.asarray(axes, dtype=float), spacing, "1.2.3")


def middles(cut, plane):
    """Where the pixels of a slice lie in the patient, (n, 3) LPS."""
    rows, columns = cut.hu.shape
    w = cut.window
    across = w.left_mm + (np.arange(columns) + 0.5) * w.size_mm[0] / columns
    down = w.top_mm - (np.arange(rows) + 0.5) * w.size_mm[1] / rows
    x, y = np.meshgrid(across, down)
    return plane.lps(np.column_stack([x.ravel(), y.ravel()]))


@pytest.mark.parametrize("section", Section)
@pytest.mark.parametrize("axes", AXES)
def test_every_pixel_is_the_ct_where_it_lies(section, axes):
    image = volume(axes)
    low, high = bounds_of(image)
    for part in (0.31, 0.5, 0.77):
        at = float(low[section.axis] + part * (high - low)[section.axis])
        cut = ct_slice(image, section, at)
        index = image.index_of(middles(cut, section.at(at))).T
        expected = map_coordinates(image.hu.astype(float), index, order=1, mode="nearest")
        # one single-precision product of numbers under 2500
        np.testing.assert_allclose(np.ravel(cut.hu), expected, atol=1e-2)


def test_a_tilted_ct_is_sampled():
    image = volume(rotation([0.2, 1.0, 0.1], 0.4).T, (20, 24, 22))
    middle = image.origin_lps_mm + (np.array([11, 12, 10]) * image.spacing_mm) @ image.axes_lps
    cut = ct_slice(image, Section.AXIAL, float(middle[2]))
    index = image.index_of(middles(cut, Section.AXIAL.at(float(middle[2])))).T
    expected = map_coordinates(image.hu.astype(float), index, order=1, cval=-1024)
    np.testing.assert_allclose(np.ravel(cut.hu), expected, atol=1e-6)


def test_letters_and_sides_are_the_patients():
    """A bright voxel on the patient's left, front and head appears where the letters say."""
    image = volume(np.eye(3))
    image.hu[:] = 0
    image.hu[-1, 0, -1] = 3000  # head, front, left
    left, _, head = image.origin_lps_mm + (np.array([10, 13, 8]) * image.spacing_mm)
    front = float(image.origin_lps_mm[1])
    for section, at, sides in (
        (Section.AXIAL, head, ("right", "top")),
        (Section.SAGITTAL, left, ("left", "top")),
        (Section.CORONAL, front, ("right", "top")),
    ):
        hu = ct_slice(image, section, float(at)).hu
        row, column = np.unravel_index(np.argmax(hu), hu.shape)
        assert (column > hu.shape[1] // 2) == (sides[0] == "right"), section
        assert row < hu.shape[0] // 2, section
    assert Section.AXIAL.at(0.0).letters() == ("R", "L", "A", "P")
    assert Section.SAGITTAL.at(0.0).letters() == ("A", "P", "H", "F")
    assert Section.CORONAL.at(0.0).letters() == ("R", "L", "H", "F")


def test_grey_values():
    scale = GreyScale(40.0, 400.0)
    grey = scale.grey(np.array([-1000, -160, 40, 240, 3000], dtype=np.int16))
    assert grey.tolist() == [0, 0, 128, 255, 255]
    for wrong in ((np.nan, 400.0), (40.0, 0.0), (40.0, np.inf)):
        with pytest.raises(CaseError, match="show nothing"):
            GreyScale(*wrong)


@pytest.fixture(scope="module")
def draft():
    plan = good_plan()
    return Draft(plan, plan.dose)


@pytest.mark.parametrize("section", Section)
def test_isodose_lines_lie_where_the_dose_is_theirs(draft, section):
    plan = draft.plan
    shown = slice_picture(plan.ct, draft, section, 1.3, GreyScale())
    points = np.array(
        [
            [float(x) for x in pair.split()]
            for pair in shown["isodoses"]["100"].replace("M", "L").split("L")
            if pair
        ]
    )
    assert len(points) > 30
    lps = section.at(1.3).lps(points * (1.0, -1.0))
    seeds = [(s.center_lps_mm, t.lps_from_template[:3, 2]) for t in plan.templates
             for n in t.needles for s in n.seeds]  # fmt: skip
    centers, axes = (np.array(column) for column in zip(*seeds, strict=True))
    dose = dose_at_points(plan.source.model, centers, axes, plan.air_kerma_strength_u, lps)
    # between nodes of a 1 mm grid dose is not linear: within a few percent where it falls by
    # some 10 % a millimetre
    assert np.median(np.abs(dose / plan.prescription_gy - 1.0)) < 0.02
    assert np.abs(dose / plan.prescription_gy - 1.0).max() < 0.12


def test_a_picture_is_a_png_of_the_slice(draft):
    plan = draft.plan
    level = plan.needles[0].seeds[0].center_lps_mm[2]
    shown = slice_picture(plan.ct, draft, Section.AXIAL, level, GreyScale())
    png = base64.b64decode(shown["picture"].split(",")[1])
    picture = np.asarray(Image.open(io.BytesIO(png)))
    np.testing.assert_array_equal(
        picture, GreyScale().grey(ct_slice(plan.ct, Section.AXIAL, level).hu)
    )
    in_level = [s for n in plan.needles for s in n.seeds if abs(s.center_lps_mm[2] - level) <= 2.5]
    assert sum(seed["inside"] for seed in shown["seeds"]) == len(in_level) > 0


def test_outlines_are_those_of_the_contours(draft):
    plan = draft.plan
    outlines = Outlines.of(plan)
    cut = outlines_of(outlines, plan.ct, outlines.names(), Section.AXIAL, 0.0)
    points = np.array([[float(x) for x in p.split()] for p in cut["Cord"][1:-1].split("L")]) * (
        1.0,
        -1.0,
    )  # right and up
    plane = Section.AXIAL.at(0.0)
    away = np.linalg.norm(plane.lps(points)[:, :2] - (24.0, 5.0), axis=1)
    np.testing.assert_allclose(away, 5.0, atol=0.02)  # written to 0.01 mm; 256 corners a circle


def test_a_huge_ct_answers_without_a_copy_of_itself():
    """512 x 512 x 300: a slice touches two layers of it, not its 157 MB."""
    hu = np.zeros((300, 512, 512), dtype=np.int16)
    hu[150, 100:200, 300:400] = 1000
    image = ImageVolume(hu, np.zeros(3), np.eye(3), np.array([0.8, 0.8, 1.5]), "1.2.3")
    tracemalloc.start()
    shapes = {s: ct_slice(image, s, 150 * 1.5 if s is Section.AXIAL else 120.4).hu.shape
              for s in Section}  # fmt: skip
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert shapes == {
        Section.AXIAL: (512, 512), Section.SAGITTAL: (300, 512), Section.CORONAL: (300, 512)
    }  # fmt: skip
    assert peak < 20e6  # some copies of a single slice in single precision: 1 MB each
