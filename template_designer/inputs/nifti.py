"""Reads a NIfTI file (.nii, .nii.gz): voxels, and their place by the sform or the qform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import InputError, PlannerError
from template_designer.inputs._dicom_file import one_line, read_bytes
from template_designer.inputs._packed import GZIP_MAGIC, MOST_BYTES, gunzip, gunzip_start
from template_designer.inputs._voxels import PLACE_TOLERANCE_MM, VoxelGrid, voxel_grid
from template_designer.inputs.formats import VolumeFormat
from template_designer.model import PlanWarning

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

SUFFIXES = (".nii", ".nii.gz")

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI counts to the right and to the front, DICOM to the left and to the back."""

_HEADER_BYTES = {348: 1, 540: 2}  # size of the header: version of the format
_PAIR_MAGIC = (b"ni1\0", b"ni2\0")
_ONE_FILE_MAGIC = (b"n+1\0", b"n+2\0")
_TEMPLATE_CODES = (3, 4, 5)  # Talairach, MNI 152, others: places in a standard brain
_LAST_CODE = 5


def recognises(path: Path) -> bool:
    """Whether this reader is the one for a path: by its name, or by its first bytes."""
    if not path.is_file():
        return False
    if path.name.lower().endswith(SUFFIXES):
        return True
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(GZIP_MAGIC):
        head = gunzip_start(head, 540)
    return _magic(head) in _ONE_FILE_MAGIC


def read_nifti(path: Path) -> VoxelGrid:
    """Read a NIfTI-1 or NIfTI-2 file.

    Parameters
    ----------
    path : Path
        One file, packed with gzip or not.

    Returns
    -------
    VoxelGrid
        Values with the file's scaling applied; LPS, mm. The unit "unknown" is taken as mm and
        said.

    Raises
    ------
    InputError
        If the file is damaged or cut off, states no place (neither sform nor qform) or two
        different ones, is not in mm, or is not one volume of square voxels.
    """
    data = read_bytes(path)
    if data.startswith(GZIP_MAGIC):
        data = gunzip(path, data)
    version = _version(path, data)
    try:
        image = _load(path, version, data)
        return _grid(path, image, len(data))
    except PlannerError:
        raise
    except Exception as error:  # nibabel raises many kinds on damaged headers
        raise InputError(
            f"{path}: is a damaged or cut off NIfTI file ({one_line(str(error))}); copy or export "
            "it again"
        ) from error


def _load(path: Path, version: int, data: bytes) -> Nifti1Image:
    # imported here: loading nibabel takes a third of a second, and DICOM cases do without
    from nibabel.imageglobals import logger
    from nibabel.nifti1 import Nifti1Image
    from nibabel.nifti2 import Nifti2Image

    kind = Nifti1Image if version == 1 else Nifti2Image
    size = next(n for n, v in _HEADER_BYTES.items() if v == version)
    _check_before_repair(path, kind.header_class(data[:size], check=False))
    usual, logger.disabled = logger.disabled, True  # what it would log is checked here, by name
    try:
        image: Nifti1Image = kind.from_bytes(data)
    finally:
        logger.disabled = usual
    return image


def _check_before_repair(path: Path, header: Any) -> None:
    """Refuse what nibabel would mend by a guess: a place must be what the file states."""
    codes = {key: int(header[key]) for key in ("sform_code", "qform_code")}
    for key, code in codes.items():
        if not 0 <= code <= _LAST_CODE:
            raise InputError(f"{path}: its {key} is {code}, which is not known; export it again")
    sizes = [float(mm) for mm in header["pixdim"][1:4]]
    if codes["qform_code"] > 0 and not all(mm > 0.0 for mm in sizes):
        shown = " x ".join(f"{mm:g}" for mm in sizes)
        raise InputError(f"{path}: its header states voxels of {shown} mm; export it again")


def _magic(head: bytes) -> bytes:
    return head[4:8] if head[4:6] == b"n+" or head[4:6] == b"ni" else head[344:348]


