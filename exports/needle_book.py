"""``needles.xlsx``: the needle table as a workbook: needles, seeds, and whose plan it is."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from exports.needle_rows import ROUNDING, NeedleRow, needle_rows, patient_of, states_order
from exports.plan_json import plan_hash
from exports.rounding import rounded
from template_designer._version import SOFTWARE_NAME
from template_designer.model import Plan
from template_designer.model.paper import Paper

NOTICE = "Research and education only; not a medical device."
NEEDLE_COLUMNS = (
    ("number", 8),
    ("template", 10),
    ("hole", 8),
    ("gauge", 8),
    ("needle_length_mm", 10),
    ("depth_mm", 10),
    ("depth_cm", 10),
    ("skin_depth_mm", 10),
    ("seeds", 8),
    ("seeds_so_far", 8),
    ("bone_mm", 8),
    ("bone_access_gauge", 9),
    ("bone_access_reason", 30),
    ("least_clearance_mm", 10),
    ("least_clearance_structure", 22),
    ("tightest_rule_mm", 9),
    ("tightest_rule_clearance_mm", 10),
    ("tightest_rule_structure", 22),
    ("strand", 24),
    ("needle_in", 9),
    ("seeds_in", 9),
    ("checked", 9),
)
"""Columns of the sheet ``Needles`` and their widths in characters; meanings as in ``needles.csv``.
The last three are for ticks."""
SEED_COLUMNS = (
    ("number", 8),
    ("template", 10),
    ("hole", 8),
    ("seed", 8),
    ("from_tip_mm", 10),
    ("reading_mm", 10),
    ("back_mm", 10),
    ("cartridge", 10),
    ("seeds_so_far", 10),
)
"""Columns of the sheet ``Seeds``: seeds from the tip backwards; ``reading_mm`` = operator face of
the plate to the tip as the seed drops, ``back_mm`` = from the reading before to this one."""

_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can state
_FIXED_TIME = "1980-01-01T00:00:00Z"
_DIGITS = {"_mm": "0.0", "_cm": "0.0", "from_tip_mm": "0.00"}
_PAPER = {Paper.A4: 9, Paper.LETTER: 1}  # paperSize of Office Open XML
_LONGEST_CELL = 32_767  # characters that a cell may hold
_LONGEST_HEADER = 250  # Excel repairs a file whose print header has more than 255

Value = str | int | float | None


def build(plan: Plan) -> bytes:
    """The needle table as XLSX, the same bytes every time.

    Sheets ``Needles`` and ``Seeds`` in the order of insertion, numbers as numbers, rounded as in
    ``needles.csv`` and ``needles.pdf``; ``Plan`` says whose plan it is and lists its warnings. No
    cell is a formula, whatever a structure is called.
    """
    from openpyxl import Workbook

    rows = [row for found in needle_rows(plan).values() for row in found]
    rows.sort(key=lambda row: row.number)
    book = Workbook()
    needles = book.active
    needles.title = "Needles"
    _fill(needles, plan, NEEDLE_COLUMNS, [_needle_values(row) for row in rows])
    _fill(book.create_sheet("Seeds"), plan, SEED_COLUMNS, _seed_values(rows))
    _fill(book.create_sheet("Plan"), plan, (("what", 26), ("value", 90)), _plan_values(plan, rows))
    book.properties.creator = SOFTWARE_NAME
    book.properties.title = text_cell(f"Needle table of plan {plan.id}")
    packed = io.BytesIO()
    book.save(packed)
    return _same_bytes_every_time(packed.getvalue())


def text_cell(text: str) -> str:
    r"""A text that a cell may hold: control characters stand as their codes, ``<U+0007>``.

    Excel reads ``_x0041_`` as a code, too: its first sign becomes one, so that it reads the text.

    >>> text_cell("Cord\x07")
    'Cord<U+0007>'
    """
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    def code(match: re.Match[str]) -> str:
        return f"<U+{ord(match[0]):04X}>"

    shown = ILLEGAL_CHARACTERS_RE.sub(code, re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", text))
    return re.sub("[\ud800-\udfff\ufffe\uffff]", code, shown)[:_LONGEST_CELL]


def _fill(
    sheet: Any, plan: Plan, columns: Sequence[tuple[str, int]], values: Sequence[Sequence[Value]]
) -> None:
    """Head and rows of a sheet, and how it is printed."""
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

    thin = Side(style="thin", color="FF808080")
    border = Border(left=thin, right=thin, top=thin, bottom=thin)
    for number, (name, wide) in enumerate(columns, start=1):
        head = sheet.cell(row=1, column=number, value=name.replace("_", " "))
        head.font, head.border = Font(bold=True), border
        head.fill = PatternFill("solid", fgColor="FFD9D9D9")
        head.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.column_dimensions[head.column_letter].width = wide
    for at, row in enumerate(values, start=2):
        for number, value in enumerate(row, start=1):
            cell = sheet.cell(row=at, column=number)
            cell.border = border
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            _set(cell, columns[number - 1][0], value)
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = _PAPER[plan.settings.report.paper]
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.oddHeader.left.text = _printed(_patient_text(plan))
    sheet.oddHeader.right.text = "page &P of &N"
    sheet.oddFooter.left.text = _printed(f"Plan {plan.id}, hash {plan_hash(plan)}")
    sheet.oddFooter.right.text = _printed(NOTICE)


def _set(cell: Any, column: str, value: Value) -> None:
    """A text stays a text, also where it begins with ``=``; a number gets its decimals."""
    if isinstance(value, str):
        cell.value = text_cell(value)
        cell.data_type = "s"  # else openpyxl takes "=1+1" for a formula
        cell.quotePrefix = True  # and Excel does as soon as somebody edits the cell
    elif value is not None:
        cell.value = value
        if isinstance(value, float):
            cell.number_format = _DIGITS.get(column, _DIGITS.get(column[-3:], "General"))


def _printed(text: str) -> str:
    """A text for the head or foot of printed sheets, where ``&`` begins a command."""
    plain = re.sub(r"\s+", " ", text_cell(text))[: _LONGEST_HEADER // 2]
    return plain.replace("&", "&&")


def _patient_text(plan: Plan) -> str:
    patient = patient_of(plan)
    return (
        f"Patient id: {patient.id or '____________'}{f' ({patient.note})' if patient.note else ''}"
    )


def _needle_values(row: NeedleRow) -> list[Value]:
    nearest, tightest = row.nearest, row.tightest
    return [
        row.number,
        row.template,
        row.hole,
        row.gauge,
        row.length_mm,
        row.depth_mm,
        row.depth_cm,
        row.skin_depth_mm,
        row.seeds,
        row.seeds_so_far,
        row.bone_mm,
        row.access_gauge,
        row.access_reason or None,
        None if nearest is None else nearest.distance_mm,
        None if nearest is None else nearest.structure,
        None if tightest is None else tightest.rule_mm,
        None if tightest is None else tightest.distance_mm,
        None if tightest is None else tightest.structure,
        row.strand or None,
        None,
        None,
        None,
    ]


def _seed_values(rows: Sequence[NeedleRow]) -> list[list[Value]]:
    found: list[list[Value]] = []
    for row in rows:
        for n, from_tip in enumerate(row.seeds_from_tip_mm):
            step = row.steps[n] if row.steps else None
            found.append(
                [
                    row.number,
                    row.template,
                    row.hole,
                    n + 1,
                    from_tip,
                    None if step is None else step.reading_mm,
                    None if step is None else step.back_mm,
                    None if step is None else step.cartridge,
                    row.seeds_so_far - row.seeds + n + 1,
                ]
            )
    return found


def _plan_values(plan: Plan, rows: Sequence[NeedleRow]) -> list[list[Value]]:
    patient, calibration = patient_of(plan), plan.source.calibration
    table: list[list[Value]] = [
        ["notice", NOTICE],
        ["patient id", f"{patient.id}{f' ({patient.note})' if patient.note else ''}"],
        ["patient name", patient.name],
        ["born", patient.birth_date],
        ["plan", plan.id],
        ["plan hash (SHA-256)", plan_hash(plan)],
        ["written by", f"{SOFTWARE_NAME} {plan.software_version}"],
        ["templates", ", ".join(template.name for template in plan.templates)],
        ["needles", len(rows)],
        ["seeds", plan.seed_count],
        ["seed model", plan.source_model],
        ["air-kerma strength per seed, U", rounded(plan.air_kerma_strength_u, 6)],
        [
            "strength of",
            "day of implant" if calibration is None else calibration.implant_date.isoformat(),
        ],
        ["prescription, Gy", plan.prescription_gy],
        ["rounding", ROUNDING],
        ["depth", "operator face of the plate to the needle tip"],
        ["skin depth", "skin to needle tip, along the needle"],
        ["order", "of insertion" if states_order(plan) else "of holes: the plan states none"],
    ]
    table += [["GOAL MISSED", text] for text in _missed(plan)]
    table += [["warning", f"{item.text} [{item.code}]"] for item in plan.warnings]
    return table


def _missed(plan: Plan) -> Iterator[str]:
    for goal in plan.goals:
        if not goal.met:
            sign = "at least" if goal.is_minimum else "at most"
            yield f"{goal.structure} {goal.metric} {sign} {goal.limit:g} {goal.unit}"


def _same_bytes_every_time(packed: bytes) -> bytes:
    """The same workbook without the time at which it was made."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as made, zipfile.ZipFile(result, "w") as archive:
        for name in made.namelist():
            content = made.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(?<=W3CDTF\">)[^<]*", _FIXED_TIME.encode(), content)
            entry = zipfile.ZipInfo(name, _FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, compresslevel=6)
    return result.getvalue()
