"""``seeds.csv``: every seed, planned and found, and how far apart; ``find-seeds`` can be read back.

The first columns are those of a table of delivered seeds, so that the file can be evaluated again;
a planned seed that was not found has no place there and ``keep`` says ``no``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from template_designer.inputs.seed_csv import COLUMNS
from template_designer.model.evaluation import AxisKind, Evaluation, SeedMatch

MORE = (
    "template",
    "hole",
    "from_tip",
    "planned_x_mm",
    "planned_y_mm",
    "planned_z_mm",
    "depth_mm",
    "right_mm",
    "down_mm",
    "displacement_mm",
)
"""After the columns of a table of seeds; lengths in mm, places LPS in the preplan's frame."""


def build(evaluation: Evaluation) -> bytes:
    """The table as UTF-8, planned seeds in the order of the plan, then those nobody planned."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow((*COLUMNS, *MORE))
    for match in evaluation.matches:
        writer.writerow([*_seed_cells(evaluation, match), *_match_cells(match)])
    return buffer.getvalue().encode("utf-8")


def _seed_cells(evaluation: Evaluation, match: SeedMatch) -> list[str]:
    if match.found is None:
        return ["", *("",) * 6, "missing", "planned, not found", "no"]
    seeds, k = evaluation.seeds, match.found
    axis = ("", "", "")
    if seeds.axis_kinds[k] is AxisKind.STATED:
        x, y, z = (f"{value + 0.0:.5f}" for value in seeds.axes_lps[k].tolist())
        axis = (x, y, z)
    state, reason = ("extra", "found, not planned") if match.hole is None else ("matched", "")
    return [seeds.numbers[k], *_cells(match.found_lps_mm), *axis, state, reason, "yes"]


def _match_cells(match: SeedMatch) -> list[str]:
    apart = (match.depth_mm, match.right_mm, match.down_mm, match.displacement_mm)
    return [
        match.template or "",
        match.hole or "",
        "" if match.number_from_tip is None else str(match.number_from_tip),
        *_cells(match.planned_lps_mm),
        *("" if math.isnan(value) else f"{value + 0.0:.3f}" for value in apart),
    ]


def _cells(point: Sequence[float] | None) -> list[str]:
    return ["", "", ""] if point is None else [f"{value + 0.0:.3f}" for value in point]
