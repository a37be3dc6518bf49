"""A CT that was moved by a known transform is laid back on the first one; others are refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from template_designer.errors import CaseError, GeometryError
from template_designer.frames import inverse, transform_points
from template_designer.geometry.solids import build_solid
from template_designer.inputs import read_case
from template_designer.model.evaluation import Registration, RegistrationKind
from template_designer.postplan.moving import moved_image, moved_rois
from template_designer.postplan.registration import bone_residual, register_rigid
from tests.paths import DEMO

NO_SEEDS = np.zeros((0, 3))


@pytest.fixture(scope="module")
def case():
    return read_case(DEMO / "case.toml")


@pytest.fixture(scope="module")
def middle(case):
    rings = next(roi.rings_lps_mm for roi in case.rois.rois if roi.name == "GTV")
    return np.concatenate(rings).mean(axis=0)


def rigid(degrees, shift, about) -> np.ndarray:
    """Turn about a point, then shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = about + np.array(shift) - matrix[:3, :3] @ about
    return matrix


def scanned_again(image, matrix, middle, spacing=(1.2, 1.2, 3.0), shape=(25, 190, 200)):
    """The patient, moved by a transform, on other slices and with noise of 20 HU."""
    axes = np.eye(3) * np.sign(np.diag(image.axes_lps))[:, None]
    step = np.array(spacing)
    centre = transform_points(matrix, middle)[0]
    origin = centre - 0.5 * (np.array(shape[::-1]) - 1.0) * step @ axes
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    points = origin + np.stack([i, j, k], axis=-1).reshape(-1, 3) * step @ axes
    index = image.index_of(transform_points(inverse(matrix), points)).T
    hu = map_coordinates(image.hu, index, output=float, order=1, cval=-1024).reshape(shape)
    hu += np.random.default_rng(1).normal(0.0, 20.0, shape)
    return replace(
        image, hu=hu.astype(np.int16), origin_lps_mm=origin, axes_lps=axes, spacing_mm=step
    )


def test_a_known_movement_is_found(case, middle):
    """Within 0.5 mm at the target and 0.5 degrees; slices of 5 mm against slices of 3 mm."""
    moved = rigid((4.0, -3.0, 6.0), (18.0, -12.0, 9.0), middle)
    later = scanned_again(case.image, moved, middle)
    got = register_rigid(case.image, later, middle, NO_SEEDS)
    assert got.kind is RegistrationKind.RIGID
    left = got.pre_from_post @ moved
    assert np.linalg.norm(transform_points(left, middle)[0] - middle) < 0.5
    assert np.degrees(np.linalg.norm(Rotation.from_matrix(left[:3, :3]).as_rotvec())) < 0.5
    # a second opinion, from surfaces: no worse than the transform that was put in, to 0.05 mm
    truth = bone_residual(case.image, later, inverse(moved), middle, NO_SEEDS)
    assert got.residual.median_mm < truth.median_mm + 0.05
    assert got.residual.p95_mm < 1.0
    off = inverse(moved).copy()
    off[:3, 3] += (2.0, 0.0, 0.0)
    least = truth.median_mm + 0.3
    # surfaces along the shift are as far apart as before: the median is less than 2 mm
    assert bone_residual(case.image, later, off, middle, NO_SEEDS).median_mm > least


def test_another_body_is_refused(case, middle):
    """Its own CT with every slice upside down stands for somebody else's."""
    hu = np.ascontiguousarray(case.image.hu[:, ::4, ::4])  # every fourth pixel: a quick no
    coarse = replace(case.image, hu=hu, spacing_mm=case.image.spacing_mm * (4.0, 4.0, 1.0))
    upside = replace(coarse, hu=np.ascontiguousarray(hu[::-1, ::-1, ::-1]))
    with pytest.raises(CaseError, match="do not come together"):
        register_rigid(coarse, upside, middle, NO_SEEDS)


def test_what_is_moved_keeps_its_shape_and_its_voxels(case, middle):
    moved = rigid((10.0, -20.0, 35.0), (5.0, 6.0, -7.0), middle)
    image, rois = moved_image(case.image, moved), moved_rois(case.rois, moved)
    points = middle + np.random.default_rng(0).uniform(-20.0, 20.0, (50, 3))
    there = transform_points(moved, points)
    assert image.index_of(there) == pytest.approx(case.image.index_of(points), abs=1e-9)
    for before, after in zip(case.rois.rois, rois.rois, strict=True):
        if before.name in ("GTV", "SpinalCord"):
            one, other = build_solid(before, case.image), build_solid(after, image)
            # slices between are blended on a grid of 1 mm that lies otherwise
            assert other.volume_cm3 == pytest.approx(one.volume_cm3, rel=2e-3)
            centre = transform_points(moved, one.centroid_lps_mm)[0]
            assert other.centroid_lps_mm == pytest.approx(centre, abs=0.05)


def test_a_mirror_is_no_registration():
    with pytest.raises(GeometryError, match="mirror"):
        Registration(RegistrationKind.TRANSFORM, np.diag([-1.0, 1.0, 1.0, 1.0]))


def test_the_angle_of_a_registration():
    matrix = rigid((0.0, 0.0, 12.5), (1.0, 2.0, 3.0), np.zeros(3))
    assert Registration(RegistrationKind.TRANSFORM, matrix).turn_deg == pytest.approx(12.5)
