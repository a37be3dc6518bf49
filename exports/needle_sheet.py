"""``needles.pdf``: what lies on the operating table: maps, depths, seeds, boxes to tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from exports.needle_rows import (
    ROUNDING,
    NeedleRow,
    Patient,
    needle_rows,
    patient_of,
    states_order,
)
from exports.needle_sheet_map import draw_large_map, exact_map
from exports.needle_sheet_table import table_pages
from exports.pdf_fonts import Shown, wrapped
from exports.pdf_page import (
    EDGE_MM,
    FOOT_MM,
    HEAD_MM,
    NOTICE,
    Page,
    Pen,
    line_mm,
    lying,
    write_pages,
)
from template_designer.model import Plan, Template
from template_designer.model.delivery import Technique

_BLANK = "_" * 24
_MAP_SHARE = 0.64  # of a page's width
_SIGNATURES_MM = 24.0
_TECHNIQUES = {
    Technique.MICK: "one at a time from cartridges, deepest first, drawing the needle back",
    Technique.STRAND: "as strands",
    Technique.PRELOADED: "loose in preloaded needles",
}

Note = tuple[str, float, bool]
"""A paragraph, its size in points, whether it is bold."""


def build(plan: Plan) -> bytes:
    """The needle table as PDF on the paper of ``[report] paper``, the same bytes every time.

    For each template: the plate as the operator sees it with every needle numbered in the order of
    insertion, the needles row by row, and a page to lay the plate on, 1:1. Patient, plan hash and
    page number stand on every page.
    """
    rows, size_mm = needle_rows(plan), lying(plan.settings.report.paper)
    several = len(plan.templates) > 1
    pages: list[Page] = []
    for number, template in enumerate(plan.templates, start=1):
        of = f" ({number} of {len(plan.templates)} templates)" if several else ""
        title = f"Template {template.name}{of}"
        found = rows[template.name]
        pages += _overview(plan, template, found, rows, size_mm, title)
        totals = _totals(plan, template, found)
        pages += table_pages(found, size_mm, f"{title}: needles in order of insertion", totals)
        pages.append(exact_map(plan, template, found, f"{title}: to lay the plate on"))
    patient = patient_of(plan)
    return write_pages(
        plan, pages, title=f"Needle table of plan {plan.id}", head=_patient_lines(plan, patient)
    )


def _patient_lines(plan: Plan, patient: Patient) -> tuple[str, str]:
    note = f" ({patient.note})" if patient.note else ""
    source = plan.source.calibration
    day = "" if source is None else f" · Implant: {source.implant_date.isoformat()}"
    name = f"Name: {patient.name or _BLANK} · Born: {patient.birth_date or '_' * 12}"
    if plan.settings.dicom.deidentify:
        name = "Name: left out"
    return f"Patient id: {patient.id or _BLANK}{note}", f"{name} · Plan: {plan.id}{day}"


def _overview(
    plan: Plan,
    template: Template,
    found: Sequence[NeedleRow],
    rows: dict[str, tuple[NeedleRow, ...]],
    size_mm: tuple[float, float],
    title: str,
) -> list[Page]:
    """Map and summary; the warnings on pages of their own where they do not fit beside it."""
    split = EDGE_MM + _MAP_SHARE * (size_mm[0] - 2.0 * EDGE_MM)
    wide = size_mm[0] - EDGE_MM - split
    first = template is plan.templates[0]
    notes = _summary(plan, template, found, rows)
    warnings = _warnings(plan) if first else []
    laid = _laid(notes, wide)
    body = size_mm[1] - HEAD_MM - FOOT_MM
    beside = _laid([*notes, *warnings], wide)
    apart = _height(beside) > body - _SIGNATURES_MM
    if apart:
        told = f"{len(plan.warnings)} WARNINGS: read the next page"
        beside = [*_laid([(told, 11.0, True)], wide), *laid] if warnings else laid

    def draw_page(pen: Pen) -> None:
        area = (EDGE_MM, FOOT_MM, split - EDGE_MM - 3.0, pen.height_mm - HEAD_MM - FOOT_MM)
        draw_large_map(pen, plan, template, found, area)
        _draw_lines(pen, beside, split, pen.height_mm - HEAD_MM - 2.0)
        for n, line in enumerate(("Date, time", "Checked by", "Prepared by")):
            pen.text(split, FOOT_MM + 2.0 + 7.0 * n, f"{line} {_BLANK}", 8.0)

    pages = [Page(f"{title}: plate as the operator sees it", size_mm, draw_page)]
    if apart and warnings:
        pages += _warning_pages(warnings, size_mm)
    return pages


def _summary(
    plan: Plan,
    template: Template,
    found: Sequence[NeedleRow],
    rows: dict[str, tuple[NeedleRow, ...]],
) -> list[Note]:
    seeds = sum(row.seeds for row in found)
    notes: list[Note] = [(f"{len(found)} needles, {seeds} seeds", 16.0, True)]
    if len(plan.templates) > 1:
        count = sum(len(other) for other in rows.values())
        notes.append((f"all templates: {count} needles, {plan.seed_count} seeds", 9.0, True))
    gauges = Counter(row.gauge for row in found)
    needles = ", ".join(f"{count} of {gauge}G" for gauge, count in sorted(gauges.items()))
    lengths = ", ".join(f"{mm:g}" for mm in sorted({row.length_mm for row in found}))
    notes.append((f"Needles: {needles or 'none'}; length {lengths or '–'} mm", 8.5, False))
    for gauge in sorted({row.access_gauge for row in found if row.access_gauge is not None}):
        holes = ", ".join(row.hole for row in found if row.access_gauge == gauge)
        notes.append((f"BONE ACCESS {gauge}G FIRST: {holes}", 8.5, True))
    notes += [(text, 8.5, False) for text in _seed_texts(plan)]
    if not states_order(plan):
        text = "The plan states no order of insertion: numbers follow the holes."
        notes.append((text, 8.5, True))
    notes += [
        (text, 7.5, False)
        for text in (
            "Black disc: needle, by its number in order of insertion; white ring in it: bone "
            "access. Circle: open hole. Cross: no needle may go there.",
            "Seen on the operator face; A1 at the cut corner. Not to scale: a page further on is "
            "1:1. Axes: template frame, z away from the operator into the patient.",
            "DEPTH: operator face of the plate to the needle tip, set this on the needle. Skin "
            "to tip: along the needle.",
            ROUNDING,
        )
    ]
    for goal in plan.goals:
        if not goal.met:
            sign = "at least" if goal.is_minimum else "at most"
            text = f"GOAL MISSED: {goal.structure} {goal.metric} {sign} {goal.limit:g} {goal.unit}"
            notes.append((text, 8.0, True))
    return notes


def _seed_texts(plan: Plan) -> list[str]:
    strength_u = plan.air_kerma_strength_u
    day = plan.source.calibration
    when = "the day of the implant" if day is None else day.implant_date.isoformat()
    technique = plan.settings.delivery.technique
    texts = [
        f"Seeds: {plan.source_model}, {strength_u:.3f} U each on {when}; "
        f"all {plan.seed_count}: {strength_u * plan.seed_count:.2f} U",
        f"Prescribed: {plan.prescription_gy:g} Gy",
    ]
    if plan.delivery:
        texts.append(f"Seeds go in {_TECHNIQUES[technique]}")
    return texts


def _warnings(plan: Plan) -> list[Note]:
    if not plan.warnings:
        return [("No warnings", 8.0, False)]
    head: Note = (f"WARNINGS ({len(plan.warnings)})", 9.0, True)
    return [head, *((f"• {item.text}", 7.5, False) for item in plan.warnings)]


def _totals(plan: Plan, template: Template, found: Sequence[NeedleRow]) -> list[str]:
    seeds = sum(row.seeds for row in found)
    last = found[-1].seeds_so_far if found else 0
    lines = [f"TOTAL {template.name}: {len(found)} needles, {seeds} seeds"]
    if len(plan.templates) > 1:
        lines[0] += f"; with all templates before: {last} of {plan.seed_count} seeds"
    used = {step.cartridge for row in found for step in row.steps}
    if used:
        lines[0] += f"; cartridges {min(used)} to {max(used)}"
    lines.append(f"Seeds taken: {_BLANK[:10]} · implanted: {_BLANK[:10]} · left: {_BLANK[:10]}")
    return lines


def _laid(notes: Sequence[Note], width_mm: float) -> list[tuple[Shown, float, bool, float]]:
    """Lines with size, boldness and the space under them."""
    found = []
    for text, size, bold in notes:
        lines = wrapped(text, size, width_mm, bold=bold)
        for n, line in enumerate(lines, start=1):
            found.append((line, size, bold, line_mm(size) + (1.4 if n == len(lines) else 0.0)))
    return found


def _height(laid: Sequence[tuple[Shown, float, bool, float]]) -> float:
    return sum(space for *_, space in laid)


def _draw_lines(
    pen: Pen, laid: Sequence[tuple[Shown, float, bool, float]], left_mm: float, top_mm: float
) -> None:
    y = top_mm
    for line, size, bold, space in laid:
        pen.text(left_mm, y - 0.3 * size, line, size, bold=bold)
        y -= space


def _warning_pages(warnings: Sequence[Note], size_mm: tuple[float, float]) -> list[Page]:
    room = size_mm[1] - HEAD_MM - FOOT_MM
    notes: list[Note] = [(text, 10.0, bold) for text, _, bold in warnings]
    groups: list[list[tuple[Shown, float, bool, float]]] = [[]]
    for line in _laid(notes, size_mm[0] - 2.0 * EDGE_MM):
        if _height([*groups[-1], line]) > room:
            groups.append([])
        groups[-1].append(line)

    def page(lines: list[tuple[Shown, float, bool, float]]) -> Page:
        def draw_page(pen: Pen) -> None:
            _draw_lines(pen, lines, EDGE_MM, pen.height_mm - HEAD_MM - 2.0)

        return Page("Warnings", size_mm, draw_page)

    return [page(lines) for lines in groups]


__all__ = ["NOTICE", "build"]
