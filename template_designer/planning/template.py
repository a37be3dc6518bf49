"""A plate with its holes and needles, from the chosen seed positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from template_designer.geometry.plate_case import plate_features
from template_designer.model import CaseSettings, Hole, HoleState, Needle, Template
from template_designer.planning.approach import Approach
from template_designer.planning.bone import BoneOnWay
from template_designer.planning.needles import build_needles, clearance_errors_mm


def build_template(
    settings: CaseSettings,
    approach: Approach,
    chosen: NDArray[np.int64],
    bone: BoneOnWay,
    name: str,
) -> Template:
    """The finished plate: every hole planned, open or blocked, and the needles with their seeds.

    Parameters
    ----------
    chosen : (n,) ndarray of int
        Indices into ``approach.sites``.
    bone : callable
        Bone between two LPS points.
    name : str
        Of the plate: "T1".
    """
    needles = build_needles(
        chosen,
        approach.sites,
        approach.paths,
        approach.frame,
        needle=settings.needle,
        thickness_mm=settings.template.size_mm[2],
        rules=approach.seed_rules,
        skin=approach.skin,
        bone=bone,
        access=approach.access,
    )
    needles = tuple(
        replace(needle, clearance_error_mm=clearance_errors_mm(needle, approach.avoided))
        for needle in needles
    )
    return plate_with(settings, approach, needles, name)


def plate_with(
    settings: CaseSettings, approach: Approach, needles: tuple[Needle, ...], name: str
) -> Template:
    """The plate around needles: every hole planned, open or blocked, wide where one needs it."""
    planned = {needle.label for needle in needles}
    bores = {
        needle.label: settings.bore_for_mm(needle.bone_access.gauge)
        for needle in needles
        if needle.bone_access is not None
    }

    def state(label: str) -> HoleState:
        if label in planned:
            return HoleState.PLANNED
        return HoleState.OPEN if approach.reasons[label] is None else HoleState.BLOCKED

    return Template(
        name=name,
        size_mm=settings.template.size_mm,
        pitch_mm=settings.template.pitch_mm,
        bore_mm=settings.bore_for_mm(settings.needle.gauge),
        gap_mm=max(0.0, approach.gap_mm),
        lps_from_template=approach.frame,
        holes=tuple(
            Hole(
                p.label,
                p.x_mm,
                p.y_mm,
                state(p.label),
                approach.reasons[p.label],
                bores.get(p.label),
            )
            for p in approach.points
        ),
        needles=needles,
        features=plate_features(settings),
    )
