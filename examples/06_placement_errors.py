"""Needles never sit exactly: what the published placement errors do to a plan.

Run 01_first_template.py first: its plan is the one that is tried.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from exports import read_plan
from template_designer import read_case
from template_designer.demo_case import demo_case_file
from template_designer.planning.robust import robust_plan


def main(out: Path) -> None:
    """Write ``OUT/placement_errors.png``."""
    with demo_case_file() as case_file:
        case = read_case(case_file)
    result = robust_plan(case, read_plan(out / "first_template"), 60).robust

    tip = result.tip_error_mm
    print(f"tips end {tip.mean:.1f} mm off on average, {tip.p95:.1f} mm in one case of twenty")
    for goal in result.goals:
        print(f"{goal.structure} {goal.metric} holds in {goal.met.pct:.0f} % of scenarios", end="")
        print(f" (95 % confidence {goal.met.low_pct:.0f} to {goal.met.high_pct:.0f})")

    doses = [d for d in result.doses if d.unit == "Gy" and d.spread.p95 > 25.0]  # those that count
    figure, axes = plt.subplots(figsize=(8, 0.42 * len(doses) + 1.4), layout="constrained")
    for row, dose in enumerate(doses):
        spread = dose.spread
        axes.plot([spread.p5, spread.p95], [row, row], color="#0072B2", linewidth=5)
        axes.plot(spread.p50, row, "o", color="#0072B2", markersize=10, markeredgecolor="white")
        axes.plot(spread.planned, row, "x", color="#D55E00", markersize=9, markeredgewidth=2.5)
    axes.plot([], [], color="#0072B2", linewidth=5, label="5 to 95 % of scenarios, and median")
    axes.plot([], [], "x", color="#D55E00", markeredgewidth=2.5, label="as planned")
    axes.set_yticks(range(len(doses)), [f"{dose.structure} {dose.metric}" for dose in doses])
    axes.invert_yaxis()
    axes.set(xlabel="Gy", title=f"Placement errors: {result.errors.site}")
    axes.legend()
    figure.savefig(out / "placement_errors.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
