"""Which rods are seeds, how sure each is, and what is said of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from template_designer.model import ImageVolume
from template_designer.postplan.seeds_on_ct._evidence import contrast, cut_off, likeness
from template_designer.postplan.seeds_on_ct._field import Field, polish
from template_designer.postplan.seeds_on_ct._lines import TOO_STRONG, LineKind, kind_of, whole
from template_designer.postplan.seeds_on_ct._metal import LINE_MM, Line, beside_line
from template_designer.postplan.seeds_on_ct._moves import other_ways, split, thin_out
from template_designer.postplan.seeds_on_ct._pursuit import THICK_SLICE_MM, pursue
from template_designer.postplan.seeds_on_ct._rods import ends_of, gap_mm
from template_designer.postplan.seeds_on_ct.found import FoundSeed, SeedState

LEAST_CONTRAST = 0.55
"""A seed stands above its surroundings by this part of what the rod fitted there would."""

LEAST_SIGNAL = 0.7
"""Part of a seed's signal below which a rod is none, though fits pull it towards a seed's."""

LEAST_CUT_OFF = 0.4
"""The same where the image cuts off the number at the seed's core: a fit of the rest guesses."""

LEAST_LIKENESS = 0.55
"""R squared below which a rod is no seed."""

LEAST_SCORE = 0.6
"""The same of signal, R squared and contrast multiplied: bone has some of each, seeds most of all.
In simulated implants seeds have above 0.7, what bone is left has up to 0.51."""

SURE_SIGNAL = (0.8, 1.4)
SURE_LIKENESS, SURE_CONTRAST = 0.75, 0.7
"""Parts of a seed's own signal, R squared and contrast inside which a seed is sure."""

TOUCHING_MM = 1.3
"""Seeds whose lines (the markers, as they are seen) come nearer than this may be told apart
wrongly."""

REACH_MM = 15.0
"""Rods farther apart share no voxel."""

NEEDLE_MM = 2.5
"""A thick needle, and its blur, seen from its axis."""

CHAIN_MM = 2.5
"""Rods whose capsules are nearer than this form a chain."""

STEEPNESS_MM = 3.0
"""In thicker slices a short seed and a steep one look alike: without the needles' direction no axis
is given. Fits state errors below 20 degrees there, simulated seeds were off by 30 on the mean."""

MOST_AXIS_ERROR_DEG = 20.0
"""An axis less certain than this (one sigma) is not given."""

NEEDLE, WEAK, SHAPE, FLAT = (
    "needle-like: one long straight piece without gaps",
    "signal weaker than a seed's",
    "not shaped like a seed",
    "not above its surroundings as a seed is: bone or calcification",
)


def without_needles(
    field: Field, open_: NDArray[np.bool_], lines: Sequence[Line], rejected: Counter[str]
) -> tuple[Line, ...]:
    """Close needles to the search; the lines that could be seeds end to end as well."""
    undecided = []
    for line in lines:
        kind = kind_of(field, line)
        if kind is LineKind.NEEDLE:
            points = np.argwhere(open_)
            off = beside_line(
                whole(field, line), points[:, ::-1] * field.scanner.spacing_mm, _reach(field)
            )
            open_[tuple(points[off].T)] = False
            rejected[NEEDLE] += 1
        elif kind is LineKind.OPEN:
            undecided.append(line)
    return tuple(undecided)


def _reach(field: Field) -> NDArray[np.float64]:
    """How far from a line's axis its metal is seen, (3,) mm."""
    return NEEDLE_MM + np.array([0.0, 0.0, 0.6]) * field.scanner.spacing_mm


def without_chains(field: Field, rejected: Counter[str]) -> None:
    """Take out long chains of rods with far more signal than seeds: pieces of one needle."""
    assert field.prior is not None
    if not len(field.rods):
        return
    ends = ends_of(field.rods, field.scanner, capsule=True)
    near = np.array([[gap_mm(a, b) <= CHAIN_MM for b in ends] for a in ends])
    _, chain = connected_components(csr_matrix(near), directed=False)
    parts = np.exp(field.rods[:, 6]) / field.prior.signal_hu_mm3
    gone = np.zeros(len(chain), dtype=np.bool_)
    for number in range(int(chain.max()) + 1):
        own = chain == number
        points = ends[own].reshape(-1, 3)
        off = points - points.mean(axis=0)
        axis = np.linalg.svd(off, full_matrices=False)[2][0]
        size = float(np.ptp(off @ axis))
        astray = np.linalg.norm((off - np.outer(off @ axis, axis)) / _reach(field), axis=1).max()
        usual = size / field.scanner.capsule_mm
        if size >= LINE_MM and astray <= 1.0 and float(parts[own].sum()) > TOO_STRONG * usual:
            gone |= own
            rejected[NEEDLE] += 1
    field.replace(np.flatnonzero(gone), np.zeros((0, field.rods.shape[1])))


def weeded(field: Field, rejected: Counter[str]) -> None:
    """Take out rods that are no seeds, worst first: what is left of others then shows better."""
    faults = [_fault(field, rod) for rod in field.rods]
    while faults:
        worst = min(range(len(faults)), key=lambda n: faults[n][0])
        grade, reason = faults[worst]
        if grade >= 1.0:
            break
        place = field.rods[worst, :3]
        field.replace(np.array([worst]), np.zeros((0, field.rods.shape[1])))
        del faults[worst]
        rejected[reason] += 1
        for n in np.flatnonzero(np.linalg.norm(field.rods[:, :3] - place, axis=1) < REACH_MM):
            faults[n] = _fault(field, field.rods[n])


