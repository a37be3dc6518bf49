"""From a finished loading to what the operator does: order of insertion, retractions, strands."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Sequence

from dose import SeedModel
from template_designer.errors import CaseError
from template_designer.model import CaseSettings, Needle, NeedleRule, PlanWarning, Template
from template_designer.model.delivery import (
    CartridgeUse,
    DeliverySettings,
    MickSteps,
    NeedleDelivery,
    SeedTrain,
)
from template_designer.planning.approach import needle_rules

DEPTH_CLASS_MM = 10.0
"""Tips this near in depth count as equally deep: needles in the thorax miss their depth by as much
(5.2 +- 4.8 mm; J Radiat Res 62:910, 2021)."""

_DIGITS = 3  # of depths and clearances as they are compared: no order hangs on rounding


def deliver(
    settings: CaseSettings, templates: Sequence[Template], source: SeedModel
) -> tuple[NeedleDelivery, ...]:
    """What is done at every needle, in the order of insertion.

    Parameters
    ----------
    settings : CaseSettings
        With exact structure names; ``delivery`` says the technique.
    templates : sequence of Template
        With their needles and seeds.
    source : SeedModel
        The seeds: their capsules fill what the spacers leave.

    Returns
    -------
    tuple of NeedleDelivery
        One for every needle of every template, counted from 1.

    Raises
    ------
    CaseError
        If no whole spacers fit between two seeds, where the technique needs them.
    """
    ordered = insertion_order(needle_rules(settings), templates)
    stated = settings.delivery
    found, before = [], 0
    for order, (template, needle) in enumerate(ordered, start=1):
        loading = (
            _train(needle, source.capsule_mm[0], stated)
            if stated.technique.uses_spacers
            else _mick(needle, before, stated.seeds_per_cartridge)
        )
        found.append(NeedleDelivery(template.name, needle.label, order, stated.technique, loading))
        before += len(needle.seeds)
    return tuple(found)


def insertion_order(
    rules: Collection[NeedleRule], templates: Sequence[Template]
) -> tuple[tuple[Template, Needle], ...]:
    """Every needle with its template, in the order in which they are inserted.

    Template after template. In a template the deepest needles go first, in classes of
    :data:`DEPTH_CLASS_MM` below the deepest tip: no other needle stands in their picture yet, and
    the tissue they push ahead of them holds none. Of a class the farthest from the cord go first:
    those beside it go last, when the others hold the tissue still and few are left that could push
    one of them towards it. Then the deeper, then the column and row of the hole.

    The cord is what the case keeps needles farthest from: all structures of the avoid rules with
    the largest clearance. Far from it means the least of a needle's clearances to them. Without
    rules depth alone decides.

    Parameters
    ----------
    rules : collection of NeedleRule
        One per structure.
    templates : sequence of Template
        In the order in which their plates are used.
    """
    widest_mm = max((rule.clearance_mm for rule in rules), default=0.0)
    cord = [rule.structure for rule in rules if rule.clearance_mm == widest_mm]
    ordered: list[tuple[Template, Needle]] = []
    for template in templates:
        deepest_mm = max((needle.depth_mm for needle in template.needles), default=0.0)

        def rank(needle: Needle, deepest_mm: float = deepest_mm) -> tuple[object, ...]:
            above_mm = round(deepest_mm - needle.depth_mm, _DIGITS)
            near_mm = min((needle.clearance_mm.get(name, math.inf) for name in cord), default=0.0)
            return (
                above_mm // DEPTH_CLASS_MM,
                -round(near_mm, _DIGITS),
                above_mm,
                _column_and_row(needle.label),
            )

        ordered += [(template, needle) for needle in sorted(template.needles, key=rank)]
    return tuple(ordered)


def delivery_warnings(
    settings: CaseSettings, templates: Sequence[Template], delivery: Sequence[NeedleDelivery]
) -> tuple[PlanWarning, ...]:
    """Seeds that spacers of nearly the right length bring nearer to the skin than is permitted."""
    least_mm = settings.skin.seed_depth_mm
    needles = {(t.name, n.label): n for t in templates for n in t.needles}
    found = []
    for done in delivery:
        if not isinstance(done.loading, SeedTrain):
            continue
        seeds = needles[done.template, done.label].seeds
        under_mm = [
            seed.skin_mm - max(0.0, shift)
            for seed, shift in zip(seeds, done.loading.shifts_mm, strict=True)
        ]
        if min(under_mm) < least_mm <= min(seed.skin_mm for seed in seeds):
            found.append(f"{done.label} of {done.template} ({min(under_mm):.2f} mm)")
    if not found:
        return ()
    text = (
        f"the spacers' lengths bring seeds nearer to the skin than [skin] seed_depth_mm = "
        f"{least_mm:g}: {', '.join(found)}; state spacers of the exact length in [delivery] "
        "spacer_lengths_mm, or a larger seed_depth_mm"
    )
    return (PlanWarning("spacers-to-skin", text),)


def _mick(needle: Needle, seeds_before: int, per_cartridge: int) -> MickSteps:
    """The first seed lies at the tip where the needle is set; each other one after a retraction."""
    first_mm = needle.seeds[0].from_tip_mm
    numbers = [(seeds_before + n) // per_cartridge + 1 for n in range(len(needle.seeds))]
    return MickSteps(
        readings_mm=tuple(needle.depth_mm - (seed.from_tip_mm - first_mm) for seed in needle.seeds),
        seeds_before=seeds_before,
        cartridges=tuple(
            CartridgeUse(number, len(list(same))) for number, same in itertools.groupby(numbers)
        ),
    )


def _train(needle: Needle, capsule_mm: float, stated: DeliverySettings) -> SeedTrain:
    """Seeds and whole spacers from the tip backwards, and where that leaves each seed."""
    spacers, shifts_mm = [], [0.0]
    for deep, high in itertools.pairwise(needle.seeds):
        gap_mm = high.from_tip_mm - deep.from_tip_mm - capsule_mm
        filling = stated.spacers_for(gap_mm)
        if filling is None:
            raise CaseError(
                f"[delivery] technique = {stated.technique.value!r}: two seeds of needle "
                f"{needle.label} lie {gap_mm + capsule_mm:g} mm apart and leave {gap_mm:.2f} mm "
                f"between their capsules, which no {stated.spacers_per_gap} or fewer of the "
                f"spacers {list(stated.spacer_lengths_mm)} mm fill to strand_tolerance_mm = "
                f"{stated.strand_tolerance_mm:g}; add a spacer of that length, change "
                '[loading] step_mm or seed_spacing_mm, or take technique = "mick"'
            )
        spacers.append(filling)
        shifts_mm.append(shifts_mm[-1] + sum(filling) - gap_mm)
    return SeedTrain(capsule_mm, tuple(spacers), tuple(shifts_mm))


def _column_and_row(label: str) -> tuple[int, str, int]:
    match = re.fullmatch(r"([A-Z]+)([0-9]+)", label)
    return (len(match[1]), match[1], int(match[2])) if match else (0, label, 0)
