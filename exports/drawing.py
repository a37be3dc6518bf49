"""What a drill drawing shows, 1:1, before it becomes DXF or SVG.

The plane of the operator face: X to the right, Y up as the operator sees them, origin at the middle
of the plate, mm. That is X = x and Y = -y of the template frame.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from exports.plan_json import plan_hash
from exports.rounding import rounded
from exports.stl import bored_labels
from template_designer.frames import direction_letters
from template_designer.geometry.plate_checks import bored_holes, columns_and_rows
from template_designer.geometry.plate_face import lay_out_face
from template_designer.geometry.plate_style import PlateStyle
from template_designer.model import Hole, HoleState, Plan, Template

NOTICE = "Research and education only; not a medical device."
SCALE_BAR_MM = 50.0
MARGIN_MM = 14.0
"""Paper beyond the plate on every side: patient directions and labels stand there."""

_LINE_MM = 5.0  # from line to line of the notes
_TEXT_MM = 2.8
_WIDEST_LETTER = 0.72  # mean width of a line's letters over their height, on the safe side
_PLANNED_RING_MM = 0.7  # between bore and ring


class Layer(StrEnum):
    """What a machine or a reader takes one by one; drilling needs the first three."""

    OUTLINE = "OUTLINE"
    BORES = "BORES"
    MOUNTING = "MOUNTING"
    MARKERS = "MARKERS"  # pockets from the patient face
    PLANNED = "PLANNED"  # rings round planned holes, and their labels
    BLOCKED = "BLOCKED"  # crosses at holes that no needle may take
    LABELS = "LABELS"
    NOTES = "NOTES"


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle, mm."""

    layer: Layer
    x_mm: float
    y_mm: float
    diameter_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Straight lines through points, mm."""

    layer: Layer
    points_mm: NDArray[np.float64]  # (n, 2)
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """One line of text."""

    layer: Layer
    text: str
    x_mm: float
    y_mm: float  # of its middle
    height_mm: float
    centred: bool = True  # else it begins at x


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything on the sheet."""

    title: str
    circles: tuple[Circle, ...]
    paths: tuple[Path, ...]
    words: tuple[Words, ...]
    bounds_mm: tuple[float, float, float, float]  # least x and y, largest x and y


@lru_cache(maxsize=4)
def draw(plan: Plan, template: Template) -> Drawing:
    """The drill drawing of one plate, laid out once for all exporters.

    Every hole that is bored has a circle of its bore; planned ones a ring and their label, blocked
    ones a cross. Under the plate: a scale bar, what is drawn, and where it comes from.
    """
    holes = bored_holes(template, bored_labels(plan, template))
    style = PlateStyle.of(template.features)
    outline = np.asarray(lay_out_face(template, holes, style).outline.exterior.coords)[:-1]
    paths = [Path(Layer.OUTLINE, outline, closed=True), *_crosses(template)]
    notes, bars, low = _notes(plan, template, len(holes))
    x, y = 0.5 * template.size_mm[0], 0.5 * template.size_mm[1]
    return Drawing(
        title=f"{plan.id} {template.name}",
        circles=tuple(_circles(template, holes)),
        paths=(*paths, *bars),
        words=(*_labels(template), *_planned_words(template), *_sides(template), *notes),
        bounds_mm=(-x - MARGIN_MM, low, x + MARGIN_MM, y + MARGIN_MM),
    )


def _circles(template: Template, holes: tuple[Hole, ...]) -> list[Circle]:
    found = [Circle(Layer.BORES, h.x_mm, -h.y_mm, template.bore_of(h)) for h in holes]
    found += [
        Circle(Layer.PLANNED, h.x_mm, -h.y_mm, template.bore_of(h) + 2.0 * _PLANNED_RING_MM)
        for h in holes
        if h.state is HoleState.PLANNED
    ]
    features = template.features
    found += [
        Circle(Layer.MARKERS, pocket.x_mm, -pocket.y_mm, pocket.pocket_mm)
        for pocket in features.markers
    ]
    found += [
        Circle(Layer.MOUNTING, hole.x_mm, -hole.y_mm, hole.diameter_mm)
        for hole in features.mounting_holes
    ]
    return found


