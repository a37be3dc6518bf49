import io
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.spatial import cKDTree

from template_designer.geometry.solids import build_solid
from template_designer.inputs import used_names
from template_designer.loading_sheet import HEADINGS, loading_tables, pattern_text
from template_designer.model.loading_report import LoadingReport, PatternResult, SeedEstimate
from template_designer.model.settings import LoadingSettings
from template_designer.planning.arrangements import (
    NEEDLE_SPACING_MM,
    Arrangement,
    HoleGrid,
    arrangements,
)
from template_designer.planning.evaluate import Seeds
from template_designer.planning.pattern_metrics import (
    SAME_COVERAGE_PCT,
    PatternScene,
    compare_patterns,
    pattern_metrics,
)
from template_designer.planning.patterns import (
    NO_CLASH,
    _Rules,
    family_of,
    gap_slots,
    loading_patterns,
)
from template_designer.planning.sites import SeedSites
from template_designer.planning.structures import build_structures
from template_designer.planning.together import join_sites
from tests.template_designer.geometry.shapes import box, roi
from tests.template_designer.planning.phantom import SOURCE, STRENGTH_U, approach, solids
from tests.template_designer.planning.plans import good_plan, phantom_case

CUBE = build_solid(roi([box((-12, 12), (-12, 12), z) for z in np.arange(-11.5, 12.0, 1.0)], "GTV"))
FAMILIES = {"Paris squares", "Paris triangles", "Paris planes", "peripheral"}


def block(columns=5, rows=5, slots=9, step_mm=2.5, pitch_mm=5.0, keep=None):
    """Sites of a block of holes about the origin, needles along z, and where the holes stand."""
    column, row = (a.ravel() for a in np.meshgrid(np.arange(columns), np.arange(rows)))
    hole = np.repeat(np.arange(columns * rows), slots)
    slot = np.tile(np.arange(slots), columns * rows)
    z = step_mm * (0.5 * (slots - 1) - slot)
    x = pitch_mm * (column - 0.5 * (columns - 1))[hole]
    y = pitch_mm * (row - 0.5 * (rows - 1))[hole]
    keep = np.ones(len(hole), dtype=np.bool_) if keep is None else keep
    sites = SeedSites(hole[keep], slot[keep], z[keep], np.column_stack([x, y, z])[keep])
    return sites, HoleGrid(np.zeros_like(column), column, row, pitch_mm)


def needles_of(sites, chosen):
    return [chosen[sites.hole[chosen] == hole] for hole in np.unique(sites.hole[chosen])]


# ---- arrangements -------------------------------------------------------------------------------


@pytest.mark.parametrize("pitch_mm", [2.5, 5.0, 7.5, 10.0, 15.0, 50.0])
def test_arrangements_are_regular_and_stand_as_far_apart_as_they_say(pitch_mm):
    side = 36
    column, row = (a.ravel() for a in np.meshgrid(np.arange(side), np.arange(side)))
    grid = HoleGrid(np.zeros_like(column), column, row, pitch_mm)
    found = arrangements(pitch_mm)
    assert len(set(found)) == len(found)
    for arrangement in found:
        place_of = arrangement.place_of(grid)
        assert set(place_of) == set(range(arrangement.places))  # every hole in one, none empty
        holes = np.column_stack([column, row])[place_of == 0]
        distance, _ = cKDTree(holes).query(holes, k=2)
        assert distance[:, 1].min() == pytest.approx(arrangement.spacing, abs=1e-12)
        # regular: from every hole well inside, the same steps lead to others
        steps = holes[np.linalg.norm(holes - holes[0], axis=1) < 3.0 * arrangement.spacing]
        steps = steps - holes[0]
        inside = holes[((holes > side / 3) & (holes < side / 2)).all(axis=1)]
        members = set(map(tuple, holes.tolist()))
        assert all(tuple(hole + step) in members for hole in inside for step in steps)
        if pitch_mm <= NEEDLE_SPACING_MM[1]:
            least, most = NEEDLE_SPACING_MM
            assert least <= arrangement.spacing * pitch_mm * (1.0 + 1e-9) <= most * (1.0 + 2e-9)


def test_every_shape_is_what_it_is_called():
    for arrangement in arrangements(5.0):
        near = sorted(
            math.hypot(i * arrangement.a, i * arrangement.b + j * arrangement.d)
            for i, j in itertools.product(range(-6, 7), range(-9, 10))
            if i or j
        )
        sides = np.array(near) / near[0]
        if arrangement.shape == "squares":
            assert sides[:4] == pytest.approx(1.0)
            assert sides[4] == pytest.approx(math.sqrt(2.0))
        elif arrangement.shape == "triangles":  # six neighbours, nearly as far
            assert sides[5] == pytest.approx(math.sqrt(1.25))
            assert sides[6] > 1.5
        else:  # two neighbours in the row, the next row twice as far
            assert sides[1] == pytest.approx(1.0)
            assert sides[2] == pytest.approx(2.0)


