"""The one place that turns an entry plane into a template frame, and a hole into its label.

Patient frame: DICOM LPS, mm. Template frame (right-handed, mm): origin at the centre of the
plate's patient face, z along the needles into the patient, x to the right and y down as the
operator who looks at the plate sees them.
"""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import ArrayLike, NDArray

from template_designer.errors import GeometryError

COLUMN_LETTERS = tuple(letter for letter in string.ascii_uppercase if letter not in "IO")
"""Column letters as printed: I and O are left out, they read as 1 and 0."""


OBLIQUE_PART = 0.4
"""Part of a unit vector along a second patient axis that makes a direction oblique (24 degrees)."""

_PORTION = 8192
"""Points that are turned at a time."""


def template_frame(
    point_lps_mm: ArrayLike, direction_lps: ArrayLike, up_lps: ArrayLike
) -> NDArray[np.float64]:
    """Transform from the template frame to the patient frame for one entry plane.

    Parameters
    ----------
    point_lps_mm : (3,) array_like of float
        Entry point on the skin, LPS, mm: the template's origin.
    direction_lps : (3,) array_like of float
        Needle direction into the patient (any length): the template's +z.
    up_lps : (3,) array_like of float
        What the operator sees as up; its part across the needles is the template's -y.

    Returns
    -------
    (4, 4) ndarray of float64
        ``lps_from_template``: rigid, right-handed.

    Raises
    ------
    GeometryError
        If a vector has no length or ``up_lps`` runs along ``direction_lps``.
    """
    z = _unit(np.asarray(direction_lps, dtype=np.float64), "direction_lps")
    up = _unit(np.asarray(up_lps, dtype=np.float64), "up_lps")
    y = _unit(-(up - np.dot(up, z) * z), "the part of up_lps across direction_lps")
    x = np.cross(y, z)  # right-handed: x = y x z
    frame = np.eye(4)
    frame[:3, 0], frame[:3, 1], frame[:3, 2] = x, y, z
    frame[:3, 3] = np.asarray(point_lps_mm, dtype=np.float64)
    return frame


def lifted(lps_from_template: NDArray[np.float64], gap_mm: float) -> NDArray[np.float64]:
    """Move a template frame straight back along its needles by ``gap_mm``, away from the body."""
    frame = lps_from_template.copy()
    frame[:3, 3] -= gap_mm * frame[:3, 2]
    return frame


def transform_points(matrix: NDArray[np.float64], points_mm: ArrayLike) -> NDArray[np.float64]:
    """Apply a (4, 4) rigid transform to (n, 3) points."""
    points = np.atleast_2d(np.asarray(points_mm, dtype=np.float64))
    return turned(points, matrix[:3, :3]) + matrix[:3, 3]


def turned(points_mm: NDArray[np.float64], rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a (3, 3) rotation to (n, 3) points, in portions that BLAS does in one thread.

    Larger ones it shares among threads that wait for each other: on a busy machine that takes a
    hundred times as long as the work itself.
    """
    across = np.ascontiguousarray(rotation.T)
    result = np.zeros((len(points_mm), 3))
    for low in range(0, len(points_mm), _PORTION):
        part = slice(low, low + _PORTION)
        np.matmul(points_mm[part], across, out=result[part])
    return result


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a (4, 4) rigid transform, exact to rounding."""
    result = np.eye(4)
    result[:3, :3] = matrix[:3, :3].T
    result[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return result


def column_label(column: int) -> str:
    """Letters of a column, counted from 0: A ... H, J ... N, P ... Z, then AA, AB ...

    >>> [column_label(n) for n in (0, 8, 23, 24)]
    ['A', 'J', 'Z', 'AA']
    """
    if column < 0:
        raise GeometryError(f"column {column} is negative; columns are counted from 0")
    letters = ""
    rest = column
    while True:
        rest, digit = divmod(rest, len(COLUMN_LETTERS))
        letters = COLUMN_LETTERS[digit] + letters
        if rest == 0:
            return letters
        rest -= 1


def hole_label(column: int, row: int) -> str:
    """Label of a hole by column (along +x) and row (along +y), both counted from 0.

    >>> hole_label(2, 3)
    'C4'
    """
    return f"{column_label(column)}{row + 1}"


def direction_letters(vector_lps: ArrayLike) -> str:
    """Patient direction of a vector: one of L, R, A, P, H, F, or two where it lies between.

    The larger part comes first; a second part counts from 24 degrees on (as in DICOM's Patient
    Orientation, which keeps oblique sides apart).

    >>> [direction_letters(v) for v in ([0.0, 0.1, -2.0], [-0.64, 0.77, 0.0])]
    ['F', 'PR']
    """
    vector = _unit(np.asarray(vector_lps, dtype=np.float64), "vector_lps")
    order = np.argsort(-np.abs(vector), kind="stable")[:2]
    letters = [("LR", "PA", "HF")[n][0 if vector[n] > 0.0 else 1] for n in order]
    return "".join(letters if abs(vector[order[1]]) > OBLIQUE_PART else letters[:1])


def _unit(vector: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    if not (np.all(np.isfinite(vector)) and length > 1e-6):
        raise GeometryError(f"{name} = {vector.tolist()} has no direction; give a vector of length")
    return vector / length
