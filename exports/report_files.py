"""Where reports of written plans go; files that are not ours are never overwritten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from exports.folders import add_files, write_files
from exports.report_compare import comparison_document
from exports.report_content import plan_document
from exports.report_html import html_of
from exports.report_map import EntryMap, check_map
from exports.report_pdf import pdf_of
from template_designer._version import SOFTWARE_NAME
from template_designer.errors import OutputError
from template_designer.model import Plan

STEMS = {1: "report", 2: "comparison"}
"""File names without their ending, by how many plans are in it."""

_LAYOUTS = {".html": html_of, ".pdf": pdf_of}


def report_targets(output: str | os.PathLike[str], plans: int) -> tuple[Path, ...]:
    """Files that a report will be written to: full paths, checked early.

    Parameters
    ----------
    output : path
        A file that ends in ``.html`` or ``.pdf``, or a folder, new or not, for both.
    plans : int
        One, or two to compare.

    Raises
    ------
    OutputError
        If a file of another program, or a folder, is in the way.
    """
    place = Path(output).absolute()
    if place.suffix.lower() in _LAYOUTS and not place.is_dir():
        files: tuple[Path, ...] = (place,)
    elif place.is_file() or (place.is_symlink() and not place.exists()):
        raise OutputError(f"{str(place)!r} is no folder; name a folder, or a .html or .pdf file")
    else:
        files = tuple(place / f"{STEMS[plans]}{ending}" for ending in _LAYOUTS)
    for file in files:
        _refuse_foreign(file)
    return files


def write_report(
    plans: Sequence[Plan], files: Sequence[Path], entry_map: EntryMap | None = None
) -> None:
    """Write a report of one plan, or of two side by side: every file, or none.

    Parameters
    ----------
    plans : sequence of Plan
        One or two.
    files : sequence of Path
        As :func:`report_targets` gives them.
    entry_map : EntryMap, optional
        Of the case of the one plan; see :func:`exports.report_map.read_entry_map`.

    Raises
    ------
    InputError
        If the map is of another case.
    OutputError
        If a file cannot be written, or one that is not ours stands there.
    """
    first, *others = plans
    if entry_map is not None:
        check_map(entry_map, first)
    document = (
        comparison_document(first, *others) if others else plan_document(first, entry_map=entry_map)
    )
    contents = {file.name: _LAYOUTS[file.suffix.lower()](document) for file in files}
    folder = files[0].parent
    if not folder.exists():
        write_files(folder, contents, lambda: None, overwrite=False)
        return
    for file in files:
        _refuse_foreign(file)  # again: others may have written there meanwhile
    add_files(folder, contents, overwrite=True)


def _refuse_foreign(file: Path) -> None:
    if not os.path.lexists(file):
        return
    if file.is_symlink() or not file.is_file() or not _is_ours(file):
        raise OutputError(
            f"{str(file)!r} is there and is no report of this program; it is not overwritten: name "
            "another file (-o)"
        )


def _is_ours(file: Path) -> bool:
    content = file.read_bytes()
    if file.suffix.lower() == ".html":
        return f'content="{SOFTWARE_NAME} '.encode() in content[:256]
    return f"/Creator ({SOFTWARE_NAME} ".encode() in content
