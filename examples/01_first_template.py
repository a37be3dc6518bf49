"""Plan the case that ships and write every file: ``python examples/01_first_template.py OUT``."""

import sys
from pathlib import Path

from exports import write_plan
from template_designer import design, read_case
from template_designer.demo_case import demo_case_file


def main(out: Path) -> None:
    """Plan, print the main numbers, write the folder ``OUT/first_template``."""
    with demo_case_file() as case_file:
        plan = design(read_case(case_file), progress=print)

    target = plan.metrics[plan.settings.target.structure]
    print(f"V100 {target['v100_pct']:.1f} %, CI {target['ci']:.2f}, {plan.seed_count} seeds")
    for needle in plan.needles:
        print(f"hole {needle.label}: set {needle.depth_mm:.1f} mm, {len(needle.seeds)} seeds")

    written = write_plan(plan, out / "first_template", overwrite=True)
    print(*written.files, *written.notes, sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
