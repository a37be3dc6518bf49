"""How far metrics of the demo's plan move with the spacing of samples and of the dose grid.

Prints the Markdown table of docs/dose.md, section 7: ``python scripts/measure_convergence.py``.
"""

from __future__ import annotations

from dose import DoseField, dose_field_enclosing, organ_metrics, target_metrics
from template_designer import design, read_case
from template_designer.demo_case import demo_case_file
from template_designer.geometry.sampling import surface_samples, volume_samples, voxel_shares
from template_designer.geometry.solids import Solid
from template_designer.inputs import used_names
from template_designer.model import Plan
from template_designer.planning.evaluate import Seeds
from template_designer.planning.structures import build_structures, target_solid

COLUMNS = {"plan": None, "samples 0.25 mm": 0.25, "grid 1.0 mm": 1.0, "grid 0.25 mm": 0.25}
ORGAN = "SpinalCord"
TARGET_KEYS = (
    *("d90_gy", "d98_gy", "d100_gy", "mean_gy", "v90_pct", "v100_pct", "v150_pct", "v200_pct"),
    *("ci", "ei", "hi", "dnr"),
)
ORGAN_KEYS = ("dmax_gy", "d0_1cc_gy", "d1cc_gy", "d2cc_gy", "mean_gy")


def main() -> None:
    """Plan the demo and print one row per metric."""
    with demo_case_file() as file:
        case = read_case(file)
        plan = design(case)
        solids, _ = build_structures(case, used_names(case.settings))
        target = target_solid(case.settings, solids)
    seeds = Seeds.of(plan.templates, plan.source.model, plan.air_kerma_strength_u)
    columns = [
        _by_samples(plan, seeds, target, solids[ORGAN], None, 1.0),
        _by_samples(plan, seeds, target, solids[ORGAN], 0.25, 0.25),
        _by_grid(plan, seeds, target, solids[ORGAN], 1.0),
        _by_grid(plan, seeds, target, solids[ORGAN], 0.25),
    ]
    print("| metric | " + " | ".join(COLUMNS) + " |")
    print("| --- |" + " ---: |" * len(COLUMNS))
    for key in columns[0]:
        print(f"| {key} | " + " | ".join(f"{column[key]:.4g}" for column in columns) + " |")


def _field(plan: Plan, seeds: Seeds, spacing_mm: float, *solids: Solid) -> DoseField:
    corners = [point for solid in solids for point in surface_samples(solid, 5.0)]
    return dose_field_enclosing(
        seeds.source,
        seeds.centers_lps_mm,
        seeds.axes_lps,
        seeds.strength_u,
        dose_gy=plan.prescription_gy,
        spacing_mm=spacing_mm,
        include_mm=[point + step for point in corners for step in (-2.0, 2.0)],
    )


def _by_samples(
    plan: Plan, seeds: Seeds, target: Solid, organ: Solid, spacing_mm: float | None, grid_mm: float
) -> dict[str, float]:
    """Exact doses at samples; the reference volume from a grid."""
    field = _field(plan, seeds, grid_mm, target)
    points, weights = volume_samples(target, spacing_mm)
    inside = seeds.dose_gy(points), weights
    points, weights = volume_samples(organ, spacing_mm)
    surface = seeds.dose_gy(surface_samples(organ, spacing_mm or 1.5))
    return _rows(plan, field, inside, (seeds.dose_gy(points), weights), surface)


def _by_grid(
    plan: Plan, seeds: Seeds, target: Solid, organ: Solid, spacing_mm: float
) -> dict[str, float]:
    """Doses between voxels of a grid, weighed by the shares of voxels."""
    field = _field(plan, seeds, spacing_mm, target, organ)
    doses = []
    for solid in (target, organ):
        points, weights = voxel_shares(solid, field.grid, parts=4 if spacing_mm > 0.5 else 2)
        doses.append((field.interpolate(points), weights))
    return _rows(plan, field, doses[0], doses[1], None)


def _rows(plan, field, target, organ, surface) -> dict[str, float]:
    levels = (plan.prescription_gy, 1.5 * plan.prescription_gy)
    reference, hot = (field.volume_at_or_above_cm3(level) for level in levels)
    of_target = target_metrics(*target, reference, plan.prescription_gy, reference_150_cm3=hot)
    of_organ = organ_metrics(*organ, surface)
    return {f"target {key}": of_target[key] for key in TARGET_KEYS} | {
        f"{ORGAN} {key}": of_organ[key] for key in ORGAN_KEYS
    }


if __name__ == "__main__":
    main()
