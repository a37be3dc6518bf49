"""Writes small NIfTI and NRRD files, right or wrong, with the libraries that others use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel
import nrrd
import numpy as np
from numpy.typing import NDArray

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS from RAS and back


def affine(
    axes: NDArray[np.float64], spacing_mm: Sequence[float], origin: Sequence[float]
) -> NDArray[np.float64]:
    """LPS transform of voxel indices; ``axes`` are unit rows, one an index."""
    matrix = np.eye(4)
    matrix[:3, :3] = (np.asarray(axes) * np.asarray(spacing_mm)[:, None]).T
    matrix[:3, 3] = origin
    return matrix


def turned(axis: Sequence[float], angle_rad: float) -> NDArray[np.float64]:
    """Rows of a frame turned about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + np.sin(angle_rad) * k + (1 - np.cos(angle_rad)) * k @ k).T


GRIDS = {
    # name: (shape, LPS transform); all hold a ball of 12 mm round CENTRE
    "LPS": ((40, 44, 18), affine(np.eye(3), (1.0, 0.9, 2.5), (-10.0, 20.0, -62.0))),
    "RAS, flipped": (
        (40, 44, 18),
        affine(np.diag([-1.0, -1.0, 1.0]), (1.0, 0.9, 2.5), (29.0, 59.0, -62.0)),
    ),
    "left-handed": (
        (40, 44, 18),
        affine(np.diag([1.0, 1.0, -1.0]), (1.0, 0.9, 2.5), (-10.0, 20.0, -20.0)),
    ),
    "PIR order": (
        (30, 32, 30),
        affine(np.array([[0, 1.0, 0], [0, 0, -1.0], [-1.0, 0, 0]]), (1.4,) * 3, (29, 20, -19)),
    ),
    "sagittal slices": (
        (40, 40, 14),
        affine(np.array([[0, 1.0, 0], [0, 0, -1.0], [1.0, 0, 0]]), (1.0, 1.0, 3.0), (-9, 20, -22)),
    ),
    "oblique": (
        (46, 44, 24),
        affine(
            turned((1.0, 2.0, 3.0), 0.4),
            (0.9, 1.0, 2.0),
            np.array([11.0, 41.0, -41.0])
            - np.array([22.5, 21.5, 11.5]) * (0.9, 1.0, 2.0) @ turned((1.0, 2.0, 3.0), 0.4),
        ),
    ),
}
CENTRE, RADIUS_MM = np.array([10.3, 39.6, -40.7]), 12.0


def voxel_centres(shape: Sequence[int], lps: NDArray[np.float64]) -> NDArray[np.float64]:
    """LPS of every voxel centre, (n0, n1, n2, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ lps[:3, :3].T + lps[:3, 3]


def ball(
    shape: Sequence[int],
    lps: NDArray[np.float64],
    centre: Sequence[float] = tuple(CENTRE),
    radius_mm: float = RADIUS_MM,
) -> NDArray[np.bool_]:
    """Voxels whose centres lie in a ball."""
    return np.linalg.norm(voxel_centres(shape, lps) - centre, axis=-1) <= radius_mm


def write_nifti(
    path: Path,
    values: NDArray[np.generic],
    lps: NDArray[np.float64],
    *,
    unit: str = "mm",
    sform: int = 1,
    qform: int = 0,
    version: int = 1,
) -> Path:
    """Write a NIfTI file; codes of 0 leave a transform out."""
    kind = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = kind(values, FLIP @ lps)
    image.header.set_xyzt_units(unit)
    image.set_sform(FLIP @ lps, sform)
    image.set_qform(FLIP @ lps, qform)
    nibabel.save(image, path)
    return path


def nrrd_header(lps: NDArray[np.float64], space: str = "left-posterior-superior") -> dict:
    """Header fields that place a volume."""
    signs = (
        {"left": 1.0, "right": -1.0}[space.split("-")[0]],
        (1.0 if "posterior" in space else -1.0),
    )
    to_space = np.diag([*signs, 1.0])
    return {
        "space": space,
        "space directions": (to_space @ lps[:3, :3]).T,
        "space origin": to_space @ lps[:3, 3],
        "kinds": ["domain"] * 3,
        "encoding": "gzip",
    }


def write_nrrd(
    path: Path,
    values: NDArray[np.generic],
    lps: NDArray[np.float64],
    *,
    space: str = "left-posterior-superior",
    drop: Sequence[str] = (),
    **fields: object,
) -> Path:
    """Write an NRRD file; ``drop`` leaves header fields out, ``fields`` adds some."""
    header = {k: v for k, v in nrrd_header(lps, space).items() if k not in drop}
    nrrd.write(str(path), values, {**header, **fields})
    return path


def write_segmentation(
    path: Path,
    layers: NDArray[np.uint8],
    lps: NDArray[np.float64],
    segments: Sequence[Mapping[str, object]],
) -> Path:
    """Write a Slicer segmentation as Slicer does: several layers are the first axis."""
    header: dict = nrrd_header(lps)
    if layers.ndim == 4:
        none = np.full((1, 3), np.nan)
        header["space directions"] = np.vstack([none, header["space directions"]])
        header["kinds"] = ["list", *header["kinds"]]
    for n, segment in enumerate(segments):
        for key, value in segment.items():
            header[f"Segment{n}_{key}"] = str(value)
    nrrd.write(str(path), layers, header)
    # pynrrd writes ASCII; Slicer writes UTF-8
    data = path.read_bytes()
    path.write_bytes(data.replace(b"NAME-IN-UTF8", "靶区".encode()))
    return path
