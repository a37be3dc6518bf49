"""A planning session without a browser: on the phantom, with the real search."""

import base64
import io
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from exports import plan_json, write_plan, writer
from template_designer import frames
from template_designer.errors import CaseError, NoSafePlanError
from template_designer.inputs.earlier_plan import read_earlier_plan
from template_designer.model import HoleState, ImageVolume
from template_designer.page import EntryOffset, PlanningSession
from template_designer.page.entry_moves import KeptFields, moved_entry, skin_mm
from template_designer.page.session import SupersededError
from template_designer.page.situation import Mark
from template_designer.page.slice_pictures import GreyScale, Section, slice_picture
from template_designer.page.worker import SearchCancelledError, SearchFailedError
from template_designer.planning.approach import prepare_approach
from template_designer.workflow import design, lay_out
from tests.template_designer.planning.phantom import SEARCH_MOVES
from tests.template_designer.planning.plans import phantom_case

GOALS = [
    {"structure": "GTV", "metric": "V100", "at_least_pct": 90.0},
    {"structure": "Cord", "metric": "Dmax", "at_most_gy": 60.0},
]


def new_session(**tables) -> PlanningSession:
    case = phantom_case(
        **{"goal": GOALS, "loading": {"search_moves": SEARCH_MOVES, "max_needles": 30}, **tables}
    )
    return PlanningSession(lay_out(case, case.settings))


@pytest.fixture(scope="module")
def planned():
    """A session after its first search; each test begins where that ended."""
    session = new_session()
    session.reoptimise()
    yield session
    session.close()


@pytest.fixture
def session(planned):
    depth, saved = len(planned._past), (planned.origin, planned.folder)
    yield planned
    del planned._past[depth:]
    planned._future.clear()
    planned.origin, planned.folder = saved


def labels(session, state=HoleState.PLANNED):
    return [h.label for t in session.templates() for h in t.holes if h.state is state]


def seeds(session):
    return {
        n.label: [s.center_lps_mm for s in n.seeds] for t in session.templates() for n in t.needles
    }


# What the numbers are


def test_the_quick_numbers_are_those_of_the_finished_plan(session):
    draft, plan = session.draft(), session.finished()
    assert draft.goals == plan.goals
    for name, values in draft.metrics.items():
        assert values == plan.metrics[name]
    for quick, full in zip(draft.dvh, plan.dvh, strict=True):
        assert quick.structure == full.structure
        np.testing.assert_array_equal(quick.volume_pct, full.volume_pct)
    assert seeds(session) == {n.label: [s.center_lps_mm for s in n.seeds] for n in plan.needles}
    assert draft.plan.reach.reachable_pct == plan.reach.reachable_pct


def test_a_plan_from_nothing_is_the_one_that_design_makes(session):
    plan = design(session.case)
    assert [n.seeds for n in plan.needles] == [
        n.seeds for t in session.templates() for n in t.needles
    ]


def test_before_anything_is_planned_there_are_holes_and_no_numbers():
    session = new_session()
    assert labels(session) == []
    assert len(labels(session, HoleState.OPEN)) > 5
    draft = session.draft()
    assert (draft.metrics, draft.goals, draft.dvh) == ({}, (), ())
    assert not session.unsaved
    with pytest.raises(CaseError, match="nothing is planned yet"):
        session.finished()
    session.close()


# Wishes


def test_a_forbidden_needle_goes_at_once_and_stays_away(session):
    gone = labels(session)[0]
    others = {label: at for label, at in seeds(session).items() if label != gone}
    d90 = session.draft().metrics["GTV"]["d90_gy"]
    session.forbid(gone)
    assert seeds(session) == others
    assert session.draft().metrics["GTV"]["d90_gy"] < d90  # less seeds, less dose
    session.reoptimise()
    assert gone not in labels(session)
    assert session.draft().metrics["GTV"]["d90_gy"] > 0.9 * d90


def test_a_held_needle_stays_through_searches(session):
    held = labels(session)[1]
    before = seeds(session)[held]
    session.lock(held)
    session.forbid(labels(session)[0])
    session.reoptimise()
    assert seeds(session)[held] == before
    session.reoptimise(afresh=True)
    assert seeds(session)[held] == before
    assert session.situation.marks()[held] is Mark.LOCKED


