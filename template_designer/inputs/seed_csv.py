"""Delivered seeds in a table (CSV): one row a seed, centres in mm, axes where they are known.

The columns say unit and frame: ``x_mm, y_mm, z_mm`` are DICOM LPS, ``x_ras_mm, y_ras_mm, z_ras_mm``
are RAS, as 3D Slicer shows them. ``ax, ay, az`` are the axis in the same frame, of any length. The
other columns are those of ``find-seeds``: ``number``, ``state``, ``reason`` and ``keep``; a row
whose ``keep`` is ``no`` is no seed, one whose ``keep`` is ``?`` has still to be settled.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from template_designer.errors import CaseError
from template_designer.inputs._dicom_file import read_bytes
from template_designer.inputs.names import did_you_mean
from template_designer.model.seed_set import SeedSet

COLUMNS = ("number", "x_mm", "y_mm", "z_mm", "ax", "ay", "az", "state", "reason", "keep")
"""What :func:`seed_csv` writes, in this order; only the three of the centre must be there."""

PLACES: Mapping[tuple[str, str, str], tuple[float, float, float]] = {
    ("x_mm", "y_mm", "z_mm"): (1.0, 1.0, 1.0),
    ("x_lps_mm", "y_lps_mm", "z_lps_mm"): (1.0, 1.0, 1.0),
    ("x_ras_mm", "y_ras_mm", "z_ras_mm"): (-1.0, -1.0, 1.0),
}
"""Columns of the centre by their frame, and the signs that make LPS of it."""

AXIS = ("ax", "ay", "az")

YES, NO, OPEN = ("yes", "y", "1", "true", ""), ("no", "n", "0", "false"), ("?",)
"""What may stand in ``keep``; without the column every row is a seed."""

FARTHEST_MM = 10_000.0
"""A coordinate beyond this is no place in a scanner."""

SAME_SEED_MM = 0.1
"""No two seeds lie so near; a table that says so lists a seed twice."""


@dataclass(frozen=True, slots=True)
class SeedRow:
    """One row of the table, LPS, mm."""

    number: int
    center_lps_mm: tuple[float, float, float]
    axis_lps: tuple[float, float, float] | None = None  # None where it is not known
    state: str = ""  # "sure" or "uncertain"
    reason: str = ""  # why it is uncertain
    keep: str = "yes"  # "yes", "no", or "?" for the user to settle


def seed_csv(rows: Sequence[SeedRow]) -> bytes:
    """The table as UTF-8 with the columns :data:`COLUMNS`; places to 0.001 mm."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        axis = ("", "", "") if row.axis_lps is None else (f"{v + 0.0:.5f}" for v in row.axis_lps)
        center = (f"{v + 0.0:.3f}" for v in row.center_lps_mm)
        writer.writerow([row.number, *center, *axis, row.state, row.reason, row.keep])
    return buffer.getvalue().encode("utf-8")


