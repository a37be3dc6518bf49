"""Steering by labels, trade-off curves, explanations and causes, on the phantom."""

from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from template_designer.errors import CaseError
from template_designer.model.earlier import EarlierPlan
from template_designer.model.plan import Reach
from template_designer.model.settings import LoadingSettings
from template_designer.model.steering import HandLoad, Place, Steering, parse_loads, parse_places
from template_designer.planning.bone import bone_on_way
from template_designer.planning.constraints import check_plan
from template_designer.planning.loading import LoadedSites, load_sites
from template_designer.planning.loading import tradeoff as curves
from template_designer.planning.loading.causes import goal_causes
from template_designer.planning.loading.chains import fits, mended
from template_designer.planning.loading.explain import explain
from template_designer.planning.loading.study import LoadingStudy
from template_designer.planning.loading.tradeoff import check_axis, tradeoff
from template_designer.planning.loading.wishes import (
    SteeredLoading,
    check_wishes,
    steered_loading,
    with_limits,
)
from template_designer.planning.template import build_template
from template_designer.suggesting import with_suggestion
from template_designer.workflow import Preparation, design, prepare
from tests.template_designer.planning.phantom import SEARCH_MOVES, STRENGTH_U, settings
from tests.template_designer.planning.plans import phantom_case

MOVES = {"search_moves": SEARCH_MOVES}
FRONT = {"point_lps": [0.0, -70.0, 0.0], "direction_lps": [0.0, 1.0, 0.0], "up_lps": [0, 0, 1]}
SIDE = {"point_lps": [-70.0, 0.0, 0.0], "direction_lps": [1.0, 0.0, 0.0], "up_lps": [0, 0, 1]}
COVERED = {"structure": "GTV", "metric": "V100", "at_least_pct": 95.0}
HIDDEN = Reach(50.0, {"Cord": 50.0})


@dataclass(eq=False)
class Planned:
    """A case planned as far as needles and seeds: the rest of a plan takes longer."""

    prepared: Preparation
    found: LoadedSites
    steered: SteeredLoading

    @cached_property
    def chosen(self):
        sites = np.zeros(len(self.prepared.loading.joined.sites), dtype=bool)
        sites[self.found.loading.chosen] = True
        return sites

    @cached_property
    def templates(self):
        prepared, settings = self.prepared, self.prepared.settings
        bone = bone_on_way(prepared.case.image, prepared.loading.solids, (), settings.bone)
        joined, chosen = prepared.loading.joined, self.found.loading.chosen
        return tuple(
            build_template(settings, approach, joined.of_plate(chosen, n), bone, f"T{n + 1}")
            for n, approach in enumerate(prepared.approaches)
        )

    @cached_property
    def needles(self):
        """By plate and label."""
        return {(t.name, needle.label): needle for t in self.templates for needle in t.needles}

    @property
    def seeds(self):
        """Centres of the first plate's seeds by label, from the tip."""
        return {
            label: [seed.center_lps_mm for seed in needle.seeds]
            for (name, label), needle in self.needles.items()
            if name == "T1"
        }

    def numbers(self):
        return LoadingStudy.of(self.steered.statement, coarse=True).numbers(self.chosen)


def planned(case=None, start=None, prepared=None, **wishes):
    """A case, with wishes, from an earlier plan where there is one."""
    prepared = prepared or prepare(case or phantom_case())
    wishes = Steering(**wishes)
    loading = prepared.loading
    steered = steered_loading(
        replace(loading, settings=with_limits(loading.settings, wishes)),
        prepared.approaches,
        prepared.plate_names,
        prepared.case.inputs,
        wishes,
        start,
    )
    return Planned(prepared, load_sites(steered.statement, locks=steered.locks), steered)


@cache
def first():
    """The phantom with its defaults."""
    return planned()


