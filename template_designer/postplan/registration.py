"""Rigid registration of two CTs of one patient (SimpleITK), with what it leaves on bone.

All of the CT is brought roughly together first, from several starts; then the bone near the target
decides, for it moves as one and the rest of the body does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

from template_designer.errors import CaseError
from template_designer.frames import inverse, transform_points
from template_designer.model import ImageVolume
from template_designer.model.evaluation import Registration, RegistrationKind, Residual

BONE_HU = 250.0
"""Bone from here on, as ``[bone] threshold_hu`` has it by default."""

LOOK_HU = (-200.0, 1000.0)
"""What the comparison sees: without air, and metal no brighter than bone."""

NEAR_MM = 80.0
"""Bone this near to the middle of the target decides: a spine bends farther off."""

RIM_MM = 6.0
"""So far beyond bone is looked at: its edges are what tells."""

LEVELS_MM = (4.0, 2.0, 1.0)
"""In-plane resolution of the steps: all of the CT at the first, bone at the others."""

LEAST_BONE = 2_000
"""Voxels of bone near the target (at 2 mm) below which all of the CT decides to the end."""

LEAST_CORRELATION = 0.7
"""Correlation of two CTs of one patient, well registered, is far above it; others are refused."""

SURFACE_SAMPLES = 200_000
RESIDUAL_POINTS = 20_000
PLANE_MM = 3.0
"""Nearer than this the distance to a surface is taken to its plane, beyond to its nearest point."""

METAL_MM = 8.0
"""So near to a seed what is bright is the seed, its blur and its streaks, not bone."""


def register_rigid(
    pre: ImageVolume,
    post: ImageVolume,
    middle_lps_mm: NDArray[np.float64],
    seeds_lps_mm: NDArray[np.float64],
) -> Registration:
    """Find the rigid transform that lays a later CT on the preplan's.

    Parameters
    ----------
    pre, post : ImageVolume
        CT of the preplan and of the later day.
    middle_lps_mm : (3,) ndarray
        Middle of the target, in the frame of the preplan.
    seeds_lps_mm : (n, 3) ndarray
        Seeds in the frame of the later day: what is bright round them is no bone.

    Raises
    ------
    CaseError
        If the two do not come together: they are of different patients, or show different parts.
    """
    import SimpleITK as sitk  # noqa: N813  # as its makers write it

    fixed, moving = _as_itk(pre), _as_itk(post)
    starts = _starts(fixed, moving)
    coarse = [_improved(_thinned(fixed, 0), _thinned(moving, 0), start, None) for start in starts]
    found, value = min(coarse, key=lambda pair: pair[1])
    _check_alike(-value)
    mask = _bone_mask(pre, middle_lps_mm)
    for level in (1, 2):
        fine = _thinned(fixed, level)
        looked_at = None if mask is None else sitk.Resample(mask, fine, sitk.Transform(), 1)
        found, value = _improved(fine, _thinned(moving, level), found, looked_at)
    _check_alike(-value)
    matrix = inverse(_matrix(found))
    residual = bone_residual(pre, post, matrix, middle_lps_mm, seeds_lps_mm)
    return Registration(RegistrationKind.RIGID, matrix, residual)


def _check_alike(correlation: float) -> None:
    if not correlation >= LEAST_CORRELATION:
        raise CaseError(
            f"--registration rigid: the two CTs do not come together (correlation "
            f"{correlation:.2f}, at least {LEAST_CORRELATION:g} is needed); are they of one "
            "patient and one part of the body? Else give a transform (--registration FILE)"
        )


def bone_residual(
    pre: ImageVolume,
    post: ImageVolume,
    pre_from_post: NDArray[np.float64],
    middle_lps_mm: NDArray[np.float64],
    seeds_lps_mm: NDArray[np.float64],
) -> Residual | None:
    """Distance from the bone surface of the later CT to that of the preplan's, near the target.

    A second opinion on a registration: it uses surfaces where the registration uses CT numbers.
    Surfaces within :data:`METAL_MM` of a seed (frame of the later day) are left out. None where
    either CT shows no bone there.
    """
    before = _bone_surface(pre, middle_lps_mm)
    after = _bone_surface(post, transform_points(inverse(pre_from_post), middle_lps_mm)[0])
    if before is None or after is None:
        return None
    rng = np.random.default_rng(0)
    surface, normals = _on_triangles(*before, SURFACE_SAMPLES, rng)
    found = _on_triangles(*after, RESIDUAL_POINTS, rng)[0]
    if len(seeds_lps_mm):
        found = found[cKDTree(seeds_lps_mm).query(found)[0] > METAL_MM]
    points = transform_points(pre_from_post, found)
    index = pre.index_of(points)
    points = points[((index >= 0.0) & (index <= np.array(pre.hu.shape) - 1.0)).all(axis=1)]
    points = points[np.linalg.norm(points - middle_lps_mm, axis=1) <= NEAR_MM - RIM_MM]
    if not len(points):
        return None
    apart, nearest = cKDTree(surface).query(points)
    to_plane = np.abs(np.sum((points - surface[nearest]) * normals[nearest], axis=1))
    distance = np.where(apart < PLANE_MM, to_plane, apart)
    median, p95 = np.percentile(distance, (50.0, 95.0)).tolist()
    return Residual(median, p95, len(points))


def _as_itk(image: ImageVolume) -> Any:
    """The CT numbers that the comparison sees, in place."""
    import SimpleITK as sitk  # noqa: N813

    made = sitk.GetImageFromArray(np.clip(image.hu, *LOOK_HU).astype(np.float32))
    _put_in_place(made, image)
    return made


def _put_in_place(made: Any, image: ImageVolume) -> None:
    made.SetOrigin(image.origin_lps_mm.tolist())
    made.SetSpacing(image.spacing_mm.tolist())
    made.SetDirection(image.axes_lps.T.ravel().tolist())


def _thinned(image: Any, level: int) -> Any:
    """The image at the resolution of a level, by means of whole blocks of voxels."""
    import SimpleITK as sitk  # noqa: N813

    factors = [max(1, math.floor(LEVELS_MM[level] / step + 0.5)) for step in image.GetSpacing()]
    return sitk.BinShrink(image, factors)


def _bone_mask(image: ImageVolume, middle_lps_mm: NDArray[np.float64]) -> Any | None:
    """Bone near the target and its rim; None where there is hardly any."""
    import SimpleITK as sitk  # noqa: N813

    bone = (image.hu >= BONE_HU) & _near(image, middle_lps_mm)
    if bone.sum() * float(np.prod(image.spacing_mm)) < LEAST_BONE * LEVELS_MM[1] ** 3:
        return None
    steps = [max(0, round(RIM_MM / step)) for step in image.spacing_mm[::-1]]
    for axis, count in enumerate(steps):
        line = np.ones([2 * count + 1 if a == axis else 1 for a in range(3)], dtype=np.bool_)
        bone = binary_dilation(bone, line)
    made = sitk.GetImageFromArray(bone.astype(np.uint8))
    _put_in_place(made, image)
    return made


def _near(image: ImageVolume, middle_lps_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Voxels within :data:`NEAR_MM` of a point, [slice, row, column]."""
    at = image.index_of(middle_lps_mm[None])[0]
    parts = [
        ((np.arange(count) - place) * step) ** 2
        for count, place, step in zip(image.hu.shape, at, image.spacing_mm[::-1], strict=True)
    ]
    squared = parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :]
    return np.asarray(squared <= NEAR_MM**2)


