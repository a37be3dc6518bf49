"""From a patient to ranked entry planes and pairs of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel
from template_designer.errors import NoSafePlanError
from template_designer.geometry.boxes import boxes_meet
from template_designer.geometry.distance import DistanceField
from template_designer.geometry.solids import Solid
from template_designer.model import CaseSettings, EntrySettings, ImageVolume
from template_designer.planning.approach import Approach
from template_designer.planning.suggest import _kernels as k
from template_designer.planning.suggest.directions import Access, access_of
from template_designer.planning.suggest.exact import (
    Patient,
    PlaneNumbers,
    entries_of,
    keeps_limits,
    plate_corners,
    try_out,
    with_region,
)
from template_designer.planning.suggest.pairs import PAIR_COST, PLATES_APART_MM, best_pairs
from template_designer.planning.suggest.search import (
    CHUNKS,
    ROUNDS,
    Pass,
    Progress,
    best_planes,
    first_pass,
)
from template_designer.planning.suggest.space import SearchSpace, build_space

SPARE = 1.5
"""Planes bettered for each that is wanted: some fall out when they are worked out exactly."""

STRAIGHT_LPS, HEAD_UP_LPS = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)
"""Needles of the straight posterior plane, and what is up on it."""


@dataclass(frozen=True, slots=True)
class PairNumbers:
    """Two entry planes that are used together."""

    planes: tuple[PlaneNumbers, PlaneNumbers]
    reach_pct: float  # of the target, by either
    hidden_pct_by_cause: Mapping[str, float]
    merit: float

    @property
    def entries(self) -> tuple[EntrySettings, ...]:
        """The two ``[[entry]]`` tables."""
        return tuple(plane.entry for plane in self.planes)


@dataclass(frozen=True, slots=True, eq=False)
class SphereMap:
    """What every scored direction reaches, for a map (scores of the search, good to a few %)."""

    directions_lps: NDArray[np.float64]  # (n, 3) of needles, into the patient
    reach_pct: NDArray[np.float64]  # (n,); NaN where no plate can stand
    access: Access


@dataclass(frozen=True, slots=True, eq=False)
class Suggestions:
    """Ranked entry planes of one case, or pairs of them, best first; numbers are exact."""

    case_id: str
    target: str
    access: Access
    scored: int  # directions
    planes: tuple[PlaneNumbers, ...]
    pairs: tuple[PairNumbers, ...]  # empty where single planes were asked for
    posterior: PlaneNumbers | str  # the straight posterior plane, or why there is none
    own: tuple[PlaneNumbers | str, ...]  # the case's own entries
    sphere: SphereMap

    @property
    def best_pct(self) -> float:
        """Reach of the best plane or pair."""
        return (self.pairs or self.planes)[0].reach_pct

    @property
    def gain(self) -> float | None:
        """How many times the straight posterior plane's reach that is; None where it has none."""
        if isinstance(self.posterior, str) or self.posterior.reach_pct <= 0.0:
            return None
        return self.best_pct / self.posterior.reach_pct

    def entries(self, number: int) -> tuple[EntrySettings, ...]:
        """Entry tables of rank ``number``, counted from 1."""
        if self.pairs:
            return self.pairs[number - 1].entries
        return (self.planes[number - 1].entry,)

    def __len__(self) -> int:
        return len(self.pairs or self.planes)


def suggest_steps(top: int, templates: int = 1) -> int:
    """Most calls of ``progress`` that :func:`find_planes` makes."""
    return 2 + CHUNKS + ROUNDS + round(SPARE * top) * templates + 9


def find_planes(
    settings: CaseSettings,
    image: ImageVolume,
    solids: Mapping[str, Solid],
    target: Solid,
    source: SeedModel,
    *,
    directions: int = 2000,
    top: int = 10,
    templates: int = 1,
    progress: Progress | None = None,
) -> Suggestions:
    """Search the skin for entry planes and rank the best.

    Parameters
    ----------
    settings, image, solids, target, source
        As for :func:`template_designer.planning.approach.prepare_approach`.
    directions : int
        How many directions within the limits to score, at least.
    top : int
        How many planes (or pairs) to return, at most.
    templates : int
        1: single planes; 2: pairs.
    progress : callable, optional
        Called with one short line before each step, see :func:`suggest_steps`.

    Returns
    -------
    Suggestions
        Every number of a plane is that of ``design`` with its entry table.

    Raises
    ------
    NoSafePlanError
        If no plane within the limits lets a seed into the target; the text says why.
    """
    say = progress or (lambda text: None)
    access = access_of(settings, image)
    say("sampling the patient")
    space = build_space(settings, image, solids, target, source, access.down_lps)
    found = first_pass(space, access, directions, settings.template.pitch_mm, say)
    if not np.isfinite(found.merit).any():
        raise NoSafePlanError(why_nothing(settings, access, found))
    patient = Patient(settings, image, solids, target, source)
    pairs: tuple[PairNumbers, ...] = ()
    planes: tuple[PlaneNumbers, ...] = ()
    count = round(SPARE * top)
    straight = posterior_entry(space, solids[settings.skin.structure])
    if templates == 2:
        both = best_pairs(space, access, found, count, say)
        sides = [entries_of(space, side) for side in (both.one, both.other)]
        known = (*sides[0], *sides[1])
    else:
        own = np.array([e.direction_lps for e in settings.entry], dtype=np.float64).reshape(-1, 3)
        own = own / np.linalg.norm(own, axis=1)[:, None]
        known = entries_of(space, best_planes(space, access, found, count, own, say))
    patient = with_region(patient, space, (*known, *settings.entry, straight))
    couch_mm = float(space.numbers[k.COUCH])
    if templates == 2:
        pairs = _exact_pairs(patient, access, couch_mm, sides, top, say)
    else:
        planes = _exact_planes(patient, access, couch_mm, known, top, say)
    if not (pairs or planes):
        raise NoSafePlanError(_none_left(access, templates))
    say("working out the straight posterior plane")
    posterior = try_out(patient, straight)
    say("working out the case's own entry")
    own_planes = [try_out(patient, entry) for entry in settings.entry]
    return Suggestions(
        case_id=settings.id,
        target=target.name,
        access=access,
        scored=len(found.planes),
        planes=planes,
        pairs=pairs,
        posterior=posterior if isinstance(posterior, str) else posterior[0],
        own=tuple(p if isinstance(p, str) else p[0] for p in own_planes),
        sphere=SphereMap(found.planes.directions, _reach_on_map(found), access),
    )


