"""What a report on paper is cut into: pieces that each stand on one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exports.pdf_fonts import Shown, text_width_mm, wrapped
from exports.pdf_page import EDGE_MM, Pen, line_mm
from exports.report_document import MISSED

Draw = Callable[[Pen, float], None]
"""Draws at a height over the lower edge of the paper, mm: that of the block's upper edge."""

TEXT_PT, CELL_PT, TITLE_PT, NOTE_PT = 9.0, 8.0, 10.5, 7.5
GAP_MM = 4.0
SLACK_MM = 1e-6


@dataclass(frozen=True, slots=True)
class Block:
    """What stands on one page in one piece."""

    high_mm: float
    draw: Draw
    keeps_next: bool = False  # a title stays with what it names
    head: Block | None = None  # repeated where a page begins with this block
    is_space: bool = False  # left out where a page begins or ends


def loud_box(text: str, wide_mm: float) -> Block:
    """A framed text in bold letters."""
    lines = wrapped(text, TEXT_PT, wide_mm - 4.0, bold=True)
    high = len(lines) * line_mm(TEXT_PT) + 4.0

    def draw(pen: Pen, top: float) -> None:
        pen.box(EDGE_MM, top - high, wide_mm, high, line_mm=0.5)
        draw_lines(pen, lines, EDGE_MM + 2.0, top - 1.6, TEXT_PT, bold=True)

    return Block(high + GAP_MM, draw)


def title_blocks(title: str, wide_mm: float) -> list[Block]:
    """A title in bold letters that stays with what follows; nothing of no title."""
    if not title:
        return []
    lines = wrapped(title, TITLE_PT, wide_mm, bold=True)
    return [
        text_block(line, TITLE_PT, bold=True, keeps_next=True, space_mm=1.0 * (line is lines[-1]))
        for line in lines
    ]


def text_block(
    line: Shown,
    size_pt: float,
    *,
    bold: bool = False,
    keeps_next: bool = False,
    space_mm: float = 0.0,
) -> Block:
    """One line, with some room under it."""

    def draw(pen: Pen, top: float) -> None:
        draw_lines(pen, [line], EDGE_MM, top, size_pt, bold=bold)

    return Block(line_mm(size_pt) + space_mm, draw, keeps_next)


def space(high_mm: float = GAP_MM) -> Block:
    """Room between two parts."""
    return Block(high_mm, lambda pen, top: None, is_space=True)


def draw_lines(
    pen: Pen,
    lines: Sequence[Shown],
    left_mm: float,
    top_mm: float,
    size_pt: float,
    *,
    bold: bool = False,
) -> None:
    """Lines from above; a line of a missed goal has that word white on black."""
    step = line_mm(size_pt)
    for n, line in enumerate(lines):
        y = top_mm - (n + 0.75) * step
        sign, found, rest = line.partition(MISSED)
        if not (bold and found and sign in ("", "• ")):
            pen.text(left_mm, y, line, size_pt, bold=bold)
            continue
        x = left_mm + text_width_mm(sign, size_pt, bold=True) + (0.8 if sign else 0.0)
        wide = text_width_mm(MISSED, size_pt, bold=True)
        pen.text(left_mm, y, sign, size_pt, bold=True)
        pen.box(x - 0.4, y - 0.25 * step, wide + 0.8, step, fill_gray=0.0)
        pen.text(x, y, MISSED, size_pt, bold=True, gray=1.0)
        pen.text(x + wide + 0.8, y, Shown(rest.strip()), size_pt, bold=True)
