"""How a person steers a loading: holes held, closed or loaded by hand, by the labels on the plate.

A place is a hole (``C4``; with several plates ``T2:C4``) or one seed of an earlier plan
(``C4/2``: the second from the tip). A load names a hole and where its seeds sit: ``C4=0,7.5,15``
are the distances of the seed centres behind the deepest permitted one, in mm; ``C4=3@7.5`` are
three seeds 7.5 mm apart from there on, ``C4=3@7.5+5`` the same 5 mm further back.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from template_designer.errors import CaseError

MOST_BEHIND_MM = 200.0
"""Seeds further behind the deepest one than any target is long are a slip of the unit."""

_PLACE = re.compile(r"(?:(T[1-9]\d?):)?([A-HJ-NP-Z]{1,2}[1-9]\d?)(?:/([1-9]\d?))?")
_ROW = re.compile(r"(\d{1,2})@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?")
_PLACE_FORMS = "a hole (C4; with several plates T2:C4) or one of its seeds (C4/2, from the tip)"
_LOAD_FORMS = (
    "C4=0,7.5,15 (mm behind the deepest permitted seed) or C4=3@7.5 (3 seeds, 7.5 mm apart)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A hole, or one seed of an earlier plan in it."""

    label: str  # as on the plate: "C4"
    plate: str | None = None  # "T2"; None where there is one plate
    seed: int | None = None  # from the tip, 1 the deepest; None: the whole hole

    def __str__(self) -> str:
        plate = "" if self.plate is None else f"{self.plate}:"
        return f"{plate}{self.label}{'' if self.seed is None else f'/{self.seed}'}"


@dataclass(frozen=True, slots=True)
class HandLoad:
    """A needle whose seeds were set by hand."""

    hole: Place
    behind_mm: tuple[float, ...]  # seed centres behind the deepest permitted one, rising

    def __str__(self) -> str:
        return f"{self.hole}={','.join(f'{mm:g}' for mm in self.behind_mm)}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The earlier plan that a loading was steered from."""

    plan_sha256: str
    dropped: tuple[str, ...] = ()  # seeds of it that are no longer permitted, "T1:C4/2"


@dataclass(frozen=True, slots=True)
class Steering:
    """Everything that was asked for beside goals and rules."""

    lock: tuple[Place, ...] = ()  # of the earlier plan: stay as they are
    forbid: tuple[Place, ...] = ()  # stay empty
    load: tuple[HandLoad, ...] = ()
    max_needles: int | None = None  # as asked for on top of the case; None: the case's
    max_seeds: int | None = None
    origin: Origin | None = None  # None: planned from scratch

    def __bool__(self) -> bool:
        return self != Steering()


def parse_places(texts: Iterable[str]) -> tuple[Place, ...]:
    """Places from texts that name one or several, by commas.

    Raises
    ------
    CaseError
        If a text names none.

    Examples
    --------
    >>> [str(place) for place in parse_places(["C4, t2:d5/1", "E6"])]
    ['C4', 'T2:D5/1', 'E6']
    """
    parts = [part.strip() for text in texts for part in text.split(",")]
    return tuple(dict.fromkeys(_place(part) for part in parts))


def parse_loads(texts: Iterable[str]) -> tuple[HandLoad, ...]:
    """Loads from texts that hold one or several, by commas.

    Raises
    ------
    CaseError
        If a text is no load, or loads a hole twice.

    Examples
    --------
    >>> [str(load) for load in parse_loads(["C4=0,7.5, E6=3@10+5"])]
    ['C4=0,7.5', 'E6=5,15,25']
    """
    loads: list[HandLoad] = []
    for text in texts:
        for part in re.split(r",(?=[^,]*=)", text):
            load = _load(part.strip())
            if any(load.hole == other.hole for other in loads):
                raise CaseError(f"{load.hole} is loaded by hand twice; state all its seeds at once")
            loads.append(load)
    return tuple(loads)


def _place(text: str) -> Place:
    match = _PLACE.fullmatch(text.upper())
    if match is None:
        raise CaseError(f"{text!r} is no place; name {_PLACE_FORMS}. No label has an I or an O")
    plate, label, seed = match.groups()
    return Place(label, plate, None if seed is None else int(seed))


def _load(text: str) -> HandLoad:
    name, equals, where = text.partition("=")
    if not equals:
        raise CaseError(f"{text!r} loads nothing; write {_LOAD_FORMS}")
    hole = _place(name.strip())
    if hole.seed is not None:
        raise CaseError(f"{text!r} loads one seed of a hole; name the hole, with all its seeds")
    row = _ROW.fullmatch(where.strip())
    if row is not None:
        count, spacing_mm, start_mm = int(row[1]), float(row[2]), float(row[3] or 0.0)
        behind = [start_mm + spacing_mm * k for k in range(count)]
    else:
        behind = sorted(_distance_mm(part, text) for part in where.split(","))
    if not behind:
        raise CaseError(f"{text!r} puts no seed there; to leave a hole empty, forbid it")
    if behind[-1] > MOST_BEHIND_MM:
        raise CaseError(
            f"{text!r}: {behind[-1]:g} mm behind the deepest seed is over {MOST_BEHIND_MM:g} mm; "
            "distances are in mm"
        )
    twice = next((a for a, b in itertools.pairwise(behind) if a == b), None)
    if twice is not None:
        raise CaseError(f"{text!r} puts two seeds at {twice:g} mm")
    return HandLoad(hole, tuple(behind))


def _distance_mm(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:  # "not <=" also catches NaN
        raise CaseError(f"{whole!r}: {text.strip()!r} is no distance in mm; write {_LOAD_FORMS}")
    return value