def _reach_on_map(found: Pass) -> NDArray[np.float64]:
    """Percent reached from every direction; 0 where all holes are blocked, NaN without a plate."""
    features = found.scores.features
    stands = np.isin(features[:, k.STATUS], (k.FOUND, k.NO_SITE))
    return np.where(stands, features[:, k.REACHED], np.nan)


def posterior_entry(space: SearchSpace, body: Solid) -> EntrySettings:
    """The straight posterior plane: needles to the front, through the target's centroid."""
    away = np.arange(0.0, 600.0, 0.1)
    line = space.centre_lps_mm - away[:, None] * np.array(STRAIGHT_LPS)
    inside = np.flatnonzero(DistanceField.around(body, line).inside(line))
    last = int(inside[-1]) if inside.size else 0
    x, y, z = (round(float(value), 1) + 0.0 for value in line[last])
    return EntrySettings(point_lps=(x, y, z), direction_lps=STRAIGHT_LPS, up_lps=HEAD_UP_LPS)


def why_nothing(settings: CaseSettings, access: Access, found: Pass) -> str:
    """Why no plane within the limits is of use, and what may help."""
    status = Counter(found.scores.features[:, k.STATUS].astype(int).tolist())
    size = " x ".join(f"{side:g}" for side in settings.template.size_mm[:2])
    words = {
        k.NO_SKIN: "with no skin under the plate",
        k.WIDE_GAP: (
            f"where a plate of {size} mm stands over {settings.suggest.max_gap_mm:g} mm off the "
            "skin ([suggest] max_gap_mm)"
        ),
        k.CUTS: "where the plate would stand beyond the end of the scan",
        k.ON_COUCH: "where the plate would reach under the couch",
        k.NO_SITE: "where every hole is blocked",
    }
    parts = [f"{status[code]} {text}" for code, text in words.items() if status[code]]
    hides = found.scores.hides.sum(axis=0)
    order = [n for n in np.argsort(-hides, kind="stable") if hides[n] > 0][:3]
    causes = ", ".join(found.causes[n] for n in order)
    return (
        f"no entry plane: of {len(found.planes)} directions within the limits ({access.told}; "
        f"tilt up to {access.max_tilt_deg:g} deg): {'; '.join(parts)}"
        + (f" (first by {causes})" if causes else "")
        + ". Free more skin ([suggest] position, max_tilt_deg, max_gap_mm), use a smaller plate or "
        f"a longer needle ({settings.needle.length_mm:g} mm now), or check the [[avoid]] rules"
    )


def _none_left(access: Access, templates: int) -> str:
    what = "pair of planes stands side by side" if templates == 2 else "plane stands"
    return (
        f"no {what} within the limits ({access.told}; tilt up to {access.max_tilt_deg:g} deg) once "
        "worked out exactly; free more skin, or use a smaller plate"
    )


def _exact_planes(
    patient: Patient,
    access: Access,
    couch_mm: float,
    entries: Sequence[EntrySettings],
    top: int,
    say: Progress,
) -> tuple[PlaneNumbers, ...]:
    """The first ``top`` entries that hold when worked out, ranked by their exact merit."""
    kept: list[PlaneNumbers] = []
    for entry in entries:
        if len(kept) == top:
            break
        say("working out the best planes exactly")
        result = try_out(patient, entry)
        if not isinstance(result, str) and keeps_limits(patient, result[1], access, couch_mm):
            kept.append(result[0])
    return tuple(sorted(kept, key=lambda plane: -plane.merit))


def _exact_pairs(
    patient: Patient,
    access: Access,
    couch_mm: float,
    sides: Sequence[Sequence[EntrySettings]],
    top: int,
    say: Progress,
) -> tuple[PairNumbers, ...]:
    """Pairs that hold when worked out, ranked by their exact merit."""
    kept: list[PairNumbers] = []
    for pair in zip(*sides, strict=True):
        if len(kept) == top:
            break
        numbers: list[PlaneNumbers] = []
        approaches: list[Approach] = []
        for entry in pair:
            say("working out the best pairs exactly")
            result = try_out(patient, entry)
            if isinstance(result, str) or not keeps_limits(patient, result[1], access, couch_mm):
                break
            numbers.append(result[0])
            approaches.append(result[1])
        if len(numbers) < 2:
            continue
        boxes = [plate_corners(a, patient.settings, 0.4 * PLATES_APART_MM) for a in approaches]
        if boxes_meet(*boxes):
            continue
        reach = patient.reach(approaches)
        cost = [plane.merit - plane.reach_pct for plane in numbers]
        kept.append(
            PairNumbers(
                (numbers[0], numbers[1]),
                reach.reachable_pct,
                reach.hidden_pct_by_cause,
                reach.reachable_pct + PAIR_COST * sum(cost),
            )
        )
    return tuple(sorted(kept, key=lambda pair: -pair.merit))
