"""Other ways to explain the same signal: two seeds for one, none for two, the mirrored axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from template_designer.postplan.seeds_on_ct._evidence import likeness
from template_designer.postplan.seeds_on_ct._field import Field, refit
from template_designer.postplan.seeds_on_ct._fit import group_window, near_rods
from template_designer.postplan.seeds_on_ct._pursuit import LEAST_SIGNAL_PART

SUSPECT_SIGNAL, SUSPECT_LIKENESS = 1.25, 0.9
"""A rod with more than this part of a seed's signal, or a lower R squared, may be two seeds."""

CLEARLY = 20.0
"""Half the chi square that another seed must save: the sum of weighted squares scatters by less."""

NEARLY = 6.0
"""Explanations whose half chi squares differ by less cannot be told apart."""

STEEP, FLAT = 0.15, 0.25
"""Axes with less than this in the slice are upright; with less than that across it, flat."""

TILT = np.radians(40.0)
"""Steepness at which flat axes are tried out of their slice."""

APART_MM = 0.8
"""How far from the middle two seeds for one start, side by side; half a length, end to end."""


def split(field: Field) -> int:
    """Put two rods where one explains too little; how many times."""
    assert field.prior is not None
    done = 0
    n = 0
    while n < len(field.rods):
        rod = field.rods[n]
        part = float(np.exp(rod[6])) / field.prior.signal_hu_mm3
        if part > SUSPECT_SIGNAL or likeness(field, rod) < SUSPECT_LIKENESS:
            done += _split_one(field, n)
        n += 1
    return done


def _split_one(field: Field, n: int) -> bool:
    members = field.group(n)
    rod = field.rods[n]
    starts = _two_for(rod, field)
    room = np.concatenate([field.rods[members], *starts])
    window = group_window(room, field.scanner, field.hu.shape)
    near = near_rods(room, window, field.scanner)
    now = refit(field, members, near=near, window=window)
    fits = [
        refit(field, members, np.concatenate([field.rods[members[:-1]], pair]), near, window)
        for pair in starts
    ]
    best = min(fits, key=lambda fit: fit.whole_cost)
    assert field.prior is not None
    enough = np.exp(best.rods[-2:, 6]).min() >= LEAST_SIGNAL_PART * field.prior.signal_hu_mm3
    if not enough or best.whole_cost > now.whole_cost - CLEARLY:
        return False
    field.replace(members, best.rods)
    return True


def _two_for(rod: NDArray[np.float64], field: Field) -> list[NDArray[np.float64]]:
    """Pairs of rods to start from: side by side two ways, end to end, slices apart."""
    assert field.prior is not None
    axis = rod[3:6] / np.linalg.norm(rod[3:6])
    a = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0))
    a /= np.linalg.norm(a)
    b = np.cross(axis, a)
    level = float(np.log(field.prior.signal_hu_mm3))
    pairs = []
    for way in (
        APART_MM * a,
        APART_MM * b,
        0.5 * field.scanner.length_mm * axis,
        np.array([0.0, 0.0, 0.5 * field.scanner.spacing_mm[2]]),
        np.array([0.0, 0.0, 0.95 * field.scanner.spacing_mm[2]]),
    ):
        pairs.append(np.array([[*(rod[:3] + way), *axis, level], [*(rod[:3] - way), *axis, level]]))
    return pairs


def thin_out(field: Field) -> int:
    """Take out rods that their neighbours can do without; how many."""
    gone = 0
    n = 0
    while n < len(field.rods):
        members = field.group(n)
        if len(members) > 1:
            window = group_window(field.rods[members], field.scanner, field.hu.shape)
            near = near_rods(field.rods[members], window, field.scanner)
            now = refit(field, members, near=near, window=window)
            without = refit(field, members, field.rods[members[:-1]], near, window)
            if without.whole_cost < now.whole_cost + CLEARLY:
                field.replace(members, without.rods)
                gone += 1
                continue
        n += 1
    return gone


def other_ways(field: Field, errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Try every axis mirrored in its slice, or tilted out of it; errors (n,) rad.

    A rod that stays in one or two thick slices looks the same whichever end is up, and nearly the
    same a little steeper: where both ways fit, the error is the angle between them. A fit that
    lies in the slice stays there, for it cannot tell up from down.
    """
    errors = errors.copy()
    for n in range(len(field.rods)):
        members = field.group(n)
        own = field.rods[n]
        ways = _ways_beside(own[3:6] / np.linalg.norm(own[3:6]))
        if not ways:
            continue
        others = [np.array([*own[:3], *way, own[6]]) for way in ways]
        room = np.concatenate([field.rods[members], others])
        window = group_window(room, field.scanner, field.hu.shape)
        near = near_rods(room, window, field.scanner)
        now = refit(field, members, near=near, window=window)
        best = now
        for other in others:
            start = np.concatenate([field.rods[members[:-1]], other[None]])
            fit = refit(field, members, start, near, window)
            if abs(fit.whole_cost - now.whole_cost) < NEARLY:
                cosine = abs(float(now.rods[-1, 3:6] @ fit.rods[-1, 3:6]))
                errors[n] = max(errors[n], float(np.arccos(min(1.0, cosine))))
            best = min(best, fit, key=lambda each: each.whole_cost)
        if best is not now:
            field.paint(field.rods[members], -1.0)
            field.rods[members] = best.rods
            field.paint(best.rods, 1.0)
    return errors


def _ways_beside(axis: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Axes that may look alike in thick slices."""
    flat = np.array([axis[0], axis[1], 0.0])
    size = float(np.linalg.norm(flat))
    if size < STEEP:
        return []
    if abs(axis[2]) > FLAT:
        return [axis * (1.0, 1.0, -1.0)]
    return [flat / size * np.cos(TILT) + (0.0, 0.0, sense * np.sin(TILT)) for sense in (1.0, -1.0)]
