"""A sample of seeds beside what their maker states, and the plan with the strength it found.

References
----------
.. [1] Kutcher et al., AAPM TG-40, Med. Phys. 21, 581-618 (1994): of loose seeds a random sample of
   10 % at least; the mean within 3 % of the maker's value, single seeds within 5 % of the mean.
.. [2] Nath et al., AAPM TG-56, Med. Phys. 24, 1557-1598 (1997): beyond 3 % find out why, beyond
   5 % tell the maker.
.. [3] Butler et al., AAPM LEBSC working group, Med. Phys. 35, 3860-3865 (2008): 10 % or ten seeds,
   whichever are more.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dose import (
    MBQ_PER_MCI,
    U_PER_MCI,
    DoseInputError,
    SeedModel,
    check_usual_strength,
    strength_on,
)
from template_designer.errors import CaseError
from template_designer.inputs import used_names
from template_designer.model import Case, Plan
from template_designer.model.assay import (
    Assay,
    MeasuredSeed,
    Reading,
    Restrength,
    Stated,
    Verdict,
)
from template_designer.planning.evaluate import (
    Seeds,
    goal_results,
    structure_doses,
    structure_metrics,
)
from template_designer.planning.goals import goals_or_default
from template_designer.planning.structures import build_structures, target_solid
from template_designer.postplan.readings import NOON

SAMPLE_PART, SAMPLE_SEEDS = 0.10, 10
INVESTIGATE_PCT, FAIL_PCT = 3.0, 5.0
"""Mean of the sample beside the maker's value."""
OUTLIER_PCT = 5.0
"""A single seed beside the mean."""

NOT_OF_DOSE = frozenset({"volume_cm3", "reachable_pct"})
"""Metrics that no strength changes."""

SAME_RATIO = 0.03
"""How near a ratio must come to that of two units to be taken for a unit mistaken: a batch is
seldom off by more, and 1.27 is far from 1."""


def least_sample(count: int) -> int:
    """Fewest readings of a batch of so many seeds: one in ten [1]_, [2]_.

    >>> least_sample(40), least_sample(41)
    (4, 5)
    """
    return max(1, math.ceil(SAMPLE_PART * count - 1e-9))


def advised_sample(count: int) -> int:
    """Readings that are advised: one in ten, and ten at least where there are as many [3]_.

    >>> advised_sample(40), advised_sample(6), advised_sample(205)
    (10, 6, 21)
    """
    return min(count, max(SAMPLE_SEEDS, least_sample(count)))


def strength_at_u(
    strength_u: float, source: SeedModel, when: datetime.datetime, other: datetime.datetime
) -> float:
    """Strength at another moment, earlier or later, from that at ``when``; U."""
    try:
        if when <= other:
            return strength_on(strength_u, source, when, other)
        return strength_u / strength_on(1.0, source, other, when)
    except DoseInputError as error:
        raise CaseError(f"strength of {when} decayed to {other}: {error}") from error


def assay_seeds(
    plan: Plan,
    readings: Sequence[Reading],
    stated: Stated,
    implant_date: datetime.date,
    *,
    received: int | None = None,
    units_are_right: bool = False,
) -> Assay:
    """Compare a sample of seeds with what their maker states.

    Parameters
    ----------
    plan : Plan
        What the seeds are for.
    readings : sequence of Reading
        Air-kerma strengths, each at its own moment; all are decayed to that of ``stated``.
    stated : Stated
        The maker's strength.
    implant_date : datetime.date
        The mean is decayed to noon of that day for the plan.
    received : int, optional
        Seeds of the batch; without it as many as the plan has.
    units_are_right : bool
        Also take strengths that look like another unit, or that no clinic uses.

    Raises
    ------
    CaseError
        If there are too few readings, or more than seeds, or a strength looks like mCi or MBq
        written for U.
    """
    source = plan.source.model
    count = plan.seed_count if received is None else received
    _check_count(plan, len(readings), count)
    references = np.array(
        [strength_at_u(r.strength_u, source, r.measured, stated.when) for r in readings]
    )
    mean_u = math.fsum(references) / len(references)
    planned_u = plan.air_kerma_strength_u
    if not units_are_right:
        then_u = strength_at_u(planned_u, source, noon(implant_date), stated.when)
        _check_units(readings, mean_u, stated, then_u, source)
    sd_u = float(references.std(ddof=1)) if len(readings) > 1 else math.nan
    return Assay(
        source=source,
        planned=plan.seed_count,
        received=count,
        least_readings=least_sample(count),
        advised_readings=advised_sample(count),
        stated=stated,
        seeds=tuple(
            _measured(reading, float(u), stated.strength_u, mean_u)
            for reading, u in zip(readings, references, strict=True)
        ),
        mean_u=mean_u,
        sd_u=sd_u,
        verdict=verdict_of(100.0 * (mean_u / stated.strength_u - 1.0)),
        implant_date=implant_date,
        planned_u=planned_u,
        measured_u=strength_at_u(mean_u, source, stated.when, noon(implant_date)),
    )


def verdict_of(difference_pct: float) -> Verdict:
    """What a difference between mean and maker means [1]_, [2]_.

    >>> [verdict_of(pct).value for pct in (3.0, -3.1, 5.0, -5.01)]
    ['pass', 'investigate', 'investigate', 'fail']
    """
    apart = round(abs(difference_pct), 9)  # 3 % as it is stored may be a little more
    if apart <= INVESTIGATE_PCT:
        return Verdict.PASS
    return Verdict.INVESTIGATE if apart <= FAIL_PCT else Verdict.FAIL


