"""The tables of a report: metrics, needles, loading, reach, inputs."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Mapping, Sequence

from exports.needle_rows import ROUNDING, Clearance, NeedleRow, needle_rows, states_order
from exports.needle_sheet_table import step_parts
from exports.report_document import NOTHING, Column, Row, Table, facts
from exports.report_numbers import UNDEFINED, metric_digits, metric_name, number
from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.model import Plan
from template_designer.model.loading_report import LoadingReport

LIBRARIES = (
    "numpy",
    "numba",
    "scipy",
    "shapely",
    "scikit-image",
    "trimesh",
    "manifold3d",
    "matplotlib",
    "pyvista",
    "vtk",
    "pydicom",
    "reportlab",
)
"""Whose versions a report states: what its numbers and pictures were made with."""


_PATTERN_KEYS = ("d90_gy", "v100_pct", "v150_pct", "v200_pct", "ci")


def metric_tables(plan: Plan) -> tuple[Table, ...]:
    """All metrics: the target as a list, the other structures side by side."""
    name = plan.settings.target.structure
    target = plan.metrics.get(name, {})
    rows = tuple(Row((metric_name(key)[0], metric_text(key, v))) for key, v in target.items())
    tables = [Table(f"Target {name}", (Column("metric"), Column("value", True)), rows)]
    others = {other: values for other, values in plan.metrics.items() if other != name}
    keys = list(dict.fromkeys(key for values in others.values() for key in values))
    if others:
        columns = [Column("structure"), *(Column(_with_unit(key), True) for key in keys)]
        cells = [
            (other, *(number(values.get(key), metric_digits(key)) for key in keys))
            for other, values in others.items()
        ]
        tables.append(Table("Other structures", tuple(columns), tuple(Row(c) for c in cells)))
    return tuple(tables)


def metric_text(key: str, value: float) -> str:
    """A metric with its unit."""
    text, unit = number(value, metric_digits(key)), metric_name(key)[1]
    return f"{text} {unit}" if unit and text != UNDEFINED else text


def needle_tables(plan: Plan) -> tuple[Table, ...]:
    """The needles of each plate in the order of insertion, with the depths of the needle table."""
    order = "" if states_order(plan) else " The plan states no order of insertion: holes in order."
    columns = (
        Column("no.", True),
        Column("hole"),
        Column("gauge"),
        Column("DEPTH mm, plate to tip", True),
        Column("skin to tip mm", True),
        Column("seeds", True),
        Column("seed centres, mm from the tip"),
        Column("readings mm as each seed drops, or strand (S, spacers mm)"),
        Column("bone mm; access needle"),
        Column("least clearance mm, to what (its rule)"),
    )
    return tuple(
        Table(
            f"Needles of plate {name} in order of insertion",
            columns,
            tuple(Row(_needle_cells(row)) for row in rows),
            f"DEPTH: operator face of the plate to the needle tip. {ROUNDING}{order}",
        )
        for name, rows in needle_rows(plan).items()
        if rows
    )


def loading_tables(plan: Plan) -> tuple[Table, ...]:
    """The loading beside its bound, textbook patterns and estimates from the target's size."""
    report = plan.loading
    if report is None:
        return ()
    target = plan.metrics[plan.settings.target.structure]
    planned = {key: target.get(key) for key in _PATTERN_KEYS}
    rows = [_pattern_row("plan", len(plan.needles), plan.seed_count, planned)]
    for found in report.patterns:
        values = {key: getattr(found, key) for key in _PATTERN_KEYS}
        rows.append(_pattern_row(pattern_name(found.name), found.needles, found.seeds, values))
    tables = [facts("How good the loading is", _bound_facts(plan, report))]
    if report.patterns:
        note = (
            "Patterns on the same plates at the same strength; of each kind the one nearest to the "
            "plan's V100, and of those the most conformal. Goals of other organs are not in them."
        )
        heads = ("needles", "seeds", *(_with_unit(key) for key in _PATTERN_KEYS))
        columns = (Column("loading"), *(Column(head, True) for head in heads))
        tables.append(Table("The plan beside patterns", columns, tuple(rows), note))
    return tuple(tables)


