"""Loadings that physicists know, on the permitted sites: Paris-like and peripheral.

They are what an optimised plan is compared with, and places for a search to start from.

*Paris-like*: needles parallel and equidistant, on squares or triangles, every seed as strong as the
others, one seed spacing for all, seeds of all needles on common planes across them. That is the
arrangement of the Paris system, made for iridium wires; its rules for the reference dose are not
used here. *Planes* are rows of needles that stand closer within a row than the rows do.

*Peripheral*: dense near the target's surface, sparse inside, the idea of Paterson and Parker's
rules (the Manchester system), which make the dose even where uniform loading (Quimby) makes the
middle hot. Here needles near the side of the target stand and are loaded close; the few inside
carry seeds near both ends and only as many between as the widest gap asks for.

References
----------
.. [1] Pierquin et al., The Paris system in interstitial radiation therapy, Acta Radiol. Oncol. 17,
   33 (1978).
.. [2] Paterson and Parker, A dosage system for gamma ray therapy, Br. J. Radiol. 7, 592 (1934).
.. [3] Gerbaulet et al. (eds.), The GEC ESTRO Handbook of Brachytherapy (2002), chapter 6.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.distance import DistanceField, box_corners
from template_designer.geometry.solids import Solid
from template_designer.model.settings import LoadingSettings
from template_designer.planning.arrangements import Arrangement, HoleGrid, arrangements
from template_designer.planning.sites import SeedSites

Sites = NDArray[np.int64]
"""Indices of chosen sites, rising."""

NO_CLASH = np.zeros((0, 0), dtype=np.bool_)
"""For one plate: the holes keep its needles apart."""

RIM_MM = (4.0, 6.0)
"""What counts as near the surface of the target."""

RIM_PART = 0.6
"""A needle with this part of its sites near the surface runs along the side of the target."""

FAIR_PART = 0.75
"""A peripheral pattern has this part at least of the needles that its spacing gives the side."""

INSIDE_WORTH = -0.1
"""Of a seed inside, beside 1 for one near the surface: only what bridges the two ends is taken."""

MOST_PLACES, MOST_CORES = 16, 4
"""An arrangement is tried at this many places at most, evenly drawn; and inside a rim."""

MOST_PHASES = 4
"""Seed spacings that are tried, and heights of their common planes, likewise."""


def gap_slots(settings: LoadingSettings) -> tuple[int, int]:
    """Least and most steps between neighbouring seeds of a needle."""
    least, most = settings.seed_spacing_mm
    return (
        math.ceil(least / settings.step_mm - 1e-6),
        math.floor(most / settings.step_mm + 1e-6),
    )


def loading_patterns(
    sites: SeedSites,
    grid: HoleGrid,
    target: Solid,
    settings: LoadingSettings,
    clash: NDArray[np.bool_] = NO_CLASH,
) -> dict[str, Sites]:
    """Every pattern that the permitted sites, the spacing rules and the limits allow.

    Parameters
    ----------
    sites : SeedSites
        Permitted seed positions, of one plate or joined.
    grid : HoleGrid
        Where the holes of the sites stand.
    target : Solid
        What the dose must cover.
    settings : LoadingSettings
        Least and most spacing of the seeds of a needle, and limits; a pattern past a limit on
        needles or seeds is left out.
    clash : (n, n) ndarray of bool
        Sites whose needles, of different plates, come too near each other; (0, 0) where none do.

    Returns
    -------
    dict of str to (m,) ndarray of int64
        Indices of the chosen sites by ``"family: which"``, e.g.
        ``"Paris squares: needles 10 mm, seeds 7.5 mm, place 2, height 1"``; no two alike, none
        empty. :func:`family_of` gives the family.
    """
    rules = _Rules(sites, settings, clash)
    found: dict[str, Sites] = {}
    seen: set[bytes] = set()
    for name, chosen in itertools.chain(
        _paris(rules, grid), _peripheral(rules, grid, _depth_mm(sites, target))
    ):
        key = chosen.tobytes()
        if chosen.size and key not in seen and rules.within_limits(chosen):
            seen.add(key)
            found[name] = chosen
    return found


def family_of(name: str) -> str:
    """The kind of a pattern.

    >>> family_of("Paris squares: needles 10 mm, seeds 7.5 mm, place 2, height 1")
    'Paris squares'
    """
    return name.partition(":")[0]


class _Rules:
    """The sites by hole, and what their needles must keep."""

    def __init__(
        self, sites: SeedSites, settings: LoadingSettings, clash: NDArray[np.bool_]
    ) -> None:
        self.sites, self.settings, self.clash = sites, settings, clash
        self.least, self.most = gap_slots(settings)
        holes, first = np.unique(sites.hole, return_index=True)
        parts = np.split(np.arange(len(sites)), first[1:]) if len(sites) else []
        self.of_hole = dict(zip(holes.tolist(), parts, strict=True))

    @property
    def gaps(self) -> tuple[int, ...]:
        """Seed spacings to try, in steps."""
        return tuple(_spread(self.least, self.most, MOST_PHASES))

    def longest_run(self, members: Sites) -> Sites:
        """The longest run of sites of one needle whose gaps are allowed, cut to what it may hold.

        Of runs as long the deepest is taken; a run too long keeps its middle.
        """
        cuts = np.flatnonzero(np.diff(self.sites.slot[members]) > self.most) + 1
        run = max(np.split(members, cuts), key=len)
        room = self.settings.max_seeds_per_needle or len(run)
        spare = max(0, len(run) - room)
        return np.asarray(run[spare // 2 : len(run) - (spare - spare // 2)])

    def joined(self, needles: Sequence[Sites]) -> Sites:
        """All needles, in the order of their holes, without what clashes with those before."""
        if not self.clash.size:
            return np.sort(np.concatenate(needles)) if needles else np.zeros(0, dtype=np.int64)
        kept = np.zeros(0, dtype=np.int64)
        for members in sorted(needles, key=lambda m: int(self.sites.hole[m[0]])):
            free = members[~self.clash[np.ix_(members, kept)].any(axis=1)]
            if free.size:
                kept = np.concatenate([kept, self.longest_run(free)])
        return np.sort(kept)

    def within_limits(self, chosen: Sites) -> bool:
        """Whether the case allows so many seeds and needles."""
        needles = len(np.unique(self.sites.hole[chosen]))
        return len(chosen) <= (self.settings.max_seeds or len(chosen)) and needles <= (
            self.settings.max_needles or needles
        )

    def on_planes(self, gap: int, phase: int) -> dict[int, Sites]:
        """By hole: seeds ``gap`` steps apart, as near as can be to common planes across.

        The planes lie at ``phase`` steps from the plate's patient face, and so on every ``gap``.
        """
        step_mm = self.settings.step_mm
        chains: dict[int, Sites] = {}
        for hole, members in self.of_hole.items():
            slot = self.sites.slot[members]
            deepest = float(self.sites.z_mm[members[0]]) + step_mm * int(slot[0])
            on = members[(slot - round(deepest / step_mm - phase)) % gap == 0]
            if on.size:
                chains[hole] = self.longest_run(on)
        return chains

    def both_ends(self, worth: NDArray[np.float64]) -> dict[int, Sites]:
        """By hole: the seeds of most worth in all that obey the gaps, exactly (by recursion)."""
        chains: dict[int, Sites] = {}
        for hole, members in self.of_hole.items():
            slot = self.sites.slot[members]
            total, before = worth[members].copy(), np.full(len(members), -1)
            for i in range(len(members)):
                allowed = (slot[i] - slot[:i] >= self.least) & (slot[i] - slot[:i] <= self.most)
                if allowed.any():
                    j = int(np.argmax(np.where(allowed, total[:i], -np.inf)))
                    if total[j] > 0.0:
                        total[i], before[i] = total[i] + total[j], j
            at = int(np.argmax(total))
            chain = []
            while at >= 0:
                chain.append(at)
                at = int(before[at])
            chains[hole] = self.longest_run(members[chain[::-1]])
        return chains


def _paris(rules: _Rules, grid: HoleGrid) -> Iterator[tuple[str, Sites]]:
    for gap in rules.gaps:
        for phase in _spread(0, gap - 1, MOST_PHASES):
            chains = rules.on_planes(gap, phase)
            for arrangement in arrangements(grid.pitch_mm):
                name = (
                    f"Paris {arrangement.shape}: {_needles(arrangement, grid)}, "
                    f"seeds {gap * rules.settings.step_mm:g} mm"
                )
                for place, holes in _laid(arrangement, grid, MOST_PLACES):
                    chosen = rules.joined([chains[h] for h in holes if h in chains])
                    yield f"{name}, place {place + 1}, height {phase + 1}", chosen


def _peripheral(
    rules: _Rules, grid: HoleGrid, depth_mm: NDArray[np.float64]
) -> Iterator[tuple[str, Sites]]:
    """Close needles along the side of the target, few inside, their seeds near both ends."""
    step_mm = rules.settings.step_mm
    for rim_mm in RIM_MM:
        near = depth_mm <= rim_mm
        side = {h for h, m in rules.of_hole.items() if near[m].mean() >= RIM_PART}
        ends = rules.both_ends(np.where(near, 1.0, INSIDE_WORTH))
        for gap in rules.gaps[:-1] or rules.gaps:
            chains = rules.on_planes(gap, 0)
            for outer, place, holes in _rims(grid):
                rim = [chains[h] for h in holes if h in side and h in chains]
                if not rim or len(rim) * outer.places < FAIR_PART * len(side):
                    continue  # laid beside the side's holes, not on them
                name = (
                    f"peripheral: rim {rim_mm:g} mm, {_needles(outer, grid)}, seeds "
                    f"{gap * step_mm:g} mm, place {place + 1}; inside "
                )
                for inside, spots in _cores(grid, outer):
                    core = [ends[h] for h in spots if h in ends and h not in side]
                    yield name + inside, rules.joined([*rim, *core])


def _rims(grid: HoleGrid) -> Iterator[tuple[Arrangement, int, list[int]]]:
    """How close needles along the side may stand, and where: arrangement, place, holes."""
    for arrangement in arrangements(grid.pitch_mm):
        if arrangement.shape == "squares" and arrangement.places <= 4:
            for place, holes in _laid(arrangement, grid, MOST_PLACES):
                yield arrangement, place, holes


def _cores(grid: HoleGrid, outer: Arrangement) -> Iterator[tuple[str, list[int]]]:
    """Which needles may stand inside: none, or half as many as outside at most: name, holes."""
    yield "none", []
    for arrangement in arrangements(grid.pitch_mm):
        if arrangement.shape != "planes" and arrangement.places >= 2 * outer.places:
            for place, holes in _laid(arrangement, grid, MOST_CORES):
                name = f"{arrangement.shape} {_needles(arrangement, grid)}, place {place + 1}"
                yield name, holes


def _laid(arrangement: Arrangement, grid: HoleGrid, most: int) -> Iterator[tuple[int, list[int]]]:
    """Places of an arrangement, ``most`` at most, and the holes in each."""
    place_of = arrangement.place_of(grid)
    for place in _spread(0, arrangement.places - 1, most):
        yield place, np.flatnonzero(place_of == place).tolist()


def _needles(arrangement: Arrangement, grid: HoleGrid) -> str:
    return f"needles {round(arrangement.spacing * grid.pitch_mm, 1):g} mm"


def _spread(low: int, high: int, most: int) -> list[int]:
    """Whole numbers from ``low`` to ``high``, at most so many, evenly drawn."""
    count = min(most, high - low + 1)
    return sorted({round(value) for value in np.linspace(low, high, count)})


def _depth_mm(sites: SeedSites, target: Solid) -> NDArray[np.float64]:
    """How deep each site lies under the target's surface, negative outside, (n,)."""
    if not len(sites):
        return np.zeros(0)
    centers = sites.centers_lps_mm
    region = box_corners(centers.min(axis=0), centers.max(axis=0))
    return -DistanceField.around(target, region).signed_mm(centers)