def _crosses(template: Template) -> list[Path]:
    """A cross at every hole that no needle may take."""
    half = 0.3 * template.bore_mm
    found = []
    for hole in template.holes:
        if hole.state is HoleState.BLOCKED:
            x, y = hole.x_mm, -hole.y_mm
            for rise in (half, -half):
                ends = np.array([(x - half, y - rise), (x + half, y + rise)])
                found.append(Path(Layer.BLOCKED, ends))
    return found


def _labels(template: Template) -> list[Words]:
    """Column letters above and below the plate, row numbers left and right of it."""
    columns, rows = columns_and_rows(template)
    x, y = (0.5 * side + 2.5 for side in template.size_mm[:2])
    height = min(_TEXT_MM, 0.55 * template.pitch_mm)
    across = [
        Words(Layer.LABELS, n, at, end, height) for n, at in columns.items() for end in (y, -y)
    ]
    along = [Words(Layer.LABELS, n, end, at, height) for n, at in rows.items() for end in (-x, x)]
    return [*across, *along]


def _planned_words(template: Template) -> list[Words]:
    """The label of every planned hole, small, right below its ring."""
    height = 0.25 * template.pitch_mm
    return [
        Words(
            Layer.PLANNED,
            hole.label,
            hole.x_mm,
            -hole.y_mm - 0.5 * template.bore_of(hole) - _PLANNED_RING_MM - 0.7 * height,
            height,
        )
        for hole in template.holes
        if hole.state is HoleState.PLANNED
    ]


def _sides(template: Template) -> list[Words]:
    """Where the patient's directions lie, outside the labels."""
    frame = np.asarray(template.lps_from_template)
    x, y = (0.5 * side + 8.0 for side in template.size_mm[:2])
    right, down = frame[:3, 0], frame[:3, 1]
    places = ((right, x, 0.0), (-right, -x, 0.0), (down, 0.0, -y), (-down, 0.0, y))
    return [Words(Layer.NOTES, direction_letters(v), at, up, 4.0) for v, at, up in places]


def _notes(plan: Plan, template: Template, bored: int) -> tuple[list[Words], list[Path], float]:
    """Scale bar and lines of text under the plate, and how far down they reach."""
    left = -0.5 * template.size_mm[0]
    bar = -0.5 * template.size_mm[1] - MARGIN_MM
    ends = (left, left + SCALE_BAR_MM)
    bars = [Path(Layer.NOTES, np.array([(ends[0], bar), (ends[1], bar)]))]
    bars += [Path(Layer.NOTES, np.array([(e, bar - 1.5), (e, bar + 1.5)])) for e in ends]
    width, height, thickness = template.size_mm
    bores = sorted({rounded(template.bore_of(hole), 3) for hole in template.holes})
    lines = [
        f"{SCALE_BAR_MM:g} mm: measure this line before use; the drawing is 1:1",
        f"Plan {plan.id}, template {template.name}, hash {plan_hash(plan)[:16]}",
        f"Plate {width:g} x {height:g} x {thickness:g} mm, pitch {template.pitch_mm:g} mm, "
        f"{bored} bores of {', '.join(f'{bore:g}' for bore in bores)} mm",
        "Seen on the operator face; A1 is at the cut corner; letters outside: patient's sides",
        "Circles: bores; rings: planned; crosses: no needle may go there",
        NOTICE,
    ]
    room = int((width + MARGIN_MM) / (_WIDEST_LETTER * _TEXT_MM))
    lines = [part for line in lines for part in textwrap.wrap(line, room)]
    words = [
        Words(Layer.NOTES, line, left, bar - (n + 1) * _LINE_MM, _TEXT_MM, centred=False)
        for n, line in enumerate(lines)
    ]
    return words, bars, bar - (len(lines) + 1) * _LINE_MM
