"""Reads an NRRD file (.nrrd): header, voxels, and their place by space directions and origin."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import InputError, PlannerError
from template_designer.inputs._dicom_file import one_line, read_bytes
from template_designer.inputs._packed import MOST_BYTES, bunzip2, gunzip
from template_designer.inputs._voxels import VoxelGrid, voxel_grid
from template_designer.inputs.formats import VolumeFormat

MAGIC = b"NRRD000"
SUFFIXES = (".nrrd",)

LPS_SIGNS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
"""Spaces tied to the patient, and what turns their coordinates into LPS."""

_UNPACKERS = {"gzip": gunzip, "gz": gunzip, "bzip2": bunzip2, "bz2": bunzip2}
_LONGEST_HEADER = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Nrrd:
    """One NRRD file: fields and key/value pairs of the header, and the samples."""

    path: Path
    header: Mapping[str, Any]
    values: NDArray[np.generic]  # in the order of the header's axes
    lps_from_index: NDArray[np.float64]  # (4, 4), for the three axes that lie in space
    space_axes: tuple[int, ...]  # which axes of ``values`` those are


def recognises(path: Path) -> bool:
    """Whether this reader is the one for a path: by its first bytes, or by its name."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        starts_right = stream.read(len(MAGIC)) == MAGIC
    return starts_right or path.name.lower().endswith(SUFFIXES)


def header_fields(path: Path) -> Mapping[str, Any]:
    """Fields and key/value pairs of a file's header; its voxels are not read."""
    with path.open("rb") as stream:
        return read_header(path, stream.read(_LONGEST_HEADER))[0]


def read_header(path: Path, data: bytes) -> tuple[Mapping[str, Any], int]:
    """Fields and key/value pairs of the header, and how many bytes it takes.

    Names of segments are UTF-8; pynrrd by itself would drop all but ASCII.
    """
    import nrrd  # where it is needed: DICOM cases do without

    if not data.startswith(MAGIC):
        raise InputError(f"{path}: is not an NRRD file (or empty); copy or export it again")
    ends = [
        n + len(blank)
        for blank in (b"\n\n", b"\n\r\n")
        if (n := data.find(blank, 0, _LONGEST_HEADER)) >= 0
    ]
    if not ends:
        raise InputError(
            f"{path}: is cut off in its header, or its voxels lie in another file; copy or export "
            "it again as one .nrrd"
        )
    size = min(ends)
    lines = data[:size].decode("utf-8", "replace").split("\n")
    try:
        return nrrd.read_header(lines), size
    except Exception as error:  # pynrrd raises many kinds on damaged headers
        raise InputError(
            f"{path}: has a damaged NRRD header ({one_line(str(error))}); export it again"
        ) from error


def read_nrrd(path: Path) -> Nrrd:
    """Read header and samples of an NRRD file.

    Raises
    ------
    InputError
        If it is damaged or cut off, its samples are in another file, its space is not tied to the
        patient, or its place or unit is missing or not in mm.
    """
    data = read_bytes(path)
    header, size = read_header(path, data)
    for key in ("data file", "datafile"):
        if key in header:
            raise InputError(
                f"{path}: its voxels lie in another file ({one_line(str(header[key]))}); save both "
                "as one .nrrd"
            )
    if header.get("type") == "block":
        raise InputError(f"{path}: its voxels are blocks of bytes, not numbers; save a grey image")
    matrix, axes = _place(path, header)
    try:
        values = _samples(path, dict(header), data[size:])
    except PlannerError:
        raise
    except Exception as error:  # pynrrd raises many kinds on damaged data
        raise InputError(
            f"{path}: is a damaged or cut off NRRD file ({one_line(str(error))}); copy or export "
            "it again"
        ) from error
    return Nrrd(path, header, values, matrix, axes)


def _samples(path: Path, header: dict[str, Any], packed: bytes) -> NDArray[np.generic]:
    import nrrd

    needed = float(np.prod(header["sizes"], dtype=np.float64))
    if not 1.0 <= needed <= MOST_BYTES:
        raise InputError(
            f"{path}: its header states {needed:.3g} voxels, which is no CT; export it again"
        )
    unpack = _UNPACKERS.get(header["encoding"])
    if unpack is not None:
        packed = unpack(path, packed)
        header["encoding"] = "raw"
    return np.asarray(nrrd.read_data(header, io.BytesIO(packed), str(path)))


def read_volume(path: Path) -> VoxelGrid:
    """Read an NRRD file that holds one volume; see ``read_nrrd``."""
    file = read_nrrd(path)
    others = [n for n in range(file.values.ndim) if n not in file.space_axes]
    if any(file.values.shape[n] != 1 for n in others):
        shape = " x ".join(map(str, file.values.shape))
        raise InputError(
            f"{path}: holds {shape} samples, which is not one volume (colours or a time series?); "
            "save one 3D volume"
        )
    values = file.values.transpose(*file.space_axes, *others)
    return voxel_grid(path, values, file.lps_from_index)


def _place(path: Path, header: Mapping[str, Any]) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Transform of the spatial axes to LPS, and which axes they are."""
    space = str(header.get("space", "")).strip().lower()
    if space not in LPS_SIGNS:
        stated = f"its space is {space!r}" if space else "it states no space"
        raise InputError(
            f"{path}: {stated}, so its place in the patient is not known; save it as "
            "left-posterior-superior or right-anterior-superior"
        )
    for unit in header.get("space units") or ():
        if str(unit).strip().lower() not in ("mm", "millimeter", "millimetre", ""):
            raise InputError(f"{path}: its lengths are in {unit!r}; save it again in mm")
    for field in ("space directions", "space origin"):
        if header.get(field) is None:
            raise InputError(
                f"{path}: {field} is missing, so its place in the patient is not known; export it "
                "again"
            )
    directions = np.asarray(header["space directions"], dtype=np.float64)
    origin = np.asarray(header["space origin"], dtype=np.float64)
    spatial = tuple(n for n, row in enumerate(directions) if not np.all(np.isnan(row)))
    if directions.ndim != 2 or directions.shape[1] != 3 or len(spatial) != 3 or origin.size != 3:
        raise InputError(
            f"{path}: has {len(spatial)} axes in space, a volume has three; save one 3D volume"
        )
    signs = np.array(LPS_SIGNS[space])
    matrix = np.eye(4)
    matrix[:3, :3] = (directions[list(spatial)] * signs).T
    matrix[:3, 3] = origin * signs
    return matrix, spatial


FORMAT = VolumeFormat(name="NRRD (.nrrd)", recognises=recognises, read=read_volume)