def test_a_hole_loaded_by_hand_is_loaded_at_once_and_stays(session):
    hole = labels(session, HoleState.OPEN)[0]
    session.load(hole, seeds=2, spacing_mm=5.0)
    first, second = (np.array(at) for at in seeds(session)[hole])
    assert np.linalg.norm(first - second) == pytest.approx(5.0, abs=1e-9)
    session.reoptimise()
    np.testing.assert_allclose(seeds(session)[hole], [first, second], atol=1e-9)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (lambda s: s.lock("Z99"), "no such hole"),
        (lambda s: s.lock("A1"), "A1 has no needle to hold"),
        (lambda s: s.forbid("I4"), "is no place"),
        (lambda s: s.clear("A1"), "nothing was asked of A1"),
        (lambda s: s.load("A1", 1, 5.0), "takes no needle: misses GTV"),
        (lambda s: s.limit(max_needles=31), "more than the case permits"),
        (lambda s: s.limit(max_needles=0), "at least 1"),
        (lambda s: s.forbid("T2:C4"), "no such hole"),
        (lambda s: s.place_entry(EntryOffset(right_mm=float("nan"))), "lies outside"),
        (lambda s: s.place_entry(EntryOffset(tilt_down_deg=46.0)), "lies outside -45 to 45"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(session, act, why):
    before = session.situation
    with pytest.raises(CaseError, match=why):
        act(session)
    assert session.situation is before


def test_a_load_against_the_rules_is_refused(session):
    hole = labels(session, HoleState.OPEN)[0]
    for arguments in ((2, 2.5), (2, 20.0), (99, 5.0)):
        with pytest.raises(CaseError):
            session.load(hole, *arguments)
    assert hole not in labels(session)


def test_one_wish_takes_the_place_of_another_on_the_same_hole(session):
    hole = labels(session)[0]
    session.lock(hole)
    session.forbid(hole)
    assert session.situation.marks() == {hole: Mark.FORBIDDEN}
    session.load(hole, 1, 5.0)
    assert session.situation.marks() == {hole: Mark.BY_HAND}
    session.clear(hole)
    assert session.situation.marks() == {}
    assert hole in labels(session)  # the needle stays until the next search


def test_a_limit_on_needles_is_kept_by_the_search_and_by_saving(session):
    count = len(labels(session))
    session.limit(max_needles=count - 1)
    assert len(labels(session)) == count
    with pytest.raises(CaseError, match=f"has {count} needles, and at most {count - 1}"):
        session.finished()
    session.reoptimise(afresh=True)
    assert len(labels(session)) <= count - 1


# Undo


def test_undo_and_redo_bring_back_exactly_what_was(session):
    start = session.situation
    session.forbid(labels(session)[0])
    session.load(labels(session, HoleState.OPEN)[0], 1, 5.0)
    session.place_entry(EntryOffset(right_mm=2.0))
    last = session.situation
    for _ in range(3):
        session.undo()
    assert session.situation is start
    for _ in range(3):
        session.redo()
    assert session.situation is last
    session.undo()
    session.forbid(labels(session)[1])
    with pytest.raises(CaseError, match="nothing to redo"):
        session.redo()


def test_the_way_of_a_slider_is_one_step(session):
    start = session.situation
    for right_mm in (1.0, 2.0, 3.0):
        session.place_entry(EntryOffset(right_mm=right_mm), merge=True)
    session.seal()
    session.place_entry(EntryOffset(right_mm=4.0), merge=True)
    session.undo()
    assert session.situation.offsets[0].right_mm == 3.0
    session.undo()
    assert session.situation is start


# The entry plane


def test_a_move_is_worked_out_as_design_does_it(session):
    """Holes, reasons, sites of the kept distances against a plate prepared from nothing."""
    session.place_entry(EntryOffset(right_mm=4.0, down_mm=-3.0, tilt_right_deg=7.0))
    laid_out = session.situation.laid_out
    settings, loading = laid_out.settings, laid_out.loading
    fresh = prepare_approach(
        settings, settings.entry[0], session.case.image, loading.solids, loading.target,
        session.case.source.model,
    )  # fmt: skip
    (quick,) = laid_out.approaches
    assert quick.reasons == fresh.reasons
    np.testing.assert_array_equal(quick.sites.centers_lps_mm, fresh.sites.centers_lps_mm)
    np.testing.assert_array_equal(quick.paths.deepest_tip_mm, fresh.paths.deepest_tip_mm)
    assert session.reach.reachable_pct == session.finished().reach.reachable_pct


def test_a_dose_that_nobody_waits_for_any_more_is_given_up(session):
    session.place_entry(EntryOffset(right_mm=1.0), merge=True)
    old = session.situation
    assert session.sliding
    session.place_entry(EntryOffset(right_mm=1.5), merge=True)
    with pytest.raises(SupersededError):
        session.draft(old, while_shown=True)
    assert session.draft(session.situation, while_shown=True).metrics
    session.seal()
    assert not session.sliding


def test_the_ends_of_the_sliders_are_worked_out_ahead(session):
    """After that a move asks for no distance that is not there."""
    session.warm_up()
    kept = dict(session._kept._kept)
    for offset in (EntryOffset(right_mm=14.0, down_mm=-10.0), EntryOffset(tilt_right_deg=-13.0)):
        session.place_entry(offset)
    assert session._kept._kept == kept


def test_a_plate_shifts_as_the_operator_sees_it(session):
    """The phantom's skin is flat: the plate must move by just what was asked for."""
    before = session.situation.laid_out.approaches[0].frame
    session.move_entry(shift_right_mm=3.0, shift_down_mm=2.0)
    after = session.situation.laid_out.approaches[0].frame
    # entry points are rounded to 0.1 mm; the shift here is a whole number of them
    np.testing.assert_allclose(after[:3, :3], before[:3, :3], atol=1e-4)
    moved = frames.transform_points(frames.inverse(before), after[:3, 3])[0]
    np.testing.assert_allclose(moved, [3.0, 2.0, 0.0], atol=0.1)
    session.move_entry(-3.0, -2.0)
    assert session.situation.laid_out.settings.entry == session.case.settings.entry


@pytest.mark.parametrize(("right_deg", "down_deg"), [(10.0, 0.0), (0.0, 10.0), (6.0, -8.0)])
def test_a_tilt_turns_the_needles_and_keeps_them_on_the_target(session, right_deg, down_deg):
    before = session.situation.laid_out.approaches[0].frame
    session.tilt_entry(right_deg, down_deg)
    after = session.situation.laid_out.approaches[0].frame
    x, y, z = before[:3, :3].T
    turned = after[:3, 2]
    angle = np.degrees(np.arccos(np.clip(turned @ z, -1.0, 1.0)))
    # directions are rounded to 0.0001: 0.01 degrees
    assert angle == pytest.approx(np.hypot(right_deg, down_deg), abs=0.02)
    if right_deg:
        assert np.sign(turned @ x) == np.sign(right_deg)
    if down_deg:
        assert np.sign(turned @ y) == np.sign(down_deg)
    # the middle needle still meets the target's centre, the origin of the phantom
    miss = np.cross(after[:3, 3], turned)
    assert np.linalg.norm(miss) < 0.2  # of rounding: 0.1 mm, and 0.01 degrees over 70 mm
    assert np.linalg.det(after[:3, :3]) == pytest.approx(1.0)


def test_needles_go_with_a_plate_that_moves_a_little(session):
    before = seeds(session)
    session.place_entry(EntryOffset(right_mm=1.0))
    after = seeds(session)
    assert set(after) <= set(before)
    assert len(after) > 0.6 * len(before)
    assert session.situation.steering.lock == ()


def test_a_plate_off_the_skin_is_lifted_by_so_much(session):
    before = session.situation.laid_out.approaches[0].frame
    session.place_entry(EntryOffset(away_mm=5.0))
    after = session.situation.laid_out.approaches[0].frame
    # the skin point is rounded to 0.1 mm
    assert (before[:3, 3] - after[:3, 3]) @ before[:3, 2] == pytest.approx(5.0, abs=0.11)


def test_where_there_is_no_skin_no_plate_is_put(session):
    body = session.situation.laid_out.loading.solids["Body"]  # 140 mm wide, from y = -70 mm on
    along = np.array([0.0, 1.0, 0.0])
    # steps of 0.1 mm, and 0.01 mm of the distance grid
    assert skin_mm(np.array([3.0, -90.0, 1.0]), along, body, KeptFields()) == pytest.approx(
        20.0, abs=0.11
    )
    with pytest.raises(CaseError, match="no skin of 'Body'"):
        skin_mm(np.array([75.0, -70.0, 0.0]), along, body, KeptFields())


def test_a_case_that_names_holes_of_its_plate_is_not_moved():
    session = new_session(loading={"search_moves": SEARCH_MOVES, "forbid": ["H8"]})
    with pytest.raises(CaseError, match="take them out of the case"):
        session.place_entry(EntryOffset(right_mm=1.0))
    session.close()


def test_nothing_moved_is_the_entry_itself(session):
    entry = session.case.settings.entry[0]
    loading = session.situation.laid_out.loading
    body, kept = loading.solids["Body"], KeptFields()
    assert moved_entry(entry, EntryOffset(), np.zeros(3), body, kept) is entry


# Several at once


def test_a_search_is_cancelled_and_nothing_changed(session):
    before = session.situation
    errors = []

    def search():
        try:
            session.reoptimise(afresh=True)
        except SearchCancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=search)
    begun = threading.Event()
    session.listen(lambda: begun.set() if session.search else None)
    thread.start()
    assert begun.wait(60.0)
    with pytest.raises(CaseError, match="a search runs"):
        session.forbid(labels(session)[0])
    session.cancel()
    thread.join(60.0)
    session._listeners.clear()
    assert len(errors) == 1
    assert session.situation is before
    session.reoptimise()  # the next one starts a new process


