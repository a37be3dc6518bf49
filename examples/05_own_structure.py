"""A case of one's own: a margin round the tumour, a ring to keep cool, and a goal for the ring.

A case file starts as a copy of another: here the demo's, with tables changed and added.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from template_designer import design, read_case
from template_designer.demo_case import demo_case_file

MARGIN = """[target]
structure = "GTV"
margin_mm = 2.0                  # or by direction: { left = 3.0, head = 5.0 }
crop_out_of = "SpinalCord"       # the grown target ends there
"""
ADDED = """
[[structure]]                    # made by the program: 8 mm round the tumour, without it
name = "Ring"
from = "GTV"
expand_mm = 8.0
minus = ["GTV", "SpinalCord"]

[[goal]]
structure = "Ring"
metric = "Dmean"
at_most_gy = 130.0
priority = 2                     # never traded for a goal of priority 1

[loading]
search_moves = 2000              # a quick search; leave this out to search with full effort
"""


def main(out: Path) -> None:
    """Write ``OUT/own_structure.toml`` and ``OUT/own_structure.png``."""
    out.mkdir(parents=True, exist_ok=True)
    own = out / "own_structure.toml"
    with demo_case_file() as demo:
        images = (demo.parent / "dicom").as_posix()
        text = demo.read_text("utf-8").replace('"dicom/', f'"{images}/')  # paths are relative
        before = text[text.index("[target]") : text.index("[[avoid]]")]
        own.write_text(text.replace(before, MARGIN + "\n") + ADDED, "utf-8")
        plan = design(read_case(own), progress=print)

    for goal in plan.goals:
        print(f"{goal.structure} {goal.metric} {goal.value:.1f} {goal.unit}, limit {goal.limit:g}")
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for curve in plan.dvh:
        if curve.structure in ("GTV", "Ring", "SpinalCord"):
            axes.plot(curve.dose_gy, curve.volume_pct, label=curve.structure)
    axes.set(xlabel="Gy", ylabel="% of the volume", xlim=(0, 400), ylim=(0, 101))
    axes.legend()
    figure.savefig(out / "own_structure.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
