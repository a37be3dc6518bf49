import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from exports import needle_table
from template_designer.errors import OutputError
from template_designer.frames import inverse, transform_points


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def test_it_agrees_with_the_plan(plan):
    rows = read(needle_table.build(plan))
    assert list(rows[0]) == list(needle_table.COLUMNS)
    needles = {needle.label: needle for needle in plan.needles}
    assert sorted(row["hole"] for row in rows) == sorted(needles)
    to_template = inverse(plan.templates[0].lps_from_template)
    for row in rows:
        needle = needles[row["hole"]]
        for key in ("depth_mm", "skin_depth_mm"):  # one digit, never deeper than planned
            assert -1e-9 <= getattr(needle, key) - float(row[key]) < 0.1
        assert [float(v) for v in row["seed_from_tip_mm"].split(";")] == [
            seed.from_tip_mm for seed in needle.seeds
        ]
        assert int(row["seeds"]) == len(needle.seeds)
        tip = [float(row[f"tip_{axis}_lps_mm"]) for axis in "xyz"]
        assert np.abs(np.array(tip) - needle.tip_lps_mm).max() <= 0.005 + 1e-9  # two digits
        entry = [float(row[f"entry_{axis}_lps_mm"]) for axis in "xyz"]
        x, y, z = transform_points(to_template, entry)[0]
        # two digits in each of three coordinates: sqrt(3) * 0.005 mm
        assert (x, y, z) == pytest.approx((float(row["x_mm"]), float(row["y_mm"]), 0.0), abs=0.009)
        assert (row["least_clearance_mm"], row["least_clearance_structure"]) == ("10.0", "Aorta")
        assert (row["gauge"], row["needle_length_mm"], row["gap_mm"]) == ("18", "200", "3.0")
        assert row["bone_mm"] == "7.5"


def test_rows_go_column_by_column_and_plate_by_plate(plan, two_plates):
    assert [row["hole"] for row in read(needle_table.build(plan))] == [
        "C4", "H9", "H12", "K10", "L12", "M8",
    ]  # fmt: skip
    rows = read(needle_table.build(two_plates))
    assert [row["template"] for row in rows] == ["T1"] * 6 + ["T2"]


def test_seeds_add_up(plan):
    rows = read(needle_table.build(plan))
    assert sum(int(row["seeds"]) for row in rows) == plan.seed_count


def test_clearances_are_rounded_down_and_may_be_absent(plan):
    near = replace(plan.needles[0], clearance_mm={"Cord": 10.99})
    free = replace(plan.needles[1], clearance_mm={})
    template = replace(plan.templates[0], needles=(near, free))
    rows = read(needle_table.build(replace(plan, templates=(template,))))
    found = {row["hole"]: row["least_clearance_mm"] for row in rows}
    assert found == {near.label: "10.9", free.label: ""}


def test_a_needle_without_its_hole_is_refused(plan):
    stray = replace(plan.needles[0], label="Z99")
    template = replace(plan.templates[0], needles=(stray,))
    with pytest.raises(OutputError, match="Z99"):
        needle_table.build(replace(plan, templates=(template,)))
