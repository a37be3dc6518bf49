"""Every hole cut into short parts, and every way to load each: the columns of the bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from template_designer.planning.sites import SeedSites

LOADS_OF_PART = 20
"""Ways to load one part, at most. Longer parts know more of what seeds of one needle do together
and give a higher bound, but their loads grow in number like a power."""


@dataclass(frozen=True, slots=True, eq=False)
class HolePart:
    """Some neighbouring seed positions of one hole, and every permitted way to load them."""

    hole: int  # counted through over the holes that have positions
    sites: NDArray[np.int64]  # (n,) from the tip backwards
    takes: NDArray[np.bool_]  # (loads, n): the seeds of each load, one at least


def hole_parts(
    sites: SeedSites,
    least_gap: int,
    most_gap: int,
    most_seeds: int,
    most_loads: int = LOADS_OF_PART,
) -> tuple[HolePart, ...]:
    """Cut the holes into parts of nearly equal length.

    Any permitted set of sites is, part by part, one of the part's loads or nothing: seeds that
    follow each other in a part follow each other in the hole.

    Parameters
    ----------
    sites : SeedSites
        Permitted seed positions, sorted by hole, then by slot.
    least_gap, most_gap : int
        Steps between two seeds that follow each other in a needle.
    most_seeds : int
        Seeds in a needle, at most.
    most_loads : int
        Loads of one part, at most; a part of one position has one in any case.
    """
    parts: list[HolePart] = []
    _, first = np.unique(sites.hole, return_index=True)
    longest = _longest(least_gap, most_gap, most_seeds, most_loads)
    for hole, of_hole in enumerate(np.split(np.arange(len(sites)), first[1:])):
        slot = sites.slot[of_hole]
        span = int(slot[-1] - slot[0]) + 1 if len(slot) else 0
        n_parts = -(-span // longest)
        length = -(-span // max(n_parts, 1))
        for k in range(n_parts):
            begin = slot[0] + k * length
            inside = (slot >= begin) & (slot < begin + length)
            if inside.any():
                takes = _loads(slot[inside], least_gap, most_gap, most_seeds)
                parts.append(HolePart(hole, of_hole[inside], takes))
    return tuple(parts)


def _longest(least_gap: int, most_gap: int, most_seeds: int, most_loads: int) -> int:
    """Number of slots of the longest part that has no more loads than it may."""
    # loads whose last seed is at each slot, by their seeds, were all slots permitted
    by_seeds: list[dict[int, int]] = []
    length, total = 0, 0
    while True:
        here = {1: 1}
        for gap in range(least_gap, most_gap + 1):
            if gap <= length:
                for seeds, number in by_seeds[length - gap].items():
                    if seeds < most_seeds:
                        here[seeds + 1] = here.get(seeds + 1, 0) + number
        by_seeds.append(here)
        total += sum(here.values())
        if total > most_loads and length > 0:
            return length
        length += 1


def _loads(
    slot: NDArray[np.int64], least_gap: int, most_gap: int, most_seeds: int
) -> NDArray[np.bool_]:
    """Every permitted set of positions, (loads, n)."""
    found: list[list[int]] = [[k] for k in range(len(slot))]
    for load in found:  # grows while it is read: every load is made longer at its end
        if len(load) < most_seeds:
            gaps = slot[load[-1] + 1 :] - slot[load[-1]]
            for k in np.flatnonzero((gaps >= least_gap) & (gaps <= most_gap)):
                found.append([*load, load[-1] + 1 + int(k)])
    takes = np.zeros((len(found), len(slot)), dtype=np.bool_)
    for row, load in zip(takes, found, strict=True):
        row[load] = True
    return takes
