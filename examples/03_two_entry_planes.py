"""Which entry is better? The same case planned straight from behind and obliquely."""

import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt

from template_designer import design, read_case
from template_designer.demo_case import demo_case_file
from template_designer.model import EntrySettings

PLANES = {
    "straight from behind": {"point_lps": (33.0, 110.0, -279.3), "direction_lps": (0.0, -1.0, 0.0)},
    "oblique from the left": {
        "point_lps": (106.2, 102.6, -279.3),
        "direction_lps": (-0.766, -0.643, 0.0),
    },
}


def main(out: Path) -> None:
    """Plan both and write ``OUT/two_entry_planes.png``."""
    with demo_case_file() as case_file:
        case = read_case(case_file)
    quick = case.settings.loading.model_copy(update={"search_moves": 2000})  # default: 64000
    reached, covered = [], []
    for name, plane in PLANES.items():
        entry = EntrySettings(**plane, up_lps=(0.0, 0.0, 1.0))
        settings = case.settings.model_copy(update={"entry": (entry,), "loading": quick})
        plan = design(replace(case, settings=settings))
        reached.append(plan.reach.reachable_pct)
        covered.append(plan.metrics[settings.target.structure]["v100_pct"])
        print(f"{name}: seeds reach {reached[-1]:.0f} %, V100 {covered[-1]:.0f} %")
        for cause, share in plan.reach.hidden_pct_by_cause.items():
            print(f"   {share:4.1f} % hidden by {cause}")

    figure, axes = plt.subplots(figsize=(7, 4))
    places = range(len(PLANES))
    axes.bar([p - 0.2 for p in places], reached, 0.4, label="target that seeds can reach")
    axes.bar([p + 0.2 for p in places], covered, 0.4, label="V100")
    axes.set_xticks(list(places), list(PLANES))
    axes.set(ylabel="% of the target", ylim=(0, 100))
    axes.legend()
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / "two_entry_planes.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