def _fault(field: Field, rod: NDArray[np.float64]) -> tuple[float, str]:
    """How near a rod is to being no seed (below 1: it is none), and why."""
    assert field.prior is not None
    high, whole = contrast(field, rod, placed=True)
    part = min(1.0, float(np.exp(rod[6])) / field.prior.signal_hu_mm3)
    if cut_off(field, rod):  # the image says "at least so much": metal, its signal a guess
        part = min(1.0, part * LEAST_SIGNAL / LEAST_CUT_OFF)
    like, stands = likeness(field, rod), min(1.0, high / whole)
    grades = (
        (part / LEAST_SIGNAL, WEAK),
        (like / LEAST_LIKENESS, SHAPE),
        (stands * part / LEAST_CONTRAST, FLAT),
        (max(like, 0.0) * max(stands, 0.0) * part / LEAST_SCORE, FLAT),
    )
    return min((float(grade), reason) for grade, reason in grades)


def judged(
    field: Field,
    errors: NDArray[np.float64],
    image: ImageVolume,
    undecided: Sequence[Line],
) -> tuple[FoundSeed, ...]:
    """The rods as seeds, from feet to head."""
    assert field.prior is not None
    ends = ends_of(field.rods, field.scanner)
    gaps = np.array([[gap_mm(a, b) for b in ends] for a in ends])
    np.fill_diagonal(gaps, np.inf)
    long_ = np.zeros(len(field.rods), dtype=np.bool_)
    for line in undecided:
        long_ |= beside_line(line, field.rods[:, :3], _reach(field))
    seeds = []
    for n, rod in enumerate(field.rods):
        high, whole = contrast(field, rod, placed=True)
        like, part = likeness(field, rod), float(np.exp(rod[6])) / field.prior.signal_hu_mm3
        reasons = _doubts(part, like, high / whole, float(gaps[n].min(initial=np.inf)))
        if long_[n]:
            reasons.append("long: in one straight piece of metal, seeds end to end or a needle")
        if _at_edge(rod, field):
            reasons.append("at the edge of the image or of what was looked at")
        error_deg = float(np.degrees(errors[n]))
        why = _no_axis(error_deg, field)
        state = SeedState.UNCERTAIN if reasons else SeedState.SURE
        if why:
            reasons.append(why)
        seeds.append(
            FoundSeed(
                center_lps_mm=image.origin_lps_mm + rod[:3] @ image.axes_lps,
                axis_lps=rod[3:6] / np.linalg.norm(rod[3:6]) @ image.axes_lps if not why else None,
                axis_error_deg=error_deg,
                signal_hu_mm3=float(np.exp(rod[6])),
                likeness=like,
                contrast=high / whole,
                state=state,
                reasons=tuple(reasons),
            )
        )
    return tuple(sorted(seeds, key=lambda seed: tuple(np.round(seed.center_lps_mm[::-1], 3))))


def _no_axis(error_deg: float, field: Field) -> str:
    """Why an axis is not given; "" where it is."""
    slice_mm = float(field.scanner.spacing_mm[2])
    assert field.prior is not None
    if slice_mm > STEEPNESS_MM and field.prior.axis is None:
        return f"axis not shown: slices of {slice_mm:g} mm hide its steepness"
    if error_deg > MOST_AXIS_ERROR_DEG:
        return f"axis not shown: error {min(error_deg, 90.0):.0f} degrees"
    return ""


def _doubts(part: float, like: float, high: float, gap: float) -> list[str]:
    reasons = []
    if gap < TOUCHING_MM:
        reasons.append(f"touching: {gap:.1f} mm from the axis of the next seed")
    if part < SURE_SIGNAL[0]:
        reasons.append(f"weak: {100.0 * part:.0f} % of a seed's signal")
    if part > SURE_SIGNAL[1]:
        reasons.append(f"strong: {100.0 * part:.0f} % of a seed's signal, two seeds or other metal")
    if like < SURE_LIKENESS:
        reasons.append(f"shape: only {100.0 * like:.0f} % of it is as a seed's")
    if high < SURE_CONTRAST:
        reasons.append(f"low: {100.0 * high:.0f} % of a seed's height above its surroundings")
    return reasons


def _at_edge(rod: NDArray[np.float64], field: Field) -> bool:
    size = (np.array(field.hu.shape)[::-1] - 1) * field.scanner.spacing_mm
    room = 0.5 * field.scanner.spacing_mm
    return bool(np.any(rod[:3] < room) or np.any(rod[:3] > size - room))


def settled(field: Field, open_: NDArray[np.bool_], rejected: Counter[str]) -> NDArray[np.float64]:
    """Polish, try other explanations, weed: errors of the axes of what is left, (n,) rad."""
    weeded(field, rejected)
    polish(field)
    split(field)
    polish(field)
    pursue(field, open_)
    thin_out(field)
    without_chains(field, rejected)
    weeded(field, rejected)
    if not len(field.rods):
        return np.zeros(0)
    errors = polish(field)
    return other_ways(field, errors) if field.scanner.spacing_mm[2] > THICK_SLICE_MM else errors
