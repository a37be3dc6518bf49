"""Parts of a report on paper: cut into lines and rows that run over as many pages as they take."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from exports.pdf_fonts import wrapped
from exports.pdf_page import EDGE_MM, FOOT_MM, HEAD_MM, Page, Pen, line_mm
from exports.report_blocks import (
    GAP_MM,
    NOTE_PT,
    SLACK_MM,
    TEXT_PT,
    Block,
    draw_lines,
    loud_box,
    space,
    text_block,
    title_blocks,
)
from exports.report_document import Lines, Pair, Part, Picture, Table
from exports.report_grid import table_blocks


def pages_of(parts: Sequence[Part], size_mm: tuple[float, float], title: str) -> list[Page]:
    """The parts of a section on pages of one size.

    Parameters
    ----------
    parts : sequence of Part
        In their order.
    size_mm : (float, float)
        Width and height of the paper.
    title : str
        Of every page.
    """
    wide = size_mm[0] - 2.0 * EDGE_MM
    room = size_mm[1] - HEAD_MM - FOOT_MM
    blocks = [block for part in parts for block in _blocks(part, wide, room)]
    groups = list(_paged(blocks, room))
    count = len(groups)

    def page(number: int, group: Sequence[Block]) -> Page:
        def draw(pen: Pen) -> None:
            y = pen.height_mm - HEAD_MM
            for block in group:
                block.draw(pen, y)
                y -= block.high_mm

        of = f" ({number} of {count})" if count > 1 else ""
        return Page(f"{title}{of}", size_mm, draw)

    return [page(number, group) for number, group in enumerate(groups, start=1)]


def _paged(blocks: Sequence[Block], room_mm: float) -> Iterator[list[Block]]:
    """Blocks in groups that fit a page; titles move with what follows them."""
    group: list[Block] = []
    used = 0.0
    for n, block in enumerate(blocks):
        if block.is_space and (not group or used + block.high_mm > room_mm):
            continue
        needed, ahead = block.high_mm, n
        while blocks[ahead].keeps_next and ahead + 1 < len(blocks):
            ahead += 1
            needed += blocks[ahead].high_mm
        if (
            group
            and used + min(needed, room_mm) > room_mm + SLACK_MM
            and not (group[-1].keeps_next and used + block.high_mm <= room_mm)
        ):
            yield group
            group = [] if block.head is None else [block.head]
            used = sum(item.high_mm for item in group)
        group.append(block)
        used += block.high_mm
    if group:
        yield group


def _blocks(part: Part, wide_mm: float, room_mm: float) -> list[Block]:
    if isinstance(part, Table):
        return table_blocks(part, wide_mm, room_mm)
    if isinstance(part, Picture):
        return _picture_blocks((part,), wide_mm, room_mm)
    if isinstance(part, Pair):
        return _picture_blocks((part.left, part.right), wide_mm, room_mm)
    return _line_blocks(part, wide_mm)


def _line_blocks(lines: Lines, wide_mm: float) -> list[Block]:
    blocks = title_blocks(lines.title, wide_mm)
    if lines.loud and len(lines.items) == 1:
        return [*blocks, loud_box(lines.items[0], wide_mm)]
    for item in lines.items:
        sign = "" if len(lines.items) == 1 else "• "
        cut = wrapped(f"{sign}{item}", TEXT_PT, wide_mm - 4.0, bold=lines.loud)
        blocks += [
            text_block(line, TEXT_PT, bold=lines.loud, space_mm=1.2 * (n == len(cut)))
            for n, line in enumerate(cut, start=1)
        ]
    return [*blocks, space()]


def _picture_blocks(found: Sequence[Picture], wide_mm: float, room_mm: float) -> list[Block]:
    """Pictures beside each other, in one piece."""
    each_mm = (wide_mm - GAP_MM * (len(found) - 1)) / len(found)
    laid = [_picture(picture, each_mm, room_mm) for picture in found]

    def draw(pen: Pen, top: float) -> None:
        for n, (_, draw_one) in enumerate(laid):
            draw_one(pen, EDGE_MM + n * (each_mm + GAP_MM), top)

    return [Block(max(high for high, _ in laid), draw), space()]


def _picture(
    picture: Picture, wide_mm: float, room_mm: float
) -> tuple[float, Callable[[Pen, float, float], None]]:
    """Height of a picture with its caption, and what draws it from its upper left corner."""
    caption = wrapped(f"{picture.title}. {picture.caption}", NOTE_PT, wide_mm)
    told_mm = len(caption) * line_mm(NOTE_PT) + 2.0
    if picture.png is None:
        text = f"Picture missing: {picture.missing}"
        lines = wrapped(text, TEXT_PT, wide_mm - 4.0, bold=True)
        high = len(lines) * line_mm(TEXT_PT) + 4.0

        def draw_box(pen: Pen, left: float, top: float) -> None:
            pen.box(left, top - high, wide_mm, high, line_mm=0.5)
            draw_lines(pen, lines, left + 2.0, top - 1.6, TEXT_PT, bold=True)
            draw_lines(pen, caption, left, top - high - 1.0, NOTE_PT)

        return high + told_mm, draw_box
    image, across, down = _image(picture.png)
    scale = min(wide_mm / across, (room_mm - told_mm) / down)
    wide, tall = across * scale, down * scale

    def draw(pen: Pen, left: float, top: float) -> None:
        pen.image(image, left + 0.5 * (wide_mm - wide), top - tall, wide, tall)
        draw_lines(pen, caption, left, top - tall - 1.0, NOTE_PT)

    return tall + told_mm, draw


def _image(png: bytes) -> tuple[Any, int, int]:
    """What reportlab draws, and its pixels across and down."""
    from reportlab.lib.utils import ImageReader

    image = ImageReader(io.BytesIO(png))
    across, down = image.getSize()
    return image, across, down
