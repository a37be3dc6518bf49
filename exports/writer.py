"""Writes a plan's files into a folder: all of them together, or none."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from exports.opengl import SkippedFileError
from exports.registry import EXPORTERS
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
    try:
        with _made_parents(target.parent), _staging_folder(target) as staging:
            for name, content in _contents(plan, notes, progress):
                _write_synced(staging / name, content)
            _sync_folder(staging)
            names = sorted(path.name for path in staging.iterdir())
            _check_target(target, overwrite)  # again: others may have written meanwhile
            _move_into_place(staging, target, overwrite)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write the plan to {str(target)!r}: {error.strerror or error}; "
            "nothing was written"
        ) from error
    return WrittenPlan(target, tuple(target / name for name in names), tuple(notes))


def write_files(
    target: Path, contents: Mapping[str, bytes], check: Callable[[], object], *, overwrite: bool
) -> None:
    """Write files into a folder of their own, all of them or none.

    Parameters
    ----------
    target : Path
        Full path of the folder.
    contents : mapping of str to bytes
        By file name.
    check : callable
        Refuses a folder that may not be used, by an error; called before the files move there.
    overwrite : bool
        Replace the folder that is there.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    try:
        with _made_parents(target.parent), _staging_folder(target) as staging:
            for name, content in contents.items():
                _write_synced(staging / name, content)
            _sync_folder(staging)
            check()
            _move_into_place(staging, target, overwrite)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(target)!r}: {error.strerror or error}; nothing was written"
        ) from error


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Say early whether a plan may be written to a folder: its full path, or an OutputError."""
    target = Path(folder).absolute()
    if target.is_symlink():  # replace what the link points to, not the link
        target = target.resolve()
    _check_target(target, overwrite)
    return target


def file_names(plan: Plan) -> tuple[str, ...]:
    """Names of all files that :func:`write_plan` makes of a plan."""
    return tuple(name for name, _, _ in _jobs(plan))


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


def _is_ours(path: Path) -> bool:
    """Whether a plan writes a file of that name: ``template-T2.stl``, not ``template-mine.stl``."""
    if path.is_symlink() or not path.is_file():
        return False
    names = (re.escape(pattern).replace(r"\*", r"(-T[0-9]+)?") for pattern in EXPORTERS)
    return any(re.fullmatch(name, path.name) for name in names)


def _contents(
    plan: Plan, notes: list[str], progress: Progress | None
) -> Iterator[tuple[str, bytes]]:
    """Every file's name and bytes; a file that this machine cannot make becomes a note."""
    for name, build, arguments in _jobs(plan):
        if progress is not None:
            progress(name)
        try:
            content = build(*arguments)
        except SkippedFileError as reason:
            notes.append(f"{name}: {reason}")
            continue
        yield name, content


def _jobs(plan: Plan) -> Iterator[tuple[str, Callable[..., bytes], tuple[object, ...]]]:
    """Every file to make: its name, what makes it, and of what."""
    names = [template.name for template in plan.templates]
    for name in names:
        if not _SAFE_NAME.fullmatch(name) or len({n.casefold() for n in names}) != len(names):
            raise OutputError(
                f"template names {names} must differ and hold only letters, digits, '.', '_', '-': "
                "they become file names"
            )
    for pattern, build in EXPORTERS.items():
        if "*" not in pattern:
            yield pattern, build, (plan,)
            continue
        for template in plan.templates:
            part = f"-{template.name}" if len(names) > 1 else ""
            yield pattern.replace("*", part), build, (plan, template)


@contextmanager
def _made_parents(parent: Path) -> Iterator[None]:
    """Make missing parent folders; take them away again if the work inside fails."""
    missing = [path for path in (parent, *parent.parents) if not path.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


@contextmanager
def _staging_folder(target: Path) -> Iterator[Path]:
    """Hidden folder beside the target, gone at the end whatever happens."""
    staging = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.tmp"
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring a folder's entries to disk, where the system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move_into_place(staging: Path, target: Path, overwrite: bool) -> None:
    """Put the finished folder where it belongs; on failure the old one is back in its place."""
    if not target.exists():
        staging.rename(target)
    elif not overwrite:
        shutil.copymode(target, staging)
        staging.rename(target)  # the system refuses unless the folder there is still empty
    else:
        shutil.copymode(target, staging)
        old = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.old"
        target.rename(old)
        try:
            staging.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _sync_folder(target.parent)
