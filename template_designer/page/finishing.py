"""From a situation to the plan that is written, and what it says of how it was steered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from template_designer.errors import CaseError, NoSafePlanError
from template_designer.model import EntrySettings, Plan, PlanWarning, Template
from template_designer.model.earlier import EarlierPlan
from template_designer.model.steering import Place, Steering
from template_designer.page.situation import Situation
from template_designer.planning.constraints import check_plan
from template_designer.planning.loading import (
    LoadedSites,
    Loading,
    Weights,
    goal_misses,
    loading_cost,
)
from template_designer.workflow import Preparation, finish

SAME_SEED_MM = 0.01
"""A locked needle is that of the written plan where no seed lies farther off: files round less."""


def finished_plan(
    situation: Situation,
    origin: EarlierPlan | None,
    opened_entries: Sequence[EntrySettings],
    progress: Callable[[str], None] | None = None,
) -> Plan:
    """The plan of a situation, as ``design`` makes it from the same wishes.

    Raises
    ------
    CaseError
        If there is no seed, or more needles or seeds than were permitted.
    NoSafePlanError
        If the plan breaks a hard rule.
    """
    if not situation.planned:
        raise CaseError("nothing is planned yet; re-optimise first")
    steering = recorded_steering(situation, origin)
    prepared, _ = situation.steered(steering, origin)
    _refuse_too_many(situation, prepared)
    statement = replace(prepared.loading, source=situation.source)
    prepared = replace(
        prepared,
        loading=statement,
        warnings=(*prepared.warnings, *_moved_warnings(situation, opened_entries)),
    )
    if progress is not None:
        progress("weighing the loading")
    problem = statement.problem()
    chosen = np.zeros(len(problem.sites), dtype=np.bool_)
    chosen[situation.chosen] = True
    cost = loading_cost(problem, chosen, Weights())
    loading = Loading(situation.chosen, cost, np.array([cost]), goal_misses(problem, chosen))
    plan = finish(prepared, LoadedSites(loading, situation.source, problem), progress)
    broken = check_plan(plan)
    if broken:
        raise NoSafePlanError(f"the plan breaks a hard rule: {broken[0].text}")
    return plan


def recorded_steering(situation: Situation, origin: EarlierPlan | None) -> Steering:
    """The wishes as ``plan.json`` states them.

    A lock names a needle of the plan that the session was opened with; where a needle came later,
    the lock is stated as a load by hand, which needs no other file to be understood.
    """
    held = tuple(place for place in situation.steering.lock if _is_of(origin, situation, place))
    moved = replace(
        situation.steering,
        lock=tuple(place for place in situation.steering.lock if place not in held),
    )
    return replace(replace(situation, steering=moved).by_hand(), lock=held)


def _is_of(origin: EarlierPlan | None, situation: Situation, place: Place) -> bool:
    """Whether a needle is one of the written plan, seed by seed."""
    if origin is None:
        return False
    _, plate = situation.place(str(place))
    sites = situation.seeds_of(place, plate)
    now = situation.laid_out.loading.joined.sites.centers_lps_mm[sites]
    template = next((t for t in origin.templates if t.name == plate.name), None)
    then = None if template is None else _seeds(template, place.label)
    return (
        then is not None
        and then.shape == now.shape
        and bool(np.all(np.linalg.norm(then - now, axis=1) <= SAME_SEED_MM))
    )


def _seeds(template: Template, label: str) -> np.ndarray | None:
    needle = next((needle for needle in template.needles if needle.label == label), None)
    return None if needle is None else np.array([seed.center_lps_mm for seed in needle.seeds])


def _refuse_too_many(situation: Situation, prepared: Preparation) -> None:
    limits, sites = prepared.settings.loading, prepared.loading.joined.sites
    needles = len(np.unique(sites.hole[situation.chosen]))
    for what, count, most in (
        ("needles", needles, limits.max_needles),
        ("seeds", len(situation.chosen), limits.max_seeds),
    ):
        if most is not None and count > most:
            raise CaseError(
                f"the loading has {count} {what}, and at most {most} are permitted; re-optimise, "
                "or raise the limit"
            )


def _moved_warnings(
    situation: Situation, opened: Sequence[EntrySettings]
) -> tuple[PlanWarning, ...]:
    """What a reader must know who has the case file: its entry tables are not those of the plan."""
    settings, names = situation.laid_out.settings, situation.laid_out.plate_names
    tables = [
        f"{name}: point_lps = {list(entry.point_lps)}, direction_lps = "
        f"{list(entry.direction_lps)}, up_lps = {list(entry.up_lps)}"
        for name, entry, before in zip(names, settings.entry, opened, strict=True)
        if entry != before
    ]
    if not tables:
        return ()
    text = f"The entry plane was moved by hand from where the plan had it. {'; '.join(tables)}."
    return (PlanWarning("entry-moved", text),)
