"""Which cases a series has: case files, folders, and tables that list them."""

from __future__ import annotations

import csv
import datetime
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from template_designer.errors import CaseError, PlannerError
from template_designer.evaluating import Delivered
from template_designer.inputs._dicom_file import read_bytes
from template_designer.inputs.names import did_you_mean

CASE_FILE = "case.toml"

COLUMNS = (
    "case",
    "seeds",
    "ct",
    "structures",
    "labels",
    "registration",
    "strength_u",
    "implanted",
)
"""Of a table of cases; all but the first may be empty or left out. ``seeds``: where the seeds ended
up (a table, an RTPLAN, or the folder of a CT). The others are the options of ``evaluate`` of the
same names."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}")  # as the case file's schema has it
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class CohortCase:
    """One case of a series, not yet read."""

    id: str  # of its plan; where it cannot be read, a name made of that of its file
    case_file: Path  # full path
    delivered: Delivered | None = None  # None: nothing is known after the implant


def find_cases(named: Sequence[Path]) -> tuple[CohortCase, ...]:
    """Every case that is named, in the order of ids.

    Parameters
    ----------
    named : sequence of Path
        Case files, folders that hold a ``case.toml``, and tables (``.csv``) with :data:`COLUMNS`,
        whose paths are relative to the table.

    Raises
    ------
    CaseError
        If what is named is not there or is none of these, or two cases have the same id. A case
        that cannot be read is no error here: it fails when its turn comes.
    """
    found: list[CohortCase] = []
    for path in named:
        place = path.absolute()
        if place.suffix.lower() == ".csv":
            found += _of_table(place)
        elif place.is_dir() and (place / CASE_FILE).is_file():
            found.append(_case(place / CASE_FILE, None))
        elif place.is_file():
            found.append(_case(place, None))
        else:
            what = f"a folder without {CASE_FILE}" if place.is_dir() else "not there"
            raise CaseError(
                f"{path} is {what}; name case files, folders that hold a {CASE_FILE}, or tables "
                "of cases (.csv)"
            )
    if not found:
        raise CaseError("no case is named; name case files, folders, or tables of cases (.csv)")
    return tuple(sorted(_distinct(found), key=lambda case: case.id))


def _distinct(cases: Sequence[CohortCase]) -> list[CohortCase]:
    """Refuse ids that stand twice: their plans and their lines in the table could be mixed up."""
    by_id: dict[str, CohortCase] = {}
    for case in cases:
        first = by_id.setdefault(case.id.casefold(), case)
        if first is not case:
            same = "the same file" if first.case_file == case.case_file else "two files"
            raise CaseError(
                f"two cases have the id {case.id!r}, of {same}: {first.case_file} and "
                f"{case.case_file}; give every case an id of its own (capitals do not count)"
            )
    return list(by_id.values())


def _of_table(path: Path) -> list[CohortCase]:
    if not path.is_file():
        raise CaseError(f"{path} is not there; name a table of cases (.csv)")
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise CaseError(f"{path} is no text in UTF-8; save it as CSV (UTF-8)") from error
    kept = [line for line in lines if line.strip(" \t;,") and not line.lstrip().startswith("#")]
    if not kept:
        raise CaseError(f"{path} is empty; it needs the column 'case' and a line for every case")
    delimiter = ";" if ";" in kept[0] else ","
    rows = csv.reader(kept, delimiter=delimiter)
    names = [cell.strip().casefold() for cell in next(rows)]
    for name in names:
        if name and (name not in COLUMNS or names.count(name) > 1):
            raise CaseError(
                f"{path}: column {name!r} is not known, or stands twice; "
                f"{did_you_mean(name, COLUMNS)}columns: {', '.join(COLUMNS)}"
            )
    if "case" not in names:
        raise CaseError(f"{path} has no column 'case'; the first line names the columns")
    found = []
    for number, cells in enumerate(rows, start=1):
        row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        found.append(_of_row(path, number, row))
    if not found:
        raise CaseError(f"{path} lists no case; add a line for every case")
    return found


def _of_row(table: Path, number: int, row: dict[str, str]) -> CohortCase:
    if not row.get("case"):
        raise CaseError(f"{table}: case {number} names no case file")
    place = (table.parent / row["case"]).absolute()
    if place.is_dir():
        place /= CASE_FILE
    others = [name for name in COLUMNS[2:] if row.get(name)]
    if not row.get("seeds"):
        if others:
            raise CaseError(
                f"{table}: case {number} ({row['case']}) has {', '.join(others)} but no seeds; "
                "say where the seeds were found, or leave the cells empty"
            )
        return _case(place, None)

    return _case(place, _delivered(table, f"{table}: case {number} ({row['case']})", row))


def _delivered(table: Path, where: str, row: dict[str, str]) -> Delivered:
    """What a row says of the day after the implant; paths are relative to the table."""

    def beside(name: str) -> Path | None:
        return (table.parent / row[name]).absolute() if row.get(name) else None

    stated = row.get("registration", "")
    transform = (table.parent / stated).absolute()
    try:
        strength_u = float(row["strength_u"]) if row.get("strength_u") else None
        day = row.get("implanted")
        implanted = datetime.date.fromisoformat(day) if day else None
    except ValueError as error:
        raise CaseError(
            f"{where}: {error}; write strength_u as 0.762 and implanted as 2026-12-01"
        ) from error
    return Delivered(
        seeds=(table.parent / row["seeds"]).absolute(),
        ct=beside("ct"),
        structures=beside("structures"),
        labels=beside("labels"),
        registration=str(transform) if stated and transform.is_file() else stated or "shared",
        strength_u=strength_u,
        implanted=implanted,
    )


def _case(case_file: Path, delivered: Delivered | None) -> CohortCase:
    """A case with the id that its file states, as far as it can be read."""
    named = case_file.parent.name if case_file.name == CASE_FILE else case_file.stem
    case = CohortCase(_UNSAFE.sub("_", named).lstrip("._-") or "case", case_file, delivered)
    try:
        stated = tomllib.loads(read_bytes(case_file).decode("utf-8-sig")).get("id")
    except (PlannerError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return case
    if isinstance(stated, str) and _ID.fullmatch(stated):
        return replace(case, id=stated)
    return case