def read_seed_csv(path: Path, *, strength_u: float, nuclide: str) -> SeedSet:
    """Seeds of a table.

    Parameters
    ----------
    path : Path
        The file: UTF-8, comma or semicolon between cells, a line of column names first.
    strength_u : float
        Air-kerma strength of every seed on the day of the implant, U: a table states none.
    nuclide : str
        Of the seeds, as the dose engine names it.

    Returns
    -------
    SeedSet
        LPS, mm; ``channels`` are the numbers as the table has them. Axes of NaN where not known.

    Raises
    ------
    CaseError
        If there is no seed, a column is missing or in another unit, a cell is no number, a row is
        not settled, or a seed stands there twice; the text names the line.
    """
    names, lines = _lines(path)
    place, signs = _place_columns(path, names)
    has_axis = [name for name in AXIS if name in names]
    if has_axis and len(has_axis) < len(AXIS):
        raise CaseError(f"{path}: has column {has_axis[0]!r} but not all of {', '.join(AXIS)}")
    centers: list[NDArray[np.float64]] = []
    axes: list[NDArray[np.float64]] = []
    numbers: list[str] = []
    unsettled: list[str] = []
    for line, cells in lines:
        row = dict(zip(names, cells, strict=False))
        keep = row.get("keep", "").strip().lower()
        if keep in NO:
            continue
        if keep in OPEN:
            unsettled.append(row.get("number", "").strip() or f"line {line}")
            continue
        if keep not in YES:
            raise CaseError(f"{path}, line {line}: keep = {keep!r}; write yes, no or ?")
        centers.append(signs * _numbers(path, line, row, place))
        axes.append(signs * _axis(path, line, row) if has_axis else np.full(3, np.nan))
        numbers.append(row.get("number", "").strip() or str(len(numbers) + 1))
    if unsettled:
        raise CaseError(
            f"{path}: {len(unsettled)} seeds are not settled (keep = ?): {', '.join(unsettled[:8])}"
            "; look at each and write yes or no"
        )
    if not centers:
        raise CaseError(f"{path}: holds no seed; give one row a seed")
    _check_apart(path, np.array(centers), numbers)
    return SeedSet(
        centers_lps_mm=np.array(centers),
        axes_lps=np.array(axes),
        strength_u=np.full(len(centers), float(strength_u)),
        nuclide=nuclide,
        reference_date=None,
        channels=tuple(numbers),
    )


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Column names in lower case, and every row that is not empty with its line in the file."""
    if not path.is_file():
        raise CaseError(f"{path}: is not a file; name the table of the seeds (.csv)")
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError(f"{path}: is not a text file in UTF-8; save the table as CSV") from error
    first = text.partition("\n")[0]
    mark = ";" if first.count(";") > first.count(",") else "," if "," in first else "\t"
    try:
        rows = [
            (number, row)
            for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=mark), start=1)
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise CaseError(f"{path}: is no table of cells: {error}") from error
    if not rows:
        raise CaseError(f"{path}: is empty; give column names and one row a seed")
    names = [cell.strip().lower() for cell in rows[0][1]]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise CaseError(f"{path}: column {twice[0]!r} stands there twice; leave one")
    return names, rows[1:]


def _place_columns(
    path: Path, names: Sequence[str]
) -> tuple[tuple[str, str, str], NDArray[np.float64]]:
    """The columns of the centre, and the signs that make LPS of them."""
    found = [columns for columns in PLACES if all(name in names for name in columns)]
    if len(found) > 1:
        raise CaseError(
            f"{path}: states the centres in two frames ({', '.join(found[0])} and "
            f"{', '.join(found[1])}); leave one"
        )
    if found:
        return found[0], np.array(PLACES[found[0]])
    in_cm = [name for name in names if name.endswith("_cm")]
    if in_cm:
        raise CaseError(
            f"{path}: column {in_cm[0]!r} is in cm; write the centres in mm as x_mm, y_mm, z_mm"
        )
    known = [name for columns in PLACES for name in columns]
    near = next((hint for name in names if (hint := did_you_mean(name, known))), "")
    raise CaseError(
        f"{path}: has no columns x_mm, y_mm, z_mm (DICOM LPS), nor x_ras_mm, y_ras_mm, z_ras_mm; "
        f"{near}its columns are {', '.join(name or '(none)' for name in names[:10])}"
    )


def _numbers(
    path: Path, line: int, row: Mapping[str, str], columns: Sequence[str]
) -> NDArray[np.float64]:
    values = []
    for name in columns:
        text = row.get(name, "").strip()
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            hint = "; write a decimal point, not a comma" if "," in text else ""
            raise CaseError(f"{path}, line {line}: {name} = {text!r} is not a number{hint}")
        if abs(value) > FARTHEST_MM:
            raise CaseError(f"{path}, line {line}: {name} = {value:g} is no place in mm")
        values.append(value)
    return np.array(values)


def _axis(path: Path, line: int, row: Mapping[str, str]) -> NDArray[np.float64]:
    """Unit axis of a row; NaN where its three cells are empty."""
    if not any(row.get(name, "").strip() for name in AXIS):
        return np.full(3, np.nan)
    axis = _numbers(path, line, row, AXIS)
    length = float(np.linalg.norm(axis))
    if not length > 1e-6:
        raise CaseError(f"{path}, line {line}: the axis has no length; leave its cells empty")
    return np.asarray(axis / length)


def _check_apart(path: Path, centers: NDArray[np.float64], numbers: Sequence[str]) -> None:
    pairs = cKDTree(centers).query_pairs(SAME_SEED_MM)
    if pairs:
        a, b = min(pairs)
        raise CaseError(
            f"{path}: seeds {numbers[a]} and {numbers[b]} lie within {SAME_SEED_MM:g} mm of each "
            "other; a seed stands there twice"
        )
