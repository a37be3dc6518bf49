"""``needles.csv``: one row a needle, for spreadsheets and for the operating table."""

from __future__ import annotations

import csv
import io

from exports import delivery_data
from exports.needle_rows import by_hole, from_tip_mm, nearest_structure, tightest_rule
from exports.rounding import rounded, rounded_down
from template_designer.errors import OutputError
from template_designer.model import Needle, Plan, Template

COLUMNS = (
    "template",
    "hole",
    "gauge",
    "needle_length_mm",
    "depth_mm",
    "skin_depth_mm",
    "bone_mm",
    "bone_hu",
    "bone_access_gauge",
    "bore_mm",
    "gap_mm",
    "seeds",
    "seed_from_tip_mm",
    "least_clearance_mm",
    "least_clearance_structure",
    "tightest_rule_mm",
    "tightest_rule_clearance_mm",
    "tightest_rule_structure",
    "x_mm",
    "y_mm",
    "entry_x_lps_mm",
    "entry_y_lps_mm",
    "entry_z_lps_mm",
    "tip_x_lps_mm",
    "tip_y_lps_mm",
    "tip_z_lps_mm",
    *delivery_data.COLUMNS,
)
"""``depth_mm`` = operator face of the plate to tip; ``seed_from_tip_mm`` = tip to seed centres,
separated by semicolons, from the tip backwards; ``bone_access_gauge`` = of the access needle that
goes first where the way crosses compact bone, empty where none is needed; ``least_clearance`` = to
the nearest structure, ``tightest_rule`` = to the one whose rule has the least to spare; ``x_mm``,
``y_mm`` = hole in the template frame; the last columns are those of ``delivery_data``."""

_BLANKS = " \t\r\n"  # a spreadsheet skips these before it looks for a formula


def build(plan: Plan) -> bytes:
    """The needle table as CSV (UTF-8, one header row), column by column, then row by row.

    Depths carry one decimal and are rounded down, away from what lies deeper; clearances too.
    Names that a spreadsheet would take for a formula begin with an apostrophe.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for template in plan.templates:
        for needle in sorted(template.needles, key=by_hole):
            writer.writerow(_row(plan, template, needle))
    return text.getvalue().encode("utf-8")


def _row(plan: Plan, template: Template, needle: Needle) -> dict[str, object]:
    hole = next((hole for hole in template.holes if hole.label == needle.label), None)
    if hole is None:
        raise OutputError(f"template {template.name!r} has no hole {needle.label!r} for its needle")
    clearance = needle.clearance_mm
    nearest, tightest = nearest_structure(needle), tightest_rule(plan, needle)
    row: dict[str, object] = {
        "template": plain_cell(template.name),
        "hole": needle.label,
        "gauge": needle.gauge,
        "needle_length_mm": f"{needle.length_mm:g}",
        "depth_mm": _tenths_down(needle.depth_mm),
        "skin_depth_mm": _tenths_down(needle.skin_depth_mm),
        "bone_mm": _tenths(needle.bone_mm),
        "bone_hu": "" if needle.bone_hu is None else f"{needle.bone_hu:.0f}",
        "bone_access_gauge": "" if needle.bone_access is None else needle.bone_access.gauge,
        "bore_mm": f"{rounded(template.bore_of(hole), 2):g}",
        "gap_mm": _tenths(template.gap_mm),
        "seeds": len(needle.seeds),
        "seed_from_tip_mm": ";".join(f"{from_tip_mm(seed):g}" for seed in needle.seeds),
        "least_clearance_mm": "" if nearest is None else _tenths_down(clearance[nearest]),
        "least_clearance_structure": plain_cell(nearest or ""),
        "tightest_rule_mm": "" if tightest is None else f"{tightest.clearance_mm:g}",
        "tightest_rule_clearance_mm": (
            "" if tightest is None else _tenths_down(clearance[tightest.structure])
        ),
        "tightest_rule_structure": "" if tightest is None else plain_cell(tightest.structure),
        "x_mm": f"{rounded(hole.x_mm, 2):g}",
        "y_mm": f"{rounded(hole.y_mm, 2):g}",
    }
    for name, point in (("entry", needle.entry_lps_mm), ("tip", needle.tip_lps_mm)):
        for axis, value in zip("xyz", point, strict=True):
            row[f"{name}_{axis}_lps_mm"] = f"{rounded(value, 2):.2f}"
    return row | delivery_data.delivery_cells(delivery_data.delivery_of(plan, template, needle))


def plain_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe before ``= + - @``.

    >>> plain_cell("=1+1"), plain_cell("Aorta")
    ("'=1+1", 'Aorta')
    """
    return f"'{text}" if text.lstrip(_BLANKS)[:1] in tuple("=+-@＝＋－＠") else text


def _tenths_down(value_mm: float) -> str:
    return f"{rounded_down(value_mm, 1):.1f}"


def _tenths(value_mm: float) -> str:
    return f"{rounded(value_mm, 1):.1f}"
