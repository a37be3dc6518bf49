"""The rows of ``needles.pdf``: laid out in cells, cut into pages, drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exports.needle_rows import ROUNDING, Clearance, NeedleRow
from exports.pdf_fonts import Shown, shown, text_width_mm, wrapped
from exports.pdf_page import EDGE_MM, FOOT_MM, HEAD_MM, Page, Pen, line_mm

BOX = "\N{BALLOT BOX}"

_PAD_MM = 1.0
_LEAST_ROW_MM = 9.5
_HEAD_PT, _TEXT_PT, _LARGE_PT = 7.0, 8.0, 13.0
_TOTALS_MM = 22.0


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, its width, how its cells look."""

    head: str
    width_mm: float  # 0: a share of what is left
    share: float = 0.0
    size_pt: float = _TEXT_PT
    bold: bool = False


COLUMNS = (
    Column("No.", 10.0, size_pt=_LARGE_PT, bold=True),
    Column("Hole", 16.0, size_pt=_LARGE_PT, bold=True),
    Column("Gauge", 12.0, size_pt=10.0),
    Column("DEPTH mm plate to tip", 20.0, size_pt=_LARGE_PT, bold=True),
    Column("depth cm", 12.5, size_pt=10.0),
    Column("skin to tip mm", 15.0, size_pt=10.0),
    Column("Seeds", 11.0, size_pt=_LARGE_PT, bold=True),
    Column("Seed centres, mm from the tip", 0.0, 0.2),
    Column("", 0.0, 0.42),  # its head names the technique
    Column("Bone; access needle first", 22.0),
    Column("Least clearance mm, to what (≥ its rule)", 0.0, 0.38),
    Column("Seeds so far", 12.0, size_pt=10.0),
    Column("Needle in", 12.5),
    Column("Seeds in", 12.5),
    Column("2nd check", 12.5),
)
_STEPS = 8  # the column of readings
_TICKS = 3  # the last columns

Cell = list[Shown]


def column_widths(page_width_mm: float) -> list[float]:
    """Widths of all columns on a page, mm."""
    left = page_width_mm - 2.0 * EDGE_MM - sum(column.width_mm for column in COLUMNS)
    return [column.width_mm or column.share * left for column in COLUMNS]


def table_pages(
    rows: Sequence[NeedleRow], size_mm: tuple[float, float], title: str, totals: Sequence[str]
) -> list[Page]:
    """The rows of one template on as many pages as they take, the head of the table on each.

    Parameters
    ----------
    rows : sequence of NeedleRow
        In their order.
    size_mm : (float, float)
        Width and height of the pages.
    title : str
        Of the pages.
    totals : sequence of str
        Lines under the last row.
    """
    widths = column_widths(size_mm[0])
    heads = _heads(rows, widths)
    room = size_mm[1] - HEAD_MM - FOOT_MM - _height(heads, _HEAD_PT) - line_mm(_TEXT_PT)
    laid = [part for row in rows for part in _split(_cells(row, widths), room)]
    groups: list[list[list[Cell]]] = [[]]
    used = 0.0
    for cells in laid:
        high = _row_height(cells)
        if used + high > room and groups[-1]:
            groups.append([])
            used = 0.0
        groups[-1].append(cells)
        used += high
    if used + _TOTALS_MM > room:
        groups.append([])
    pages = []
    for number, group in enumerate(groups, start=1):
        part = f" ({number} of {len(groups)})" if len(groups) > 1 else ""
        last = totals if number == len(groups) else ()
        pages.append(_page(f"{title}{part}", size_mm, widths, heads, group, last))
    return pages


def step_parts(row: NeedleRow) -> tuple[str, ...]:
    """The readings of a needle, in parts that stay in one line, or its strand.

    ``cartridge 1:``, ``☐ 118.4``, ``−7.5 → ☐ 110.9``: back 7.5 mm, there the next.
    """
    parts = []
    for step in row.steps:
        if step.opens_cartridge:
            parts.append(f"cartridge {step.cartridge}:")
        back = "" if step.back_mm is None else f"−{step.back_mm:.1f} → "
        parts.append(f"{back}{BOX} {step.reading_mm:.1f}")
    if row.strand:
        parts.append(row.strand)  # cut behind a sign where it is too long
    return tuple(parts)


def _heads(rows: Sequence[NeedleRow], widths: Sequence[float]) -> list[Cell]:
    by_strand = any(row.strand for row in rows)
    steps = (
        "Seeds (S) and spacers (mm), from the tip backwards"
        if by_strand
        else "Plate to tip as each seed drops, mm; before →: how far to draw back"
    )
    return [
        wrapped(column.head or steps, _HEAD_PT, width - 2.0 * _PAD_MM, bold=True)
        for column, width in zip(COLUMNS, widths, strict=True)
    ]