def earlier(plan=None):
    plan = plan or first()
    case = plan.prepared.case
    return EarlierPlan(
        where="out",
        sha256="a" * 64,
        case_id=case.settings.id,
        inputs=case.inputs,
        templates=plan.templates,
        air_kerma_strength_u=plan.found.source.air_kerma_strength_u,
    )


def steered(case=None, **wishes):
    """From the phantom's first plan; its own case where no other is given."""
    prepared = first().prepared if case is None else None
    return planned(case, earlier(), prepared, **wishes)


# --- labels ---------------------------------------------------------------------------------

labels = st.from_regex(r"[A-HJ-NP-Z]{1,2}[1-9][0-9]?", fullmatch=True)
plates = st.sampled_from([None, "T1", "T2"])
places = st.builds(Place, labels, plates, st.one_of(st.none(), st.integers(1, 99)))


@given(st.lists(places, min_size=1, max_size=5, unique=True))
def test_places_are_read_as_they_are_written(wanted):
    text = ", ".join(map(str, wanted))
    assert parse_places([text]) == parse_places(map(str, wanted)) == tuple(wanted)
    assert parse_places([text.lower()]) == tuple(wanted)


@given(
    st.lists(st.builds(Place, labels, plates), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True),
)
def test_loads_are_read_as_they_are_written(holes, steps):
    wanted = tuple(HandLoad(hole, tuple(2.5 * k for k in sorted(steps))) for hole in holes)
    assert parse_loads([",".join(map(str, wanted))]) == wanted
    assert parse_loads(map(str, wanted)) == wanted


def test_a_row_of_seeds_is_its_distances():
    assert parse_loads(["C4=3@7.5"]) == parse_loads(["C4=0,7.5,15"])
    assert parse_loads(["C4=2@10+2.5"]) == parse_loads(["c4 = 12.5, 2.5"])


@pytest.mark.parametrize(
    "text",
    ["", "C", "4C", "C4/0", "C4/", "T0:C4", "I4", "O9", "C4;D5", "C100", "T2:", "C4\0", "Ⅽ4"],
)
def test_what_names_no_place_is_refused(text):
    with pytest.raises(CaseError, match="is no place"):
        parse_places([text])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("C4", "loads nothing"),
        ("C4=", "no distance"),
        ("C4=0,x", "'x' is no distance"),
        ("C4=nan", "no distance"),
        ("C4=-5", "no distance"),
        ("C4=inf", "no distance"),
        ("C4=0,0", "two seeds at 0 mm"),
        ("C4=0@5", "puts no seed"),
        ("C4=3@0", "two seeds"),
        ("C4=99@9", "over 200 mm"),
        ("C4/2=0", "one seed of a hole"),
        ("C4=0,C4=5", "twice"),
        ("=5", "is no place"),
    ],
)
def test_what_is_no_load_is_refused(text, why):
    with pytest.raises(CaseError, match=why):
        parse_loads([text])


def test_a_case_file_names_holes_and_loads():
    stated = LoadingSettings(forbid=["D5", "T2:E6"], load="C4=0,7.5")
    assert stated.forbid == ("D5", "T2:E6")
    for wrong in ({"forbid": "I5"}, {"forbid": "C4/2"}, {"load": ["C4"]}):
        with pytest.raises(ValueError, match=r"no place|forbids holes|loads nothing"):
            LoadingSettings(**wrong)


# --- chains ---------------------------------------------------------------------------------

RULES = (2, 4, 5)


def subsets(members):
    return (set(part) for size in range(len(members) + 1) for part in combinations(members, size))


@given(st.sets(st.integers(0, 11), max_size=8))
def test_the_longest_chain_is_the_longest_of_all_subsets(own):
    slots = np.arange(12)
    chosen = np.isin(slots, list(own))
    none = np.zeros(12, dtype=bool)
    kept = slots[mended(slots, chosen, none, ~none, RULES)]
    assert set(kept) <= own
    assert fits(kept, RULES)
    best = max(len(part) for part in subsets(own) if fits(np.array(sorted(part)), RULES))
    assert len(kept) == best


