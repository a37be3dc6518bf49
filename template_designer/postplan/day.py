"""The case as it can be asked on the later day: with the structures that were drawn then."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from template_designer.errors import CaseError
from template_designer.geometry.solids import Solid
from template_designer.inputs import used_names
from template_designer.model import CaseSettings, Surface, SurfaceRole
from template_designer.model.derived import BODY_FROM_CT
from template_designer.planning.pictures import MUST_KEEP_MM, surface_of


def settings_of_day(
    settings: CaseSettings, drawn: tuple[str, ...]
) -> tuple[CaseSettings, tuple[str, ...]]:
    """The settings without what names structures that nobody drew.

    Parameters
    ----------
    settings : CaseSettings
        Of the plan, with exact names.
    drawn : tuple of str
        Names of the structures of the day.

    Returns
    -------
    settings : CaseSettings
        Rules, goals, tissues and made structures for which everything is there.
    missing : tuple of str
        What the case uses and the day does not have; not the skin, which no dose is judged by.

    Raises
    ------
    CaseError
        If the target, or what it is cropped out of, was not drawn.
    """
    there = {*drawn, BODY_FROM_CT}
    tables = []
    for table in settings.structure:  # each uses only those above it
        if table.name in there or set(table.operands) <= there:
            tables.append(table)
            there.add(table.name)
    needed = (settings.target.structure, *settings.target.cropped_by)
    for name in needed:
        if name not in there:
            raise CaseError(
                f"--structures: {name!r} was not drawn; the plan's target needs it. Drawn are "
                f"{', '.join(drawn)}. Name it as in the case"
            )

    def kept(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in there)

    changes: dict[str, object] = {
        "structure": tuple(t for t in tables if t.name not in drawn),
        "goal": tuple(goal for goal in settings.goal if goal.structure in there),
    }
    for key in ("avoid", "biology"):
        changes[key] = _narrowed(getattr(settings, key), kept)
    bone = kept(settings.bone.patterns) or None
    changes["bone"] = settings.bone.model_copy(update={"structure": bone})
    missing = tuple(
        name
        for name in used_names(settings)
        if name not in there and name != settings.skin.structure
    )
    return settings.model_copy(update=changes), missing


def _narrowed(tables: tuple, kept: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple:
    """Tables with the structures that are there; without those that are left with none."""
    return tuple(
        table.model_copy(update={"structure": names})
        for table in tables
        if (names := kept(table.patterns))
    )


def surfaces_of_day(
    settings: CaseSettings, solids: Mapping[str, Solid], target: Solid
) -> dict[str, tuple[SurfaceRole, Surface]]:
    """Surfaces of the target and of the structures that the widest rules keep needles from."""
    shown = {target.name: (SurfaceRole.TARGET, target)}
    for rule in settings.avoid:
        if rule.needle_clearance_mm >= MUST_KEEP_MM:
            shown.update({name: (SurfaceRole.AVOID, solids[name]) for name in rule.patterns})
    drawn = {name: (role, surface_of(solid)) for name, (role, solid) in shown.items()}
    return {name: (role, s) for name, (role, s) in drawn.items() if s is not None}
