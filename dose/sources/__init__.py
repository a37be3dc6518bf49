"""Seed models on board. To add one: its TOML file here, and one line in ``REGISTRY``."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from pathlib import Path

from dose.errors import DoseInputError, UnknownSourceError
from dose.sources.model import SeedModel
from dose.sources.reader import read_source

REGISTRY = {
    # cross-checked, no question open
    "I125-6711": "i125_6711.toml",
    "I125-IAI125A": "i125_iai125a.toml",
    "Pd103-200": "pd103_200.toml",
    # checked in part: see README.md
    "I125-2301": "i125_2301.toml",
    "I125-AgX100": "i125_agx100.toml",
    "I125-6702": "i125_6702.toml",
    "I125-130.002": "i125_130_002.toml",
    "I125-STM1251": "i125_stm1251.toml",
    "Cs131-CS1Rev2": "cs131_cs1rev2.toml",
    # one transcription, only the constant compared
    "I125-6733": "i125_6733.toml",
    "I125-9011": "i125_9011.toml",
    "I125-I25.S06": "i125_i25s06.toml",
    "I125-LS1": "i125_ls1.toml",
    "I125-1251L": "i125_1251l.toml",
    "I125-IS12501": "i125_is12501.toml",
    "I125-3500": "i125_3500.toml",
    "I125-SL125SH125": "i125_sl125sh125.toml",
    "I125-MED3631": "i125_med3631.toml",
    "Pd103-2335": "pd103_2335.toml",
    "Pd103-IAPd103A": "pd103_iapd103a.toml",
    "Pd103-MED3633": "pd103_med3633.toml",
}
"""Name of each seed model, as a case file gives it, and the table file in this folder."""

LARGEST_FILE_BYTES = 1_000_000
"""A source file of a user is about 4 kB; a megabyte is something else."""


def source_names(*, verified_only: bool = False) -> tuple[str, ...]:
    """Names that ``load_source`` knows, in the order of the registry, verified ones first.

    Parameters
    ----------
    verified_only : bool
        Leave out models whose tables were not cross-checked, or with a question open.
    """
    return tuple(name for name in REGISTRY if not verified_only or load_source(name).verified)


def load_source(name: str) -> SeedModel:
    """Seed model of that name; the same object on every call.

    Parameters
    ----------
    name : str
        One of ``source_names()``, for example ``"I125-6711"``.

    Raises
    ------
    UnknownSourceError
        If no seed model has that name; the message lists the names there are.

    Examples
    --------
    >>> load_source("I125-6711").dose_rate_constant
    0.965
    """
    if not isinstance(name, str) or name not in REGISTRY:
        raise UnknownSourceError(
            f"no seed model is called {name!r}; choose one of: {', '.join(source_names())}"
        )
    return _load(name)


@cache
def _load(name: str) -> SeedModel:
    file_name = REGISTRY[name]
    text = resources.files("dose.sources").joinpath(file_name).read_text(encoding="utf-8")
    source = parse_source(text, where=f"dose/sources/{file_name}")
    if source.id != name:
        raise DoseInputError(f"dose/sources/{file_name}: id {source.id!r}, registered as {name!r}")
    return source


def load_source_file(path: str | os.PathLike[str]) -> SeedModel:
    """Seed model from a user's own table file, in the layout of the files in this folder.

    Parameters
    ----------
    path : path-like
        TOML file; README.md in this folder describes it. Its ``source.id`` must not be the name of
        a model on board.

    Returns
    -------
    SeedModel
        A new object on every call.

    Raises
    ------
    DoseInputError
        If the file cannot be read, a key is missing, unknown, or of the wrong type, a value has no
        physical meaning, or the tables disagree with each other (phi_an with F, g_P with g_L); the
        message names the file and the key.
    """
    try:
        file = Path(path)
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise DoseInputError(
                f"{file} has over {LARGEST_FILE_BYTES} bytes and is no source file; check the name"
            )
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, TypeError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, DoseInputError):
            raise
        raise DoseInputError(
            f"source file {path!s} cannot be read as a text file in UTF-8: {error}; check its path"
        ) from error
    source = parse_source(text, where=str(file))
    if source.id in REGISTRY:
        raise DoseInputError(
            f"{file}: source.id = {source.id!r} is a model on board; give your own source a name "
            "of its own, so that nobody takes one for the other"
        )
    return source


def parse_source(text: str, where: str) -> SeedModel:
    """Seed model from the text of a table file; ``where`` names the file in errors.

    Parameters
    ----------
    text : str
        TOML in the layout of the files in this folder (README.md there describes it).
    where : str
        File name for messages.

    Raises
    ------
    DoseInputError
        As for ``load_source_file``.
    """
    return read_source(text, where)


__all__ = [
    "REGISTRY",
    "SeedModel",
    "load_source",
    "load_source_file",
    "parse_source",
    "source_names",
]
