"""What a person asks for, from the case and on top of it, brought to one loading problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from template_designer.errors import CaseError
from template_designer.model import CaseSettings, InputFile, PlanWarning, SeedSource
from template_designer.model.earlier import EarlierPlan
from template_designer.model.steering import Origin, Steering, parse_loads, parse_places
from template_designer.model.tables import names_of
from template_designer.planning.approach import Approach
from template_designer.planning.loading.search import Locks
from template_designer.planning.loading.statement import LoadingStatement
from template_designer.planning.loading.steering import plate_holes, steer

SAME_STRENGTH = 1e-5
"""Relative: ``plan.json`` states strengths to 0.000001 U."""


@dataclass(frozen=True, slots=True, eq=False)
class SteeredLoading:
    """A loading problem with what was asked for."""

    statement: LoadingStatement
    steering: Steering | None  # None where nothing was asked for
    locks: Locks | None
    warnings: tuple[PlanWarning, ...] = ()


def check_wishes(settings: CaseSettings, steering: Steering, *, has_earlier: bool) -> None:
    """Refuse early what needs no plate to be seen wrong.

    Raises
    ------
    CaseError
        If a limit cannot be kept, or a part of an earlier plan is named and there is none.
    """
    with_limits(settings, steering)
    named = [("--lock", place) for place in steering.lock]
    named += [("--forbid", place) for place in steering.forbid if place.seed is not None]
    if named and not has_earlier:
        option, place = named[0]
        by_hand = f"; to set a needle by hand: --load {place.label}=0,7.5"
        raise CaseError(
            f"{option} {place} names a part of an earlier plan; name that plan with --from"
            f"{by_hand if option == '--lock' else ''}"
        )


def with_limits(settings: CaseSettings, steering: Steering) -> CaseSettings:
    """The settings with the limits on needles and seeds that were asked for.

    Raises
    ------
    CaseError
        If one is looser than the case's own, or no number that can be.
    """
    limits: dict[str, int] = {}
    for name in ("max_needles", "max_seeds"):
        asked, stated = getattr(steering, name), getattr(settings.loading, name)
        if asked is None:
            continue
        option = f"--{name.replace('_', '-')} {asked}"
        if asked < 1:
            raise CaseError(f"{option}: a plan needs at least 1")
        if stated is not None and asked > stated:
            raise CaseError(
                f"{option} is more than the case permits ([loading] {name} = {stated}); change "
                "the case, or ask for fewer"
            )
        limits[name] = asked
    if not limits:
        return settings
    return settings.model_copy(update={"loading": settings.loading.model_copy(update=limits)})


def steered_loading(
    statement: LoadingStatement,
    approaches: Sequence[Approach],
    plate_names: Sequence[str],
    inputs: Sequence[InputFile],
    steering: Steering,
    earlier: EarlierPlan | None,
) -> SteeredLoading:
    """The loading problem of a case with its own wishes and those on top of it.

    Parameters
    ----------
    statement : LoadingStatement
        Of the case, with the limits that hold.
    approaches : sequence of Approach
        One a plate.
    plate_names : sequence of str
        T1, T2, ...
    inputs : sequence of InputFile
        What the case was read from, to compare with the earlier plan's.
    steering : Steering
        From the command line; the case's ``[loading] forbid`` and ``load`` come on top.
    earlier : EarlierPlan, optional
        The plan to start from.

    Raises
    ------
    CaseError
        If a wish cannot be kept; see :func:`steering.steer`.
    """
    loading = statement.settings.loading
    check_wishes(statement.settings, steering, has_earlier=earlier is not None)
    steering = replace(
        steering,
        forbid=tuple(dict.fromkeys((*parse_places(names_of(loading.forbid)), *steering.forbid))),
        load=parse_loads((*names_of(loading.load), *(str(load) for load in steering.load))),
    )
    if not steering and earlier is None:
        return SteeredLoading(statement, None, None)
    warnings: tuple[PlanWarning, ...] = ()
    if earlier is not None:
        warnings = _changes(earlier, inputs)
        source, told = _kept_strength(statement.source, earlier)
        statement, warnings = replace(statement, source=source), (*warnings, *told)
    plates = plate_holes(approaches, plate_names, statement.joined)
    templates = None if earlier is None else earlier.templates
    steered = steer(steering, plates, statement.joined, loading, templates)
    if earlier is not None:
        steering = replace(steering, origin=Origin(earlier.sha256, steered.dropped))
    return SteeredLoading(statement, steering, steered.locks, (*warnings, *steered.warnings))


def _changes(earlier: EarlierPlan, inputs: Sequence[InputFile]) -> tuple[PlanWarning, ...]:
    """Files that are not those of the earlier plan."""
    before = {(item.path, item.sha256) for item in earlier.inputs}
    now = {(item.path, item.sha256) for item in inputs}
    changed = sorted({path for path, _ in before ^ now})
    if not changed:
        return ()
    text = (
        f"the plan in {earlier.where} was made from other files: {', '.join(changed)} changed "
        "since. What it held was looked up by plate, label and depth; check it."
    )
    return (PlanWarning("case-changed", text),)


def _kept_strength(
    source: SeedSource, earlier: EarlierPlan
) -> tuple[SeedSource, tuple[PlanWarning, ...]]:
    """Seeds of the earlier plan's strength where the case has them."""
    before_u = earlier.air_kerma_strength_u
    choices = source.choices_u or (source.air_kerma_strength_u,)
    nearest = min(choices, key=lambda choice: abs(choice - before_u))
    if abs(nearest - before_u) <= SAME_STRENGTH * before_u:
        if source.choices_u:
            source = replace(source.with_strength(nearest), choices_u=())
        return source, ()
    text = (
        f"the plan in {earlier.where} has seeds of {before_u:.3f} U, the case has "
        f"{', '.join(f'{choice:.3f}' for choice in choices)} U: its loading is only where the "
        "search starts."
    )
    return source, (PlanWarning("strength-changed", text),)
