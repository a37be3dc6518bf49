"""What the schema cannot know: metrics, seed spacing, structure names, the entry plane."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.geometry.from_ct import BODY_HU
from template_designer.inputs.delivery_checks import check_spacers
from template_designer.inputs.names import resolve_names, resolve_one
from template_designer.inputs.structure_tables import drawn_sources, known_names, resolve_tables
from template_designer.model import (
    CaseSettings,
    GoalSettings,
    ImageVolume,
    RoiSet,
    SeedSource,
)
from template_designer.model.metrics import parse as parse_metric
from template_designer.model.settings import NameList

LARGEST_GAP_MM = 100.0
"""An entry point further from the skin contours than this is a slip of sign, unit or frame."""

SPARSE = 4
"""Every so many rows and columns of the CT show where the body is."""

SMALLEST_INDEX_PCT = 1.5
"""A limit on CI, EI or HI at or under this was meant as a ratio, not in percent."""


def check_values(settings: CaseSettings, source: SeedSource) -> None:
    """Check what needs no image: the spacing of the seeds, the metric and unit of every goal.

    Raises
    ------
    CaseError
        With the key that is wrong.
    """
    capsule_mm = source.model.capsule_mm[0]
    if settings.loading.seed_spacing_mm[0] < capsule_mm:
        raise CaseError(
            f"[loading] seed_spacing_mm = {list(settings.loading.seed_spacing_mm)}: seeds of "
            f"{capsule_mm:g} mm would overlap; the least spacing must be at least that"
        )
    check_spacers(settings, capsule_mm)
    for number, goal in enumerate(settings.goal, start=1):
        _check_goal(goal, f"[[goal]] #{number} metric")


def _check_goal(goal: GoalSettings, key: str) -> None:
    try:
        metric = parse_metric(goal.metric)
    except CaseError as error:
        raise CaseError(f"{key}: {error}") from error
    if metric.unit != goal.unit:
        asked = (
            "at_least_gy or at_most_gy" if metric.unit == "Gy" else ("at_least_pct or at_most_pct")
        )
        raise CaseError(
            f"{key}: {goal.metric!r} is in {metric.unit}, the limit in {goal.unit}; use {asked}"
        )
    if metric.is_index and goal.limit <= SMALLEST_INDEX_PCT:
        raise CaseError(
            f"{key}: a goal states {goal.metric} in percent; write {100.0 * goal.limit:g} for "
            f"{goal.limit:g}"
        )


def resolve_structures(settings: CaseSettings, rois: RoiSet) -> CaseSettings:
    """Replace every structure name and glob by the exact names it means.

    Parameters
    ----------
    settings : CaseSettings
        As read from the case file.
    rois : RoiSet
        The structures there are.

    Returns
    -------
    CaseSettings
        A goal for several structures becomes one goal each.

    Raises
    ------
    CaseError
        If a name matches nothing, several where one is needed, or the target or the skin is to be
        avoided.
    """
    tables = resolve_tables(settings, rois)
    choice = known_names(settings, rois)

    def one(pattern: str, key: str) -> str:
        return resolve_one(pattern, choice, key, rois.warnings)

    def many(patterns: NameList, key: str) -> tuple[str, ...]:
        listed = (patterns,) if isinstance(patterns, str) else patterns
        return resolve_names(listed, choice, key, rois.warnings)

    target = one(settings.target.structure, "[target] structure")
    crop = settings.target.crop_out_of
    if crop is not None:
        crop = many(crop, "[target] crop_out_of")
        if target in crop:
            raise CaseError(f"[target] crop_out_of takes in the target {target!r} itself")
    skin = one(settings.skin.structure, "[skin] structure")
    avoid = []
    for number, rule in enumerate(settings.avoid, start=1):
        key = f"[[avoid]] #{number} structure"
        names = many(rule.structure, key)
        for name, what in ((target, "target"), (skin, "skin")):
            if name in names:
                raise CaseError(f"{key} takes in the {what} {name!r}; every needle must enter it")
        avoid.append(rule.model_copy(update={"structure": names}))
    goals: list[GoalSettings] = []
    for number, goal in enumerate(settings.goal, start=1):
        key = f"[[goal]] #{number} structure"
        names = many(goal.structure, key)
        if parse_metric(goal.metric).is_index and names != (target,):
            raise CaseError(
                f"{key} = {goal.structure!r}: {goal.metric} is known for the target ({target!r})"
            )
        goals.extend(goal.model_copy(update={"structure": name}) for name in names)
    biology = []
    for number, tissue in enumerate(settings.biology, start=1):
        names = many(tissue.structure, f"[[biology]] #{number} structure")
        biology.append(tissue.model_copy(update={"structure": names}))
    bone = settings.bone
    if bone.structure is not None:
        bone = bone.model_copy(update={"structure": many(bone.structure, "[bone] structure")})
    return settings.model_copy(
        update={
            "target": settings.target.model_copy(update={"structure": target, "crop_out_of": crop}),
            "skin": settings.skin.model_copy(update={"structure": skin}),
            "avoid": tuple(avoid),
            "goal": tuple(goals),
            "bone": bone,
            "biology": tuple(biology),
            "structure": tables,
        }
    )


def used_names(settings: CaseSettings) -> tuple[str, ...]:
    """List the structures that resolved settings use, each once; a table uses its operands."""
    bone = settings.bone.structure or ()
    names = [settings.target.structure, settings.skin.structure, *settings.target.cropped_by]
    names += [name for table in settings.structure for name in (table.name, *table.operands)]
    names += [name for rule in settings.avoid for name in rule.patterns]
    names += [goal.structure for goal in settings.goal]
    names += [name for tissue in settings.biology for name in tissue.patterns]
    names += [bone] if isinstance(bone, str) else bone
    return tuple(dict.fromkeys(names))


def check_entries(settings: CaseSettings, rois: RoiSet, image: ImageVolume) -> None:
    """Check that every entry plane is at the skin and faces the target.

    Structures that are not drawn yet stand for what they are made of; the body from the CT for
    what is denser than air.

    Raises
    ------
    CaseError
        If the direction points away from the target, or the point is far from the skin.
    """
    centre = _points(settings, rois, image, settings.target.structure).mean(axis=0)
    skin = _points(settings, rois, image, settings.skin.structure)
    for number, entry in enumerate(settings.entry, start=1):
        table = "[entry]" if len(settings.entry) == 1 else f"[[entry]] number {number}"
        point = np.array(entry.point_lps)
        direction = np.array(entry.direction_lps) / math.hypot(*entry.direction_lps)
        to_target = centre - point
        if float(to_target @ direction) <= 0.0:
            raise CaseError(
                f"{table} direction_lps = {_triple(entry.direction_lps)} points away from the "
                f"target {settings.target.structure!r}, which lies at {_triple(centre)} mm; from "
                f"point_lps the way to it is {_triple(to_target / np.linalg.norm(to_target), 3)}"
            )
        gap = float(np.linalg.norm(skin - point, axis=1).min())
        if gap > LARGEST_GAP_MM:
            raise CaseError(
                f"{table} point_lps = {_triple(entry.point_lps)} lies {gap:.0f} mm from the skin "
                f"{settings.skin.structure!r}; it is LPS in mm, check signs and unit"
            )


def _points(
    settings: CaseSettings, rois: RoiSet, image: ImageVolume, name: str
) -> NDArray[np.float64]:
    """Corners of what a structure is drawn or made from, (n, 3) LPS, mm; dense voxels of the CT."""
    sources = drawn_sources(settings, name)
    points = [ring for roi in rois.rois if roi.name in sources for ring in roi.rings_lps_mm]
    if not points:
        dense = np.argwhere(image.hu[:, ::SPARSE, ::SPARSE] >= BODY_HU) * (1, SPARSE, SPARSE)
        if not len(dense):
            raise CaseError(f"the CT is empty: nothing in it is at or above {BODY_HU:g} HU")
        steps = image.spacing_mm[:, None] * image.axes_lps
        points = [image.origin_lps_mm + dense[:, ::-1] @ steps]
    return np.concatenate(points)


def _triple(values: Sequence[float] | np.ndarray, digits: int = 1) -> str:
    return "[" + ", ".join(f"{round(float(v), digits) + 0.0:g}" for v in values) + "]"
