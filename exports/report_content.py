"""What a report says of one plan, in the order in which it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from exports.needle_rows import patient_of
from exports.plan_json import plan_hash
from exports.report_document import (
    MISSED,
    NOTHING,
    Column,
    Document,
    Lines,
    Part,
    Row,
    Section,
    Table,
    facts,
)
from exports.report_evaluation import biology_tables, robust_tables
from exports.report_map import EntryMap, map_parts
from exports.report_numbers import goal_value, limit_text, number, strength, verdict
from exports.report_pictures import Place, left_out, pictures
from exports.report_tables import (
    input_table,
    loading_tables,
    metric_tables,
    needle_tables,
    reach_table,
    version_table,
)
from template_designer.model import HoleState, Plan, Template
from template_designer.model.derived import SIDES

GOAL_COLUMNS = (Column("structure"), Column("metric"), Column("goal"), Column("plan", True))


def plan_document(plan: Plan, *, full: bool = True, entry_map: EntryMap | None = None) -> Document:
    """The report of one plan, with what ``suggest`` found for its case where that is given.

    Without ``full`` only with pictures that are drawn in no time.
    """
    shown = {place: pictures(plan, place, full=full) for place in Place}
    views: tuple[Part, ...] = (*shown[Place.PICTURES], *([] if full else _left_out_lines()))
    reach: tuple[Part, ...] = (*loading_tables(plan), *shown[Place.REACH], reach_table(plan))
    if entry_map is not None:
        reach += map_parts(entry_map)
    sections = [
        Section("summary", "Summary", summary_parts(plan)),
        Section("needles", "Needles", needle_tables(plan), is_wide=True),
        Section("pictures", "Pictures", views, is_wide=True),
        Section("dose", "Dose", (*shown[Place.DOSE], *metric_tables(plan))),
        Section("loading", "Loading and reach", reach),
        Section("biology", "Biology: a model, not measured", biology_tables(plan)),
        Section("placement", "Placement errors", robust_tables(plan)),
        Section("inputs", "Inputs and versions", (input_table(plan), version_table(plan))),
    ]
    return Document(
        title=f"Report of plan {plan.id}",
        head=(patient_text(plan), f"Plan: {plan.id} · {tally(plan)}"),
        plans=(plan,),
        sections=tuple(section for section in sections if section.parts),
    )


def _left_out_lines() -> list[Lines]:
    """Where to find what a quick report does not show."""
    names = left_out()
    if not names:
        return []
    told = "template-designer report DIR --case CASE.toml draws them and writes a PDF too."
    return [Lines("", (f"Not in this report: {names}. {told}",))]


def summary_parts(plan: Plan) -> tuple[Part, ...]:
    """What was planned, goals and warnings."""
    parts: list[Part] = [goals_line(plan), goal_table(plan), warning_lines(plan)]
    parts.append(facts("The plan", plan_facts(plan)))
    parts += [plate_table(template) for template in plan.templates]
    return tuple(parts)


def tally(plan: Plan) -> str:
    """What is implanted, in a few words."""
    return (
        f"{len(plan.needles)} needles, {plan.seed_count} seeds, {plan.prescription_gy:g} Gy "
        f"to {plan.settings.target.structure}"
    )


def patient_text(plan: Plan) -> str:
    """Whose plan it is, as far as that may be said and is known."""
    patient = patient_of(plan)
    note = f" ({patient.note})" if patient.note else ""
    if plan.image is None and not plan.settings.dicom.deidentify:
        note = " (stands in the images: add --case CASE.toml)"
    others = [patient.name, f"born {patient.birth_date}" if patient.birth_date else ""]
    named = "".join(f" · {text}" for text in others if text)
    return f"Patient id: {patient.id or NOTHING}{note}{named}"


def goals_line(plan: Plan) -> Lines:
    """The first thing to read: whether every goal is met."""
    missed = [goal for goal in plan.goals if not goal.met]
    if not plan.goals:
        return Lines("", ("The case states no goals.",))
    if not missed:
        return Lines("", (f"Goals: all {len(plan.goals)} met.",))
    told = (f"{MISSED}: {len(missed)} of {len(plan.goals)} goals.",)
    each = tuple(
        f"{goal.structure} {goal.metric}: {goal_value(goal)}, asked for {limit_text(goal)}: "
        f"{verdict(goal)}"
        for goal in missed
    )
    return Lines("", told + each, loud=True)


def goal_table(plan: Plan) -> Table:
    """Every goal beside what the plan reaches."""
    rows = tuple(
        Row(
            (g.structure, g.metric, limit_text(g), goal_value(g), verdict(g)),
            loud=not g.met,
        )
        for g in plan.goals
    )
    return Table("Goals", (*GOAL_COLUMNS, Column("result")), rows)


def warning_lines(plan: Plan) -> Lines:
    """Every warning with its code."""
    if not plan.warnings:
        return Lines("Warnings", ("No warnings.",))
    items = tuple(f"{item.text} [{item.code}]" for item in plan.warnings)
    return Lines(f"Warnings ({len(items)})", items)


def plan_facts(plan: Plan) -> list[tuple[str, str]]:
    """Prescription, source, needles, seeds."""
    source = plan.source
    pairs = [
        ("patient", patient_text(plan).removeprefix("Patient id: ")),
        ("plan", plan.id),
        ("plan hash (SHA-256)", plan_hash(plan)),
        ("target", _target_text(plan)),
        ("prescription", f"{plan.prescription_gy:g} Gy to full decay"),
        ("source", f"{plan.source_model} ({source.model.nuclide})"),
        ("strength of a seed", strength(plan.air_kerma_strength_u, source.model.nuclide)),
    ]
    if (certified := source.calibration) is not None:
        stated = strength(certified.air_kerma_strength_u, source.model.nuclide)
        pairs[-1] = (f"strength of a seed on {certified.implant_date}, the implant", pairs[-1][1])
        pairs.append((f"strength of a seed on {certified.calibration_date}, calibration", stated))
    total_u = plan.seed_count * plan.air_kerma_strength_u
    pairs += [
        ("seeds", f"{plan.seed_count}, together {total_u:.2f} U"),
        ("needles", _needles_text(plan)),
        *_earlier_facts(plan),
        *_steering_facts(plan),
    ]
    return pairs


def plate_table(template: Template) -> Table:
    """One plate: size, bores, holes."""
    counts = Counter(hole.state for hole in template.holes)
    bores = sorted({template.bore_of(hole) for hole in template.holes})
    x, y, z = template.size_mm
    states = ", ".join(f"{counts[state]} {state.value}" for state in HoleState)
    pairs = [
        ("size", f"{x:g} × {y:g} × {z:g} mm"),
        ("lattice", f"pitch {template.pitch_mm:g} mm; {len(template.holes)} holes: {states}"),
        ("bore", f"{', '.join(f'{bore:.2f}' for bore in bores)} mm"),
        ("gap to the entry point", f"{number(template.gap_mm)} mm"),
        ("needles", f"{len(template.needles)}: {_list(n.label for n in template.needles)}"),
    ]
    return facts(f"Plate {template.name}", pairs)


def _needles_text(plan: Plan) -> str:
    gauges = Counter(needle.gauge for needle in plan.needles)
    lengths = sorted({needle.length_mm for needle in plan.needles})
    kinds = ", ".join(f"{count} of {gauge}G" for gauge, count in sorted(gauges.items()))
    text = f"{len(plan.needles)}"
    if kinds:
        text += f": {kinds}; length {', '.join(f'{mm:g}' for mm in lengths)} mm"
    several = len(plan.templates) > 1
    access = [
        f"{template.name}:{needle.label}" if several else needle.label
        for template in plan.templates
        for needle in template.needles
        if needle.bone_access is not None
    ]
    return text + (f"; bone access first at {_list(access)}" if access else "")


def _target_text(plan: Plan) -> str:
    target = plan.settings.target
    sides = {side: getattr(target.margin_mm, side) for side in SIDES}
    if len(set(sides.values())) == 1:
        margin = f"{sides[SIDES[0]]:g} mm"
    else:
        margin = ", ".join(f"{side} {mm:g} mm" for side, mm in sides.items() if mm)
    text = target.structure if margin == "0 mm" else f"{target.structure}, margin {margin}"
    if target.cropped_by:
        text += f"; ends {target.crop_gap_mm:g} mm before {_list(target.cropped_by)}"
    return text


def _earlier_facts(plan: Plan) -> list[tuple[str, str]]:
    """Seeds that lay there before: without them no dose of the plan can be understood."""
    before = plan.earlier_seeds
    if before is None:
        return []
    text = f"{len(before.strength_u)}, together {float(before.strength_u.sum()):.2f} U"
    if before.implanted is not None:
        text += f" on {before.implanted}"
    return [("seeds of an implant before, counted in every dose", text)]


def _steering_facts(plan: Plan) -> list[tuple[str, str]]:
    """What was asked for by hand; it explains why a plan is not the best."""
    steering = plan.steering
    if steering is None:
        return []
    pairs: list[tuple[str, Sequence[object]]] = [
        ("kept from an earlier plan", steering.lock),
        ("left empty by hand", steering.forbid),
        ("loaded by hand", steering.load),
    ]
    found = [(name, _list(items)) for name, items in pairs if items]
    if steering.origin is not None:
        found.append(("planned from the plan with hash", steering.origin.plan_sha256))
    limits = ((steering.max_needles, "needles"), (steering.max_seeds, "seeds"))
    return found + [(f"most {what} allowed", str(n)) for n, what in limits if n is not None]


def _list(items: Iterable[object]) -> str:
    return ", ".join(str(item) for item in items) or "none"
