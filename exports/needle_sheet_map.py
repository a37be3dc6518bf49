"""The two maps of ``needles.pdf``: large to read, and 1:1 to lay the plate on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exports.drawing import MARGIN_MM, Layer, draw
from exports.needle_rows import NeedleRow
from exports.pdf_fonts import fitting_pt, shown, wrapped
from exports.pdf_page import EDGE_MM, FOOT_MM, HEAD_MM, Page, Pen, line_mm, paper_for
from template_designer.frames import direction_letters
from template_designer.geometry.plate_checks import columns_and_rows
from template_designer.model import HoleState, Plan, Template

BAR_MM = 100.0
"""Length of both scale bars of the 1:1 map."""

_SIDES = {"L": "left", "R": "right", "A": "front", "P": "back", "H": "head", "F": "feet"}
_AROUND_MM = 14.0  # round the plate of the large map: labels and patient directions
_LARGEST_SCALE = 2.5
_DISC = 0.84  # diameter of a needle's disc on the large map, over the pitch
_NOTE_PT = 9.0
_NOTES_MM = 30.0  # under the plate of the 1:1 map: a scale bar and four lines


def side_names(template: Template) -> dict[str, str]:
    """What lies where on the operator face: ``right``, ``left``, ``below``, ``above``.

    Each is a patient direction in letters and words: ``"PR: back, right"``.
    """
    frame = np.asarray(template.lps_from_template)
    ways = {"right": frame[:3, 0], "below": frame[:3, 1]}
    ways |= {"left": -ways["right"], "above": -ways["below"]}
    letters = {side: direction_letters(way) for side, way in ways.items()}
    return {
        side: f"{found}: {', '.join(_SIDES[letter] for letter in found)}"
        for side, found in letters.items()
    }


def draw_large_map(
    pen: Pen,
    plan: Plan,
    template: Template,
    rows: Sequence[NeedleRow],
    area_mm: tuple[float, float, float, float],
) -> None:
    """The plate as the operator sees it, as large as ``area_mm`` allows, needles numbered.

    Parameters
    ----------
    pen : Pen
        Draws on the page.
    plan, template, rows : Plan, Template, sequence of NeedleRow
        What to draw.
    area_mm : (float, float, float, float)
        Left, low, width and height on the page.
    """
    left, low, wide, high = area_mm
    scale = min(
        _LARGEST_SCALE,
        (wide - 2.0 * _AROUND_MM) / template.size_mm[0],
        (high - 2.0 * _AROUND_MM) / template.size_mm[1],
    )
    x0, y0 = left + 0.5 * wide, low + 0.5 * high
    for path in draw(plan, template).paths:
        if path.layer is Layer.OUTLINE:
            placed = path.points_mm * scale + (x0, y0)
            pen.path(placed.tolist(), closed=True, wide_mm=0.5)
        elif path.layer is Layer.BLOCKED:
            placed = path.points_mm * scale + (x0, y0)
            pen.path(placed.tolist(), closed=False, wide_mm=0.15)
    for circle in draw(plan, template).circles:
        if circle.layer in (Layer.BORES, Layer.MOUNTING):
            x, y = x0 + scale * circle.x_mm, y0 + scale * circle.y_mm
            pen.circle(x, y, scale * circle.diameter_mm, gray=0.55)
    _needle_discs(pen, template, rows, (x0, y0), scale)
    _edge_labels(pen, template, (x0, y0), scale)
    _directions(pen, template, (x0, y0), scale)


def _needle_discs(
    pen: Pen,
    template: Template,
    rows: Sequence[NeedleRow],
    origin_mm: tuple[float, float],
    scale: float,
) -> None:
    """A black disc with the number of every needle; a ring round those through bone access."""
    places = {hole.label: (hole.x_mm, -hole.y_mm) for hole in template.holes}
    disc = _DISC * template.pitch_mm * scale
    for row in rows:
        x, y = (o + scale * v for o, v in zip(origin_mm, places[row.hole], strict=True))
        pen.circle(x, y, disc, filled=True)
        if row.access_gauge is not None:
            pen.circle(x, y, 0.86 * disc, gray=1.0, wide_mm=0.25)
        text = shown(str(row.number))
        size = fitting_pt(text, 0.6 * disc / 0.3528, 0.68 * disc, bold=True)
        pen.text(x, y - 0.128 * size, text, size, bold=True, align="center", gray=1.0)


def _edge_labels(
    pen: Pen, template: Template, origin_mm: tuple[float, float], scale: float
) -> None:
    """Column letters above and below, row numbers left and right of the plate."""
    columns, rows = columns_and_rows(template)
    x0, y0 = origin_mm
    x, y = (0.5 * side * scale + 3.0 for side in template.size_mm[:2])
    size = min(9.0, 1.9 * template.pitch_mm * scale)
    for name, at in columns.items():
        for end in (y0 + y, y0 - y):
            pen.text(x0 + scale * at, end - 0.128 * size, name, size, bold=True, align="center")
    for name, at in rows.items():
        for end in (x0 - x, x0 + x):
            pen.text(end, y0 + scale * at - 0.128 * size, name, size, bold=True, align="center")


def _directions(pen: Pen, template: Template, origin_mm: tuple[float, float], scale: float) -> None:
    """Patient directions at the four sides, and the axes of the template frame."""
    x0, y0 = origin_mm
    x, y = (0.5 * side * scale for side in template.size_mm[:2])
    sides = side_names(template)
    pen.text(x0, y0 + y + 8.5, sides["above"], 12.0, bold=True, align="center")
    pen.text(x0, y0 - y - 11.0, sides["below"], 12.0, bold=True, align="center")
    pen.text(x0 - x - 8.0, y0, sides["left"], 12.0, bold=True, turned=True)
    pen.text(x0 + x + 11.0, y0, sides["right"], 12.0, bold=True, turned=True)
    corner = (x0 - x - 12.0, y0 + y + 12.0)
    for end in ((corner[0] + 9.0, corner[1]), (corner[0], corner[1] - 9.0)):
        pen.line(*corner, *end, 0.3)
    pen.text(corner[0] + 9.8, corner[1] - 1.0, "x", 8.0)
    pen.text(corner[0] - 0.8, corner[1] - 12.0, "y", 8.0)
    pen.text(corner[0] + 1.2, corner[1] - 3.6, "z away", 6.0)


def exact_map(plan: Plan, template: Template, rows: Sequence[NeedleRow], title: str) -> Page:
    """A page with the plate 1:1 and two scale bars; larger paper where the plate needs it."""
    paper = plan.settings.report.paper
    wide = template.size_mm[0] + 2.0 * MARGIN_MM + 8.0
    high = max(template.size_mm[1] + 2.0 * MARGIN_MM, BAR_MM + 4.0) + _NOTES_MM
    name, size_mm = paper_for(paper, max(wide, BAR_MM), high)
    hint = f"{title}, 1:1, on {name} paper"

    def draw_page(pen: Pen) -> None:
        x0 = 0.5 * pen.width_mm - 4.0
        y0 = 0.5 * (FOOT_MM + _NOTES_MM + pen.height_mm - HEAD_MM)
        _exact_plate(pen, plan, template, rows, (x0, y0))
        _bars_and_notes(pen, name, y0 - max(0.5 * template.size_mm[1] + MARGIN_MM, 0.5 * BAR_MM))
        right = x0 + 0.5 * template.size_mm[0] + MARGIN_MM + 3.0
        _bar(pen, (right, y0 - 0.5 * BAR_MM), upright=True)

    return Page(hint, size_mm, draw_page)


def _exact_plate(
    pen: Pen,
    plan: Plan,
    template: Template,
    rows: Sequence[NeedleRow],
    origin_mm: tuple[float, float],
) -> None:
    """The plate 1:1: bores, of needles black; their numbers below them."""
    x0, y0 = origin_mm
    drawing = draw(plan, template)
    planned = {(h.x_mm, -h.y_mm) for h in template.holes if h.state is HoleState.PLANNED}
    for path in drawing.paths:
        if path.layer in (Layer.OUTLINE, Layer.BLOCKED):
            points = (path.points_mm + origin_mm).tolist()
            pen.path(points, closed=path.closed, wide_mm=0.2 if path.closed else 0.12)
    for circle in drawing.circles:
        filled = circle.layer is Layer.BORES and (circle.x_mm, circle.y_mm) in planned
        if circle.layer in (Layer.BORES, Layer.MOUNTING, Layer.PLANNED):
            pen.circle(
                x0 + circle.x_mm,
                y0 + circle.y_mm,
                circle.diameter_mm,
                filled=filled,
                wide_mm=0.12,
            )
    for words in drawing.words:
        if words.layer is Layer.LABELS:
            size = words.height_mm / 0.3528
            pen.text(
                x0 + words.x_mm,
                y0 + words.y_mm - 0.36 * words.height_mm,
                words.text,
                size,
                align="center",
            )
    numbers = {row.hole: str(row.number) for row in rows}
    for words in drawing.words:
        if words.layer is Layer.PLANNED:
            size = 1.38 * words.height_mm / 0.3528
            pen.text(
                x0 + words.x_mm,
                y0 + words.y_mm - 0.36 * words.height_mm,
                numbers.get(words.text, ""),
                size,
                bold=True,
                align="center",
            )
    _side_words(pen, template, origin_mm)


def _side_words(pen: Pen, template: Template, origin_mm: tuple[float, float]) -> None:
    x0, y0 = origin_mm
    x, y = (0.5 * side for side in template.size_mm[:2])
    sides = side_names(template)
    pen.text(x0, y0 + y + 8.0, sides["above"], 10.0, bold=True, align="center")
    pen.text(x0, y0 - y - 10.0, sides["below"], 10.0, bold=True, align="center")
    pen.text(x0 - x - 8.0, y0, sides["left"], 10.0, bold=True, turned=True)
    pen.text(x0 + x + 10.0, y0, sides["right"], 10.0, bold=True, turned=True)


def _bars_and_notes(pen: Pen, paper: str, top_mm: float) -> None:
    left = 0.5 * (pen.width_mm - BAR_MM)
    bar = top_mm - 5.0
    _bar(pen, (left, bar), upright=False)
    lines = [
        f'Print at 100 % ("actual size") on {paper}. Measure both bars with a ruler: '
        f"{BAR_MM:g} mm each. If one is not, do not use this page.",
        "Lay the plate on it, operator face up, A1 at the cut corner: the edges must meet, and "
        "only planned holes show black. Numbers: order of insertion. Crosses: no needle there.",
    ]
    y = bar - 10.0
    for line in lines:
        for part in wrapped(line, _NOTE_PT, pen.width_mm - 2.0 * EDGE_MM, bold=line is lines[0]):
            pen.text(EDGE_MM, y, part, _NOTE_PT, bold=line is lines[0])
            y -= line_mm(_NOTE_PT)


def _bar(pen: Pen, start_mm: tuple[float, float], *, upright: bool) -> None:
    """A scale bar with a tick every 10 mm, its length beside it."""
    x, y = start_mm
    ax, ay = (0.0, 1.0) if upright else (1.0, 0.0)
    pen.line(x, y, x + BAR_MM * ax, y + BAR_MM * ay, 0.2)
    for n in range(11):
        half = 2.0 if n in (0, 10) else 1.0
        tx, ty = x + 0.1 * BAR_MM * n * ax, y + 0.1 * BAR_MM * n * ay
        pen.line(tx - half * ay, ty - half * ax, tx + half * ay, ty + half * ax, 0.15)
    text = f"{BAR_MM:g} mm"
    if upright:
        pen.text(x + 5.5, y + 0.5 * BAR_MM, text, 8.0, turned=True)
    else:
        pen.text(x + 0.5 * BAR_MM, y - 4.5, text, 8.0, align="center")
