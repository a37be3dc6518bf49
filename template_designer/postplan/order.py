"""From a plan to what is ordered: how many seeds, how strong, on which day, in what."""

from __future__ import annotations

import datetime
import math

from dose import DoseInputError, SeedModel, check_usual_strength, strength_on
from template_designer.errors import CaseError
from template_designer.model import Plan
from template_designer.model.assay import OrderedNeedle, SeedOrder
from template_designer.model.delivery import SeedTrain

SPARES_PCT = 5.0
"""Seeds to spare where nobody says how many: some are dropped, jammed or measured to be off."""

SCHEDULE_DAYS = 14
"""An order says the strength for every day of calibration from so long before the implant on."""


def order_seeds(
    plan: Plan,
    implant_date: datetime.date,
    *,
    calibration_date: datetime.date | None = None,
    spares_pct: float = SPARES_PCT,
) -> SeedOrder:
    """What to order for a plan.

    Parameters
    ----------
    plan : Plan
        Its strength is that of the day of the implant, whichever day that is.
    implant_date : datetime.date
        Day of the implant.
    calibration_date : datetime.date, optional
        Day that the supplier states the strength for; without it the day of the implant.
    spares_pct : float
        Seeds to spare, percent of those planned, 0 to 100; one at least, and whole seeds.

    Raises
    ------
    CaseError
        If the calibration lies after the implant or long before it, the spares make no sense, or
        the strength on the day of calibration is one that no clinic uses.
    """
    if not 0.0 <= spares_pct <= 100.0:  # also catches NaN
        raise CaseError(f"--spares-pct {spares_pct:g} is not between 0 and 100; 5 is usual")
    if not plan.seed_count:
        raise CaseError(f"plan {plan.id!r} has no seeds; there is nothing to order")
    day = implant_date if calibration_date is None else calibration_date
    source, implant_u = plan.source.model, plan.air_kerma_strength_u
    calibration_u = _calibration_u(plan, day, implant_date)
    spares = max(1, math.ceil(plan.seed_count * spares_pct / 100.0 - 1e-9))
    uses_spacers = bool(plan.delivery) and plan.delivery[0].technique.uses_spacers
    calibration = plan.source.calibration
    return SeedOrder(
        source=source,
        planned=plan.seed_count,
        spares=spares,
        implant_date=implant_date,
        calibration_date=day,
        implant_u=implant_u,
        calibration_u=calibration_u,
        schedule=_schedule(implant_u, source, implant_date),
        technique=plan.delivery[0].technique if plan.delivery else None,
        cartridges=() if uses_spacers or not plan.delivery else _cartridges(plan, spares),
        needles=_needles(plan) if uses_spacers else (),
        planned_for=None if calibration is None else calibration.implant_date,
    )


def _calibration_u(plan: Plan, day: datetime.date, implant_date: datetime.date) -> float:
    """Strength on the day of calibration, U; refused where no clinic uses it."""
    source, implant_u = plan.source.model, plan.air_kerma_strength_u
    strength_u = strength_before_u(implant_u, source, day, implant_date)
    confirmed = plan.settings.source.confirm_unusual_strength
    try:
        return check_usual_strength(strength_u, source.nuclide, confirmed=confirmed)
    except DoseInputError as error:
        raise CaseError(
            f"--calibration-date {day}: seeds of {implant_u:.4g} U on {implant_date} have to be "
            f"{strength_u:.4g} U on that day; choose a day nearer to the implant. {error}"
        ) from error


def strength_before_u(
    implant_u: float, source: SeedModel, day: datetime.date, implant_date: datetime.date
) -> float:
    """Strength on a day, from which seeds decay to ``implant_u`` on the day of the implant, U."""
    try:
        return implant_u / strength_on(1.0, source, day, implant_date)
    except DoseInputError as error:
        raise CaseError(f"--calibration-date {day}, --implant-date {implant_date}: {error}") from (
            error
        )


def _schedule(
    implant_u: float, source: SeedModel, implant_date: datetime.date
) -> tuple[tuple[datetime.date, float], ...]:
    """Strength for every day of calibration of the last days before the implant."""
    days = (implant_date - datetime.timedelta(days=n) for n in range(SCHEDULE_DAYS, -1, -1))
    return tuple((day, strength_before_u(implant_u, source, day, implant_date)) for day in days)


def _cartridges(plan: Plan, spares: int) -> tuple[int, ...]:
    """Seeds of every cartridge: full ones first, as the plan counts them."""
    each = plan.settings.delivery.seeds_per_cartridge
    full, rest = divmod(plan.seed_count + spares, each)
    return (each,) * full + ((rest,) if rest else ())


def _needles(plan: Plan) -> tuple[OrderedNeedle, ...]:
    """Strands or preloaded needles in the order of insertion."""
    seeds = {(t.name, n.label): len(n.seeds) for t in plan.templates for n in t.needles}
    found = []
    for done in sorted(plan.delivery, key=lambda done: done.order):
        train = done.loading
        if not isinstance(train, SeedTrain):
            raise CaseError(
                f"needle {done.label} of {done.template} is loaded one seed at a time, others by "
                "spacers; plan the case again with one [delivery] technique"
            )
        count = seeds[done.template, done.label]
        found.append(
            OrderedNeedle(done.order, done.template, done.label, count, train.text, train.length_mm)
        )
    return tuple(found)
