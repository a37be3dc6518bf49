"""Pages on paper: millimetres from the lower left corner, the same head and foot on each."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from exports.pdf_fonts import BOLD, REGULAR, fitting_pt, register, shown, text_width_mm
from exports.plan_json import plan_hash
from template_designer._version import SOFTWARE_NAME
from template_designer.model import Plan
from template_designer.model.paper import Paper

NOTICE = "Research and education only; not a medical device."
POINTS_PER_MM = 72.0 / 25.4
EDGE_MM = 10.0
"""Paper that nothing is written on: printers do not reach farther out."""
HEAD_MM = 27.0
"""From the upper edge of the paper to what a page is about."""
FOOT_MM = 18.0

_LINE_OF_PT = 0.46  # mm from line to line for each point of a letter's size


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its paper, and what draws on it between head and foot."""

    title: str
    size_mm: tuple[float, float]  # width, height
    draw: Callable[[Pen], None]


class Pen:
    """Draws in millimetres; y rises. Every text goes through :func:`exports.pdf_fonts.shown`."""

    def __init__(self, canvas: Any, size_mm: tuple[float, float]) -> None:
        self._canvas = canvas
        self.width_mm, self.height_mm = size_mm

    def text(
        self,
        x_mm: float,
        y_mm: float,
        text: str,
        size_pt: float,
        *,
        bold: bool = False,
        align: str = "left",
        gray: float = 0.0,
        turned: bool = False,
    ) -> None:
        """One line; ``y_mm`` is its base line. ``turned``: it runs upwards, x and y its middle."""
        canvas, line = self._canvas, shown(text)
        canvas.setFont(BOLD if bold else REGULAR, size_pt)
        canvas.setFillGray(gray)
        x, y = x_mm * POINTS_PER_MM, y_mm * POINTS_PER_MM
        if turned:
            canvas.saveState()
            canvas.translate(x, y)
            canvas.rotate(90)
            canvas.drawCentredString(0.0, 0.0, line)
            canvas.restoreState()
        elif align == "left":
            canvas.drawString(x, y, line)
        elif align == "right":
            canvas.drawRightString(x, y, line)
        else:
            canvas.drawCentredString(x, y, line)

    def line(
        self, ax_mm: float, ay_mm: float, bx_mm: float, by_mm: float, wide_mm: float = 0.15
    ) -> None:
        """A straight black line."""
        self._stroke(0.0, wide_mm)
        self._canvas.line(*(v * POINTS_PER_MM for v in (ax_mm, ay_mm, bx_mm, by_mm)))

    def path(
        self, points_mm: Sequence[Sequence[float]], *, closed: bool, wide_mm: float = 0.2
    ) -> None:
        """Straight black lines through points."""
        self._stroke(0.0, wide_mm)
        path = self._canvas.beginPath()
        (x, y), *others = points_mm
        path.moveTo(x * POINTS_PER_MM, y * POINTS_PER_MM)
        for x, y in others:
            path.lineTo(x * POINTS_PER_MM, y * POINTS_PER_MM)
        if closed:
            path.close()
        self._canvas.drawPath(path, stroke=1, fill=0)

    def circle(
        self,
        x_mm: float,
        y_mm: float,
        diameter_mm: float,
        *,
        filled: bool = False,
        gray: float = 0.0,
        wide_mm: float = 0.15,
    ) -> None:
        """A circle, or a disc without an edge."""
        self._stroke(gray, wide_mm)
        self._canvas.setFillGray(gray)
        self._canvas.circle(
            x_mm * POINTS_PER_MM,
            y_mm * POINTS_PER_MM,
            0.5 * diameter_mm * POINTS_PER_MM,
            stroke=0 if filled else 1,
            fill=1 if filled else 0,
        )

    def box(
        self,
        x_mm: float,
        y_mm: float,
        wide_mm: float,
        high_mm: float,
        *,
        fill_gray: float | None = None,
        line_mm: float = 0.2,
    ) -> None:
        """A rectangle from its lower left corner; filled ones have no edge."""
        self._stroke(0.0, line_mm)
        if fill_gray is not None:
            self._canvas.setFillGray(fill_gray)
        self._canvas.rect(
            *(v * POINTS_PER_MM for v in (x_mm, y_mm, wide_mm, high_mm)),
            stroke=1 if fill_gray is None else 0,
            fill=0 if fill_gray is None else 1,
        )

    def image(self, image: Any, x_mm: float, y_mm: float, wide_mm: float, high_mm: float) -> None:
        """A picture (reportlab's ``ImageReader``) from its lower left corner."""
        x, y, wide, high = (v * POINTS_PER_MM for v in (x_mm, y_mm, wide_mm, high_mm))
        self._canvas.drawImage(image, x, y, wide, high)

    def _stroke(self, gray: float, wide_mm: float) -> None:
        self._canvas.setStrokeGray(gray)
        self._canvas.setLineWidth(wide_mm * POINTS_PER_MM)