def test_holes_of_all_plates_are_found_in_their_lattices():
    found = approach()
    grid = HoleGrid.of([found, found], 5.0)
    holes = len(found.paths.points)
    assert grid.plate.tolist() == [0] * holes + [1] * holes
    first = found.points[0]
    for n, point in enumerate(found.paths.points * 2):
        assert point.x_mm - first.x_mm == pytest.approx(5.0 * grid.column[n], abs=1e-9)
        assert point.y_mm - first.y_mm == pytest.approx(5.0 * grid.row[n], abs=1e-9)
    assert len(join_sites([found, found], 5.0).sites) == 2 * len(found.sites)
    assert join_sites([found, found], 5.0).sites.hole.max() < len(grid.plate)


# ---- patterns -----------------------------------------------------------------------------------


def test_squares_of_10_mm_on_a_small_block_are_exactly_these():
    sites, grid = block()  # holes at -10 ... 10 mm, seeds at -10 ... 10 mm
    found = loading_patterns(sites, grid, CUBE, LoadingSettings())
    name = "Paris squares: needles 10 mm, seeds 10 mm, place 1, height 1"
    wanted = set(itertools.product((-10.0, 0.0, 10.0), repeat=3))
    assert set(map(tuple, sites.centers_lps_mm[found[name]].tolist())) == wanted
    odd = "Paris squares: needles 10 mm, seeds 10 mm, place 4, height 3"
    wanted = set(itertools.product((-5.0, 5.0), repeat=3))
    assert set(map(tuple, sites.centers_lps_mm[found[odd]].tolist())) == wanted
    assert set(map(family_of, found)) == FAMILIES


def test_seeds_of_all_needles_lie_on_common_planes():
    """Also where the deepest seeds of the holes lie at different depths."""
    sites, grid = block(slots=12)
    shifted = sites.z_mm + np.array([0.0, 0.5, 1.0, -0.5, 2.0])[sites.hole % 5]
    sites = SeedSites(
        sites.hole, sites.slot, shifted, np.column_stack([sites.centers_lps_mm[:, :2], shifted])
    )
    for name, chosen in loading_patterns(sites, grid, CUBE, LoadingSettings()).items():
        if name.startswith("Paris") and "seeds 10 mm" in name:
            turn = np.exp(2j * np.pi * sites.z_mm[chosen] / 10.0)
            middle = np.angle(turn.mean()) / (2.0 * np.pi) * 10.0
            off = (sites.z_mm[chosen] - middle + 5.0) % 10.0 - 5.0
            # each needle's own grid of 2.5 mm comes within 1.25 mm of any plane
            assert np.ptp(off) <= 2.5 + 1e-9