def pattern_name(name: str) -> str:
    """Name of a pattern without the place it was laid at.

    >>> pattern_name("Paris squares: needles 10 mm, seeds 7.5 mm, place 2, height 1")
    'Paris squares: needles 10 mm, seeds 7.5 mm'
    """
    return re.sub(r", (place|height) \d+", "", name)


def reach_table(plan: Plan) -> Table:
    """How much of the target seeds can reach, and what hides the rest."""
    pairs = [("target that seeds can reach", f"{number(plan.reach.reachable_pct)} %")]
    for cause, share in plan.reach.hidden_pct_by_cause.items():
        pairs.append((f"hidden by {cause}", f"{number(share)} %"))
    if (most := plan.reach.largest_v100_pct) is not None:
        pairs.append(("no loading covers more than", f"V100 {number(most)} %"))
    return facts("Reach", pairs)


def input_table(plan: Plan) -> Table:
    """Every file that went in, with its hash."""
    rows = tuple(Row((item.path, item.sha256)) for item in plan.inputs)
    return Table("Inputs", (Column("file"), Column("SHA-256")), rows)


def version_table(plan: Plan) -> Table:
    """Who planned, who wrote this, on what."""
    pairs = [
        ("planned by", f"{SOFTWARE_NAME} {plan.software_version}"),
        ("report written by", f"{SOFTWARE_NAME} {__version__}"),
        ("Python", platform.python_version()),
    ]
    return facts("Software", pairs + [(name, _version(name)) for name in LIBRARIES])


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _with_unit(key: str) -> str:
    return " ".join(part for part in metric_name(key) if part)


def _needle_cells(row: NeedleRow) -> tuple[str, ...]:
    seeds = "; ".join(f"{mm:g}" for mm in row.seeds_from_tip_mm)
    steps = _in_one_line([part.replace("\N{BALLOT BOX} ", "") for part in step_parts(row)])
    access = "" if row.access_gauge is None else f"; ACCESS {row.access_gauge}G FIRST"
    return (
        str(row.number),
        row.hole,
        f"{row.gauge}G",
        f"{row.depth_mm:.1f}",
        f"{row.skin_depth_mm:.1f}",
        str(row.seeds),
        seeds or NOTHING,
        steps or NOTHING,
        f"{row.bone_mm:.1f}{access}",
        "; ".join(_clearance_text(found) for found in _clearances(row)) or NOTHING,
    )


def _in_one_line(parts: Sequence[str]) -> str:
    """Readings behind each other: ``cartridge 1: 118.4; −7.5 → 110.9; cartridge 2: 103.4``."""
    return "; ".join(parts).replace(":; ", ": ")


def _clearances(row: NeedleRow) -> list[Clearance]:
    """The nearest structure, and the one with the least to spare where it is another."""
    found = [item for item in (row.nearest, row.tightest) if item is not None]
    return found[:1] if len({item.structure for item in found}) == 1 else found


def _clearance_text(found: Clearance) -> str:
    rule = "" if found.rule_mm is None else f" (≥ {found.rule_mm:g})"
    return f"{found.distance_mm:.1f} {found.structure}{rule}"


def _pattern_row(name: str, needles: int, seeds: int, values: Mapping[str, float | None]) -> Row:
    texts = (number(value, metric_digits(key)) for key, value in values.items())
    return Row((name, str(needles), str(seeds), *texts))


def _bound_facts(plan: Plan, report: LoadingReport) -> list[tuple[str, str]]:
    pairs = [("cost of the loading, as the search counts it", number(report.cost))]
    if report.lower_bound > 0.0:
        pairs += [
            (
                "proved: no permitted loading costs less than",
                f"{number(report.lower_bound)} (it splits seeds into fractions and lies low)",
            ),
            ("proved: seeds that as much coverage takes", f"at least {report.seeds_at_least}"),
        ]
    else:
        pairs.append(("bound on the cost", "none could be proved"))
    for item in report.estimates:
        pairs.append(
            (
                f"seeds by the target's size, {item.method}",
                f"{item.seeds} seeds, {item.total_strength_u:.1f} U; planned {plan.seed_count} "
                f"seeds, {item.ratio(plan.seed_count):.2f} times as many",
            )
        )
    if report.strengths_u:
        tried = ", ".join(f"{value:.3f}" for value in report.strengths_u)
        pairs.append(("strengths tried", f"{tried} U"))
    return pairs
