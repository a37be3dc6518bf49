"""Long straight metal: a needle, or seeds one behind the other."""

from __future__ import annotations

from enum import Enum

import numpy as np
from scipy import ndimage

from template_designer.postplan.seeds_on_ct._field import Field
from template_designer.postplan.seeds_on_ct._metal import Line

TOO_STRONG = 1.6
"""A line with this many times the signal that seeds end to end would have is no row of seeds."""

TOO_FAINT = 0.75
"""A line with less than this part of the signal of seeds end to end has gaps that do not show."""

DIP, DIP_THICK = 0.8, 0.65
"""Between two seeds the signal falls below this part of the line's median; a needle has no gaps.
Across thick slices it varies by more with what lies beside."""

BARE_MM, BARE_THICK_MM = 18.0, 27.0
"""Four capsules end to end: a longer piece without any gap is a needle. Six, where it runs across
thick slices, which hide gaps: nobody loads so many seeds without one."""

SHOWN_MM = 1.5
"""Steps along a line up to which gaps between seeds show."""

LONGEST_MM = 100.0
"""So far beyond either end a needle is followed."""

STEP_MM = 0.5

ACROSS_MM = 2.0
"""Signal within this distance of the axis belongs to the line."""

END_MM = 3.0
"""The ends of a line fade: they are left out where gaps are looked for."""


class LineKind(Enum):
    """What a long line is."""

    NEEDLE = "needle"
    SEEDS = "seeds"
    OPEN = "open"


def has_gaps(field: Field, line: Line) -> bool:
    """Whether the signal along a line falls between seeds."""
    inner = _inner(field, line)
    dip = DIP if _steep_mm(field, line) <= SHOWN_MM else DIP_THICK
    return bool(len(inner)) and float(inner.min()) < dip * float(np.median(inner))


def whole(field: Field, line: Line) -> Line:
    """A line made longer at both ends as far as its signal goes on."""
    inner = _inner(field, line)
    if not len(inner):
        return line
    ends = []
    for sense in (-1.0, 1.0):
        middle = line.middle + sense * 0.5 * (line.length_mm + LONGEST_MM) * line.axis
        beyond = _profile(field, Line(middle, sense * line.axis, LONGEST_MM))
        faint = np.flatnonzero(beyond < 0.5 * np.median(inner))
        steps = int(faint[0]) if len(faint) else len(beyond)
        ends.append(line.middle + sense * (0.5 * line.length_mm + STEP_MM * steps) * line.axis)
    length = float(np.linalg.norm(ends[1] - ends[0]))
    return Line(0.5 * (ends[0] + ends[1]), line.axis, length)


def _steep_mm(field: Field, line: Line) -> float:
    return abs(float(line.axis[2])) * float(field.scanner.spacing_mm[2])


def kind_of(field: Field, line: Line) -> LineKind:
    """Tell a needle from a row of seeds by signal, gaps and length."""
    inner = _inner(field, line)
    assert field.prior is not None
    usual = field.prior.signal_hu_mm3 / field.scanner.capsule_mm
    if len(inner) and float(np.median(inner)) > TOO_STRONG * usual:
        return LineKind.NEEDLE
    if not len(inner) or has_gaps(field, line):
        return LineKind.SEEDS
    steep = _steep_mm(field, line) > SHOWN_MM
    if steep and float(np.median(inner)) < TOO_FAINT * usual:
        return LineKind.SEEDS  # one above the other, in slices too thick to show them apart
    # gaps show only where the line runs along what the image resolves
    bare = BARE_THICK_MM if steep else BARE_MM
    return LineKind.NEEDLE if line.length_mm > bare else LineKind.OPEN


def _inner(field: Field, line: Line) -> np.ndarray:
    """Signal along a line without its ends, HU mm2."""
    profile, skip = _profile(field, line), int(END_MM / STEP_MM)
    return profile[skip : len(profile) - skip]


def _profile(field: Field, line: Line) -> np.ndarray:
    """Signal across a line, HU mm2, every :data:`STEP_MM` along it."""
    excess = field.hu - field.background
    a = np.cross(line.axis, (0.0, 0.0, 1.0) if abs(line.axis[2]) < 0.9 else (1.0, 0.0, 0.0))
    a /= np.linalg.norm(a)
    b = np.cross(line.axis, a)  # what steepness there is across the line lies in it
    thick = ACROSS_MM + 0.5 * abs(float(b[2])) * float(field.scanner.spacing_mm[2])
    wide = np.arange(-ACROSS_MM, ACROSS_MM + 0.01, STEP_MM)
    high = np.arange(-thick, thick + 0.01, STEP_MM)
    t = np.arange(-0.5 * line.length_mm, 0.5 * line.length_mm + 0.01, STEP_MM)
    places = (
        line.middle
        + t[:, None, None, None] * line.axis
        + wide[:, None, None] * a
        + high[None, :, None] * b
    ) / field.scanner.spacing_mm
    seen = ndimage.map_coordinates(excess, np.moveaxis(places[..., ::-1], -1, 0), order=1, cval=0.0)
    return np.asarray(np.maximum(seen, 0.0).sum(axis=(1, 2)) * STEP_MM**2)
