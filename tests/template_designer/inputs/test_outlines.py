"""Rings along voxel edges: nothing lost, nothing added, whatever the mask."""

import time

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from template_designer.geometry.contours import combine_rings, cross_sections
from template_designer.geometry.distance import DistanceField
from template_designer.geometry.solids import LAYER_MM, build_solid
from template_designer.inputs._outlines import mask_rings_lps_mm, pixel_rings
from template_designer.model import Roi

SIDES = st.tuples(st.integers(1, 7), st.integers(1, 7))


def boxes(mask):
    """The pixels as squares, (row, column)."""
    corners = [(r - 0.5, c - 0.5, r + 0.5, c + 0.5) for r, c in zip(*np.nonzero(mask), strict=True)]
    return shapely.union_all([shapely.box(*corner) for corner in corners])


@given(mask=SIDES.flatmap(lambda shape: arrays(np.bool_, shape)))
def test_rings_by_exclusive_or_are_the_pixels(mask):
    rings = pixel_rings(mask)
    assert all(shapely.Polygon(ring).is_valid for ring in rings)  # simple: none touches itself
    shape, _ = combine_rings(rings, xor=True)
    # corners are halves, areas whole numbers: exact but for sums of some dozen of them
    assert shape.symmetric_difference(boxes(mask)).area == pytest.approx(0.0, abs=1e-9)
    assert shape.area == pytest.approx(np.count_nonzero(mask), abs=1e-9)


def test_a_ring_in_a_ring_and_pixels_that_touch_by_corners():
    mask = np.ones((7, 7), dtype=bool)
    mask[1:6, 1:6] = False
    mask[2, 2] = mask[3, 3] = True  # two islands that touch
    rings = pixel_rings(mask)
    assert sorted(len(ring) for ring in rings) == [4, 4, 4, 4]
    assert pixel_rings(np.zeros((3, 3), dtype=bool)) == []


def test_thousands_of_islands_take_no_time():
    mask = np.random.default_rng(43).random((160, 160)) < 0.3
    start = time.perf_counter()
    shape, _ = combine_rings(pixel_rings(mask), xor=True)
    # a third of a second here; joined one after the other it was half a minute
    assert time.perf_counter() - start < 10.0
    assert shape.area == pytest.approx(np.count_nonzero(mask), abs=1e-6)


def label_roi(mask, spacing_mm):
    """A mask as the reader of label maps makes it; slices along z, pixels of 1 mm."""
    steps = np.array([[0, 0, spacing_mm], [0, 1.0, 0], [1.0, 0, 0]])
    rings = mask_rings_lps_mm(mask, (0, 0, 0), np.zeros(3), steps)
    return Roi("part", 1, rings, xor=True, slice_spacing_mm=spacing_mm)


def blobs(seed, shape=(9, 16, 16)):
    """Some balls of a few voxels, overlapping or apart, slices left empty between."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    mask = np.zeros(shape, dtype=bool)
    for _ in range(4):
        centre = rng.uniform(1, np.array(shape) - 2)
        mask |= np.linalg.norm((grid - centre) * (1.5, 1, 1), axis=-1) < rng.uniform(1.2, 4.0)
    return mask


def box_points(mask, spacing_mm):
    """Corners of voxels and the middles of their faces, drawn in by a hair, (n, 3) x, y, z."""
    offsets = np.array([(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)])
    index = np.argwhere(mask)[:, None] + 0.5 * (1 - 1e-6) * offsets
    return (index * (spacing_mm, 1.0, 1.0)).reshape(-1, 3)[:, ::-1]


@pytest.mark.parametrize("spacing_mm", [0.8, 1.5, 2.5, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_voxel_of_what_needles_avoid_is_lost(seed, spacing_mm):
    mask = blobs(seed)
    points = box_points(mask, spacing_mm)
    region = np.vstack([points.min(axis=0) - 2.0, points.max(axis=0) + 2.0])
    avoided = build_solid(label_roi(mask, spacing_mm), bridge_all=True)
    away = DistanceField.around(avoided, region).clearance_mm(points)
    assert away.max() == 0.0  # all of every voxel's box
    # elsewhere voxels lose edges to the blend: at most half a slice less half a layer
    usual = build_solid(label_roi(mask, spacing_mm))
    steps = max(1, int(np.ceil(spacing_mm / LAYER_MM - 1e-6)))
    steps += 1 - steps % 2
    bound = 0.5 * spacing_mm * (1.0 - 1.0 / steps)
    lost = DistanceField.around(usual, region).clearance_mm(points)
    assert lost.max() <= bound + 1e-6
    # and the volume is that of the voxels: blends meet their areas to 0.5 %, and parts under
    # one voxel of the blend's grid (1 mm) are kept whole
    voxels_cm3 = np.count_nonzero(mask) * spacing_mm / 1000.0
    assert usual.volume_cm3 == pytest.approx(voxels_cm3, rel=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_a_distance_never_exceeds_that_to_the_voxels(seed):
    spacing_mm = 2.5
    mask = blobs(seed)
    points = np.random.default_rng(seed).uniform(-8.0, 24.0, (400, 3))
    index = np.argwhere(mask)[:, ::-1] * (1.0, 1.0, spacing_mm)
    beside = np.abs(points[:, None] - index[None]) - 0.5 * np.array([1.0, 1.0, spacing_mm])
    exact = np.linalg.norm(np.maximum(beside, 0.0), axis=2).min(axis=1)
    avoided = build_solid(label_roi(mask, spacing_mm), bridge_all=True)
    stated = DistanceField.around(avoided, points).clearance_mm(points)
    # float32 nodes of distances up to 60 mm: 4e-6 mm
    assert np.all(stated <= exact + 1e-5)
    # safe, and of use: joined parts aside, short by a voxel and the interpolation at most
    assert np.median(exact - stated) < 0.5


def test_an_empty_slice_of_a_label_map_is_empty_but_joined_where_needles_must_keep_away():
    mask = np.zeros((7, 6, 6), dtype=bool)
    mask[[1, 2, 4, 5], 1:5, 1:5] = True
    roi = label_roi(mask, 3.0)
    assert build_solid(roi).volume_cm3 == pytest.approx(4 * 16 * 3.0 / 1000, rel=1e-6)
    assert build_solid(roi, bridge_all=True).volume_cm3 == pytest.approx(0.24, rel=1e-6)
    single = build_solid(label_roi(mask[1:2], 3.0))  # one slice, with its thickness
    assert single.volume_cm3 == pytest.approx(16 * 3.0 / 1000, rel=1e-6)
    assert len(cross_sections(roi, 3.0).w_mm) == 4
    two = np.zeros_like(mask)
    two[[0, 5], 1:5, 1:5] = True  # two slices far apart: each as thick as a slice
    apart = build_solid(label_roi(two, 3.0))
    assert apart.volume_cm3 == pytest.approx(2 * 16 * 3.0 / 1000, rel=1e-6)


def test_voxels_are_kept_beside_a_stretch_that_is_joined():
    mask = np.zeros((6, 9, 9), dtype=bool)
    mask[[1, 4], 1:4, 1:4] = True  # faces itself across two empty slices
    mask[1, 6:8, 6:8] = mask[4, 1:3, 6:8] = True  # these face nothing
    points = box_points(mask, 2.5)
    region = np.vstack([points.min(axis=0) - 2.0, points.max(axis=0) + 2.0])
    solid = build_solid(label_roi(mask, 2.5), bridge_all=True)
    assert DistanceField.around(solid, region).clearance_mm(points).max() == 0.0
    assert DistanceField.around(solid, region).inside(np.array([[2.0, 2.0, 6.2]]))[0]