@given(
    st.sets(st.integers(0, 9), min_size=1, max_size=3),
    st.sets(st.integers(0, 9), max_size=4),
    st.sets(st.integers(0, 9), max_size=4),
)
def test_fixed_seeds_stay_and_the_fewest_are_added(fixed, own, closed):
    slots = np.arange(10)
    closed, own = closed - fixed, (own - closed) | fixed
    masks = [np.isin(slots, list(part)) for part in (own, fixed, set(range(10)) - closed)]
    kept = mended(slots, *masks, RULES)
    low, high = min(fixed), max(fixed)
    between = set(range(low, high + 1)) - closed - fixed
    ways = [
        part | fixed for part in subsets(between) if fits(np.array(sorted(part | fixed)), RULES)
    ]
    if kept is None:
        assert not ways
        return
    found = set(slots[kept].tolist())
    assert found >= fixed
    assert not found & closed
    assert fits(slots[kept], RULES)
    assert len(found - own) == min(len(way - own) for way in ways)


# --- steering -------------------------------------------------------------------------------


def test_without_a_wish_the_plan_is_kept_or_beaten():
    again = steered()
    study = LoadingStudy.of(first().prepared.loading)
    assert study.rank(again.chosen) <= study.rank(first().chosen)
    assert again.steered.warnings == ()
    assert again.steered.steering.origin.dropped == ()
    assert first().steered.steering is None  # nothing was asked for


def test_a_steered_plan_keeps_every_rule_and_says_how_it_was_steered():
    before = first().seeds
    lone, gone, *_ = sorted(before, key=lambda label: -len(before[label]))
    most = len(before) - 3
    wishes = Steering(
        lock=parse_places([lone]), forbid=parse_places([gone]), max_needles=most, max_seeds=14
    )
    plan = design(phantom_case(), steering=wishes, earlier=earlier())
    assert check_plan(plan) == ()
    needles = {needle.label: needle for needle in plan.needles}
    same = first().needles["T1", lone]
    assert (needles[lone].depth_mm, needles[lone].seeds) == (same.depth_mm, same.seeds)
    assert gone not in needles
    assert len(needles) <= most
    assert plan.seed_count <= 14
    assert plan.settings.loading.max_needles == most
    (hole,) = [hole for hole in plan.templates[0].holes if hole.label == gone]
    assert hole.state.value == "open"
    assert plan.steering == replace(wishes, origin=plan.steering.origin)
    assert plan.steering.origin.plan_sha256 == "a" * 64
    assert not {"case-changed", "seed-not-permitted"} & {w.code for w in plan.warnings}


def test_single_seeds_are_locked_and_their_positions_forbidden():
    before = first().seeds
    two = next(label for label, seeds in before.items() if len(seeds) >= 2)
    kept, gone = before[two][1], before[two][0]
    after = steered(lock=parse_places([f"{two}/2"]), forbid=parse_places([f"{two}/1"])).seeds
    assert kept in after[two]
    assert gone not in after[two]


@pytest.mark.parametrize("from_scratch", [True, False])
def test_a_needle_set_by_hand_is_set_so(from_scratch):
    free = next(hole.label for hole in first().templates[0].holes if hole.state.value == "open")
    start = None if from_scratch else earlier()
    plan = planned(prepared=first().prepared, start=start, load=parse_loads([f"{free}=2.5,10"]))
    deep, high = plan.needles["T1", free].seeds
    assert high.from_tip_mm - deep.from_tip_mm == pytest.approx(7.5, abs=1e-9)
    (approach,) = plan.prepared.approaches
    index = [point.label for point in approach.paths.points].index(free)
    deepest = approach.sites.z_mm[approach.sites.hole == index].max()
    # 20 mm of plate; the capsule of 4.55 mm ends at the tip
    depth = 20.0 + deepest - 2.5 + 2.275
    assert plan.needles["T1", free].depth_mm == pytest.approx(depth, abs=1e-9)
    assert plan.numbers().v100_pct > 90.0  # the rest is planned round it


