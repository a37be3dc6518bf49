"""A rigid transform from a text file: four rows of four numbers, LPS, mm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.inputs._dicom_file import read_bytes

NOT_RIGID = 1e-3
"""By how much a rotation's rows may miss unit length and right angles: four decimals are enough."""


def read_transform(path: Path) -> NDArray[np.float64]:
    """Read the transform from the frame of the later day to that of the preplan.

    Parameters
    ----------
    path : Path
        Text of four rows of four numbers, spaces or commas between them; ``#`` begins a remark.

    Returns
    -------
    (4, 4) ndarray
        Rigid to the last digit: a rotation that is rounded in the file is made one.

    Raises
    ------
    CaseError
        If the file is not there, does not hold such rows, or they scale, shear or mirror.
    """
    if not path.is_file():
        raise CaseError(f"--registration {path}: is not a file; name one, or shared, or rigid")
    try:
        text = read_bytes(path).decode("utf-8-sig")
        lines = [line.partition("#")[0].replace(",", " ").split() for line in text.splitlines()]
        matrix = np.array([[float(cell) for cell in line] for line in lines if line])
    except (UnicodeDecodeError, ValueError) as error:
        raise CaseError(
            f"--registration {path}: is no table of numbers: {error}; write four rows of four"
        ) from error
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise CaseError(
            f"--registration {path}: holds {matrix.size} numbers in {len(matrix)} rows; write four "
            "rows of four: rotation and shift (mm) that take LPS of the later day to the preplan"
        )
    rotation = matrix[:3, :3]
    if not np.allclose(matrix[3], (0.0, 0.0, 0.0, 1.0), atol=1e-9):
        raise CaseError(f"--registration {path}: its last row is not 0 0 0 1; is it transposed?")
    off = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if off > NOT_RIGID or np.linalg.det(rotation) < 0.0:
        what = "mirrors" if off <= NOT_RIGID else "scales or shears"
        raise CaseError(
            f"--registration {path}: the transform is not rigid, it {what}; patients do not. "
            "Register both days rigidly"
        )
    left, _, right = np.linalg.svd(rotation)
    rigid = np.eye(4)
    rigid[:3, :3], rigid[:3, 3] = left @ right, matrix[:3, 3]
    return rigid
