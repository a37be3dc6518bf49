"""The tables of a report on paper: columns as wide as their texts, rows that are not cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from exports.pdf_fonts import Shown, shown, text_width_mm, wrapped
from exports.pdf_page import EDGE_MM, Pen, line_mm
from exports.report_blocks import (
    CELL_PT,
    NOTE_PT,
    Block,
    draw_lines,
    space,
    text_block,
    title_blocks,
)
from exports.report_document import Column, Row, Table

_PAD_MM = 1.0
_LONGEST_WORD_MM = 30.0  # longer ones are cut rather than widen their column


def table_blocks(table: Table, wide_mm: float, room_mm: float) -> list[Block]:
    """A table in one piece where a page holds it, else row by row with its heads on each page."""
    widths = _widths(table, wide_mm)
    blocks = title_blocks(table.title, wide_mm)
    head = None
    if table.has_heads:
        row = Row(tuple(column.head for column in table.columns))
        head = _row_block(_laid(row, widths, bold=True), table.columns, widths, is_head=True)
        blocks.append(head)
    most_mm = room_mm - (0.0 if head is None else head.high_mm)
    for number, row in enumerate(table.rows):
        cells = _laid(row, widths)
        for piece in _split(cells, most_mm):
            blocks.append(
                _row_block(piece, table.columns, widths, head=head, is_loud=row.loud,
                           is_shaded=number % 2 == 1)
            )  # fmt: skip
    note = wrapped(table.note, NOTE_PT, wide_mm) if table.note else []
    blocks += [space(1.0), *(text_block(line, NOTE_PT) for line in note)]
    if sum(block.high_mm for block in blocks) <= room_mm:  # then it is not cut
        blocks = [replace(block, keeps_next=True) for block in blocks[:-1]] + blocks[-1:]
    return [*blocks, space()]


def _widths(table: Table, wide_mm: float) -> list[float]:
    """Widths of columns: what their texts take, and where that is too much, less for long ones."""
    least, full = [], []
    for n, column in enumerate(table.columns):
        texts = [(column.head, True)] + [(row.cells[n], n == 0 or row.loud) for row in table.rows]
        words = [(word, bold) for text, bold in texts for word in shown(text).split()]
        longest = max((text_width_mm(w, CELL_PT, bold=b) for w, b in words), default=0.0)
        # a head may break, so only the cells say how wide a column is at its best
        whole = max((text_width_mm(t, CELL_PT, bold=b) for t, b in texts[1:]), default=0.0)
        least.append(min(longest, _LONGEST_WORD_MM) + 2.0 * _PAD_MM + 0.2)
        full.append(max(whole, min(longest, _LONGEST_WORD_MM)) + 2.0 * _PAD_MM + 0.2)
    if sum(full) <= wide_mm:
        return full
    if sum(least) >= wide_mm:
        return [mm * wide_mm / sum(least) for mm in least]
    share = (wide_mm - sum(least)) / (sum(full) - sum(least))
    return [low + share * (high - low) for low, high in zip(least, full, strict=True)]


Cells = list[list[Shown]]


def _laid(row: Row, widths: Sequence[float], *, bold: bool = False) -> Cells:
    return [
        wrapped(text, CELL_PT, width - 2.0 * _PAD_MM, bold=bold or n == 0 or row.loud)
        for n, (text, width) in enumerate(zip(row.cells, widths, strict=True))
    ]


def _split(cells: Cells, room_mm: float) -> Iterator[Cells]:
    """A row that is higher than a page in parts."""
    most = max(1, int((room_mm - 2.0 * _PAD_MM) / line_mm(CELL_PT)))
    for start in range(0, max(len(cell) for cell in cells), most):
        yield [cell[start : start + most] for cell in cells]


def _row_block(
    cells: Cells,
    columns: Sequence[Column],
    widths: Sequence[float],
    *,
    head: Block | None = None,
    is_head: bool = False,
    is_loud: bool = False,
    is_shaded: bool = False,
) -> Block:
    high = max(len(cell) for cell in cells) * line_mm(CELL_PT) + 2.0 * _PAD_MM

    def draw(pen: Pen, top: float) -> None:
        x = EDGE_MM
        if is_head or is_shaded:
            pen.box(x, top - high, sum(widths), high, fill_gray=0.85 if is_head else 0.95)
        for n, (cell, column, width) in enumerate(zip(cells, columns, widths, strict=True)):
            pen.box(x, top - high, width, high, line_mm=0.15)
            _draw_cell(pen, cell, (x, top, width), column, bold=is_head or is_loud or n == 0)
            x += width
        if is_loud:
            pen.box(EDGE_MM, top - high, sum(widths), high, line_mm=0.8)

    return Block(high, draw, keeps_next=is_head, head=head)


def _draw_cell(
    pen: Pen,
    cell: Sequence[Shown],
    place: tuple[float, float, float],
    column: Column,
    *,
    bold: bool,
) -> None:
    x, top, width = place
    if not column.is_number:
        draw_lines(pen, cell, x + _PAD_MM, top - _PAD_MM, CELL_PT, bold=bold)
        return
    for n, line in enumerate(cell):
        y = top - _PAD_MM - (n + 0.75) * line_mm(CELL_PT)
        pen.text(x + width - _PAD_MM, y, line, CELL_PT, bold=bold, align="right")