def test_the_case_file_forbids_and_loads_too():
    before = first().seeds
    gone = max((label for label in before if label != "H8"), key=lambda label: len(before[label]))
    case = phantom_case(loading={**MOVES, "forbid": [gone], "load": "H8=0,7.5"})
    prepared = prepare(case)
    assert [str(place) for place in prepared.steering.forbid] == [gone]
    seeds = planned(prepared=prepared).seeds
    assert gone not in seeds
    assert len(seeds["H8"]) == 2


def test_holes_of_several_plates_are_named_by_plate():
    both = planned(phantom_case(entry=[FRONT, SIDE]))
    start = earlier(both)
    labels = {n: next(label for name, label in both.needles if name == n) for n in ("T1", "T2")}
    kept, gone = "T1:" + labels["T1"], "T2:" + labels["T2"]
    wishes = {"lock": parse_places([kept]), "forbid": parse_places([gone])}
    after = planned(start=start, prepared=both.prepared, **wishes).needles
    assert ("T2", labels["T2"]) not in after
    assert after["T1", labels["T1"]].seeds == both.needles["T1", labels["T1"]].seeds
    with pytest.raises(CaseError, match=r"which of T1, T2\? With several plates write T1:"):
        planned(start=start, prepared=both.prepared, forbid=parse_places(["H8"]))
    with pytest.raises(CaseError, match="there is no plate T3, only T1, T2"):
        planned(start=start, prepared=both.prepared, forbid=parse_places(["T3:H8"]))


def longest():
    return max(first().seeds, key=lambda label: len(first().seeds[label]))


