"""Cumulative dose-volume histograms of the structures that a plan is judged by, for pictures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from dose import cumulative_dvh
from template_designer.model import CaseSettings, DvhCurve, GoalResult
from template_designer.planning.evaluate import StructureDose

PARTS = 200
"""Levels to one prescription: V100, V150 and V200 lie on levels of their own."""

LEAST_PRESCRIPTIONS = 4
"""Curves go on to so many prescriptions, or past the highest dose that a goal names."""


def judged_structures(
    settings: CaseSettings, target: str, goals: Iterable[GoalResult]
) -> tuple[str, ...]:
    """The target, then every structure of a goal, then every structure of an avoid rule."""
    names = [target, *(goal.structure for goal in goals)]
    names += [name for rule in settings.avoid for name in rule.patterns]
    return tuple(dict.fromkeys(names))


def dvh_curves(
    settings: CaseSettings,
    doses: Mapping[str, StructureDose],
    target: str,
    goals: Collection[GoalResult],
) -> tuple[DvhCurve, ...]:
    """Curves of the structures that the plan is judged by, the target first.

    Parameters
    ----------
    settings : CaseSettings
        Its prescription and its avoid rules.
    doses : mapping
        As :func:`template_designer.planning.evaluate.structure_doses` gives it.
    target : str
        Name of the target.
    goals : collection of GoalResult
        The goals of the plan.

    Returns
    -------
    tuple of DvhCurve
        Exact for the samples of each structure: nothing is binned.
    """
    prescription_gy = settings.prescription.dose_gy
    named_gy = (goal.limit for goal in goals if goal.unit == "Gy")
    highest = max((LEAST_PRESCRIPTIONS, *(1.1 * gy / prescription_gy for gy in named_gy)))
    levels_gy = prescription_gy * (np.arange(math.ceil(PARTS * highest) + 1) / PARTS)
    return tuple(
        DvhCurve(
            name,
            levels_gy,
            cumulative_dvh(doses[name].doses_gy, doses[name].weights_cm3, levels_gy),
        )
        for name in judged_structures(settings, target, goals)
        if name in doses  # the body is left out unless a goal names it
    )
