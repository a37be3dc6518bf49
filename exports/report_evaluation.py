"""Tables of a report that only some plans have: tissue models and placement errors."""

from __future__ import annotations

from exports.report_document import Column, Row, Table
from exports.report_numbers import chance, number
from exports.rounding import rounded_down
from template_designer.model import Plan
from template_designer.model.robust import (
    CLOSE_MM,
    CONFIDENCE_PCT,
    ClearanceSpread,
    RobustResult,
    Spread,
)

_BIOLOGY_KEYS = (
    "implant_gy",
    "implant_bed_gy",
    "implant_eqd2_gy",
    "total_bed_gy",
    "total_eqd2_gy",
)
_SPREAD_HEADS = ("plan", "mean", "SD", "5 %", "50 %", "95 %")


def biology_tables(plan: Plan) -> tuple[Table, ...]:
    """BED and EQD2 of every tissue of the case."""
    columns = (
        Column("metric"),
        *(
            Column(head, True)
            for head in ("implant Gy", "BED Gy", "EQD2 Gy", "BED with beam Gy", "EQD2 with beam Gy")
        ),
    )
    tables = []
    for result in plan.biology:
        beam = result.external_beam
        title = (
            f"{result.structure}: α/β {result.alpha_beta_gy:g} Gy, repair half-time "
            f"{result.repair_half_time_h:g} h"
        )
        if beam is not None:
            title += (
                f"; beam before {beam.dose_gy:g} Gy in {beam.fractions} fractions: "
                f"BED {number(beam.bed_gy)} Gy, EQD2 {number(beam.eqd2_gy)} Gy"
            )
        rows = tuple(
            Row((dose.metric, *(number(getattr(dose, key)) for key in _BIOLOGY_KEYS)))
            for dose in result.doses
        )
        tables.append(Table(title, columns, rows, result.model))
    return tuple(tables)


def robust_tables(plan: Plan) -> tuple[Table, ...]:
    """What placement errors do to doses, goals and clearances."""
    result = plan.robust
    if result is None:
        return ()
    doses = Table(
        f"Doses in {result.scenarios} scenarios of placement errors",
        (Column("structure"), Column("metric"), *(Column(head, True) for head in _SPREAD_HEADS)),
        tuple(
            Row((d.structure, f"{d.metric} {d.unit}", *_spread_cells(d.spread)))
            for d in result.doses
        ),
        _errors_text(result),
    )
    goals = Table(
        "How often each goal is met",
        (Column("structure"), Column("metric"), Column("goal"), Column("% of scenarios", True)),
        tuple(
            Row(
                (
                    g.structure,
                    g.metric,
                    f"{'at least' if g.is_minimum else 'at most'} {g.limit:g} {g.unit}",
                    chance(g.met),
                )
            )
            for g in result.goals
        ),
        f"In brackets: {CONFIDENCE_PCT:g} % confidence.",
    )
    return tuple(t for t in (doses, goals, *_clearance_tables(plan, result)) if t.rows)


def _spread_cells(spread: Spread) -> tuple[str, ...]:
    values = (spread.planned, spread.mean, spread.sd, spread.p5, spread.p50, spread.p95)
    return tuple(number(value) for value in values)


def _clearance_tables(plan: Plan, result: RobustResult) -> tuple[Table, ...]:
    near = tuple(f"% nearer than {mm:g} mm" if mm else "% touched" for mm in CLOSE_MM)
    heads = tuple(Column(head, True) for head in ("rule mm", "plan mm", "5 % mm", *near))
    several = len(plan.templates) > 1
    structures = tuple(Row((c.structure, *_near_cells(c))) for c in result.clearances)
    needles = tuple(
        Row((f"{n.template} {n.label}" if several else n.label, c.structure, *_near_cells(c)))
        for n in result.needles
        if n.shortfall_mm > 0.0
        for c in n.clearances[:1]
    )
    note = "Needle surface to structure; percent of the scenarios. Below 0: touched."
    return (
        Table("Nearest needle to each structure", (Column("structure"), *heads), structures, note),
        Table("Needles to watch", (Column("hole"), Column("structure"), *heads), needles, note),
    )


def _near_cells(found: ClearanceSpread) -> tuple[str, ...]:
    """Rule, distances (rounded down: never too far) and chances."""
    return (
        f"{found.rule_mm:g}",
        *(f"{rounded_down(mm, 1):.1f}" for mm in (found.spread.planned, found.spread.p5)),
        *(chance(found.nearer_than[mm]) for mm in CLOSE_MM),
    )


def _errors_text(result: RobustResult) -> str:
    errors, tip = result.errors, result.tip_error_mm
    return (
        f"Errors ({errors.site}, 1 SD an axis): needle {errors.entry_mm:g} mm, "
        f"{errors.angle_deg:g}°, depth {errors.depth_mm:g} mm; plate {errors.plate_shift_mm:g} mm, "
        f"{errors.plate_rotation_deg:g}°; seed slip {errors.seed_slip_mm:g} mm; bore play up to "
        f"{result.bore_play_deg:.2f}°. Tips end {number(tip.mean)} ± {number(tip.sd)} mm off."
    )
