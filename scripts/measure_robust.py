"""How well the few points of a trial of placement errors tell the dose of all, and how fast it is.

Prints what docs/robust.md states: ``python scripts/measure_robust.py [CASE.toml]`` (else the demo).
"""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from template_designer import design, read_case
from template_designer.demo_case import demo_case_file
from template_designer.geometry.sampling import surface_samples, volume_samples
from template_designer.geometry.solids import Solid
from template_designer.model import Case, Plan
from template_designer.planning.evaluate import Seeds
from template_designer.planning.placement import NeedleGroup, Scenarios, placement_errors
from template_designer.planning.robust import robust_plan
from template_designer.planning.robust_dose import DoseSample, scenario_doses
from template_designer.planning.structures import build_structures, target_solid

SCENARIOS = 60


def main() -> None:
    """Plan a case, then compare and time."""
    named = nullcontext(Path(sys.argv[1])) if len(sys.argv) > 1 else demo_case_file()
    with named as file:
        case = read_case(file)
    plan = design(case)
    _compare(case, plan)
    robust_plan(case, plan, 20)  # compiles
    begun = time.perf_counter()
    tip = robust_plan(case, plan, 1000).robust.tip_error_mm
    print(f"1,000 scenarios: {time.perf_counter() - begun:.1f} s")
    print(f"tips end {tip.mean:.1f} +- {tip.sd:.1f} mm off")


def _compare(case: Case, plan: Plan) -> None:
    solids, _ = build_structures(case, [plan.settings.target.structure])
    target = target_solid(plan.settings, solids)
    seeds = Seeds.of(plan.templates, plan.source.model, plan.air_kerma_strength_u)
    organs = [solids[rule.structure] for rule in plan.rules]
    samples = [DoseSample.of_target(target, seeds, plan.prescription_gy)]
    samples += [DoseSample.of_organ(organ, seeds) for organ in organs]
    errors = placement_errors(plan.settings.robust)
    groups = [NeedleGroup.of(template) for template in plan.templates]
    placed = [Scenarios(g, errors, k).draw(SCENARIOS) for k, g in enumerate(groups)]
    centers = np.concatenate([p.seeds_lps_mm for p in placed], axis=1)
    axes = np.concatenate([p.seed_axes_lps for p in placed], axis=1)
    found = np.array(scenario_doses(samples, seeds, centers, axes))
    column = 0
    for sample, solid in zip(samples, [target, *organs], strict=True):
        exact = _all_points(sample, solid, seeds, centers, axes)
        for n, (metric, unit) in enumerate(sample.units.items()):
            few, full = found[:, column], exact[:, n]
            off = np.abs(few - full) if unit == "%" else 100.0 * np.abs(few / full - 1.0)
            text = "points" if unit == "%" else "%"
            print(f"{sample.name} {metric}: {off.mean():.2f} mean, {off.max():.2f} most, {text}")
            column += 1


def _all_points(
    sample: DoseSample,
    solid: Solid,
    seeds: Seeds,
    centers: NDArray[np.float64],
    axes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Metrics of all points of a structure, (scenarios, metrics)."""
    inside, weights = volume_samples(solid)
    outside = np.zeros((0, 3)) if sample.prescription_gy else surface_samples(solid, 1.5)
    points = np.vstack([inside, outside])
    whole = DoseSample(sample.name, points, weights, sample.prescription_gy, {}, {})
    rows = []
    for places, directions in zip(centers, axes, strict=True):
        moved = Seeds(seeds.source, places, directions, seeds.strength_u)
        rows.append(list(whole.raw_values(moved.dose_gy(points)).values()))
    return np.array(rows)


if __name__ == "__main__":
    main()
