"""Readings of the well chamber as a table (CSV): read, and an empty one to fill in."""

from __future__ import annotations

import csv
import datetime
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from template_designer.errors import CaseError
from template_designer.inputs._dicom_file import read_bytes
from template_designer.inputs.names import did_you_mean
from template_designer.model.assay import Reading

COLUMNS = ("seed", "strength_u", "measured")
"""Name of the seed; air-kerma strength, U, when it was measured; day, or day and time."""

NOON = datetime.time(12, 0)
"""What a day without a time stands for: between two such days lie whole days."""

_OTHER_UNITS = {"mci": "mCi", "mbq": "MBq", "bq": "Bq", "ci": "Ci", "na": "nA", "pa": "pA"}


def read_readings(path: Path) -> tuple[Reading, ...]:
    """Readings of a table: UTF-8, comma or semicolon between cells, ``#`` begins a remark.

    Raises
    ------
    CaseError
        If there is no reading, or a row does not name a seed once, a positive strength in U and a
        moment; the text names the line.
    """
    if not path.is_file():
        raise CaseError(f"--readings: {path} is not a file; --write-template makes one to fill in")
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError(f"{path} is no text in UTF-8; save it as CSV (UTF-8)") from error
    kept = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip(" \t;,") and not line.lstrip().startswith("#")
    ]
    if not kept:
        raise CaseError(f"{path} is empty; it needs the columns {', '.join(COLUMNS)} and readings")
    delimiter = ";" if ";" in kept[0][1] else ","
    rows = list(csv.reader((line for _, line in kept), delimiter=delimiter))
    if len(rows) != len(kept):
        raise CaseError(f"{path}: a quotation mark is not closed on its line; take it out")
    names = [cell.strip().casefold() for cell in rows[0]]
    _check_names(path, names)
    found: list[Reading] = []
    for (number, _), cells in zip(kept[1:], rows[1:], strict=True):
        row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        if not (row.get("strength_u") or row.get("measured")):
            continue  # a seed of the empty table that nobody measured
        found.append(_reading(f"{path}, line {number}", row))
    if not found:
        raise CaseError(f"{path} holds no reading; fill in strength_u and measured")
    _check_names_of_seeds(path, found)
    return tuple(found)


def readings_template(count: int, note: Sequence[str] = ()) -> bytes:
    """An empty table for so many seeds, with remarks on top."""
    text = io.StringIO(newline="")
    for line in note:
        text.write(f"# {' '.join(line.split())}\r\n")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([number, "", ""] for number in range(1, count + 1))
    return text.getvalue().encode("utf-8")


def moment(text: str, where: str) -> datetime.datetime:
    """A day, at noon, or a day and a time, of the clock on the wall.

    >>> moment("2026-11-25", "x").hour, moment("2026-11-25 09:30", "x").minute
    (12, 30)
    """
    try:
        if len(text) <= len("2026-11-25"):
            return datetime.datetime.combine(datetime.date.fromisoformat(text), NOON)
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise CaseError(
            f"{where}: {text!r} is no moment; write 2026-11-25 or 2026-11-25 09:30"
        ) from error
    if found.tzinfo is not None:
        raise CaseError(f"{where}: {text!r} has a time zone; write all times of one clock, without")
    return found


def _check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse a table without the columns, and one in another unit."""
    for name in names:
        unit = _OTHER_UNITS.get(name.rpartition("_")[2])
        if unit is not None and "strength_u" not in names:
            raise CaseError(
                f"{path}: column {name!r} is in {unit}; give the air-kerma strength in U, in a "
                "column strength_u (of I-125, 1 mCi apparent = 1.270 U)"
            )
    for name in COLUMNS:
        if name not in names:
            raise CaseError(
                f"{path} has no column {name!r} among {', '.join(names)}; "
                f"{did_you_mean(name, names)}the first line names the columns {', '.join(COLUMNS)}"
            )
        if names.count(name) > 1:
            raise CaseError(f"{path} has {names.count(name)} columns {name!r}; keep one")


def _reading(where: str, row: Mapping[str, str]) -> Reading:
    text = row.get("strength_u", "")
    try:
        strength_u = float(text)
    except ValueError as error:
        raise CaseError(
            f"{where}: strength_u {text!r} is not a number; write it with a point, as 0.812"
        ) from error
    if not (math.isfinite(strength_u) and strength_u > 0.0):
        raise CaseError(f"{where}: strength_u = {text} is no strength; it must be above 0 U")
    if not row.get("seed"):
        raise CaseError(f"{where}: the reading names no seed; number the seeds")
    if not row.get("measured"):
        raise CaseError(f"{where}: measured is empty; say the day, or day and time")
    return Reading(row["seed"], strength_u, moment(row["measured"], where))


def _check_names_of_seeds(path: Path, readings: Sequence[Reading]) -> None:
    """Refuse a seed that stands twice: it would count twice in the sample."""
    seen = set()
    for reading in readings:
        if reading.seed in seen:
            raise CaseError(
                f"{path}: seed {reading.seed!r} stands twice; give one reading a seed (the mean, "
                "where it was measured several times)"
            )
        seen.add(reading.seed)
