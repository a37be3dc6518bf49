"""Files into folders: all of them together, or none."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from template_designer.errors import OutputError

_HIDDEN = re.compile(r"\..+\.[0-9a-f]{12}\.(tmp|old)")
"""What :func:`_staging_folder` and :func:`_move_into_place` call theirs."""


def write_files(
    target: Path,
    contents: Mapping[str, bytes] | Iterable[tuple[str, bytes]],
    check: Callable[[], object],
    *,
    overwrite: bool,
) -> tuple[str, ...]:
    """Write files into a folder of their own, all of them or none.

    Parameters
    ----------
    target : Path
        Full path of the folder.
    contents : mapping of str to bytes, or pairs of them as they come
        By file name; a name with ``/`` lies in a folder below.
    check : callable
        Refuses a folder that may not be used, by an error; called before the files move there.
    overwrite : bool
        Replace the folder that is there.

    Returns
    -------
    tuple of str
        The names, in alphabetical order.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    with _one_line(target), _made_parents(target.parent), _staging_folder(target) as staging:
        names = _write_tree(staging, contents)
        check()
        _move_into_place(staging, target, overwrite)
    return names


def add_files(target: Path, contents: Mapping[str, bytes], *, overwrite: bool) -> tuple[str, ...]:
    """Write files into a folder that holds others: all of them or none, the others untouched.

    Parameters
    ----------
    target : Path
        Full path of the folder.
    contents : mapping of str to bytes
        As for :func:`write_files`.
    overwrite : bool
        Replace files of these names.

    Returns
    -------
    tuple of str
        The names, in alphabetical order.

    Raises
    ------
    OutputError
        If a file is there and may not be replaced, or the folder cannot be written.
    """
    with _one_line(target), _staging_folder(target) as staging:
        names = _write_tree(staging / "new", contents)
        for name in names:
            place = target / name
            if place.is_dir() or (os.path.lexists(place) and not overwrite):
                raise OutputError(
                    f"{str(place)!r} is there already; name another folder, or ask to overwrite "
                    "(--overwrite)"
                )
        _swap_in(staging, target, names)
    return names


def put_files(folder: Path, contents: Mapping[str, bytes], *, overwrite: bool) -> tuple[str, ...]:
    """Write files into a folder, new or not: all of them or none; others there stay.

    Parameters
    ----------
    folder : Path
        Full path; parents are made.
    contents : mapping of str to bytes
        As for :func:`write_files`.
    overwrite : bool
        Replace files of these names.

    Raises
    ------
    OutputError
        As for :func:`add_files`.
    """
    if folder.exists():
        return add_files(folder, contents, overwrite=overwrite)
    return write_files(folder, contents, lambda: None, overwrite=False)


@contextmanager
def whole_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A hidden folder to fill, which becomes ``target`` at the end.

    Nothing is left of it where the work inside fails; a killed process leaves it under a name that
    :func:`abandoned_folders` finds.

    Parameters
    ----------
    target : Path
        Full path; parents are made.
    overwrite : bool
        Replace the folder that is there.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    with _one_line(target), _made_parents(target.parent), _staging_folder(target) as staging:
        yield staging
        _sync_folder(staging)
        _move_into_place(staging, target, overwrite)


def abandoned_folders(parent: Path) -> tuple[Path, ...]:
    """Hidden folders that killed processes left in a folder."""
    if not parent.is_dir():
        return ()
    return tuple(sorted(path for path in parent.iterdir() if _HIDDEN.fullmatch(path.name)))


@contextmanager
def _one_line(target: Path) -> Iterator[None]:
    """Say in one line what the system does not allow."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write to {str(target)!r}: {error.strerror or error}; nothing was written"
        ) from error


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


def _write_tree(
    folder: Path, contents: Mapping[str, bytes] | Iterable[tuple[str, bytes]]
) -> tuple[str, ...]:
    """Write everything below a folder and bring it to disk; the names, sorted."""
    pairs = contents.items() if isinstance(contents, Mapping) else contents
    names, folders = [], {folder}
    folder.mkdir(exist_ok=True)
    for name, content in pairs:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.add(path.parent)
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        names.append(name)
    for each in folders:
        _sync_folder(each)
    return tuple(sorted(names))


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


def _swap_in(staging: Path, target: Path, names: Iterable[str]) -> None:
    """Move new files in, those they replace out; on failure everything is as it was."""
    kept = staging / "old"
    undo: list[Callable[[], object]] = []
    try:
        for name in names:
            place = target / name
            for folder in reversed([f for f in place.parents if not f.exists()]):
                folder.mkdir()
                undo.append(folder.rmdir)
            if os.path.lexists(place):
                aside = kept / name
                aside.parent.mkdir(parents=True, exist_ok=True)
                place.rename(aside)
                undo.append(lambda aside=aside, place=place: aside.rename(place))  # type: ignore[misc]
            (staging / "new" / name).rename(place)
            undo.append(place.unlink)
    except BaseException:
        for step in reversed(undo):
            with suppress(OSError):
                step()
        raise
    for folder in {(target / name).parent for name in names}:
        _sync_folder(folder)
