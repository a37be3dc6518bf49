"""Steer a plan: keep most of it, empty one hole; then see what each needle fewer would cost.

Run 01_first_template.py first: its plan is the one that is steered.
"""

import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt

from template_designer import read_case
from template_designer.demo_case import demo_case_file
from template_designer.inputs.earlier_plan import read_earlier_plan
from template_designer.model.steering import Place, Steering
from template_designer.planning.loading.tradeoff import tradeoff
from template_designer.workflow import design_parts


def main(out: Path) -> None:
    """Write ``OUT/steering.png``."""
    with demo_case_file() as case_file:
        case = read_case(case_file)
    quick = case.settings.loading.model_copy(update={"search_moves": 2000})
    case = replace(case, settings=case.settings.model_copy(update={"loading": quick}))

    earlier = read_earlier_plan(out / "first_template", case)
    before = {n.label: len(n.seeds) for template in earlier.templates for n in template.needles}
    unwanted, *kept = sorted(before, key=before.__getitem__)  # the needle with the fewest seeds
    wish = Steering(
        lock=tuple(Place(label) for label in kept[-6:]),  # as they are, to the millimetre
        forbid=(Place(unwanted),),  # stays empty
    )
    made = design_parts(case, steering=wish, earlier=earlier)
    after = {needle.label: len(needle.seeds) for needle in made.plan.needles}
    print(f"{unwanted} is empty now, {', '.join(kept[-6:])} are as they were")

    locks = made.prepared.locks
    curve = tradeoff("needles", made.prepared.loading, made.found, locks=locks, progress=print)
    figure, (seeds, price) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    labels = sorted({*before, *after}, key=lambda label: (label[0], int(label[1:])))
    for shift, name, plan in ((-0.2, "before", before), (0.2, "steered", after)):
        places = [place + shift for place in range(len(labels))]
        seeds.bar(places, [plan.get(label, 0) for label in labels], 0.4, label=name)
    seeds.set_xticks(range(len(labels)), labels, rotation=90)
    seeds.set(ylabel="seeds", xlabel="hole", title=f"{unwanted} forbidden")
    seeds.legend()
    needles = [point.value for point in curve.points]
    price.plot(needles, [point.numbers.v100_pct for point in curve.points], "o-")
    price.set(xlabel="needles", ylabel="V100, %", title="What fewer needles cost")
    figure.savefig(out / "steering.png", dpi=120)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/examples"))
