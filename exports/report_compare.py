"""What a report says of two plans side by side: every number of both, and how they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from exports.needle_rows import NeedleRow, needle_rows
from exports.plan_json import plan_hash
from exports.report_content import patient_text, tally, warning_lines
from exports.report_document import (
    NOTHING,
    Column,
    Document,
    Lines,
    Pair,
    Part,
    Row,
    Section,
    Table,
)
from exports.report_numbers import (
    difference,
    goal_value,
    limit_text,
    metric_digits,
    metric_name,
    number,
    strength,
    verdict,
)
from exports.report_pictures import Place, pictures
from exports.report_tables import version_table
from template_designer.model import GoalResult, Plan

Metrics = Mapping[str, Mapping[str, float]]
"""Metrics of structures, by the names of ``plan.json``."""

_ABSENT = "not in it"


def comparison_document(a: Plan, b: Plan) -> Document:
    """The report of plan B beside plan A."""
    summary = (_sameness(a, b), _overview(a, b), goals_beside(a.goals, b.goals), *_warnings(a, b))
    sections = [
        Section("summary", "Two plans side by side", summary),
        Section("pictures", "Pictures", _side_by_side(a, b), is_wide=True),
        Section("dose", "Dose", (metrics_beside(a.metrics, b.metrics),)),
        Section("needles", "Needles", (_needles(a, b),), is_wide=True),
        Section("inputs", "Inputs and versions", (_inputs(a, b), version_table(b))),
    ]
    return Document(
        title=f"Plan A {a.id} beside plan B {b.id}",
        head=(f"A: {patient_text(a)}", f"A: {a.id} · {tally(a)}; B: {b.id} · {tally(b)}"),
        plans=(a, b),
        sections=tuple(section for section in sections if section.parts),
    )


def unlike(a: Plan, b: Plan) -> tuple[str, ...]:
    """Why two plans may not be compared number by number; nothing where they may."""
    found = []
    patients = {patient_text(plan) for plan in (a, b)}
    if len(patients) > 1:
        found.append(f"NOT THE SAME PATIENT: A {patient_text(a)}; B {patient_text(b)}.")
    hashes_a, hashes_b = ({item.sha256 for item in plan.inputs} for plan in (a, b))
    if hashes_a != hashes_b:
        names = sorted(
            {item.path for item in a.inputs if item.sha256 not in hashes_b}
            | {item.path for item in b.inputs if item.sha256 not in hashes_a}
        )
        found.append(f"NOT THE SAME CASE: input files differ ({', '.join(names)}).")
    name_a, name_b = a.settings.target.structure, b.settings.target.structure
    if name_a != name_b:
        found.append(f"NOT THE SAME TARGET: A plans {name_a}, B plans {name_b}.")
    elif a.settings.target != b.settings.target:
        found.append(f"NOT THE SAME TARGET: {name_a} has another margin, or ends elsewhere.")
    if a.prescription_gy != b.prescription_gy:
        found.append(
            f"NOT THE SAME PRESCRIPTION: A {a.prescription_gy:g} Gy, B {b.prescription_gy:g} Gy. "
            "V metrics are parts of another dose."
        )
    if a.software_version != b.software_version:
        found.append(
            f"NOT THE SAME VERSION of the program: A {a.software_version}, B {b.software_version}."
        )
    return tuple(found)


def _sameness(a: Plan, b: Plan) -> Lines:
    if plan_hash(a) == plan_hash(b):
        return Lines("", ("A and B are the same plan: their hashes are equal.",), loud=True)
    return (
        Lines("", unlike(a, b), loud=True)
        if unlike(a, b)
        else Lines("", ("Same case, same target, same prescription.",))
    )


def _overview(a: Plan, b: Plan) -> Table:
    rows = [
        Row(("plan", a.id, b.id, NOTHING)),
        _row("plan hash (SHA-256)", plan_hash(a), plan_hash(b)),
        _row("target", a.settings.target.structure, b.settings.target.structure),
        _counted("prescription Gy", a.prescription_gy, b.prescription_gy, 1),
        _row("source", a.source_model, b.source_model),
        _row(
            "strength of a seed",
            *(strength(p.air_kerma_strength_u, p.source.model.nuclide) for p in (a, b)),
        ),
        _counted("needles", len(a.needles), len(b.needles)),
        _counted("seeds", a.seed_count, b.seed_count),
        _counted("strength of all seeds U", _total_u(a), _total_u(b), 2),
        _counted("plates", len(a.templates), len(b.templates)),
        _counted("goals met", _goal_count(a, met=True), _goal_count(b, met=True)),
        _counted("goals missed", _goal_count(a, met=False), _goal_count(b, met=False)),
        _counted("target that seeds can reach %", a.reach.reachable_pct, b.reach.reachable_pct, 1),
        _row("planned by version", a.software_version, b.software_version),
    ]  # fmt: skip
    columns = (Column(""), Column("A"), Column("B"), Column("B − A", True))
    return Table("Overview", columns, tuple(rows))


def _goal_count(plan: Plan, *, met: bool) -> int:
    return sum(goal.met is met for goal in plan.goals)


def _total_u(plan: Plan) -> float:
    return plan.seed_count * plan.air_kerma_strength_u


def _row(name: str, a: str, b: str) -> Row:
    return Row((name, a, b, "same" if a == b else "differs"))


def _counted(name: str, a: float, b: float, digits: int = 0) -> Row:
    return Row((name, number(a, digits), number(b, digits), difference(a, b, digits)))


def goals_beside(
    of_a: Iterable[GoalResult], of_b: Iterable[GoalResult], heads: tuple[str, str] = ("A", "B")
) -> Table:
    """Every goal of either side; one that is asked for differently stands twice."""
    by_key = tuple({_goal_key(goal): goal for goal in goals} for goals in (of_a, of_b))
    rows = []
    for key in dict.fromkeys((*by_key[0], *by_key[1])):
        in_a, in_b = by_key[0].get(key), by_key[1].get(key)
        stated = in_a or in_b
        if stated is None:  # the key is of one of them
            continue
        change = NOTHING
        if in_a is not None and in_b is not None:
            text = difference(in_a.value, in_b.value)
            unit = "percentage points" if stated.unit == "%" else stated.unit
            change = text if text == NOTHING else f"{text} {unit}"
        missed = any(goal is not None and not goal.met for goal in (in_a, in_b))
        rows.append(
            Row(
                (
                    f"{stated.structure} {stated.metric} {limit_text(stated)}",
                    *(cell for goal in (in_a, in_b) for cell in _goal_cells(goal)),
                    change,
                ),
                loud=missed,
            )
        )
    columns = (
        Column("goal"),
        *(c for head in heads for c in (Column(head, True), Column(f"result of {head}"))),
        Column(_change_head(heads), True),
    )
    return Table("Goals", columns, tuple(rows))


def _change_head(heads: tuple[str, str]) -> str:
    return f"{heads[1]} − {heads[0]}"


def _goal_key(goal: GoalResult) -> tuple[object, ...]:
    return goal.structure, goal.metric, goal.is_minimum, goal.limit, goal.unit


def _goal_cells(goal: GoalResult | None) -> tuple[str, str]:
    return (NOTHING, "not asked for") if goal is None else (goal_value(goal), verdict(goal))


def _warnings(a: Plan, b: Plan) -> tuple[Lines, Lines]:
    found = []
    for name, plan in (("A", a), ("B", b)):
        lines = warning_lines(plan)
        found.append(Lines(f"{lines.title} of {name}", lines.items))
    return found[0], found[1]


def _side_by_side(a: Plan, b: Plan) -> tuple[Part, ...]:
    """Every picture of A beside the same of B."""
    of_a, of_b = ({p.title: p for place in Place for p in pictures(plan, place)} for plan in (a, b))
    found = []
    for title in dict.fromkeys((*of_a, *of_b)):
        known = of_a.get(title) or of_b[title]
        absent = replace(known, png=None, missing="this plan has no such picture")
        left, right = of_a.get(title, absent), of_b.get(title, absent)
        found.append(Pair(replace(left, title=f"A: {title}"), replace(right, title=f"B: {title}")))
    return tuple(found)


def metrics_beside(of_a: Metrics, of_b: Metrics, heads: tuple[str, str] = ("A", "B")) -> Table:
    """Every metric of every structure of either side."""
    rows = []
    for structure in dict.fromkeys((*of_a, *of_b)):
        in_a, in_b = (metrics.get(structure, {}) for metrics in (of_a, of_b))
        for key in dict.fromkeys((*in_a, *in_b)):
            name, unit = metric_name(key)
            digits = metric_digits(key)
            before, after = in_a.get(key), in_b.get(key)
            cells = (number(before, digits), number(after, digits))
            change = difference(before, after, digits)
            rows.append(Row((structure, name, unit or "ratio", *cells, change)))
    numbers = (Column(head, True) for head in (*heads, _change_head(heads)))
    columns = (Column("structure"), Column("metric"), Column("unit"), *numbers)
    return Table("Metrics of all structures", columns, tuple(rows))


def _needles(a: Plan, b: Plan) -> Table:
    """Hole by hole: depth and seeds in both plans."""
    of_a, of_b = _by_hole(a), _by_hole(b)
    several = len(a.templates) > 1 or len(b.templates) > 1
    rows = []
    for key in dict.fromkeys((*of_a, *of_b)):
        one, other = of_a.get(key), of_b.get(key)
        depths = [None if row is None else row.depth_mm for row in (one, other)]
        seeds = [None if row is None else float(row.seeds) for row in (one, other)]
        places = [() if row is None else row.seeds_from_tip_mm for row in (one, other)]
        rows.append(
            Row(
                (
                    ":".join(key) if several else key[1],
                    *(_ABSENT if mm is None else number(mm) for mm in depths),
                    difference(depths[0], depths[1]),
                    *(NOTHING if n is None else number(n, 0) for n in seeds),
                    difference(seeds[0], seeds[1], 0),
                    *("; ".join(f"{mm:g}" for mm in from_tip) or NOTHING for from_tip in places),
                )
            )
        )
    heads = ("DEPTH mm A", "DEPTH mm B", "B − A mm", "seeds A", "seeds B", "B − A seeds")
    columns = (
        Column("hole"),
        *(Column(head, True) for head in heads),
        Column("seed centres of A, mm from the tip"),
        Column("of B, mm from the tip"),
    )
    note = (
        "DEPTH: operator face of the plate to the needle tip. Holes are compared by their labels: "
        "the same label is the same place only where the plates lie alike."
    )
    if not _same_plates(a, b):
        note = "THE PLATES DO NOT LIE ALIKE: a label is another place in A than in B. " + note
    return Table("Needles", columns, tuple(rows), note)


def _by_hole(plan: Plan) -> Mapping[tuple[str, str], NeedleRow]:
    rows = [row for found in needle_rows(plan).values() for row in found]
    return {(row.template, row.hole): row for row in rows}


def _same_plates(a: Plan, b: Plan) -> bool:
    def lying(plan: Plan) -> list[tuple[object, ...]]:
        return [
            (t.name, t.size_mm, t.pitch_mm, t.lps_from_template.tobytes()) for t in plan.templates
        ]

    return lying(a) == lying(b)


def _inputs(a: Plan, b: Plan) -> Table:
    of_a, of_b = ({item.path: item.sha256 for item in plan.inputs} for plan in (a, b))
    rows = tuple(
        Row(
            (
                path,
                of_a.get(path, _ABSENT),
                of_b.get(path, _ABSENT),
                "same" if of_a.get(path) == of_b.get(path) else "differs",
            )
        )
        for path in dict.fromkeys((*of_a, *of_b))
    )
    columns = (Column("file"), Column("SHA-256 in A"), Column("SHA-256 in B"), Column(""))
    return Table("Inputs", columns, rows)