WRONG = {
    "not on the plate": ({"forbid": "Z40"}, "T1 has no hole Z40; its holes are A1 to"),
    "no needle there": ({"lock": "A1"}, "no needle there; T1 has .*{0}"),
    "no such seed": ({"lock": "{0}/9"}, r"the needle has \d seeds"),
    "two wishes": ({"lock": "{0}", "forbid": "{0}"}, "{0} is forbidden and locked"),
    "seed of a closed hole": ({"lock": "{0}/1", "forbid": "{0}"}, "is forbidden as well"),
    "lock and load": ({"lock": "{0}", "load": "{0}=0"}, "loaded by hand and locked"),
    "its seed": ({"lock": "{0}", "forbid": "{0}/1"}, "its seed 1 is forbidden"),
    "the seed": ({"lock": "{0}/1", "forbid": "{0}/1"}, "is forbidden as well"),
    "its position": ({"load": "{0}=0@1,{0}=0"}, "puts no seed"),
    "blocked": ({"load": "A1=0"}, "T1 A1 takes no needle: misses GTV by"),
    "off the grid": ({"load": "H8=0,6"}, "no seed may lie 6 mm behind .*permitted are 0, 2.5"),
    "too near": ({"load": "H8=0,2.5"}, "two seeds 2.5 mm apart; .* 5 to 10 mm"),
    "too far": ({"load": "H8=0,12.5"}, "two seeds 12.5 mm apart"),
    "too deep": ({"load": "H8=100"}, "no seed may lie 100 mm behind"),
    "too many": ({"load": "H8=0,5", "max_seeds": 1}, "2 seeds are locked or loaded by hand"),
    "needles": ({"load": "H8=0,G8=0", "max_needles": 1}, "2 needles are locked or loaded"),
    "none": ({"max_needles": 0}, "--max-needles 0: a plan needs at least 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wish_that_cannot_be_kept_is_refused(name):
    texts, why = WRONG[name]
    texts = {key: v.format(longest()) if isinstance(v, str) else v for key, v in texts.items()}
    with pytest.raises(CaseError, match=why.replace("{0}", longest())):
        steered(
            lock=parse_places([texts["lock"]]) if "lock" in texts else (),
            forbid=parse_places([texts["forbid"]]) if "forbid" in texts else (),
            load=parse_loads([texts["load"]]) if "load" in texts else (),
            max_needles=texts.get("max_needles"),
            max_seeds=texts.get("max_seeds"),
        )


def test_locks_need_a_plan_and_limits_are_never_loosened():
    lock = Steering(lock=parse_places(["C4"]))
    with pytest.raises(CaseError, match=r"name that plan with --from; .*--load C4="):
        check_wishes(settings(), lock, has_earlier=False)
    check_wishes(settings(), lock, has_earlier=True)
    tight = settings(loading={**MOVES, "max_needles": 5})
    assert with_limits(tight, Steering(max_needles=4)).loading.max_needles == 4
    with pytest.raises(CaseError, match=r"--max-needles 6 is more than .*max_needles = 5"):
        with_limits(tight, Steering(max_needles=6))


def test_seeds_that_are_no_longer_permitted_are_named_and_left_out():
    before = {label: needle for (_, label), needle in first().needles.items()}
    near = min(before.values(), key=lambda needle: needle.clearance_mm["Cord"])
    stricter = near.clearance_mm["Cord"] + 2.0
    case = phantom_case(avoid=[{"structure": "Cord", "needle_clearance_mm": stricter}])
    case = replace(case, inputs=(replace(case.inputs[0], sha256="1" * 64),))
    prepared = prepare(case)
    plan = planned(start=earlier(), prepared=prepared)
    told = {warning.code: warning.text for warning in plan.steered.warnings}
    assert "phantom changed since" in told["case-changed"]
    dropped = plan.steered.steering.origin.dropped
    assert f"{near.label}/1" in dropped
    assert all(seed in told["seed-not-permitted"] for seed in dropped)
    # no needle loses a seed but those that the stricter rule stops
    labels = {seed.split("/")[0] for seed in dropped}
    assert all(before[label].clearance_mm["Cord"] < stricter for label in labels)
    assert all(n.clearance_mm["Cord"] >= stricter for n in plan.needles.values())
    with pytest.raises(CaseError, match=r"no longer permitted where it was|mm from where"):
        planned(start=earlier(), prepared=prepared, lock=parse_places([near.label]))


def test_the_strength_of_the_earlier_plan_is_kept_or_said():
    source = {"model": "I125-6711", "air_kerma_strength_u": 0.7}
    other = planned(phantom_case(source=source), earlier())
    (warning,) = other.steered.warnings
    assert warning.code == "strength-changed"
    assert "0.762 U" in warning.text
    assert "0.700 U" in warning.text
    several = {"model": "I125-6711", "air_kerma_strength_u": [0.6, STRENGTH_U, 0.9]}
    kept = planned(phantom_case(source=several), earlier())
    assert kept.found.source.air_kerma_strength_u == STRENGTH_U
    assert kept.steered.warnings == ()


# --- trade-off ------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["needles", "seeds"])
def test_fewer_needles_or_seeds_never_give_a_better_plan(axis):
    plan, told = first(), []
    curve = tradeoff(axis, plan.prepared.loading, plan.found, progress=told.append)
    limits = [point.limit for point in curve.points]
    counts = [getattr(point.numbers, axis) for point in curve.points]
    assert limits == list(range(int(limits[0]), int(curve.plan_limit) + 1))
    assert curve.plan_limit == getattr(plan.numbers(), axis)
    assert len(told) == len(limits) >= 3
    assert all(count <= limit for count, limit in zip(counts, limits, strict=True))
    assert [point.value for point in curve.points] == counts
    costs = [point.numbers.cost for point in curve.points if point.numbers.goals_met]
    assert all(looser <= tighter for tighter, looser in pairwise(costs))
    # where it ends: a goal is missed, the coverage drops, or there is nothing left to take away
    tightest, own_pct = curve.points[0].numbers, plan.numbers().v100_pct
    assert not tightest.goals_met or tightest.v100_pct < own_pct - 5.0 or limits[0] == 1


def test_what_is_held_stays_whatever_the_limit_of_a_curve_is():
    kept = longest()
    plan = steered(lock=parse_places([kept]))
    locks = plan.steered.locks
    fixed = locks.start & ~locks.may_drop
    assert np.count_nonzero(fixed) == len(first().seeds[kept])
    study = LoadingStudy.of(plan.steered.statement, locks=locks).with_loading(max_needles=2)
    few = study.solved(plan.chosen)
    assert few[fixed].all()
    assert study.numbers(few).needles <= 2


def test_a_higher_limit_of_the_cord_never_gives_a_worse_plan(monkeypatch):
    monkeypatch.setattr(curves, "DOSE_PARTS", (0.4, 0.7, 0.8, 1.0, 1.2))
    goals = [COVERED, {"structure": "Cord", "metric": "Dmax", "at_most_gy": 60.0}]
    plan = planned(phantom_case(goal=goals))
    curve = tradeoff("cord", plan.prepared.loading, plan.found)
    assert (curve.axis, curve.unit, curve.plan_limit) == ("Cord Dmax", "Gy", 60.0)
    assert [point.limit for point in curve.points] == [24, 42, 48, 60, 72]
    met = [point for point in curve.points if point.numbers.goals_met]
    assert all(point.value <= point.limit for point in met)
    costs = [point.numbers.cost for point in met]
    assert len(costs) >= 3
    assert all(looser <= tighter for tighter, looser in pairwise(costs))
    assert not curve.points[0].numbers.goals_met  # 24 Gy beside a covered target 7 mm away


def test_a_structure_without_a_goal_has_a_curve_too(monkeypatch):
    monkeypatch.setattr(curves, "DOSE_PARTS", (0.6, 1.0))
    plan = first()
    curve = tradeoff("Cord", plan.prepared.loading, plan.found)
    assert curve.axis == "Cord Dmax"
    assert [goal.structure for goal in curve.points[0].numbers.goals] == ["GTV", "GTV", "Cord"]
    assert curve.points[0].value < curve.points[-1].value


def test_a_curve_over_something_else_is_refused():
    goals = settings(goal=[COVERED]).goal
    check_axis("needles", goals, ["Cord"])
    check_axis("Cord", goals, ["Cord"])
    with pytest.raises(CaseError, match="the case limits no dose; name a structure: Cord"):
        check_axis("cord", goals, ["Cord"])
    with pytest.raises(CaseError, match="choose from needles, seeds, cord, dose, Cord"):
        check_axis("cost", goals, ["Cord"])


# --- explanation ----------------------------------------------------------------------------


def explained(plan):
    prepared = plan.prepared
    return explain(prepared.loading, plan.found, prepared.approaches, prepared.case.image, HIDDEN)


def test_what_goals_and_rules_cost():
    goals = [
        {**COVERED, "at_least_pct": 50.0},  # every plan covers more: free
        {"structure": "Cord", "metric": "Dmax", "at_most_gy": 30.0},
    ]
    avoid = [{"structure": "Cord", "needle_clearance_mm": 20.0}]
    plan = planned(phantom_case(goal=goals, avoid=avoid))
    before = plan.found.loading.chosen.copy()
    found = explained(plan)
    free, cord = found.goals
    assert free.cost == 0.0
    assert free.without == replace(found.plan, cost=free.without.cost)
    assert cord.cost > 0.4  # more than a seed's price
    assert cord.without.goals[1].value > 30.0 >= found.plan.goals[1].value
    (rule,) = found.rules
    assert (rule.structure, rule.clearance_mm) == ("Cord", 20.0)
    assert rule.reachable_pct > 90.0  # as where the rule is 10 mm, and more
    assert rule.without.v100_pct > found.plan.v100_pct
    assert rule.without.cost < found.plan.cost
    assert found.plan.v100_pct == plan.numbers().v100_pct
    np.testing.assert_array_equal(plan.found.loading.chosen, before)  # the plan is not touched


def test_a_rule_that_stops_no_needle_costs_nothing():
    far = [{"structure": "Cord", "needle_clearance_mm": 1.0}]
    plan = planned(phantom_case(avoid=far))
    found = explained(plan)
    assert found.rules == ()
    assert found.idle_rules == ("Cord",)
    # proved another way: without the rule the same positions are permitted
    without = prepare(phantom_case(avoid=[])).loading.joined.sites
    np.testing.assert_array_equal(
        without.centers_lps_mm, plan.prepared.loading.joined.sites.centers_lps_mm
    )


# --- causes ---------------------------------------------------------------------------------


def why_missed(**tables):
    plan = planned(phantom_case(**tables))
    results = plan.numbers().goals
    assert not results[0].met
    loading = plan.prepared.loading
    causes = goal_causes(loading, plan.found, results, HIDDEN, plan.prepared.case.image)
    assert set(causes) == {number for number, result in enumerate(results) if not result.met}
    return causes[0]


def test_a_plan_that_meets_its_goals_is_asked_nothing():
    plan = first()
    results = plan.numbers().goals
    assert all(result.met for result in results)
    assert goal_causes(plan.prepared.loading, plan.found, results, HIDDEN, None) == {}


def test_limits_on_numbers_are_told_from_other_causes():
    text = why_missed(goal=[COVERED], loading={**MOVES, "max_seeds": 6})
    assert "Why: limits: without limits on needles and seeds it is 9" in text
    assert "What helps: looser limits: it took" in text


def test_a_goal_that_stands_against_another_is_named():
    cord = {"structure": "Cord", "metric": "Dmax", "at_most_gy": 20.0}
    text = why_missed(goal=[COVERED, cord])
    assert "conflict: it is met without Cord Dmax ≤ 20 Gy (then" in text


def test_reach_is_told_by_what_the_plates_could_do_without_rules():
    text = why_missed(goal=[COVERED], avoid=[{"structure": "Cord", "needle_clearance_mm": 25.0}])
    assert "even alone, without other goals and limits, it reaches" in text
    assert "reach: without the rules for needles the same plates give 9" in text
    assert "come past Cord ('template-designer suggest' ranks both)" in text


COARSE = {"size_mm": [80.0, 80.0, 20.0], "pitch_mm": 10.0}


def test_seeds_too_weak_are_told_by_stronger_ones():
    weak = {"model": "I125-6711", "air_kerma_strength_u": 0.4}
    text = why_missed(goal=[COVERED], source=weak, template=COARSE)
    assert "even alone" in text
    assert "What helps: seeds of 0.58 U (0.46 mCi): 9" in text


def test_seeds_too_far_apart_are_told_by_closer_ones():
    wide = {**MOVES, "seed_spacing_mm": [10.0, 10.0], "step_mm": 5.0}
    text = why_missed(goal=[COVERED], loading=wide, template=COARSE)
    assert "even alone" in text
    assert "spacing: with seeds closer together it is 9" in text


def test_a_missed_goal_and_its_cause_stand_in_the_warnings():
    plan = design(phantom_case(goal=[COVERED], loading={**MOVES, "max_seeds": 6}))
    assert not plan.goals_met
    (text,) = [w.text for w in plan.warnings if w.code == "goal-missed"]
    assert "at least 95 % was asked for: off by" in text
    assert "Why: limits: " in text


def test_holes_of_the_cases_own_plate_do_not_meet_a_suggested_one():
    case = phantom_case(loading={**MOVES, "forbid": "H8"})
    with pytest.raises(CaseError, match="name holes of the case's own plate"):
        with_suggestion(case, (None,), 1)  # of the suggestions only their number is asked
