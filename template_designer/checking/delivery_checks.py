"""Order of insertion, retractions, cartridges and strands, from positions and the table alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from template_designer.checking.case_checks import rules_of
from template_designer.checking.evidence import Evidence
from template_designer.checking.lattice_checks import PLACE_MM
from template_designer.checking.lines import CheckLine, all_same, at_most, excess, not_checked
from template_designer.checking.record import DeliveryRecord, NeedleRecord, TemplateRecord

CLASS_MM = 10.0
"""Tips this near in depth count as equally deep; typed here a second time."""

DEPTH_MM = 1e-4
"""Differences of depths that carry four decimals; whole micrometres decide about the class."""

CLEARANCE_MM = 2e-3
"""Clearances are rounded down to 0.001 mm; nearer than this they may stand either way."""

Named = list[tuple[str, TemplateRecord, NeedleRecord, DeliveryRecord]]


def check_order(evidence: Evidence) -> Iterator[CheckLine]:
    """Needles are numbered through, template after template, deep ones first, then far ones."""
    name, compared = "order of insertion", "insertion_order with 1, 2, 3, ..."
    both = list(zip(evidence.plan.needles, evidence.needle_names, strict=True))
    orders = [needle.insertion_order for (_, needle), _ in both]
    if all(order is None for order in orders):
        yield not_checked(name, compared, "plan.json states none")
        return
    wanted = set(range(1, len(orders) + 1))
    wrong = [
        f"{label} is number {order}"
        for order, (_, label) in zip(orders, both, strict=True)
        if order not in wanted or orders.count(order) > 1
    ]
    yield all_same(name, compared, wrong, len(orders))
    name, compared = "who goes first", "by template, then deep, then far from the cord"
    if wrong:
        yield not_checked(name, compared, "the numbers are no order")
    elif evidence.case is None:
        yield not_checked(name, compared, evidence.case_note)
    else:
        yield all_same(name, compared, list(_out_of_turn(evidence)), len(orders))


def _out_of_turn(evidence: Evidence) -> Iterator[str]:
    """Needles that go before one that should go first."""
    plates = [template.name for template in evidence.plan.templates]
    both = list(zip(evidence.plan.needles, evidence.needle_names, strict=True))
    both.sort(key=lambda item: item[0][1].insertion_order or 0)
    for ((plate_a, a), name_a), ((plate_b, b), name_b) in pairwise(both):
        if plate_a.name != plate_b.name:
            if plates.index(plate_a.name) > plates.index(plate_b.name):
                yield f"{name_a} before {name_b} of an earlier template"
            continue
        deepest = max(needle.depth_mm for needle in plate_a.needles)
        deep_a, deep_b = (_classes(deepest - needle.depth_mm) for needle in (a, b))
        if min(deep_a) > max(deep_b):
            yield f"{name_a} before the deeper {name_b}"
        elif deep_a == deep_b and len(deep_a) == 1:
            if _to_cord_mm(evidence, a) < _to_cord_mm(evidence, b) - CLEARANCE_MM:
                yield f"{name_a} before {name_b}, which is farther from the cord"


def _classes(above_mm: float) -> set[int]:
    """Classes of depth that a tip so far above the deepest may be in: two at most."""
    return {int(round(above_mm + off, 3) // CLASS_MM) for off in (0.0, DEPTH_MM, -DEPTH_MM)}


def _to_cord_mm(evidence: Evidence, needle: NeedleRecord) -> float:
    """Least clearance to what the case keeps needles farthest from; 0 without rules."""
    assert evidence.case is not None
    rules, _ = rules_of(evidence.case, list(needle.clearance_mm))
    widest = max(rules.values(), default=0.0)
    cord = [needle.clearance_mm[name] for name, limit in rules.items() if limit == widest]
    return min(cord, default=0.0)


def check_delivery(evidence: Evidence) -> Iterator[CheckLine]:
    """What is done at each needle puts its seeds where they are planned."""
    stated: Named = [
        (name, template, needle, needle.delivery)
        for (template, needle), name in zip(
            evidence.plan.needles, evidence.needle_names, strict=True
        )
        if needle.delivery is not None
    ]
    if not stated:
        yield not_checked("delivery", "technique of every needle", "plan.json states none")
        return
    wrong = [
        name
        for (_, needle), name in zip(evidence.plan.needles, evidence.needle_names, strict=True)
        if needle.delivery is None
    ]
    asked = None if evidence.case is None else evidence.case.delivery.technique.value
    techniques = {done.technique for *_, done in stated}
    if techniques != {asked or done.technique for *_, done in stated[:1]}:
        wrong.append(f"techniques {', '.join(sorted(techniques))}; case: {asked or 'not at hand'}")
    compared = "technique of every needle" + ("" if asked is None else " with the case")
    yield all_same("delivery", compared, wrong, len(evidence.plan.needles))
    mick = [item for item in stated if item[3].technique == "mick"]
    trains = [item for item in stated if item[3].technique != "mick"]
    if mick:
        yield at_most(
            "retractions", "readings and steps with the seed positions", _steps(mick), PLACE_MM
        )
        yield all_same(
            "cartridges", "seeds counted through", list(_cartridges(evidence, mick)), len(mick)
        )
    if trains:
        yield at_most(
            "strands", "lengths and shifts with the seed positions", _shifts(evidence, trains),
            PLACE_MM,
        )  # fmt: skip
        yield all_same(
            "spacers", "kinds and numbers", list(_spacers(evidence, trains)), len(trains)
        )
    rows = {(row.get("template", ""), row.get("hole", "")): row for row in evidence.rows}
    cells = []
    for name, template, needle, done in stated:
        row = rows.get((template.name, needle.label), {})
        cells += [(f"{name} {column}", off) for column, off in _cells(needle, done, dict(row))]
    yield at_most("needle table, delivery", "excess over its rounding", cells, 2e-4, "mm", 4)


def _behind_mm(needle: NeedleRecord) -> NDArray[np.float64]:
    """How far each seed lies behind the first one along the needle, from the positions."""
    along = (needle.tip - needle.centers) @ needle.axis
    return np.asarray(along - along[0])


def _steps(stated: Named) -> Iterator[tuple[str, float]]:
    """How far readings, single retractions and their sum are off."""
    for name, _, needle, done in stated:
        behind, readings, steps = _behind_mm(needle), done.seed_readings_mm, done.retraction_mm
        if len(readings) != len(behind) or len(steps) != len(behind) - 1:
            yield name, math.nan
            continue
        yield name, float(np.abs(np.array(readings) - (needle.depth_mm - behind)).max())
        yield name, float(np.abs(steps - np.diff(behind)).max(initial=0.0))
        yield name, abs(math.fsum(steps) - float(behind[-1]))


def _cartridges(evidence: Evidence, stated: Named) -> Iterator[str]:
    """Needles whose cartridges are not those that the seeds before them leave."""
    holds = None if evidence.case is None else evidence.case.delivery.seeds_per_cartridge
    dealt, last = 0, 1
    for name, _, needle, done in sorted(stated, key=lambda item: item[2].insertion_order or 0):
        drawn = [use.number for use in done.cartridges for _ in range(use.seeds)]
        count = len(needle.seeds)
        if done.seeds_before != dealt or len(drawn) != count:
            yield f"{name}: {len(drawn)} seeds after {done.seeds_before}, not {count} after {dealt}"
        elif holds is not None:
            if drawn != [(dealt + n) // holds + 1 for n in range(count)]:
                yield f"{name}: cartridges {drawn}, each holds {holds}"
        elif any(not 0 <= b - a <= 1 for a, b in pairwise([last, *drawn])):
            yield f"{name}: cartridges {drawn} after {last}"
        dealt, last = dealt + count, drawn[-1] if drawn else last


def _train(text: str) -> list[list[float]] | None:
    """Spacers in each gap between seeds; None for what is no loading.

    >>> _train("S-5.5-S-S-0.5-5.5-S"), _train("5.5-S"), _train("S-x-S")
    ([[5.5], [], [0.5, 5.5]], None, None)
    """
    parts = text.split("-")
    gaps: list[list[float]] = []
    try:
        for part in parts:
            if part == "S":
                gaps.append([])
            else:
                gaps[-1].append(float(part))
    except (ValueError, IndexError):
        return None
    ends = parts[-1] == "S" and all(length > 0.0 for gap in gaps for length in gap)
    return gaps[:-1] if ends else None


def _shifts(evidence: Evidence, stated: Named) -> Iterator[tuple[str, float]]:
    """How far the stated shifts and length are off those of the text and the positions."""
    source = evidence.source
    if source is None:
        return
    for name, _, needle, done in stated:
        gaps, behind = _train(done.strand), _behind_mm(needle)
        if gaps is None or not len(gaps) + 1 == len(behind) == len(done.shift_mm):
            yield name, math.nan
            continue
        at = np.cumsum([0.0, *(source.capsule_mm[0] + sum(gap) for gap in gaps)])
        yield name, float(np.abs(at - behind - done.shift_mm).max())
        yield name, abs(float(at[-1]) + source.capsule_mm[0] - done.strand_mm)


def _spacers(evidence: Evidence, stated: Named) -> Iterator[str]:
    """Needles with spacers that the case does not have, or too many, or too far off."""
    rules = None if evidence.case is None else evidence.case.delivery
    for name, _, _, done in stated:
        gaps = _train(done.strand) or []
        if sum(map(len, gaps)) != done.spacers:
            yield f"{name}: {done.strand} has not {done.spacers} spacers"
        if rules is None:
            continue
        odd = {s for gap in gaps for s in gap} - set(rules.spacer_lengths_mm)
        if odd:
            yield f"{name}: no spacers of {', '.join(f'{s:g}' for s in sorted(odd))} mm"
        if max(map(len, gaps), default=0) > rules.spacers_per_gap:
            yield f"{name}: over {rules.spacers_per_gap} spacers between seeds in {done.strand}"
        off = max((abs(b - a) for a, b in pairwise(done.shift_mm)), default=0.0)
        if off > rules.strand_tolerance_mm + PLACE_MM:
            yield f"{name}: a gap is {off:.3f} mm off its spacers"


def _cells(
    needle: NeedleRecord, done: DeliveryRecord, row: dict[str, str]
) -> Iterator[tuple[str, float]]:
    """How far each cell is from what plan.json says, beyond its rounding."""
    yield "insertion_order", _same(row.get("insertion_order"), str(needle.insertion_order))
    yield "strand", _same(row.get("strand"), done.strand)
    listed = ";".join(f"{use.number}:{use.seeds}" for use in done.cartridges)
    yield "cartridge", _same(row.get("cartridge"), listed)
    readings, steps = (_list(row.get(key)) for key in ("seed_readings_mm", "retraction_mm"))
    if done.technique != "mick":
        yield "seed_readings_mm", 0.0 if not readings and not steps else math.nan
        return
    if len(readings) != len(needle.seeds) or len(steps) != len(readings) - 1:
        yield "seed_readings_mm", math.nan
        return
    behind = _behind_mm(needle)
    for cell, exact in zip(readings, needle.depth_mm - behind, strict=True):
        yield "seed_readings_mm", excess(cell - exact, exact - 0.1 - cell)
    for step, (deep, high) in zip(steps, pairwise(readings), strict=True):
        yield "retraction_mm", abs(step - (deep - high))
    yield "retraction_mm", excess(abs(math.fsum(steps) - float(behind[-1])) - 0.1)


def _same(cell: str | None, text: str) -> float:
    return 0.0 if cell == text else math.nan


def _list(cell: str | None) -> list[float]:
    try:
        return [float(text) for text in (cell or "").split(";") if text]
    except ValueError:
        return [math.nan]


def check_limits(evidence: Evidence) -> Iterator[CheckLine]:
    """No more needles and seeds than the case permits."""
    name, compared, plan = "limits", "needles and seeds with [loading] of the case", evidence.plan
    if evidence.case is None:
        yield not_checked(name, compared, evidence.case_note)
        return
    limits = evidence.case.loading
    most = max((len(needle.seeds) for _, needle in plan.needles), default=0)
    counted = (
        ("needles", len(plan.needles), limits.max_needles),
        ("seeds", len(plan.seed_centers), limits.max_seeds),
        ("seeds in a needle", most, limits.max_seeds_per_needle),
    )
    wrong = [
        f"{count} {what}, at most {limit}"
        for what, count, limit in counted
        if limit is not None and count > limit
    ]
    yield all_same(name, compared, wrong, len(counted))
