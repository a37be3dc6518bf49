"""What placement errors do to a plan: scenarios of needles and seeds that are not where planned.

Needles stay straight and seeds stay in their needles. ``docs/robust.md`` gives the errors, the
method and its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dose import SeedModel
from template_designer.errors import CaseError
from template_designer.geometry.solids import Solid
from template_designer.model import Case, GoalResult, NeedleRule, Plan
from template_designer.model.robust import DoseSpread, PlacementErrors, RobustResult
from template_designer.model.settings import RobustSettings
from template_designer.planning.evaluate import Seeds
from template_designer.planning.placement import (
    NeedleGroup,
    Placed,
    Scenarios,
    placement_errors,
)
from template_designer.planning.robust_distance import NearField
from template_designer.planning.robust_dose import ORGAN_UNITS, DoseSample, scenario_doses
from template_designer.planning.robust_report import (
    clearance_spread,
    goal_chances,
    needle_risks,
    spread_of,
)
from template_designer.planning.structures import build_structures, target_solid

Progress = Callable[[str], None]

MOST_SCENARIOS = 100_000
PORTIONS = 20
STEPS = PORTIONS + 2
"""Calls of ``progress`` that :func:`robust_plan` makes."""

REGION_SPARE_MM = 1.0
"""Distances are prepared for the box of all needles and this much round it."""


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """What needles and seeds are placed in."""

    target: Solid
    solids: Mapping[str, Solid]  # the structures of all rules and goals at least
    rules: Sequence[NeedleRule]
    prescription_gy: float
    goals: Sequence[GoalResult] = ()


def check_scenarios(count: int) -> int:
    """The number of scenarios, if it makes sense.

    Raises
    ------
    CaseError
        If it is below 1 or above :data:`MOST_SCENARIOS`.
    """
    if not 1 <= count <= MOST_SCENARIOS:
        raise CaseError(
            f"--robust {count}: the number of scenarios must be 1 to {MOST_SCENARIOS}; "
            "1000 gives a chance of 5 % to about 1.5 points"
        )
    return count


def robust_plan(case: Case, plan: Plan, scenarios: int, progress: Progress | None = None) -> Plan:
    """The same plan with what placement errors do to it.

    Parameters
    ----------
    case : Case
        The case that the plan was made for; ``[robust]`` states the errors.
    plan : Plan
    scenarios : int
        1 to 100,000.
    progress : callable, optional
        Called with one short line before each of :data:`STEPS` steps.
    """
    say = progress or (lambda text: None)
    check_scenarios(scenarios)
    say("building structures")
    names = {plan.settings.target.structure, *(rule.structure for rule in plan.rules)}
    solids, _ = build_structures(case, names)
    result = robustness(
        [NeedleGroup.of(template) for template in plan.templates],
        Patient(
            target_solid(plan.settings, solids),
            solids,
            plan.rules,
            plan.prescription_gy,
            plan.goals,
        ),
        source=plan.source.model,
        strength_u=plan.air_kerma_strength_u,
        settings=plan.settings.robust,
        scenarios=scenarios,
        progress=say,
    )
    return replace(plan, robust=result)


def robustness(
    groups: Sequence[NeedleGroup],
    patient: Patient,
    *,
    source: SeedModel,
    strength_u: float,
    settings: RobustSettings,
    scenarios: int,
    progress: Progress | None = None,
) -> RobustResult:
    """Distributions of dose and clearances under placement errors.

    Parameters
    ----------
    groups : sequence of NeedleGroup
        One per plate; each plate has errors of its own.
    patient : Patient
        Structures, rules and goals.
    source, strength_u
        The seeds; strength of each in U.
    settings : RobustSettings
        Errors and the seed of the random numbers. The same settings give the same result, on any
        number of threads; the first scenarios of a longer run are those of a shorter one.
    scenarios : int
        1 to 100,000.
    progress : callable, optional
        Called with one short line before each of ``STEPS - 1`` steps.

    Raises
    ------
    CaseError
        If the number of scenarios is out of range, or there is no seed.
    """
    say = progress or (lambda text: None)
    check_scenarios(scenarios)
    groups = [group for group in groups if group.labels]
    if not sum(len(group.seeds_lps_mm) for group in groups):
        raise CaseError("the plan holds no seed; there is nothing to try placement errors on")
    errors = placement_errors(settings)
    say("measuring distances")
    seeds = _seeds(groups, source, strength_u)
    samples = _dose_samples(patient, seeds)
    portions = [len(part) for part in np.array_split(np.arange(scenarios), PORTIONS)]
    fields = _fields(groups, errors, portions, patient)
    trial = _Trial(groups, errors, fields, samples, seeds)
    for number, count in enumerate(portions):
        say(f"scenario {sum(portions[:number]) + 1} of {scenarios}")
        if count:
            trial.run(count)
    return _result(trial, patient)


class _Trial:
    """Scenarios run portion by portion, and what they gave."""

    def __init__(
        self,
        groups: Sequence[NeedleGroup],
        errors: PlacementErrors,
        fields: Mapping[str, NearField],
        samples: Sequence[DoseSample],
        seeds: Seeds,
    ) -> None:
        self.groups, self.errors, self.fields, self.samples = groups, errors, fields, samples
        self._seeds = seeds
        self._streams = _streams(groups, errors)
        self._tips: list[NDArray[np.float64]] = []
        self._clearances: dict[str, list[NDArray[np.float64]]] = {name: [] for name in fields}
        self._doses: list[list[float]] = []

    def run(self, count: int) -> None:
        """The next scenarios."""
        placed = [stream.draw(count) for stream in self._streams]
        planned = np.vstack([group.tip_lps_mm for group in self.groups])
        tips = np.concatenate([p.tip_lps_mm for p in placed], axis=1)
        self._tips.append(np.linalg.norm(tips - planned, axis=2))
        for name, clearance in clearances_mm(self.groups, placed, self.fields).items():
            self._clearances[name].append(clearance)
        centers, axes = (
            np.concatenate([getattr(p, key) for p in placed], axis=1)
            for key in ("seeds_lps_mm", "seed_axes_lps")
        )
        self._doses.extend(scenario_doses(self.samples, self._seeds, centers, axes))

    @property
    def tip_errors_mm(self) -> NDArray[np.float64]:
        """(scenarios, needles)."""
        return np.concatenate(self._tips)

    @property
    def clearances_mm(self) -> dict[str, NDArray[np.float64]]:
        """By structure, (scenarios, needles)."""
        return {name: np.concatenate(parts) for name, parts in self._clearances.items()}

    @property
    def doses(self) -> NDArray[np.float64]:
        """(scenarios, metrics)."""
        return np.array(self._doses)

    def planned_clearances_mm(self) -> dict[str, NDArray[np.float64]]:
        """By structure, (needles,): of the needles as planned."""
        found = clearances_mm(self.groups, [_as_planned(g) for g in self.groups], self.fields)
        return {name: clearance[0] for name, clearance in found.items()}


def clearances_mm(
    groups: Sequence[NeedleGroup], placed: Sequence[Placed], fields: Mapping[str, NearField]
) -> dict[str, NDArray[np.float64]]:
    """Least distance of needle surfaces to each structure, never too large.

    Returns
    -------
    dict of str to (scenarios, needles) ndarray
        mm, the needles of all plates one after the other; below 0 where one may touch.
    """
    entry, tip = (
        np.concatenate([getattr(p, key) for p in placed], axis=1)
        for key in ("entry_lps_mm", "tip_lps_mm")
    )
    shape = entry.shape[:2]
    radius = np.tile(np.concatenate([group.radius_mm for group in groups]), shape[0])
    ends = entry.reshape(-1, 3), tip.reshape(-1, 3)
    return {
        name: field.least_clearances_mm(*ends, radius).reshape(shape)
        for name, field in fields.items()
    }


def _as_planned(group: NeedleGroup) -> Placed:
    of = group.seed_needle
    span = group.tip_lps_mm - group.entry_lps_mm
    axes = span / np.linalg.norm(span, axis=1)[:, None]
    return Placed(
        group.entry_lps_mm[None], group.tip_lps_mm[None], group.seeds_lps_mm[None], axes[of][None]
    )


def _streams(groups: Sequence[NeedleGroup], errors: PlacementErrors) -> list[Scenarios]:
    return [Scenarios(group, errors, plate) for plate, group in enumerate(groups)]


def _seeds(groups: Sequence[NeedleGroup], source: SeedModel, strength_u: float) -> Seeds:
    placed = [_as_planned(group) for group in groups]
    centers, axes = (
        np.concatenate([getattr(p, key)[0] for p in placed])
        for key in ("seeds_lps_mm", "seed_axes_lps")
    )
    return Seeds(source, centers, axes, strength_u)


def _dose_samples(patient: Patient, seeds: Seeds) -> list[DoseSample]:
    """The target, then every structure of a rule and of a goal whose metric is followed."""
    target = patient.target.name
    names = [rule.structure for rule in patient.rules]
    names += [goal.structure for goal in patient.goals if goal.metric in ORGAN_UNITS]
    organs = [name for name in dict.fromkeys(names) if name != target]
    return [
        DoseSample.of_target(patient.target, seeds, patient.prescription_gy),
        *(DoseSample.of_organ(patient.solids[name], seeds) for name in organs),
    ]


def _fields(
    groups: Sequence[NeedleGroup],
    errors: PlacementErrors,
    portions: Sequence[int],
    patient: Patient,
) -> dict[str, NearField]:
    """Distances to the structures of all rules, wherever a needle comes in any scenario."""
    ends = [end for group in groups for end in (group.entry_lps_mm, group.tip_lps_mm)]
    low, high = np.vstack(ends).min(axis=0), np.vstack(ends).max(axis=0)
    streams = _streams(groups, errors)
    for count in portions:
        for placed in (stream.draw(count) for stream in streams if count):
            for points in (placed.entry_lps_mm, placed.tip_lps_mm):
                low = np.minimum(low, points.min(axis=(0, 1)))
                high = np.maximum(high, points.max(axis=(0, 1)))
    low, high = low - REGION_SPARE_MM, high + REGION_SPARE_MM
    names = dict.fromkeys(rule.structure for rule in patient.rules)
    return {name: NearField.around(patient.solids[name], low, high) for name in names}


def _result(trial: _Trial, patient: Patient) -> RobustResult:
    tips, clearances, doses = trial.tip_errors_mm, trial.clearances_mm, trial.doses
    planned = trial.planned_clearances_mm()
    limits = {rule.structure: rule.clearance_mm for rule in patient.rules}
    followed = [
        (sample, metric, unit) for sample in trial.samples for metric, unit in sample.units.items()
    ]
    spreads = tuple(
        DoseSpread(sample.name, metric, unit, spread_of(doses[:, n], sample.planned[metric]))
        for n, (sample, metric, unit) in enumerate(followed)
    )
    places = [(group.name, label) for group in trial.groups for label in group.labels]
    play_rad = max(float(group.play_rad.max()) for group in trial.groups)
    return RobustResult(
        scenarios=len(doses),
        errors=trial.errors,
        bore_play_deg=float(np.degrees(play_rad)) if trial.errors.bore_play else 0.0,
        tip_error_mm=spread_of(tips.ravel(), 0.0),
        doses=spreads,
        goals=goal_chances(patient.goals, spreads, doses),
        clearances=tuple(
            clearance_spread(name, limits[name], found.min(axis=1), float(planned[name].min()))
            for name, found in clearances.items()
        ),
        needles=needle_risks(places, tips, clearances, planned, limits),
    )
