"""Frames, holes and labels, from plan.json alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from template_designer.checking.evidence import Evidence
from template_designer.checking.lines import CheckLine, all_same, at_most
from template_designer.checking.record import TemplateRecord

PLACE_MM = 0.001
"""Positions carry four decimals; sums of three of them may be off by 0.0003 mm."""

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Column letters: I and O are left out."""


def check_frames(evidence: Evidence) -> Iterator[CheckLine]:
    """Every frame is a rotation and a shift, not a mirror, not a stretch."""
    bent, flipped = [], []
    for template in evidence.plan.templates:
        frame = template.frame
        rotation = frame[:3, :3]
        off = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
        bent.append((template.name, max(off, float(np.abs(frame[3] - [0, 0, 0, 1]).max()))))
        x, y, z = rotation.T
        flipped.append((template.name, float(np.linalg.norm(np.cross(x, y) - z))))
    yield at_most("frame is rigid", "axes at right angles, length 1", bent, 1e-9, "", 12)
    yield at_most("frame is right-handed", "x cross y with z", flipped, 1e-9, "", 12)


def check_labels(evidence: Evidence) -> Iterator[CheckLine]:
    """Labels are those of their places: letters along +x, numbers along +y."""
    wrong, count, off = [], 0, []
    for template in evidence.plan.templates:
        columns, rows = _lines(template, 0), _lines(template, 1)
        expected = {
            (i, j): f"{column_name(i)}{j + 1}"
            for i in range(len(columns))
            for j in range(len(rows))
        }
        for hole in template.holes:
            i = int(np.argmin(np.abs(columns - hole.x_mm)))
            j = int(np.argmin(np.abs(rows - hole.y_mm)))
            label = expected.pop((i, j), None)
            count += 1
            if label != hole.label:
                wrong.append(f"{template.name}: {hole.label} lies at {label or 'a taken place'}")
            off.append(
                (
                    f"{template.name} {hole.label}",
                    math.hypot(columns[i] - hole.x_mm, rows[j] - hole.y_mm),
                )
            )
        wrong += [f"{template.name}: {label} is missing" for label in expected.values()]
    yield all_same("hole labels", "spreadsheet labels of the positions", wrong, count)
    yield at_most("hole positions", "holes with the lines of an even lattice", off, PLACE_MM)


def check_lattice(evidence: Evidence) -> Iterator[CheckLine]:
    """Pitch, number of holes and the middle of the lattice."""
    case, off, wrong = evidence.case, [], []
    for number, template in enumerate(evidence.plan.templates):
        refined = case is not None and number < len(case.entry) and case.entry[number].refine
        for axis, name in enumerate("xy"):
            places = sorted({round(h.x_mm if axis == 0 else h.y_mm, 3) for h in template.holes})
            where = f"{template.name} {name}"
            steps = np.diff(places)
            off += [(where, abs(float(step) - template.pitch_mm)) for step in steps]
            if not refined:
                off.append((f"{where} middle", abs(places[0] + places[-1]) / 2.0))
            room = template.size_mm[axis] - (places[-1] - places[0]) - template.bore_mm
            if room <= 0.0:
                wrong.append(f"{where}: holes reach over the edge")
            if case is not None and not refined:
                span = template.size_mm[axis] - 2.0 * case.template.edge_mm
                count = math.floor(span / template.pitch_mm + 1e-9) + 1
                if count != len(places):
                    wrong.append(f"{where}: {len(places)} lines of holes instead of {count}")
    yield at_most("lattice", "pitch and middle", off, 2.0 * PLACE_MM)
    yield all_same(
        "lattice size", "holes that fit the plate", wrong, 2 * len(evidence.plan.templates)
    )


def check_states(evidence: Evidence) -> Iterator[CheckLine]:
    """A hole is planned exactly if it has its needle; a blocked one says why."""
    wrong, count = [], 0
    for template in evidence.plan.templates:
        planned = sorted(hole.label for hole in template.holes if hole.state == "planned")
        needles = sorted(needle.label for needle in template.needles)
        if planned != needles:
            odd = sorted(set(planned) ^ set(needles)) or needles
            wrong.append(f"{template.name}: planned holes and needles differ: {', '.join(odd[:5])}")
        for hole in template.holes:
            count += 1
            if (hole.state == "blocked") != bool(hole.reason):
                wrong.append(f"{template.name} {hole.label}: {hole.state}, reason {hole.reason!r}")
    yield all_same("hole states", "planned with needles, blocked with reasons", wrong, count)


def column_name(number: int) -> str:
    """Letters of a column counted from 0, as a spreadsheet without I and O has them.

    >>> [column_name(n) for n in (0, 8, 23, 24)]
    ['A', 'J', 'Z', 'AA']
    """
    first, last = divmod(number, len(LETTERS))
    return (column_name(first - 1) if first else "") + LETTERS[last]


def _lines(template: TemplateRecord, axis: int) -> np.ndarray:
    """Even lines of the lattice along x (0) or y (1), from its first to its last hole."""
    places = [hole.x_mm if axis == 0 else hole.y_mm for hole in template.holes]
    count = round((max(places) - min(places)) / template.pitch_mm) + 1
    middle = float(np.median([min(places), max(places)]))
    return middle + (np.arange(count) - 0.5 * (count - 1)) * template.pitch_mm
