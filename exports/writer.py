"""Writes a plan's files into a folder: all of them together, or none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from exports.as_written import as_written
from exports.folders import write_files
from exports.opengl import SkippedFileError
from exports.registry import EXPORTERS, FORMATS, STUDIES, Build
from template_designer._version import SOFTWARE_NAME
from template_designer.errors import NoSafePlanError, OutputError
from template_designer.model import Plan
from template_designer.planning.constraints import check_plan

Progress = Callable[[str], None]
"""Called with each file's name before it is made."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """What was written, and what could not be made on this machine and why."""

    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def write_plan(
    plan: Plan,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    exporters: Mapping[str, Build] | None = None,
) -> WrittenPlan:
    """Write every file of a plan into a folder.

    The files are made in a hidden folder beside it and moved into place at the end, so that a
    failure on the way leaves everything as it was.

    Parameters
    ----------
    plan : Plan
        Must keep every hard rule.
    folder : path
        New or empty; parents are made.
    overwrite : bool
        Also take a folder that holds a written plan and nothing else, and replace it whole.
    progress : callable, optional
        Called with each file name.
    exporters : mapping, optional
        Part of :data:`exports.registry.EXPORTERS`, to write less; ``plan.json`` must be in it.

    Returns
    -------
    WrittenPlan
        The folder, its files, and a note for each file that this machine cannot make.

    Raises
    ------
    NoSafePlanError
        If the plan breaks a hard rule: nothing is written.
    OutputError
        If the folder may not be used or the files cannot be written.
    """
    _refuse_broken_rules(plan)
    target = check_folder(folder, overwrite=overwrite)
    notes: list[str] = []
    chosen = EXPORTERS if exporters is None else exporters
    contents = file_contents(as_written(plan), chosen, notes, progress)
    # looked at again before the files move in: others may have written there meanwhile
    names = write_files(
        target, contents, lambda: _check_target(target, overwrite), overwrite=overwrite
    )
    return WrittenPlan(target, tuple(target / name for name in names), tuple(notes))


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Say early whether a plan may be written to a folder: its full path, or an OutputError."""
    target = Path(folder).absolute()
    if target.is_symlink():  # replace what the link points to, not the link
        target = target.resolve()
    _check_target(target, overwrite)
    return target


def file_names(plan: Plan) -> tuple[str, ...]:
    """Names of all files that :func:`write_plan` makes of a plan."""
    return tuple(name for name, _, _ in _jobs(plan, EXPORTERS))


def file_contents(
    plan: Plan,
    exporters: Mapping[str, Build],
    notes: list[str],
    progress: Progress | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Every file's name and bytes; a file that this machine cannot make becomes a note.

    Parameters
    ----------
    plan : Plan
        What to write, as :func:`exports.as_written.as_written` gives it.
    exporters : mapping
        As :data:`exports.registry.EXPORTERS`.
    notes : list of str
        Takes the notes.
    progress : callable, optional
        Called with each file name.
    """
    for name, build, arguments in _jobs(plan, exporters):
        if progress is not None:
            progress(name)
        try:
            content = build(*arguments)
        except SkippedFileError as reason:
            notes.append(f"{name}: {reason}")
            continue
        if isinstance(content, Mapping):
            for part, part_content in content.items():
                yield name.replace("**", part), part_content
        else:
            yield name, content


def _refuse_broken_rules(plan: Plan) -> None:
    violations = check_plan(plan)
    if violations:
        first = "; ".join(violation.text for violation in violations[:3])
        more = f" (and {len(violations) - 3} more)" if len(violations) > 3 else ""
        raise NoSafePlanError(
            f"plan {plan.id!r} breaks a hard rule, nothing is written: {first}{more}"
        )


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"{str(target)!r} is a file; name a new or empty folder")
    try:
        entries = sorted(entry.name for entry in target.iterdir())
    except OSError as error:
        raise OutputError(f"cannot look into {str(target)!r}: {error.strerror}") from error
    if not entries:
        return
    if not overwrite:
        raise OutputError(
            f"{str(target)!r} is not empty; name a new folder, or ask to overwrite (--overwrite)"
        )
    if "plan.json" not in entries:
        raise OutputError(
            f"{str(target)!r} holds no plan.json, so it is no written plan and is not overwritten; "
            "name another folder"
        )
    foreign = [name for name in entries if not _is_ours(target / name)]
    if foreign:
        raise OutputError(
            f"{str(target)!r} also holds files of yours ({', '.join(foreign[:5])}) that "
            "overwriting would delete; move them away or name another folder"
        )


def _is_ours(path: Path, above: str = "") -> bool:
    """Whether a plan writes a file of that name: ``template-T2.stl``, not ``template-mine.stl``.

    A folder is ours if everything in it is.
    """
    name = above + path.name
    patterns = {*EXPORTERS, *(item.file for item in FORMATS), *STUDIES}
    if path.is_symlink():
        return False
    if path.is_dir():
        known = any(pattern.startswith(f"{name}/") for pattern in patterns)
        return known and all(_is_ours(entry, f"{name}/") for entry in path.iterdir())
    found = [pattern for pattern in patterns if re.fullmatch(_as_regex(pattern), name)]
    return bool(found) and path.is_file() and ("**" not in found[0] or _is_signed(path))


def _as_regex(pattern: str) -> str:
    quoted = re.escape(pattern)
    return quoted.replace(r"\*\*", "[^/]+").replace(r"\*", "(-T[0-9]+)?")


def _is_signed(path: Path) -> bool:
    """Whether a file says near its start that this program made it; its name tells nothing."""
    with path.open("rb") as file:
        return SOFTWARE_NAME.encode() in file.read(256)


def _jobs(
    plan: Plan, exporters: Mapping[str, Build]
) -> Iterator[tuple[str, Build, tuple[object, ...]]]:
    """Every file to make: its name, what makes it, and of what."""
    names = [template.name for template in plan.templates]
    for name in names:
        if not _SAFE_NAME.fullmatch(name) or len({n.casefold() for n in names}) != len(names):
            raise OutputError(
                f"template names {names} must differ and hold only letters, digits, '.', '_', '-': "
                "they become file names"
            )
    for pattern, build in exporters.items():
        if "*" not in pattern or "**" in pattern:
            yield pattern, build, (plan,)
            continue
        for template in plan.templates:
            part = f"-{template.name}" if len(names) > 1 else ""
            yield pattern.replace("*", part), build, (plan, template)