def _version(path: Path, data: bytes) -> int:
    magic = _magic(data)
    if magic in _PAIR_MAGIC:
        raise InputError(
            f"{path}: is the header of a pair of files (.hdr, .img); save it as one .nii.gz"
        )
    sizes = int.from_bytes(data[:4], "little"), int.from_bytes(data[:4], "big")
    version = next((_HEADER_BYTES[size] for size in sizes if size in _HEADER_BYTES), None)
    if version is not None and magic in _ONE_FILE_MAGIC:
        return version
    raise InputError(
        f"{path}: is not a NIfTI file (or cut off in its header); copy or export it again"
    )


def _grid(path: Path, image: Nifti1Image, size: int) -> VoxelGrid:
    header: Any = image.header
    bytes_needed = int(np.prod(image.shape, dtype=np.float64)) * header.get_data_dtype().itemsize
    if min(image.shape, default=0) < 1 or bytes_needed > min(size, MOST_BYTES):
        shape = " x ".join(map(str, image.shape))
        raise InputError(
            f"{path}: is cut off or damaged: its header states {shape} voxels, {size} bytes are "
            "there; copy or export it again"
        )
    warnings = _unit_warnings(path, header)
    matrix, told = _place(path, image)
    values = np.asanyarray(image.dataobj)
    return voxel_grid(path, values, LPS_FROM_RAS @ matrix, (*warnings, *told))


def _unit_warnings(path: Path, header: Any) -> tuple[PlanWarning, ...]:
    unit = int(header["xyzt_units"]) & 0x07
    stated = {0: "unknown", 1: "metres", 2: "mm", 3: "micrometres"}.get(unit, f"code {unit}")
    if unit == 2:
        return ()
    if unit == 0:
        text = f"{path.name} does not say its unit of length; it is taken as mm"
        return (PlanWarning("unit-unknown", text),)
    raise InputError(f"{path}: its lengths are in {stated}; save it again in mm")


def _place(path: Path, image: Nifti1Image) -> tuple[NDArray[np.float64], tuple[PlanWarning, ...]]:
    """RAS transform by sform or qform, (4, 4); both must agree where both are stated."""
    header: Any = image.header
    codes = {"sform": int(header["sform_code"]), "qform": int(header["qform_code"])}
    if codes["sform"] <= 0 and codes["qform"] <= 0:
        raise InputError(
            f"{path}: states no place in the patient (sform and qform codes are 0); export it "
            "again from the DICOM series with its orientation"
        )
    forms = {
        "sform": header.get_sform() if codes["sform"] > 0 else None,
        "qform": header.get_qform() if codes["qform"] > 0 else None,
    }
    stated = [form for form in forms.values() if form is not None]
    if len(stated) == 2:
        apart = _largest_shift_mm(stated[0], stated[1], image.shape[:3])
        if not apart <= PLACE_TOLERANCE_MM:
            raise InputError(
                f"{path}: its sform and its qform put it at places up to {apart:.1f} mm apart; "
                "which is right cannot be known, save it again with one of them"
            )
    if all(code <= 0 or code in _TEMPLATE_CODES for code in codes.values()):
        text = (
            f"{path.name} says that its positions are those of a standard brain, not of the "
            "scanner; check that entry point and CT agree"
        )
        return stated[0], (PlanWarning("place-standard", text),)
    return stated[0], ()


def _largest_shift_mm(
    a: NDArray[np.float64], b: NDArray[np.float64], shape: tuple[int, ...]
) -> float:
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in shape])).reshape(len(shape), -1)
    difference = (a - b)[:3]
    shifts = difference[:, : len(shape)] @ corners + difference[:, 3:]
    return float(np.linalg.norm(shifts, axis=0).max())


FORMAT = VolumeFormat(name="NIfTI (.nii.gz, .nii)", recognises=recognises, read=read_nifti)