@st.composite
def problems(draw):
    """Holes with gaps in them, rules of any kind, and clashes."""
    step_mm = draw(st.sampled_from([1.0, 2.5, 5.0]))
    slots = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    keep = rng.random(16 * slots) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    sites, grid = block(4, 4, slots, step_mm, draw(st.sampled_from([2.5, 5.0, 10.0])), keep)
    least = step_mm * draw(st.integers(1, 4))
    most = least + step_mm * draw(st.integers(0, 4))
    limits = {
        name: draw(st.none() | st.integers(1, 12))
        for name in ("max_needles", "max_seeds", "max_seeds_per_needle")
    }
    rules = LoadingSettings(seed_spacing_mm=(least, most), step_mm=step_mm, **limits)
    clash = NO_CLASH
    if draw(st.booleans()):
        clash = np.triu(rng.random((len(sites), len(sites))) < 0.05)
        clash = (clash | clash.T) & (sites.hole[:, None] // 8 != sites.hole // 8)  # two plates
    return sites, grid, rules, clash


@settings(max_examples=40)
@given(problem=problems())
def test_every_pattern_keeps_every_rule(problem):
    sites, grid, rules, clash = problem
    found = loading_patterns(sites, grid, CUBE, rules, clash)
    seen = {chosen.tobytes() for chosen in found.values()}
    assert len(seen) == len(found)
    least, most = rules.seed_spacing_mm
    for name, chosen in found.items():
        assert family_of(name) in FAMILIES
        assert chosen.dtype == np.int64
        assert chosen.size
        assert np.all(np.diff(chosen) > 0)
        needles = needles_of(sites, chosen)
        assert len(chosen) <= (rules.max_seeds or np.inf)
        assert len(needles) <= (rules.max_needles or np.inf)
        for needle in needles:
            assert len(needle) <= (rules.max_seeds_per_needle or np.inf)
            gaps_mm = np.diff(sites.slot[needle]) * rules.step_mm
            assert np.all((gaps_mm >= least - 1e-9) & (gaps_mm <= most + 1e-9))
        if clash.size:
            assert not clash[np.ix_(chosen, chosen)].any()


def test_no_sites_give_no_patterns():
    sites, grid = block(keep=np.zeros(225, dtype=np.bool_))
    assert loading_patterns(sites, grid, CUBE, LoadingSettings()) == {}


@pytest.mark.parametrize(
    ("spacing_mm", "step_mm", "slots"),
    [((5.0, 10.0), 2.5, (2, 4)), ((5.1, 9.9), 2.5, (3, 3)), ((6.0, 6.3), 0.7, (9, 9))],
)
def test_gaps_are_whole_steps_inside_the_rule(spacing_mm, step_mm, slots):
    assert gap_slots(LoadingSettings(seed_spacing_mm=spacing_mm, step_mm=step_mm)) == slots


@settings(max_examples=60)
@given(
    near=st.lists(st.booleans(), min_size=1, max_size=10),
    absent=st.sets(st.integers(0, 9), max_size=4),
    rule=st.sampled_from([(1, 2), (2, 4), (3, 3), (2, 6)]),
)
def test_both_ends_takes_the_best_of_all_allowed_loadings(near, absent, rule):
    """Against every subset of the needle's sites."""
    slots = [n for n in range(len(near)) if n not in absent]
    if not slots:
        return
    keep = np.zeros(len(near), dtype=np.bool_)
    keep[slots] = True
    sites, _ = block(1, 1, len(near), keep=keep)
    worth = np.where(np.array(near)[slots], 1.0, -0.1)
    rules = _Rules(sites, LoadingSettings(seed_spacing_mm=(2.5 * rule[0], 2.5 * rule[1])), NO_CLASH)
    chosen = rules.both_ends(worth)[0]
    best = max(
        worth[list(subset)].sum()
        for size in range(1, len(slots) + 1)
        for subset in itertools.combinations(range(len(slots)), size)
        if all(rule[0] <= slots[b] - slots[a] <= rule[1] for a, b in itertools.pairwise(subset))
    )
    assert worth[chosen].sum() == pytest.approx(best, abs=1e-9)
    assert all(rule[0] <= gap <= rule[1] for gap in np.diff(sites.slot[chosen]))


def test_peripheral_loadings_lie_nearer_to_the_surface_than_paris_ones():
    sites, grid = block(9, 9, 17)  # 40 mm cube of sites in a solid as large
    solid = build_solid(
        roi([box((-21, 21), (-21, 21), z) for z in np.arange(-20.5, 21.0, 1.0)], "GTV")
    )
    found = loading_patterns(sites, grid, solid, LoadingSettings())
    depth = 21.0 - np.abs(sites.centers_lps_mm).max(axis=1)
    of = {
        kind: [depth[chosen].mean() for name, chosen in found.items() if name.startswith(kind)]
        for kind in ("Paris", "peripheral: rim 4 mm")
    }
    # a Paris loading at a lucky place may lie far out too: against their median
    assert np.max(of["peripheral: rim 4 mm"]) < np.median(of["Paris"])

    def contrast(chosen):  # seeds per site near the surface over those deep inside
        outside, inside = (
            np.mean(np.isin(np.flatnonzero(part), chosen)) for part in (depth < 4, depth > 10)
        )
        return outside / max(inside, 1e-9)

    kinds = {
        kind: [contrast(chosen) for name, chosen in found.items() if name.startswith(kind)]
        for kind in of
    }
    assert np.median(kinds["Paris"]) == pytest.approx(1.0, abs=0.2)  # the same everywhere
    assert min(kinds["peripheral: rim 4 mm"]) > 1.5  # dense outside, sparse inside
    assert np.median(kinds["peripheral: rim 4 mm"]) > 3.0


# ---- metrics ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene():
    parts = solids()
    found = approach(parts=parts)
    return PatternScene(found.sites, found.axis, parts["GTV"], SOURCE, STRENGTH_U, 120.0)


def test_the_metrics_of_a_plans_own_seeds_are_the_plans(scene):
    plan, case = good_plan(), phantom_case()
    parts, _ = build_structures(case, used_names(case.settings))
    found = approach(case.settings, parts)
    scene = replace(scene, sites=found.sites, target=parts["GTV"])
    centers = Seeds.of(plan.templates, SOURCE, STRENGTH_U).centers_lps_mm
    off, chosen = cKDTree(found.sites.centers_lps_mm).query(centers)
    assert off.max() < 1e-6
    result = pattern_metrics("plan", np.sort(chosen), scene)
    assert (result.seeds, result.needles) == (plan.seed_count, len(plan.needles))
    metrics = plan.metrics["GTV"]
    for key in ("d90_gy", "v100_pct", "v150_pct", "v200_pct", "ci"):
        # the same dose summed in another order, from tips that differ by rounding; a sample of
        # 60,000 may fall to the other side
        assert getattr(result, key) == pytest.approx(metrics[key], rel=1e-4)


@pytest.fixture(scope="module")
def measured(scene):
    """A few patterns of every family, and all of their exact metrics."""
    grid = HoleGrid.of([approach()], 5.0)
    found = loading_patterns(scene.sites, grid, scene.target, LoadingSettings())
    some = {}
    for family in sorted(FAMILIES):
        mine = [name for name in found if family_of(name) == family]
        some |= {name: found[name] for name in mine[:: max(1, len(mine) // 4)]}
    return some, {name: pattern_metrics(name, chosen, scene) for name, chosen in some.items()}


@pytest.mark.parametrize("v100_pct", [60.0, 80.0, 95.0])
def test_each_family_shows_its_best_at_the_coverage_of_the_plan(scene, measured, v100_pct):
    some, exact = measured
    results = compare_patterns(some, scene, v100_pct)
    assert [family_of(r.name) for r in results] == list(dict.fromkeys(map(family_of, some)))
    for result in results:
        assert result == exact[result.name]
        mine = [r for n, r in exact.items() if family_of(n) == family_of(result.name)]
        nearest = min(abs(r.v100_pct - v100_pct) for r in mine)
        # the survey's 3,000 points know V100 to 0.5, of this one and of the nearest
        assert abs(result.v100_pct - v100_pct) <= nearest + SAME_COVERAGE_PCT + 1.0
        # one that is as near for certain is not better by more than the survey errs in CI
        as_near = [r.ci for r in mine if abs(r.v100_pct - v100_pct) <= nearest]
        assert result.ci >= max(as_near) - 0.03


def test_no_patterns_have_no_results(scene):
    assert compare_patterns({}, scene, 95.0) == ()


# ---- printed ------------------------------------------------------------------------------------


def test_the_table_has_the_plan_and_every_pattern_in_80_columns():
    plan = good_plan()
    results = (
        PatternResult(
            "Paris squares: needles 7.1 mm, seeds 7.5 mm, place 2, height 1",
            49, 15, 142.9, 95.65, 80.5, 65.6, 0.504,
        ),
        PatternResult("peripheral: rim 4 mm; inside", 43, 13, 134.7, 94.93, 71.8, 48.1, 0.553),
    )  # fmt: skip
    console = Console(width=80, file=io.StringIO(), record=True)
    estimates = (SeedEstimate("even spacing", 36, 27.4),)
    report = LoadingReport(116.8, 30.7, 23, patterns=results, estimates=estimates)
    for part in loading_tables(replace(plan, loading=report)):
        console.print(part)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    for heading in HEADINGS:
        assert heading in text
    rows = [line.split() for line in text.splitlines()]
    metrics = plan.metrics["GTV"]
    (planned,) = (row for row in rows if row[:1] == ["plan"])
    assert planned[1:4] == [
        str(len(plan.needles)), str(plan.seed_count), f"{metrics['d90_gy']:.1f}"
    ]  # fmt: skip
    for numbers in ("15 49 142.9", "13 43 134.7"):
        assert any(numbers in " ".join(row) for row in rows)
    assert "place" not in text.split("Patterns on the same plates")[0]
    assert "even spacing: 36, 27.4 U" in " ".join(text.split())
    assert "under 23 seeds" in " ".join(text.split())


def test_nothing_is_printed_of_nothing():
    assert loading_tables(replace(good_plan(), loading=None)) == ()


def test_names_lose_only_their_place():
    assert (
        pattern_text("peripheral: rim 4 mm, needles 5 mm, seeds 5 mm, place 1; inside, place 12")
        == "peripheral: rim 4 mm, needles 5 mm, seeds 5 mm; inside"
    )
    assert Arrangement("squares", 2, 0, 2).spacing == 2.0