def _cells(row: NeedleRow, widths: Sequence[float]) -> list[Cell]:
    access = "" if row.access_gauge is None else f"ACCESS {row.access_gauge}G"
    bone = f"{row.bone_mm:.1f} mm bone" if row.bone_mm > 0.0 or access else "–"
    seeds = [f"{mm:g}" for mm in row.seeds_from_tip_mm]
    texts: list[Sequence[tuple[str | Sequence[str], bool]]] = [
        [(str(row.number), True)],
        [(row.hole, True)],
        [(f"{row.gauge}G", False)],
        [(f"{row.depth_mm:.1f}", True)],
        [(f"{row.depth_cm:.1f}", False)],
        [(f"{row.skin_depth_mm:.1f}", False)],
        [(str(row.seeds), True)],
        [([*(f"{mm};" for mm in seeds[:-1]), *seeds[-1:]], False)],
        [(step_parts(row), False)],
        [(access, True), (bone, False)] if access else [(bone, False)],
        [(parts, False) for parts in _clearance_texts(row)],
        [(str(row.seeds_so_far), False)],
        *([[(" ", False)]] * _TICKS),
    ]
    return [
        [
            line
            for text, bold in lines
            for line in wrapped(text, column.size_pt, width - 2.0 * _PAD_MM, bold=bold)
        ]
        for column, width, lines in zip(COLUMNS, widths, texts, strict=True)
    ]


def _clearance_texts(row: NeedleRow) -> list[tuple[str, ...]]:
    """The nearest structure, and the one with the least to spare where it is another."""

    def said(clearance: Clearance) -> tuple[str, ...]:
        rule = () if clearance.rule_mm is None else (f"(≥ {clearance.rule_mm:g})",)
        return f"{clearance.distance_mm:.1f} {clearance.structure}", *rule

    if row.nearest is None:
        return [("–",)]
    found = [said(row.nearest)]
    if row.tightest is not None and row.tightest.structure != row.nearest.structure:
        found.append(("tightest:", *said(row.tightest)))
    return found


def _split(cells: list[Cell], room_mm: float) -> Iterator[list[Cell]]:
    """A row that is higher than a page in parts; number and hole stand on each."""
    if _row_height(cells) <= room_mm:
        yield cells
        return
    most = int((room_mm - 2.0 * _PAD_MM) / line_mm(_TEXT_PT))
    longest = max(len(cell) for cell in cells)
    for start in range(0, longest, most):
        part = [cell[start : start + most] for cell in cells]
        if start:
            part[0], part[1] = cells[0], cells[1]
            part[2] = [shown("goes"), shown("on")]
        yield part


def _row_height(cells: Sequence[Cell]) -> float:
    heights = (
        len(cell) * line_mm(column.size_pt) for cell, column in zip(cells, COLUMNS, strict=True)
    )
    return max(_LEAST_ROW_MM, max(heights) + 2.0 * _PAD_MM)


def _height(cells: Sequence[Cell], size_pt: float) -> float:
    return max(len(cell) for cell in cells) * line_mm(size_pt) + 2.0 * _PAD_MM


def _page(
    title: str,
    size_mm: tuple[float, float],
    widths: Sequence[float],
    heads: Sequence[Cell],
    group: Sequence[Sequence[Cell]],
    totals: Sequence[str],
) -> Page:
    def draw_page(pen: Pen) -> None:
        y = pen.height_mm - HEAD_MM
        lefts = list(itertools.accumulate(widths, initial=EDGE_MM))
        if group:
            high = _height(heads, _HEAD_PT)
            pen.box(EDGE_MM, y - high, lefts[-1] - EDGE_MM, high, fill_gray=0.85)
            _draw_row(pen, heads, lefts, y, high, head=True)
            y -= high
        for number, cells in enumerate(group):
            high = _row_height(cells)
            if number % 2:
                pen.box(EDGE_MM, y - high, lefts[-1] - EDGE_MM, high, fill_gray=0.95)
            _draw_row(pen, cells, lefts, y, high, head=False)
            y -= high
        y -= 6.0
        for line in totals:
            pen.text(EDGE_MM, y, line, 10.0, bold=line is totals[0])
            y -= 5.0
        pen.text(EDGE_MM, EDGE_MM + 8.2, ROUNDING, 7.5, bold=True)

    return Page(title, size_mm, draw_page)


def _draw_row(
    pen: Pen,
    cells: Sequence[Cell],
    lefts: Sequence[float],
    top_mm: float,
    high_mm: float,
    *,
    head: bool,
) -> None:
    for number, (column, cell) in enumerate(zip(COLUMNS, cells, strict=True)):
        left, right = lefts[number], lefts[number + 1]
        pen.box(left, top_mm - high_mm, right - left, high_mm)
        if not head and number >= len(COLUMNS) - _TICKS:
            pen.box(0.5 * (left + right) - 2.5, top_mm - 0.5 * high_mm - 2.5, 5.0, 5.0, line_mm=0.4)
            continue
        size = _HEAD_PT if head else column.size_pt
        y = top_mm - _PAD_MM - 0.75 * line_mm(size)
        for line in cell:
            loud = head or column.bold or line.startswith("ACCESS")
            if text_width_mm(line, size, bold=loud) > right - left:
                loud = False
            pen.text(left + _PAD_MM, y, line, size, bold=loud)
            y -= line_mm(size)