def test_a_search_whose_process_dies_says_so(session):
    before = session.situation
    session.listen(lambda: session._worker._process and session._worker._process.kill())
    with pytest.raises(SearchFailedError, match="try again"):
        session.reoptimise()
    session._listeners.clear()
    assert session.situation is before
    session.reoptimise()


def test_many_at_once_end_in_one_state_that_each_step_leads_to(session):
    """Eight people forbid eight holes: none is lost, and undo goes back through all."""
    chosen = labels(session, HoleState.OPEN)[:8]
    start = session.situation
    threads = [threading.Thread(target=session.forbid, args=(label,)) for label in chosen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert set(session.situation.marks()) == set(chosen)
    for _ in chosen:
        session.undo()
    assert session.situation is start


# Files


@pytest.fixture
def only_json(monkeypatch):
    monkeypatch.setattr(writer, "EXPORTERS", {"plan.json": plan_json.build})


def test_a_saved_plan_says_how_it_was_steered(session, tmp_path, only_json):
    gone, held = labels(session)[:2]
    by_hand = labels(session, HoleState.OPEN)[-1]
    session.forbid(gone)
    session.lock(held)
    session.load(by_hand, 1, 5.0)
    plan = session.finished()
    folder = write_plan(plan, tmp_path / "one").folder
    data = json.loads((folder / "plan.json").read_text(encoding="utf-8"))["steering"]
    assert data["from"] is None
    assert data["forbid"] == [gone]
    assert data["lock"] == []  # no written plan holds it yet: as a load by hand
    assert {text.split("=")[0] for text in data["load"]} == {by_hand, held}
    before = seeds(session)

    session.mark_saved(plan, read_earlier_plan(folder, session.case), folder)
    assert not session.unsaved
    session.clear(by_hand)
    second = write_plan(session.finished(), tmp_path / "two").folder
    data = json.loads((second / "plan.json").read_text(encoding="utf-8"))["steering"]
    assert data["lock"] == [held]  # now it is a needle of the written plan
    assert data["from"]["plan_sha256"] == session.origin.sha256
    assert seeds(session) == before


def test_design_makes_the_same_of_the_same_wishes(session, tmp_path, only_json):
    """What plan.json states leads ``design`` to the wishes that the session kept."""
    gone, held = labels(session)[:2]
    session.forbid(gone)
    session.lock(held)
    plan = session.finished()
    again = design(session.case, steering=plan.steering)
    assert gone not in [n.label for n in again.needles]
    (mine,) = (n for n in plan.needles if n.label == held)
    (theirs,) = (n for n in again.needles if n.label == held)
    assert mine.seeds == theirs.seeds


def test_a_moved_plate_is_told_in_the_plan(session):
    session.place_entry(EntryOffset(right_mm=1.0))
    plan = session.finished()
    (told,) = (w for w in plan.warnings if w.code == "entry-moved")
    entry = plan.settings.entry[0]
    assert str(list(entry.point_lps)) in told.text
    assert entry != session.case.settings.entry[0]


def test_no_hole_is_open_and_the_page_still_has_a_plate():
    avoid = [{"structure": "Cord", "needle_clearance_mm": 45.0}]
    session = new_session(avoid=avoid)
    assert labels(session, HoleState.OPEN) == []
    assert session.draft().plan.seed_count == 0
    with pytest.raises(NoSafePlanError, match="Cord"):
        session.reoptimise()
    session.close()


def test_a_huge_case_opens_and_answers():
    """The phantom in a CT of 512 x 512 x 300: plate, dose and slices, none of them from voxels."""
    case = phantom_case(goal=GOALS)
    image = ImageVolume(
        np.zeros((300, 512, 512), np.int16), np.array([-76.65, -76.65, -59.8]), np.eye(3),
        np.array([0.3, 0.3, 0.4]), "1.2.3",
    )  # fmt: skip
    session = PlanningSession(lay_out(replace(case, image=image), case.settings))
    hole = labels(session, HoleState.OPEN)[0]
    session.load(hole, 1, 5.0)
    draft = session.draft()
    assert draft.metrics["GTV"]["d90_gy"] > 0.0
    for section in Section:
        shown = slice_picture(image, draft, section, 0.1, GreyScale())
        png = Image.open(io.BytesIO(base64.b64decode(shown["picture"].split(",")[1])))
        assert png.size == ((512, 512) if section is Section.AXIAL else (512, 300))
    session.place_entry(EntryOffset(right_mm=1.0))
    session.close()


def test_the_folder_of_a_plan_may_vanish(session, tmp_path):
    session.folder = tmp_path / "plan"
    session.folder.mkdir()
    assert not session.folder_missing
    session.folder.rmdir()
    assert session.folder_missing
    assert session.finished().seed_count > 0