def _starts(fixed: Any, moving: Any) -> list[Any]:
    """As the scanner has them, middles of both volumes together, middles of what is dense."""
    import SimpleITK as sitk  # noqa: N813

    kinds = (
        sitk.CenteredTransformInitializerFilter.GEOMETRY,
        sitk.CenteredTransformInitializerFilter.MOMENTS,
    )
    shifted = [
        sitk.Euler3DTransform(
            sitk.CenteredTransformInitializer(fixed, moving, sitk.Euler3DTransform(), kind)
        )
        for kind in kinds
    ]
    as_it_is = sitk.Euler3DTransform(shifted[0])
    as_it_is.SetTranslation((0.0, 0.0, 0.0))
    return [as_it_is, *shifted]


def _improved(fixed: Any, moving: Any, start: Any, mask: Any | None) -> tuple[Any, float]:
    """The transform nearby that makes two images most alike, and minus their correlation."""
    import SimpleITK as sitk  # noqa: N813

    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in one order: the same on every machine
    method.SetMetricAsCorrelation()
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0 if mask is None else 0.5,
        minStep=1e-4,
        numberOfIterations=300,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-10,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    begin = sitk.Euler3DTransform(start)
    method.SetInitialTransform(begin, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # nothing in common: this start leads nowhere
        return start, math.inf
    return begin, float(method.GetMetricValue())


def _matrix(transform: Any) -> NDArray[np.float64]:
    """A rigid ITK transform as (4, 4)."""
    rotation = np.array(transform.GetMatrix()).reshape(3, 3)
    left, _, right = np.linalg.svd(rotation)
    result = np.eye(4)
    result[:3, :3] = left @ right
    result[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return result


def _bone_surface(
    image: ImageVolume, middle_lps_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Triangles of the bone surface in a box round a point, LPS, mm."""
    at = image.index_of(middle_lps_mm[None])[0]
    half = NEAR_MM / image.spacing_mm[::-1]
    low = np.maximum(np.floor(at - half), 0).astype(int)
    high = np.minimum(np.ceil(at + half) + 1, image.hu.shape).astype(int)
    if (high - low < 2).any():
        return None
    part = image.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    if not part.min() < BONE_HU < part.max():
        return None
    vertices, faces, _, _ = marching_cubes(np.minimum(part, LOOK_HU[1]).astype(float), BONE_HU)
    steps = image.spacing_mm[:, None] * image.axes_lps
    return image.origin_lps_mm + (vertices + low)[:, ::-1] @ steps, faces.astype(np.int64)


def _on_triangles(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points drawn evenly over a surface, and the unit normals there, (count, 3) each."""
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(across, axis=1)
    chosen = rng.choice(len(faces), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1.0, 1.0 - u, u), np.where(u + v > 1.0, 1.0 - v, v)
    a, b, c = corners[chosen, 0], corners[chosen, 1], corners[chosen, 2]
    return a + u * (b - a) + v * (c - a), across[chosen] / area[chosen, None]
