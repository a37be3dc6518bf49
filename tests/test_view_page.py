"""The page of ``view`` as a person has it: in a browser, with mouse and keyboard."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.chromium import Page, chromium, needs_chromium
from tests.paths import DEMO, ROOT

if not os.environ.get("CI"):  # there it must be installed
    pytest.importorskip("trame", reason="trame is missing; pip install 'template-designer[view]'")

PATIENCE_S = 120.0
TARGET_ORANGE = (0xD5, 0x5E, 0x00)


class Served:
    """The command ``view`` in a process of its own."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "template_designer", "view", *map(str, arguments)]
        self.process = subprocess.Popen(
            [*command, "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.said = ""
        while not (found := re.search(r"http://\S+", self.said)):
            line = self.process.stdout.readline()
            assert line or self.process.poll() is None, self.process.stderr.read()
            self.said += line
        self.address = found[0]
        self.base = self.address.split("?")[0]

    def get(self, path="", **headers):
        """Status and text that a request gets."""
        request = urllib.request.Request(self.base + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self):
        """Ctrl-C; what it printed and its exit code."""
        self.process.send_signal(signal.SIGINT)
        out, error = self.process.communicate(timeout=30)
        return self.process.returncode, self.said + out, error


@contextmanager
def served(*arguments):
    page = Served(*arguments)
    try:
        yield page
    finally:
        if page.process.poll() is None:
            page.process.kill()
            page.process.communicate()


@pytest.fixture(scope="module")
def view(planned_demo):
    folder, _ = planned_demo
    with served(folder, "--case", DEMO / "case.toml") as page:
        yield page


@contextmanager
def opened(view, **how):
    with chromium(**how) as browser:
        show(browser, view)
        yield browser


def show(browser: Page, view: Served) -> None:
    browser.go(view.address)
    browser.wait("document.querySelectorAll('.slice image').length === 3")
    browser.wait("!!document.querySelector('.goals')")


@pytest.fixture
def browser(view):
    with opened(view) as page:
        yield page


def settled(browser: Page) -> None:
    """Wait until no search runs, nothing is written, and the numbers are those of the loading."""
    browser.wait("!document.querySelector('progress') && !document.querySelector('.notes .busy')")
    browser.wait("!document.querySelector('.stale')")


def act(browser: Page, name: str) -> None:
    browser.wait(f"!document.querySelector('[data-act={name}]').disabled")
    browser.click_on(f"[data-act={name}]")


def holes(browser: Page, state: str) -> list[str]:
    return browser.value(
        f"[...document.querySelectorAll('[data-state={state}]')].map(h => h.dataset.hole)"
    )


def metric(browser: Page, name: str) -> float:
    return float(browser.value(f"document.querySelector('[data-metric={name}]').textContent"))


def box(browser: Page, selector: str) -> tuple[int, int, int, int]:
    found = browser.value(
        f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
        "return [b.x, b.y, b.right, b.bottom]; })()"
    )
    return tuple(round(x) for x in found)


def cropped(browser: Page, selector: str) -> np.ndarray:
    left, top, right, bottom = box(browser, selector)
    return browser.picture()[top:bottom, left:right].astype(int)


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture - colour).max(axis=2) < 40


# Who may speak to it


def test_nobody_without_the_token(view):
    for path in ("", "index.html", "slice?section=axial", "scene.html", "page-assets/page.js"):
        status, text = view.get(path)
        assert status == 403, path
        assert "token" in text
    assert view.get("?token=guessed")[0] == 403
    token = view.address.split("token=")[1]
    assert view.get(f"alive?token={token}") == (200, '{"folder_missing": false}')


def test_no_websocket_without_the_token(view):
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    assert view.get("ws", **upgrade)[0] == 403
    token = view.address.split("token=")[1]
    # a page of elsewhere, or a name of elsewhere that points here, even with the token
    assert view.get(f"ws?token={token}", **upgrade, Origin="http://127.0.0.1:1")[0] == 403
    assert view.get(f"ws?token={token}", **upgrade, Host="evil.example")[0] == 403


def test_only_this_machine_can_reach_it(view):
    assert view.base.startswith("http://127.0.0.1:")
    port = int(view.base.split(":")[2].strip("/"))
    table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()
    listening = [row.split()[1] for row in table if row.split()[3] == "0A"]
    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening


@pytest.mark.parametrize("path", ["slice?section=oblique", "slice?section=axial&at=nan"])
def test_odd_questions_are_answered_in_words(view, path):
    token = view.address.split("token=")[1]
    status, text = view.get(f"{path}&token={token}")
    assert status == 422
    assert json.loads(text)["error"]


# What it shows


@needs_chromium
@pytest.mark.parametrize("size_px", [(1280, 800), (1920, 1080)])
def test_it_opens_without_an_error_and_asks_nobody_else(view, planned_demo, size_px):
    folder, _ = planned_demo
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    with opened(view, size_px=size_px) as browser:
        browser.wait(
            "(() => { const f = document.querySelector('iframe'); return f &&"
            " f.contentWindow.viewer && f.contentDocument.getElementById('message').hidden; })()"
        )
        assert sorted(holes(browser, "planned")) == sorted(
            needle["label"] for needle in plan["templates"][0]["needles"]
        )
        # the page's number has one decimal
        assert metric(browser, "V100") == pytest.approx(
            plan["metrics"]["GTV"]["v100_pct"], abs=0.051
        )
        picture = browser.picture().astype(int)
        assert picture.shape[:2] == size_px[::-1]
        for section in ("axial", "sagittal", "coronal"):
            left, top, right, bottom = box(browser, f"[data-section={section}] .stage")
            pane = picture[top:bottom, left:right]
            grey = np.ptp(pane, axis=2) < 6
            assert (grey & (pane[:, :, 0] > 60)).mean() > 0.1, section  # tissue
            assert near(pane, (0xF0, 0xE4, 0x42)).sum() > 150, section  # prescription isodose
        left, top, right, bottom = box(browser, ".space .stage")
        assert picture[top:bottom, left:right].std() > 20
        # nothing runs out of the window, no text of the head over another
        assert browser.value("document.documentElement.scrollWidth") <= size_px[0]
        assert browser.value(
            "[...document.querySelectorAll('header > *, main > *')].every(e => { const b ="
            "e.getBoundingClientRect(); return b.right <= innerWidth && b.bottom <= innerHeight })"
        )
        assert browser.said == []
        foreign = [a for a in browser.asked if not a.startswith((view.base, "data:", "about:"))]
        assert foreign == []


@needs_chromium
def test_a_switch_takes_an_outline_out_of_the_slices(browser):
    stage = "[data-section=axial] .stage"
    switch = "[data-structure=GTV][type=checkbox]"
    for level in ("150", "200"):  # their colours are like it
        browser.click_on(f"[data-isodose='{level}'][type=checkbox]")
        browser.wait(f"!document.querySelector('.isodose[data-isodose=\"{level}\"] path')")
    browser.wait("!!document.querySelector('.outline[data-structure=GTV]')")
    with_target = near(cropped(browser, stage), TARGET_ORANGE).sum()
    browser.click_on(switch)
    browser.wait("!document.querySelector('.outline[data-structure=GTV]')")
    without = near(cropped(browser, stage), TARGET_ORANGE).sum()
    browser.click_on(switch)
    browser.wait("!!document.querySelector('.outline[data-structure=GTV]')")
    assert with_target > 100
    assert without == 0
    assert near(cropped(browser, stage), TARGET_ORANGE).sum() == with_target
    for level in ("150", "200"):  # as others who share the page want to see them
        browser.click_on(f"[data-isodose='{level}'][type=checkbox]")


@needs_chromium
def test_the_cursor_links_the_views(browser):
    place = "document.querySelector('[data-section={}] h2 small').textContent"
    before = {s: browser.value(place.format(s)) for s in ("axial", "sagittal", "coronal")}
    left, top, right, bottom = box(browser, "[data-section=axial] .stage")
    browser.click(left + 0.3 * (right - left), top + 0.4 * (bottom - top))
    browser.wait(f"{place.format('sagittal')} !== {before['sagittal']!r}")
    browser.wait(f"{place.format('coronal')} !== {before['coronal']!r}")
    assert browser.value(place.format("axial")) == before["axial"]
    browser.press("PageUp")  # the slice has the focus from the click
    browser.wait(f"{place.format('axial')} !== {before['axial']!r}")


# What it does


@needs_chromium
def test_a_needle_is_forbidden_searched_for_undone_and_saved(view, browser, tmp_path):
    before = {name: metric(browser, name) for name in ("D90", "V100", "V150")}
    gone = holes(browser, "planned")[3]
    browser.click_on(f"[data-hole={gone}]")
    browser.wait("!!document.querySelector('[data-ask=forbid]')")
    browser.click_on("[data-ask=forbid]")
    browser.wait(f"document.querySelector('[data-hole={gone}]').dataset.mark === 'forbidden'")
    settled(browser)
    browser.wait(f"document.querySelector('[data-metric=D90]').textContent !== '{before['D90']}'")
    assert metric(browser, "D90") < before["D90"]  # a needle less, and nothing in its place yet
    assert gone not in holes(browser, "planned")

    act(browser, "reoptimise")
    browser.wait("!!document.querySelector('progress')")
    settled(browser)
    browser.wait("document.querySelector('[data-act=undo]').title.startsWith('Undo: re-opt')")
    settled(browser)
    assert gone not in holes(browser, "planned")
    found = metric(browser, "V100")
    assert found > 90.0

    act(browser, "undo")
    browser.wait("document.querySelector('[data-act=undo]').title.startsWith('Undo: forbid')")
    act(browser, "redo")
    browser.wait("document.querySelector('[data-act=undo]').title.startsWith('Undo: re-opt')")
    settled(browser)
    assert metric(browser, "V100") == found

    folder = tmp_path / "saved"
    act(browser, "save")
    browser.wait("!!document.querySelector('[data-file=folder]')")
    browser.value("document.querySelector('[data-file=folder]').select()")
    browser.write(str(folder))
    browser.click_on("[data-file=go]")
    end = time.monotonic() + 180.0
    while not folder.is_dir() and time.monotonic() < end:
        time.sleep(0.3)
        browser.value("1")
    settled(browser)
    browser.wait("document.querySelector('.notes .good').textContent.startsWith('Saved ')")
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["steering"]["forbid"] == [gone]
    assert plan["metrics"]["GTV"]["v100_pct"] == pytest.approx(found, abs=0.051)
    assert gone not in [needle["label"] for needle in plan["templates"][0]["needles"]]
    checked = subprocess.run(
        [sys.executable, "-m", "template_designer", "check", str(folder), "--case",
         str(DEMO / "case.toml")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
    assert browser.said == []


@needs_chromium
def test_by_keyboard_alone(browser):
    browser.value("document.querySelector('.hole[tabindex=\"0\"]').focus()")
    start = browser.value("document.activeElement.dataset.hole")
    browser.press("ArrowRight")
    there = browser.value("document.activeElement.dataset.hole")
    assert there != start
    browser.press("f")
    browser.wait(f"document.querySelector('[data-hole={there}]').dataset.mark === 'forbidden'")
    browser.press("c")
    browser.wait(f"document.querySelector('[data-hole={there}]').dataset.mark === ''")


@needs_chromium
def test_moving_the_plate_blocks_and_opens_holes(browser):
    slider = "document.querySelector('[data-move=tilt_right_deg]')"
    before = browser.value("document.querySelector('[data-reach]').textContent")
    browser.value(f"{slider}.focus()")
    for _ in range(6):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight",
                     code="ArrowRight", windowsVirtualKeyCode=39)  # fmt: skip
        browser.call("Input.dispatchKeyEvent", type="keyUp", key="ArrowRight")
    browser.wait(f"document.querySelector('[data-reach]').textContent !== {before!r}")
    # the holes are those of the plate where it stands, what is drawn is not yet: each view says so
    browser.wait("document.querySelectorAll('.waits').length === 4")
    settled(browser)
    browser.wait("!document.querySelector('.waits')")
    assert browser.value(f"{slider}.value") == "3"  # six steps of half a degree
    assert browser.value("document.querySelector('[data-act=undo]').title").startswith("Undo: move")
    act(browser, "back")
    browser.wait(f"document.querySelector('[data-reach]').textContent === {before!r}")
    settled(browser)


@needs_chromium
def test_two_people_see_one_plan(view):
    with opened(view) as one, opened(view) as two:
        hole = holes(one, "open")[0]
        mark = f"document.querySelector('[data-hole={hole}]').dataset.mark"
        one.click_on(f"[data-hole={hole}]")
        one.wait("!!document.querySelector('[data-ask=forbid]')")
        one.click_on("[data-ask=forbid]")
        for browser in (one, two):
            browser.wait(f"{mark} === 'forbidden'")
        act(two, "undo")
        for browser in (one, two):
            browser.wait(f"{mark} === ''")
        # both at once: one search, the other is told
        act(one, "reoptimise")
        two.wait("!!document.querySelector('[data-act=cancel]')")
        act(two, "cancel")
        one.wait("!document.querySelector('progress')")
        for browser in (one, two):
            browser.wait("document.querySelector('.notes').textContent.includes('cancelled')")


@needs_chromium
def test_a_browser_killed_while_it_searches(view):
    with opened(view) as browser:
        steps = browser.value("document.querySelector('[data-act=undo]').title")
        act(browser, "reoptimise")
        browser.wait("!!document.querySelector('progress')")
    with opened(view) as again:  # the first one was killed when its block ended
        again.wait("document.querySelector('[data-act=undo]').title.startsWith('Undo: re-opt')")
        settled(again)
        assert metric(again, "V100") > 90.0
        act(again, "undo")
        again.wait(f"document.querySelector('[data-act=undo]').title === {steps!r}")


@needs_chromium
def test_without_webgl_the_rest_of_the_page_works(view):
    with opened(view, webgl=False) as browser:
        browser.wait("!!document.querySelector('iframe')")
        browser.wait(
            "(() => { const f = document.querySelector('iframe').contentDocument; const m = f &&"
            " f.getElementById('message'); return m && m.innerText.includes('WebGL 2'); })()"
        )
        assert cropped(browser, "[data-section=axial] .stage").std() > 20


@needs_chromium
def test_the_folder_vanishes_and_the_plan_is_saved_elsewhere(planned_demo, tmp_path):
    folder, _ = planned_demo
    own = tmp_path / "own"
    own.mkdir()
    (own / "plan.json").write_bytes((folder / "plan.json").read_bytes())
    with served(own, "--case", DEMO / "case.toml") as page, opened(page) as browser:
        (own / "plan.json").unlink()
        own.rmdir()
        browser.wait("document.querySelector('.notes').textContent.includes('is gone')")
        act(browser, "export")
        browser.wait("!!document.querySelector('[data-file=folder]')")
        browser.value("document.querySelector('[data-file=folder]').select()")
        browser.write(str(tmp_path / "elsewhere"))
        browser.value("document.querySelector('dialog [value=stl]').click()")
        browser.click_on("[data-file=go]")
        end = time.monotonic() + 120.0
        while not (tmp_path / "elsewhere").is_dir() and time.monotonic() < end:
            time.sleep(0.3)
            browser.value("1")
        assert (tmp_path / "elsewhere" / "template.stl").stat().st_size > 10_000
        code, said, error = page.end()
        assert (code, error.strip()) == (0, "")
        assert "The page has ended." in said


@needs_chromium
def test_a_case_opens_with_its_plate_before_anything_is_planned():
    with served(DEMO / "case.toml") as page, chromium() as browser:
        browser.go(page.address)
        browser.wait("document.querySelectorAll('.slice image').length === 3")
        browser.wait("document.body.innerText.includes('Not planned yet')")
        assert len(holes(browser, "open")) > 20
        assert holes(browser, "planned") == []
        assert browser.said == []
        # killed in the middle of a move: nothing is said of it, and the page goes on
        browser.value(
            "(() => { const s = document.querySelector('[data-move=right_mm]'); s.value = 4;"
            "s.dispatchEvent(new Event('input')); })()"
        )
        os.killpg(browser.process.pid, signal.SIGKILL)
        with chromium() as again:
            again.go(page.address)
            slider = "document.querySelector('[data-move=right_mm]')"
            again.wait(f"!!{slider} && {slider}.value === '4'")
        code, _, error = page.end()
        assert (code, error.strip()) == (0, "")
