"""The map of entry planes in a report: read from a folder that ``suggest`` wrote."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exports.report_document import NOTHING, Column, Part, Picture, Row, Table
from exports.report_numbers import number
from exports.suggest_files import DATA, MAP, SCHEMA
from template_designer.errors import InputError
from template_designer.model import Plan

_PNG = b"\x89PNG\r\n\x1a\n"
_KEYS = ("reach_pct", "tilt_deg", "depth_mm", "bone_mm", "margin_mm", "gap_mm")
_HEADS = (
    "reached %", "tilt °", "skin to tips mm", "bone mm", "clearance to spare mm", "gap mm"
)  # fmt: skip
_DIGITS = (1, 0, 0, 0, 1, 0)


@dataclass(frozen=True, slots=True, eq=False)
class EntryMap:
    """What ``suggest`` found for a case: its map, and the planes behind its numbers."""

    case_id: str
    target: str
    png: bytes
    rows: tuple[Row, ...]


def read_entry_map(folder: str | os.PathLike[str]) -> EntryMap:
    """The map that ``suggest -o`` wrote to a folder.

    Raises
    ------
    InputError
        If the folder holds no suggestions, or they cannot be read.
    """
    place = Path(folder)
    try:
        data = json.loads((place / DATA).read_text("utf-8"))
        png = (place / MAP).read_bytes()
    except OSError as error:
        raise InputError(
            f"{place} holds no suggestions ({error.filename}: {error.strerror}); name a folder "
            "that 'suggest CASE.toml -o DIR' wrote"
        ) from error
    except ValueError as error:
        raise InputError(f"{place / DATA} is not valid JSON: {error}") from error
    if not png.startswith(_PNG):
        raise InputError(f"{place / MAP} is no PNG; write the folder again with suggest")
    try:
        if data["schema"] != SCHEMA:
            raise InputError(
                f"{place / DATA} has schema {data['schema']!r}, and this version reads {SCHEMA}; "
                "write the folder again with suggest"
            )
        return EntryMap(str(data["id"]), str(data["target"]), png, tuple(_rows(data)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{place / DATA} lacks or misstates {error}; write the folder again with suggest"
        ) from error


def check_map(found: EntryMap, plan: Plan) -> None:
    """Refuse the map of another case.

    Raises
    ------
    InputError
        If case or target are not those of the plan.
    """
    stated = (found.case_id, found.target)
    planned = (plan.id, plan.settings.target.structure)
    if stated != planned:
        raise InputError(
            f"--map: the suggestions are of case {stated[0]!r}, target {stated[1]!r}; the plan is "
            f"of {planned[0]!r}, {planned[1]!r}. Name the suggestions of the plan's own case"
        )


def map_parts(found: EntryMap) -> tuple[Part, ...]:
    """The map and its planes, as parts of a report."""
    columns = (Column("plane"), *(Column(head, True) for head in _HEADS))
    note = (
        "Numbers are those of a plan from that plane. Clearance to spare: over what the rules ask "
        "for, mean over open holes."
    )
    return (
        Picture(
            "Where needles may come from",
            "How much of the target seeds reach, by the direction that needles come from; the best "
            "planes are numbered. Hatched: not permitted.",
            found.png,
        ),
        Table("Entry planes compared", columns, found.rows, note),
    )


def _rows(data: dict[str, Any]) -> list[Row]:
    rows = [_row(f"{n}", plane) for n, plane in enumerate(data["planes"], start=1)]
    for n, pair in enumerate(data["pairs"], start=1):
        reached = f"pair {n}, together {number(float(pair['reach_pct']))} %"
        rows += [
            _row(f"{reached}: {part}", p) for part, p in zip("ab", pair["planes"], strict=True)
        ]
    rows.append(_row("straight from behind", data["posterior"]))
    rows += [_row("of the case", plane) for plane in data["case_entries"]]
    return rows


def _row(name: str, plane: dict[str, Any]) -> Row:
    if "why_not" in plane:
        return Row((f"{name}: {plane['why_not']}", *(NOTHING for _ in _KEYS)))
    values = [float(plane[key]) for key in _KEYS]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"the numbers of plane {name!r}")
    return Row((name, *(number(v, d) for v, d in zip(values, _DIGITS, strict=True))))
