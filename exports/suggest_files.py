"""Suggestions as files: a map, entry tables to paste into a case, and everything as data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from exports import suggest_map
from exports.folders import write_files
from template_designer.errors import OutputError
from template_designer.model import EntrySettings
from template_designer.planning.suggest import PairNumbers, PlaneNumbers, Suggestions

MAP, TABLES, DATA = "suggest.png", "suggest.toml", "suggest.json"
NAMES = (MAP, TABLES, DATA)
SCHEMA = 1


def write_suggestions(
    found: Suggestions, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write the map, the entry tables and the data into a folder, together or not at all.

    Parameters
    ----------
    found : Suggestions
    folder : path
        New or empty; parents are made.
    overwrite : bool
        Also take a folder that holds these files and nothing else.

    Raises
    ------
    OutputError
        If the folder may not be used or cannot be written.
    """
    target = check_suggest_folder(folder, overwrite=overwrite)
    contents = {MAP: suggest_map.build(found), TABLES: toml_tables(found).encode(),
                DATA: (json.dumps(as_data(found), indent=1) + "\n").encode()}  # fmt: skip
    write_files(
        target,
        contents,
        lambda: check_suggest_folder(target, overwrite=overwrite),
        overwrite=overwrite,
    )
    return tuple(target / name for name in NAMES)


def check_suggest_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Say early whether suggestions may be written to a folder: its full path, or an error."""
    target = Path(folder).absolute()
    if target.is_symlink():
        target = target.resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise OutputError(f"{str(target)!r} is a file; name a new or empty folder")
    names = sorted(path.name for path in target.iterdir())
    if not names:
        return target
    if not overwrite:
        raise OutputError(
            f"{str(target)!r} is not empty; name a new folder, or ask to overwrite (--overwrite)"
        )
    foreign = [name for name in names if name not in NAMES]
    if foreign:
        raise OutputError(
            f"{str(target)!r} also holds {', '.join(foreign[:5])}, which no suggestion writes; "
            "name another folder"
        )
    return target


def toml_tables(found: Suggestions) -> str:
    """Entry tables, best first, each under a comment that gives its rank and numbers.

    A case takes one of them in place of its own.
    """
    what = "pair of [[entry]] tables" if found.pairs else "[entry] table"
    lines = [
        f"# Entry planes for case {found.case_id!r}, best first. Copy ONE {what} into the case",
        "# file in place of its own; this file as a whole is not a case file.",
        f"# {found.access.told}; tilt up to {found.access.max_tilt_deg:g} degrees.",
    ]
    for number in range(1, len(found) + 1):
        rank = (found.pairs or found.planes)[number - 1]
        lines += ["", f"# rank {number}: reaches {rank.reach_pct:.1f} % of {found.target}"]
        planes = rank.planes if isinstance(rank, PairNumbers) else (rank,)
        header = "[[entry]]" if found.pairs else "[entry]"
        for plane in planes:
            lines += [f"# {_in_words(plane)}", header, *_vectors(plane.entry)]
    return "\n".join(lines) + "\n"


def as_data(found: Suggestions) -> dict[str, Any]:
    """Everything found, for programs (lengths mm, angles degrees, LPS)."""
    return {
        "schema": SCHEMA,
        "id": found.case_id,
        "target": found.target,
        "limits": {
            "position": found.access.position.value,
            "told": found.access.told,
            "max_tilt_deg": found.access.max_tilt_deg,
        },
        "directions_scored": found.scored,
        "posterior": _plane_or_reason(found.posterior),
        "case_entries": [_plane_or_reason(own) for own in found.own],
        "gain_over_posterior": None if found.gain is None else round(found.gain, 4),
        "planes": [_plane(plane) for plane in found.planes],
        "pairs": [
            {
                "reach_pct": round(pair.reach_pct, 4),
                "merit": round(pair.merit, 4),
                "hidden_pct_by_cause": _shares(pair.hidden_pct_by_cause),
                "planes": [_plane(plane) for plane in pair.planes],
            }
            for pair in found.pairs
        ],
    }


def _in_words(plane: PlaneNumbers) -> str:
    return (
        f"{plane.reach_pct:.1f} %, tips {plane.depth_mm:.0f} mm deep, bone {plane.bone_mm:.0f} mm, "
        f"{plane.margin_mm:.1f} mm clearance to spare, gap {plane.gap_mm:.0f} mm, "
        f"tilt {plane.tilt_deg:.0f} deg"
    )


def _vectors(entry: EntrySettings) -> list[str]:
    return [
        f"{key} = [{', '.join(f'{value!r}' for value in getattr(entry, key))}]"
        for key in ("point_lps", "direction_lps", "up_lps")
    ]


def _plane_or_reason(plane: PlaneNumbers | str) -> dict[str, Any]:
    return {"why_not": plane} if isinstance(plane, str) else _plane(plane)


def _plane(plane: PlaneNumbers) -> dict[str, Any]:
    entry = plane.entry
    numbers = ("reach_pct", "depth_mm", "bone_mm", "margin_mm", "gap_mm", "tilt_deg",
               "azimuth_deg", "elevation_deg", "turn_deg", "merit")  # fmt: skip
    return {
        "entry": {
            key: list(getattr(entry, key)) for key in ("point_lps", "direction_lps", "up_lps")
        },
        **{name: round(getattr(plane, name), 4) for name in numbers},
        "open_holes": plane.open_holes,
        "hidden_pct_by_cause": _shares(plane.hidden_pct_by_cause),
    }


def _shares(shares: Any) -> dict[str, float]:
    return {cause: round(share, 4) for cause, share in shares.items()}