def line_mm(size_pt: float) -> float:
    """From line to line of a text."""
    return _LINE_OF_PT * size_pt


def upright(paper: Paper) -> tuple[float, float]:
    """Width and height of a page that stands."""
    return paper.size_mm


def lying(paper: Paper) -> tuple[float, float]:
    """Width and height of a page on its side."""
    width, height = paper.size_mm
    return height, width


def paper_for(paper: Paper, wide_mm: float, high_mm: float) -> tuple[str, tuple[float, float]]:
    """The page, upright if it can be, that takes something 1:1: the paper, else twice as large."""
    larger, (width, height) = paper.larger_mm
    for name, size in (
        (paper.value, upright(paper)),
        (paper.value, lying(paper)),
        (larger, (width, height)),
        (larger, (height, width)),
    ):
        if wide_mm <= size[0] - 2.0 * EDGE_MM and high_mm <= size[1] - HEAD_MM - FOOT_MM:
            return name, size
    return larger, (max(width, wide_mm + 2.0 * EDGE_MM), max(height, high_mm + HEAD_MM + FOOT_MM))


def write_pages(
    plan: Plan,
    pages: Sequence[Page],
    *,
    title: str,
    head: tuple[str, str],
    beside: Sequence[Plan] = (),
) -> bytes:
    """The pages as one PDF, the same bytes every time.

    Parameters
    ----------
    plan : Plan
        Its id and hash stand on every page.
    pages : sequence of Page
        In their order; each says which it is, and of how many.
    title : str
        Of the document.
    head : (str, str)
        First line of every page, large, and second.
    beside : sequence of Plan
        One other plan at most, that this one is compared with: its id and hash stand there too.
    """
    from reportlab.pdfgen.canvas import Canvas

    register()
    packed = io.BytesIO()
    canvas = Canvas(packed, pageCompression=1, invariant=1)
    canvas.setTitle(title)
    canvas.setSubject(f"plan {plan_hash(plan)}")
    canvas.setAuthor("")
    canvas.setCreator(f"{SOFTWARE_NAME} {plan.software_version}")
    for number, page in enumerate(pages, start=1):
        canvas.setPageSize([side * POINTS_PER_MM for side in page.size_mm])
        pen = Pen(canvas, page.size_mm)
        count = f"page {number} of {len(pages)}"
        _head_and_foot(pen, (plan, *beside), page.title, head, count)
        page.draw(pen)
        canvas.showPage()
    with _binary_streams():
        canvas.save()
    return packed.getvalue()


@contextmanager
def _binary_streams() -> Iterator[None]:
    """Streams as bytes instead of printable text: that coding takes seconds for a few pictures."""
    from reportlab import rl_config

    before = rl_config.useA85
    rl_config.useA85 = 0
    try:
        yield
    finally:
        rl_config.useA85 = before


def _head_and_foot(
    pen: Pen, plans: Sequence[Plan], title: str, head: tuple[str, str], count: str
) -> None:
    left, right, top = EDGE_MM, pen.width_mm - EDGE_MM, pen.height_mm - EDGE_MM
    room = right - left - text_width_mm(count, 11.0, bold=True) - 5.0
    pen.text(right, top - 4.0, count, 11.0, bold=True, align="right")
    for line, y, size, bold in (
        (head[0], top - 4.0, 11.0, True),
        (head[1], top - 8.6, 9.0, False),
        (title, top - 13.6, 10.0, True),
    ):
        if line:
            wide = room if y == top - 4.0 else right - left
            pen.text(left, y, line, fitting_pt(shown(line), size, wide, bold=bold), bold=bold)
    pen.line(left, top - 15.4, right, top - 15.4, 0.4)
    pen.line(left, EDGE_MM + 7.0, right, EDGE_MM + 7.0, 0.2)
    low, size = (3.6, 7.0) if len(plans) == 1 else (5.0, 5.5)
    for n, plan in enumerate(plans):
        sealed = f"Plan {plan.id}, hash {plan_hash(plan)}"
        y = EDGE_MM + low - 2.1 * n
        pen.text(left, y, sealed, fitting_pt(shown(sealed), size, right - left))
    pen.text(left, EDGE_MM, NOTICE, 8.0, bold=True)
    software = f"{SOFTWARE_NAME} {plans[0].software_version}"
    pen.text(right, EDGE_MM, software, 7.0, align="right")