def noon(day: datetime.date) -> datetime.datetime:
    """The moment that a day without a time stands for."""
    return datetime.datetime.combine(day, NOON)


def with_strength(plan: Plan, strength_u: float) -> Restrength:
    """What the plan gives with seeds of another strength in the same places.

    With the plan's case everything is computed again. Without it doses are scaled, for dose is
    proportional to strength; volumes and indices are not known then.

    Parameters
    ----------
    plan : Plan
        As ``exports.read_plan`` gives it, with the case or without.
    strength_u : float
        Of one seed on the day of the implant.
    """
    if plan.ct is None or plan.rois is None:
        return _scaled(plan, strength_u)
    settings, gy = plan.settings, plan.prescription_gy
    case = Case(settings, plan.ct, plan.rois, plan.source, plan.inputs)
    solids, _ = build_structures(case, used_names(settings))
    target = target_solid(settings, solids)
    seeds = Seeds.of(plan.templates, plan.source.model, strength_u)
    doses = structure_doses(settings, solids, target, seeds)
    metrics = structure_metrics(settings, doses, target.name, seeds.field(gy), plan.reach)
    goals = goal_results(goals_or_default(settings, solids), doses, metrics, gy)
    return Restrength(strength_u, metrics, goals, recomputed=True)


def _scaled(plan: Plan, strength_u: float) -> Restrength:
    factor = strength_u / plan.air_kerma_strength_u

    def value(key: str, of_plan: float) -> float:
        if key.endswith("_gy"):
            return factor * of_plan
        return of_plan if key in NOT_OF_DOSE else math.nan

    metrics = {
        name: {key: value(key, number) for key, number in values.items()}
        for name, values in plan.metrics.items()
    }
    goals = []
    for goal in plan.goals:
        if goal.unit == "Gy":
            scaled = factor * goal.value
            met = scaled >= goal.limit if goal.is_minimum else scaled <= goal.limit
            goals.append(replace(goal, value=scaled, met=met))
    return Restrength(strength_u, metrics, tuple(goals), recomputed=False)


def _measured(reading: Reading, reference_u: float, stated_u: float, mean_u: float) -> MeasuredSeed:
    from_mean = 100.0 * (reference_u / mean_u - 1.0)
    return MeasuredSeed(
        reading,
        reference_u,
        100.0 * (reference_u / stated_u - 1.0),
        from_mean,
        round(abs(from_mean), 9) > OUTLIER_PCT,
    )


def _check_count(plan: Plan, readings: int, count: int) -> None:
    if count < plan.seed_count:
        raise CaseError(
            f"--received {count}: the plan has {plan.seed_count} seeds, so that a batch of it has "
            "as many at least"
        )
    least = least_sample(count)
    if readings < least:
        raise CaseError(
            f"{readings} readings of a batch of {count} seeds are too few: measure at least "
            f"{least} (10 %; {advised_sample(count)} are advised), drawn at random"
        )
    if readings > count:
        raise CaseError(
            f"{readings} readings of a batch of {count} seeds; say with --received how many there "
            "are"
        )


def _check_units(
    readings: Sequence[Reading], mean_u: float, stated: Stated, planned_u: float, source: SeedModel
) -> None:
    """Refuse strengths that look like another unit; ``planned_u`` is of the stated moment, too."""
    what = f"the strength stated by {stated.origin}"
    _check_unit(stated.strength_u, planned_u, source, what, "the plan's, decayed to it")
    _check_unit(mean_u, stated.strength_u, source, "the mean of the readings", what)
    for reading in readings:
        _check_usual(reading, source)


def _check_usual(reading: Reading, source: SeedModel) -> None:
    try:
        check_usual_strength(reading.strength_u, source.nuclide)
    except DoseInputError as error:
        raise CaseError(f"reading of seed {reading.seed!r}: {_without_case(error)}") from error


def _check_unit(value: float, other: float, source: SeedModel, what: str, beside: str) -> None:
    """Refuse a strength whose ratio to another is that of two units."""
    if source.nuclide not in U_PER_MCI:
        return
    u_per_mci = U_PER_MCI[source.nuclide]
    mistakes = {
        1.0 / u_per_mci: ("mCi", u_per_mci),
        MBQ_PER_MCI / u_per_mci: ("MBq", u_per_mci / MBQ_PER_MCI),
    }
    for ratio, (unit, factor) in mistakes.items():
        if abs(value / other / ratio - 1.0) <= SAME_RATIO:
            raise CaseError(
                f"{what} is {value:.4g}, {value / other:.3f} times {beside} ({other:.4g} U): it "
                f"looks like {unit}. Give U (of {source.nuclide}, 1 {unit} = {factor:.4g} U); if "
                "it is U, say so with --units-are-right"
            )
        if abs(value / other * ratio - 1.0) <= SAME_RATIO:
            raise CaseError(
                f"{what} is {value:.4g} U, {value / other:.3f} times {beside} ({other:.4g}), "
                f"which looks like {unit}, or was {unit} turned into U twice. Give both in U (of "
                f"{source.nuclide}, 1 {unit} = {factor:.4g} U); if they are, say so with "
                "--units-are-right"
            )


def _without_case(error: DoseInputError) -> str:
    """The text of an error without what only a case file can do about it."""
    return str(error).partition(" If this strength is meant")[0] + (
        " If this strength is meant, say so with --units-are-right."
    )
