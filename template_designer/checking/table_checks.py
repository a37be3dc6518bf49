"""``needles.csv`` row by row with ``plan.json``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from template_designer.checking.case_checks import rules_of
from template_designer.checking.evidence import Evidence
from template_designer.checking.lines import CheckLine, all_same, at_most, excess
from template_designer.checking.record import NeedleRecord, TemplateRecord

FILE_MM = 2e-4
"""plan.json carries four decimals."""


def check_table(evidence: Evidence) -> Iterator[CheckLine]:
    """Every needle has one row, and every cell says what plan.json says."""
    rows = {(row.get("template", ""), row.get("hole", "")): row for row in evidence.rows}
    wanted = {(template.name, needle.label) for template, needle in evidence.plan.needles}
    wrong = [f"row {' '.join(key)} has no needle" for key in sorted(set(rows) - wanted)]
    wrong += [f"needle {' '.join(key)} has no row" for key in sorted(wanted - set(rows))]
    if len(rows) < len(evidence.rows):
        wrong.append("a needle has two rows")
    off: list[tuple[str, float]] = []
    for (template, needle), name in zip(evidence.plan.needles, evidence.needle_names, strict=True):
        row = rows.get((template.name, needle.label))
        if row is not None:
            off += [(f"{name} {column}", gap) for column, gap in _numbers(template, needle, row)]
            off += [(f"{name} {column}", gap) for column, gap in _clearances(evidence, needle, row)]
    yield all_same("needle table, rows", "rows of needles.csv with needles", wrong, len(wanted))
    yield at_most("needle table, cells", "excess over its rounding", off, FILE_MM, "mm", 4)


def _numbers(
    template: TemplateRecord, needle: NeedleRecord, row: Mapping[str, str]
) -> Iterator[tuple[str, float]]:
    """How far each cell is from its value beyond what its decimals explain."""
    hole = next((hole for hole in template.holes if hole.label == needle.label), None)
    exact = {
        "gauge": needle.gauge,
        "needle_length_mm": needle.length_mm,
        "seeds": len(needle.seeds),
    }
    for column, value in exact.items():
        yield column, abs(_number(row, column) - value)
    if "bone_access_gauge" in row:
        named = row["bone_access_gauge"] or str(needle.gauge)
        yield "bone_access_gauge", 0.0 if named == str(needle.widest_gauge) else math.nan
    if needle.bone_hu is not None:
        yield "bone_hu", excess(abs(_number(row, "bone_hu") - needle.bone_hu) - 0.55)
    for column, value in (("depth_mm", needle.depth_mm), ("skin_depth_mm", needle.skin_depth_mm)):
        yield column, _over_down(_number(row, column), value, 0.1)
    nearest = {
        "bone_mm": (needle.bone_mm, 0.05),
        "gap_mm": (template.gap_mm, 0.05),
        "x_mm": (math.nan if hole is None else hole.x_mm, 0.005),
        "y_mm": (math.nan if hole is None else hole.y_mm, 0.005),
    }
    if hole is not None and "bore_mm" in row:
        nearest["bore_mm"] = (template.bore_of(hole), 0.005)
    for what, point in (("entry", needle.entry_lps_mm), ("tip", needle.tip_lps_mm)):
        for axis, value in zip("xyz", point, strict=True):
            nearest[f"{what}_{axis}_lps_mm"] = (value, 0.005)
    for column, (value, half) in nearest.items():
        yield column, excess(abs(_number(row, column) - value) - half)
    listed = [text for text in row.get("seed_from_tip_mm", "").split(";") if text]
    if len(listed) != len(needle.seeds):
        yield "seed_from_tip_mm", math.nan
        return
    for text, seed in zip(listed, needle.seeds, strict=True):
        gap = abs(_number({"": text}, "") - seed.from_tip_mm)
        yield "seed_from_tip_mm", excess(gap - 0.005)


def _clearances(
    evidence: Evidence, needle: NeedleRecord, row: Mapping[str, str]
) -> Iterator[tuple[str, float]]:
    """The nearest structure and the tightest rule."""
    known = needle.clearance_mm
    if not known:
        if row.get("least_clearance_mm") or row.get("tightest_rule_mm"):
            yield "least_clearance_mm", math.nan
        return
    least = min(known.values())
    yield "least_clearance_mm", _over_down(_number(row, "least_clearance_mm"), least, 0.1)
    named = known.get(_name(row, "least_clearance_structure", known), math.nan)
    yield "least_clearance_structure", abs(named - least)
    tight = known.get(_name(row, "tightest_rule_structure", known), math.nan)
    column = "tightest_rule_clearance_mm"
    yield column, _over_down(_number(row, column), tight, 0.1)
    if evidence.case is None:
        return
    rules, _ = rules_of(evidence.case, list(known))
    rule = rules.get(_name(row, "tightest_rule_structure", known), math.nan)
    yield "tightest_rule_mm", abs(_number(row, "tightest_rule_mm") - rule)
    spare = min(known[name] - limit for name, limit in rules.items())
    yield "tightest_rule_structure", excess(tight - rule - spare - 1e-3)


def _over_down(cell: float, value: float, step: float) -> float:
    """How far a cell lies off the values that rounding down by ``step`` can give."""
    return excess(cell - value, value - step - cell)


def _name(row: Mapping[str, str], column: str, known: Mapping[str, float]) -> str:
    """A structure's name; an apostrophe before it keeps spreadsheets from calculating it."""
    text = row.get(column, "")
    return text[1:] if text not in known and text[:1] == "'" else text


def _number(row: Mapping[str, str], column: str) -> float:
    try:
        return float(row.get(column, ""))
    except (TypeError, ValueError):
        return math.nan
