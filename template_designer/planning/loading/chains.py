"""Seeds of one hole as chains: neighbours neither too near nor too far, and not too many."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Rules = tuple[int, int, int]
"""Least and most steps between neighbours, and most seeds in a needle."""


def fits(slots: NDArray[np.int64], rules: Rules) -> bool:
    """Whether depth steps of seeds keep the spacing and their number.

    >>> fits(np.array([0, 3, 5]), (2, 4, 9)), fits(np.array([0, 5]), (2, 4, 9))
    (True, False)
    """
    gaps = np.diff(slots)
    least, most, seeds = rules
    return len(slots) <= seeds and bool(np.all((gaps >= least) & (gaps <= most)))


def mended(
    slots: NDArray[np.int64],
    chosen: NDArray[np.bool_],
    fixed: NDArray[np.bool_],
    allowed: NDArray[np.bool_],
    rules: Rules,
) -> NDArray[np.bool_] | None:
    """Seeds of one hole that keep the spacing, as near to the chosen ones as can be.

    Without fixed seeds the longest chain of the chosen ones; with them the chain through all of
    them that needs the fewest other positions.

    Parameters
    ----------
    slots : (n,) ndarray of int64
        Depth steps of the hole's sites, rising.
    chosen, fixed, allowed : (n,) ndarray of bool
        Where there is a seed; where it must stay; where one may be.
    rules : Rules

    Returns
    -------
    (n,) ndarray of bool, or None
        None where no chain holds all fixed seeds.
    """
    own = np.flatnonzero(chosen)
    kept = np.zeros(len(slots), dtype=np.bool_)
    must = np.flatnonzero(fixed)
    if not must.size:
        kept[_longest(slots, own.tolist(), rules)] = True
        return kept
    kept[must] = True
    for first, last in itertools.pairwise(must.tolist()):
        between = [k for k in range(first, last + 1) if allowed[k]]
        way = _cheapest(slots, between, chosen, rules)
        if way is None:
            return None
        kept[way] = True
    return kept if np.count_nonzero(kept) <= rules[2] else None


def _longest(slots: NDArray[np.int64], candidates: list[int], rules: Rules) -> list[int]:
    """The longest chain of some sites, the deepest of equals, cut to the most seeds."""
    least, most, seeds = rules
    best: dict[int, list[int]] = {}
    for k in candidates:
        before = [c for j, c in best.items() if least <= slots[k] - slots[j] <= most]
        best[k] = [*max(before, key=len, default=[]), k]
    return max(best.values(), key=len, default=[])[:seeds]


def _cheapest(
    slots: NDArray[np.int64], between: list[int], chosen: NDArray[np.bool_], rules: Rules
) -> list[int] | None:
    """The chain from the first to the last site that adds the fewest seeds, then is shortest."""
    least, most, _ = rules
    ways: dict[int, tuple[int, list[int]]] = {between[0]: (0, [between[0]])}
    for k in between[1:]:
        before = [w for j, w in ways.items() if least <= slots[k] - slots[j] <= most]
        if before:
            cost, way = min(before, key=lambda w: (w[0], len(w[1])))
            ways[k] = (cost + (0 if chosen[k] else 1), [*way, k])
    found = ways.get(between[-1])
    return None if found is None else found[1]
