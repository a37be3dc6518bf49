"""``drawing.pdf``: the drill drawing 1:1 with dimensions, for paper. It names no patient."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from exports.drawing import MARGIN_MM, Drawing, Layer, draw
from exports.pdf_fonts import wrapped
from exports.pdf_page import HEAD_MM, Page, Pen, line_mm, paper_for, write_pages
from exports.rounding import rounded
from template_designer.geometry.plate_checks import columns_and_rows
from template_designer.model import HoleState, Plan, Template

_CHAIN_MM, _WHOLE_MM = 3.0, 10.0  # beyond the margin: holes with edges and pitch, whole side
_DIMENSIONS_MM = 14.0  # paper beyond the margin, above and on the right
_SIZE_PT = 8.0
_NOTE_PT = 8.0
_EM_MM = {True: 1.37, False: 1.0}
"""Size of a text over the height it is laid out with; capitals of DejaVu Sans are 0.73 of it. Only
the labels in the lattice take the whole height: its letters are wider than those of most fonts."""
_LINES = {Layer.OUTLINE: 0.35, Layer.BLOCKED: 0.1, Layer.NOTES: 0.2}


def build(plan: Plan, template: Template) -> bytes:
    """One page with the drawing of one plate; larger paper where the plate needs it.

    Dimensions: both sides, edges to the outer holes, pitch; beside the scale bar and the notes that
    the DXF and the SVG carry too.
    """
    drawing = draw(plan, template)
    left, low, right, high = drawing.bounds_mm
    notes = _notes(template)
    width = right - left + _DIMENSIONS_MM
    under = [line for note in notes for line in wrapped(note, _NOTE_PT, width)]
    height = high - low + _DIMENSIONS_MM + line_mm(_NOTE_PT) * len(under)
    name, size_mm = paper_for(plan.settings.report.paper, width, height)

    def draw_page(pen: Pen) -> None:
        x0 = 0.5 * (pen.width_mm - width) - left
        y0 = pen.height_mm - HEAD_MM - _DIMENSIONS_MM - high
        _drawing(pen, drawing, (x0, y0))
        _dimensions(pen, template, (x0, y0))
        y = y0 + low - 1.0
        for line in under:
            y -= line_mm(_NOTE_PT)
            pen.text(x0 - 0.5 * template.size_mm[0], y, line, _NOTE_PT)

    title = f"Drill drawing 1:1, template {template.name}"
    page = Page(f'Print at 100 % ("actual size") on {name}', size_mm, draw_page)
    return write_pages(
        plan, [page], title=f"{title} of plan {plan.id}", head=(title, f"Plan {plan.id}")
    )


def _drawing(pen: Pen, drawing: Drawing, origin_mm: tuple[float, float]) -> None:
    x0, y0 = origin_mm
    for circle in drawing.circles:
        wide = 0.25 if circle.layer in (Layer.BORES, Layer.MOUNTING) else 0.12
        pen.circle(x0 + circle.x_mm, y0 + circle.y_mm, circle.diameter_mm, wide_mm=wide)
    for path in drawing.paths:
        points = (path.points_mm + origin_mm).tolist()
        pen.path(points, closed=path.closed, wide_mm=_LINES.get(path.layer, 0.2))
    for words in drawing.words:
        pen.text(
            x0 + words.x_mm,
            y0 + words.y_mm - 0.365 * _EM_MM[words.layer is Layer.PLANNED] * words.height_mm,
            words.text,
            _EM_MM[words.layer is Layer.PLANNED] * words.height_mm * 72.0 / 25.4,
            align="center" if words.centred else "left",
        )


def _dimensions(pen: Pen, template: Template, origin_mm: tuple[float, float]) -> None:
    """Lengths above the plate and on its right, in a chain over the outer holes and as a whole."""
    columns, rows = columns_and_rows(template)
    for upright, places, side in (
        (False, columns, template.size_mm[0]),
        (True, rows, template.size_mm[1]),
    ):
        half = 0.5 * side
        across = 0.5 * template.size_mm[0 if upright else 1] + MARGIN_MM
        first, last = min(places.values()), max(places.values())
        steps = np.diff(sorted(places.values()))
        even = len(steps) > 0 and bool(np.ptp(steps) < 1e-6)
        span = f"{len(steps)} x {_n(float(steps[0]))} = {_n(last - first)}" if even else None
        stops = [(-half, first, None), (first, last, span), (last, half, None)]
        for start, end, text in [stop for stop in stops if stop[1] - stop[0] > 1e-6]:
            _dimension(pen, origin_mm, (start, end), across + _CHAIN_MM, upright, text)
        _dimension(pen, origin_mm, (-half, half), across + _WHOLE_MM, upright, None)


def _dimension(
    pen: Pen,
    origin_mm: tuple[float, float],
    ends_mm: tuple[float, float],
    off_mm: float,
    upright: bool,
    text: str | None,
) -> None:
    """A line with a tick at both ends and the length beside it."""
    x0, y0 = origin_mm
    start, end = ends_mm
    middle = 0.5 * (start + end)
    words = _n(end - start) if text is None else text
    if upright:
        pen.line(x0 + off_mm, y0 + start, x0 + off_mm, y0 + end)
        for at in ends_mm:
            pen.line(x0 + off_mm - 1.5, y0 + at, x0 + off_mm + 1.5, y0 + at)
        pen.text(x0 + off_mm - 0.8, y0 + middle, words, _SIZE_PT, turned=True)
    else:
        pen.line(x0 + start, y0 + off_mm, x0 + end, y0 + off_mm)
        for at in ends_mm:
            pen.line(x0 + at, y0 + off_mm - 1.5, x0 + at, y0 + off_mm + 1.5)
        pen.text(x0 + middle, y0 + off_mm + 0.8, words, _SIZE_PT, align="center")


def _notes(template: Template) -> list[str]:
    """What the drawing's own notes leave out: which bore is where, and the shape of the edges."""
    by_bore = defaultdict(list)
    for hole in template.holes:
        if hole.state is HoleState.PLANNED and hole.bore_mm is not None:
            by_bore[rounded(hole.bore_mm, 3)].append(hole.label)
    notes = [f"Bore {bore:g} mm: {', '.join(labels)}" for bore, labels in sorted(by_bore.items())]
    features = template.features
    notes.append(
        f"Lengths in mm; corner radius {features.corner_radius_mm:g}, counter-sink on the operator "
        f"face up to {features.counter_sink_mm:g} wider than the bore; thickness "
        f"{template.size_mm[2]:g}"
    )
    if template.features.markers:
        notes.append("Marker pockets are sunk from the patient face")
    return notes


def _n(value_mm: float) -> str:
    return f"{rounded(value_mm, 3):g}"
