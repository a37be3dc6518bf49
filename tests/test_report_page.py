"""``report.html`` and ``comparison.html`` in Chromium: what a reader sees, and what is printed."""

import base64
import io
import json
import math
import re
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from exports import plan_json, read_plan, report_pictures
from exports.as_written import as_written
from exports.opengl import rendering_problem
from exports.report_compare import comparison_document
from exports.report_html import html_of
from exports.suggest_files import write_suggestions
from template_designer.model import GoalResult
from tests.chromium import chromium, needs_chromium
from tests.exports.conftest import make_plan, make_template
from tests.paths import DEMO
from tests.template_designer.planning.suggest.patient import found as suggestions

pdfplumber = pytest.importorskip("pdfplumber")
pytestmark = needs_chromium

WIDTHS_PX = (1280, 800)
TABLES = """[...document.querySelectorAll('table')].map(t => [t.caption.innerText,
    [...t.rows].map(r => [...r.cells].map(c => c.innerText.trim()))])"""
IMAGES = """[...document.images].map(i => {const b = i.getBoundingClientRect();
    return [i.alt, i.complete, i.naturalWidth, i.naturalHeight, b.width, b.left, b.right]})"""
BEYOND = """[...document.querySelectorAll('body *')].filter(e =>
    e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest('.table')).length"""
HALF_STEP, HALF_INDEX = 0.0501, 0.00501
"""Numbers stand with one decimal, indices with two: half of the last digit and a rounding error."""
METRIC_NAMES = {"volume_cm3": "volume", "mean_gy": "Dmean", "reachable_pct": "reachable by seeds"}


class Opened:
    """A page that is open, and the plan or plans it is of, as ``plan.json`` has them."""

    def __init__(self, page, path, *data):
        self.page, self.path, self.data = page, path, data
        self.asked_at = len(page.asked)
        page.open(path)

    def table(self, title):
        (found,) = [rows for name, rows in self.page.value(TABLES) if name == title]
        return found

    def at_width(self, width_px):
        self.page.call(
            "Emulation.setDeviceMetricsOverride", width=width_px, height=800, deviceScaleFactor=1,
            mobile=False,
        )  # fmt: skip

    def printed(self):
        """The PDF that the browser's own printing makes."""
        made = self.page.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return pdfplumber.open(io.BytesIO(base64.b64decode(made["data"])))


@pytest.fixture(scope="module")
def page():
    with chromium() as page:
        yield page


@pytest.fixture(scope="module")
def demo(planned_demo):
    return planned_demo[0]


@pytest.fixture
def report(page, demo):
    """The report that ``design`` wrote."""
    opened = Opened(page, demo / "report.html", json.loads((demo / "plan.json").read_text("utf-8")))
    yield opened
    opened.at_width(1280)


@pytest.fixture(scope="module")
def compared(demo, tmp_path_factory):
    """The demo beside a plan of another case that misses a goal and has no histograms."""
    kinds = tuple(kind for kind in report_pictures.PICTURES if not kind.only_full)
    goals = (
        GoalResult("GTV", "V100", 93.0, "%", True, 95.3, True),
        GoalResult("SpinalCord", "Dmax", 55.0, "Gy", False, 61.0, False),
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(report_pictures, "PICTURES", kinds)  # views and slices take a minute
        plans = (
            read_plan(demo, DEMO / "case.toml"),
            as_written(make_plan(make_template(), goals=goals)),
        )
        path = tmp_path_factory.mktemp("compared") / "comparison.html"
        path.write_bytes(html_of(comparison_document(*plans)))
    return path, [json.loads(plan_json.build(plan)) for plan in plans]


@pytest.fixture
def comparison(page, compared):
    opened = Opened(page, compared[0], *compared[1])
    yield opened
    opened.at_width(1280)


@pytest.fixture(params=["report", "comparison"])
def either(request):
    return request.getfixturevalue(request.param)


def metric_cells(metrics):
    """Metrics of a structure of ``plan.json`` by the names that the report has for them."""
    named = {}
    for key, value in metrics.items():
        stem, _, unit = key.rpartition("_")
        has_unit = unit in ("gy", "pct", "cm3")
        plain = stem.replace("_", ".") if has_unit else key
        name = METRIC_NAMES.get(key) or (plain.capitalize() if has_unit else plain.upper())
        value = math.nan if value is None else value
        named[name] = (value, HALF_STEP if has_unit else HALF_INDEX)
    return named


def same(text, value, tolerance):
    if math.isnan(value):
        return text == "not defined"
    return abs(float(text) - value) <= tolerance


def test_nothing_is_fetched_and_nothing_complains(either):
    asked = either.page.asked[either.asked_at :]
    assert asked[0] == either.path.as_uri()
    assert all(address.startswith("data:image/png;base64,") for address in asked[1:])
    assert either.page.said == []
    assert either.page.value("document.scripts.length") == 0


@pytest.mark.skipif(rendering_problem() is not None, reason="no OpenGL: no preview")
def test_every_picture_is_shown(report, demo):
    found = report.page.value(IMAGES)
    assert [name for name, *_ in found] == [
        "The plan at a glance", "Dose-volume histograms", "What seeds reach"
    ]  # fmt: skip
    for _, complete, wide, high, shown_px, _, _ in found:
        assert complete
        assert wide >= 1400
        assert high >= 700
        assert shown_px > 900  # not a stamp
    sources = report.page.value("[...document.images].map(i => i.src)")
    stored = [base64.b64decode(source.partition(",")[2]) for source in sources]
    assert stored[0] == (demo / "preview.png").read_bytes()
    assert stored[1] == (demo / "dvh.png").read_bytes()


def test_the_reach_is_drawn_as_the_numbers_say(report):
    """Bars of the third picture are as long as the shares, and hatched where nothing is reached."""
    source = report.page.value("document.images[document.images.length - 1].src")
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
    reach = report.data[0]["reach"]
    bar = np.abs(image[:, 1100:, :3].astype(int) - (0x00, 0x72, 0xB2)).max(axis=2) < 12
    length_px = bar.sum(axis=1).max()
    # the axis has 130 % on 0.16 of 1500 pixels; the black edge of the bar takes one on each side
    assert abs(length_px - reach["reachable_pct"] / 130.0 * 240.0) <= 3.0
    hatched = np.abs(image[:, :1000, :3].astype(int) - (0xF0, 0xE4, 0x42)).max(axis=2) < 40
    assert hatched.sum() > 500


def test_goals_say_what_plan_json_says(report):
    rows = {(row[0], row[1]): row[2:] for row in report.table("Goals")[1:]}
    goals = report.data[0]["goals"]
    assert len(rows) == len(goals) >= 2
    for goal in goals:
        asked, reached, result = rows[goal["structure"], goal["metric"]]
        word = "at_least" if "at_least" in goal else "at_most"
        assert asked == f"{word.replace('_', ' ')} {goal[word]:g} {goal['unit']}"
        assert same(reached.split()[0], goal["value"], HALF_STEP)
        assert reached.split()[1] == goal["unit"]
        is_met = (goal["value"] >= goal[word]) == (word == "at_least")
        assert result.startswith("met, " if is_met else "MISSED by ")
    met = sum(goal["met"] for goal in goals)
    said = report.page.value("document.querySelector('#summary').innerText")
    assert (f"all {met} met" in said) == (met == len(goals))
    for warning in report.data[0]["warnings"]:
        assert re.sub(r"\s+", " ", warning["text"]) in re.sub(r"\s+", " ", said)


def test_metrics_are_those_of_plan_json(report):
    data = report.data[0]
    target = data["target"]
    cells = {name: text.split()[0] if text != "not defined" else text
             for name, text in report.table(f"Target {target}")[1:]}  # fmt: skip
    wanted = metric_cells(data["metrics"][target])
    assert set(cells) == set(wanted)
    for name, (value, tolerance) in wanted.items():
        assert same(cells[name], value, tolerance), name
    head, *rows = report.table("Other structures")
    names = [text.split()[0] for text in head[1:]]
    assert {row[0] for row in rows} == set(data["metrics"]) - {target}
    for structure, *texts in rows:
        wanted = metric_cells(data["metrics"][structure])
        for name, text in zip(names, texts, strict=True):
            if text != "–":
                assert same(text, *wanted.pop(name)), (structure, name)
        assert not wanted  # every number of the file is on the page


def test_needles_are_those_of_plan_json(report):
    needles = {n["label"]: n for n in report.data[0]["templates"][0]["needles"]}
    rows = report.table("Needles of plate T1 in order of insertion")[1:]
    assert [row[0] for row in rows] == [str(n) for n in range(1, len(needles) + 1)]
    assert {row[1] for row in rows} == set(needles)
    for row in rows:
        needle = needles[row[1]]
        assert needle["insertion_order"] == int(row[0])
        assert float(row[3]) == math.floor(round(needle["depth_mm"] * 10.0, 6)) / 10.0
        from_tip = [seed["from_tip_mm"] for seed in needle["seeds"]]
        assert int(row[5]) == len(from_tip)
        # two decimals
        assert [float(mm) for mm in row[6].split(";")] == pytest.approx(from_tip, abs=0.0051)
        readings = [float(mm) for mm in re.findall(r"(?:: |→ |; )(\d+\.\d)", row[7])]
        assert len(readings) == len(from_tip)
        # each seed drops where the last one did, less the way between them; rounded to 0.1 mm
        ways = [readings[0] - mm for mm in readings]
        assert ways == pytest.approx([mm - from_tip[0] for mm in from_tip], abs=0.101)


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_nothing_runs_out_of_the_window(either, width_px):
    either.at_width(width_px)
    assert either.page.value("document.documentElement.scrollWidth") <= width_px
    assert either.page.value(BEYOND) == 0
    for name, *_, left, right in either.page.value(IMAGES):
        assert 0.0 <= left < right <= width_px, name
    if width_px == WIDTHS_PX[0]:  # on a small window wide tables may be drawn sideways
        hidden = (
            "[...document.querySelectorAll('.table')].filter(t => t.scrollWidth > t.clientWidth)"
        )
        assert either.page.value(f"{hidden}.length") == 0


def test_the_look_for_what_runs_out_can_fail(report):
    wide = '<div style="width:1500px">x</div>'
    report.page.value(f"document.querySelector('main').insertAdjacentHTML('afterbegin', '{wide}')")
    assert report.page.value(BEYOND) == 1
    assert report.page.value("document.documentElement.scrollWidth") > 1280


def test_letters_are_dark_and_large_enough_to_read(either):
    """No text is under 13 px or paler than 4.5 to 1, the contrast that WCAG asks for."""
    texts = "p, li, td, th, figcaption, caption, h1, h2, h3"
    found = either.page.value(
        f"""[...document.querySelectorAll('{texts}')].map(e => {{const s = getComputedStyle(e);
        return [parseFloat(s.fontSize), s.color]}})"""
    )
    assert len(found) > 200
    assert min(size for size, _ in found) >= 13.0
    for colour in {colour for _, colour in found}:
        assert contrast(colour, "rgb(255, 255, 255)") >= 4.5
        assert contrast(colour, "rgb(228, 228, 228)") >= 4.5  # heads of tables


def contrast(one, other):
    """Ratio of relative luminances as WCAG 2 defines it."""
    lights = []
    for colour in (one, other):
        parts = np.array([int(n) for n in re.findall(r"\d+", colour)[:3]]) / 255.0
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ (0.2126, 0.7152, 0.0722)))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_on_paper_every_page_has_text_and_whose_plan_it_is(report):
    data = report.data[0]
    with report.printed() as paper:
        texts = [page.extract_text() or "" for page in paper.pages]
        sizes = {(round(page.width / 72 * 25.4), round(page.height / 72 * 25.4))
                 for page in paper.pages}  # fmt: skip
        images = sum(len(page.images) for page in paper.pages)
    assert sizes == {(210, 297), (297, 210)}  # A4, wide sections on its side
    assert "not a medical device" in texts[0]
    for number, text in enumerate(texts, start=1):
        assert f"page {number} of {len(texts)}" in text
        assert data["hash"] in text
        assert len(text.split()) > 12, number  # more than the footer: none is empty
    whole = re.sub(r"\s+", " ", " ".join(texts))
    for goal in data["goals"]:
        assert f"{goal['structure']} {goal['metric']} at" in whole
    for needle in data["templates"][0]["needles"]:
        assert re.search(rf"\d+ {needle['label']} \d+G \d+\.\d", whole), needle["label"]
    assert images >= (2 if rendering_problem() else 3)


def test_two_plans_stand_side_by_side(comparison):
    a, b = comparison.data
    rows = comparison.table("Metrics of all structures")[1:]
    wanted = [
        {(s, name): number for s, m in data["metrics"].items()
         for name, number in metric_cells(m).items()}
        for data in (a, b)
    ]  # fmt: skip
    assert {(row[0], row[1]) for row in rows} == set(wanted[0]) | set(wanted[1])
    for structure, name, _, *cells, change in rows:
        numbers = [side.get((structure, name)) for side in wanted]
        for number, text in zip(numbers, cells, strict=True):
            assert text == "–" if number is None else same(text, *number)
        if None in numbers or any(math.isnan(value) for value, _ in numbers):
            assert change == "–"
        else:
            shown = float(change.replace("−", "-"))
            # a difference of two rounded numbers
            assert abs(shown - (numbers[1][0] - numbers[0][0])) <= 2.0 * numbers[0][1]
    depths = {row[0]: row[1:3] for row in comparison.table("Needles")[1:]}
    for side, data in enumerate((a, b)):
        labels = {n["label"]: n["depth_mm"] for t in data["templates"] for n in t["needles"]}
        for label, cells in depths.items():
            if label in labels:
                assert -1e-9 <= labels[label] - float(cells[side]) < 0.1 + 1e-9  # rounded down
            else:
                assert cells[side] == "not in it"


def test_a_missed_goal_and_another_case_cannot_be_overlooked(comparison):
    page = comparison.page
    said = page.value("document.querySelector('#summary').innerText")
    assert "NOT THE SAME CASE" in said
    missed = page.value(
        """[...document.querySelectorAll('.missed')].map(e => {const s = getComputedStyle(e);
        return [e.innerText, s.color, s.backgroundColor, e.getBoundingClientRect().width]})"""
    )
    assert [word for word, *_ in missed] == ["MISSED"]
    _, ink, ground, wide_px = missed[0]
    assert contrast(ink, ground) > 7.0
    assert wide_px > 40.0


@pytest.mark.skipif(rendering_problem() is not None, reason="no OpenGL: no preview")
def test_pictures_of_two_plans_are_level(comparison):
    found = comparison.page.value(
        """[...document.querySelectorAll('.pair')].map(p => [...p.querySelectorAll('figure')].map(
        f => {const b = f.getBoundingClientRect(); return [b.left, b.top, b.right,
        f.innerText.slice(0, 2), f.querySelectorAll('img').length]}))"""
    )
    assert len(found) == 3
    for left, right in found:
        assert (left[3], right[3]) == ("A:", "B:") or "Pi" in (left[3], right[3])
        assert left[1] == right[1]
        assert left[2] <= right[0]
    # B has no histograms and no CT: there stands why
    assert [(left[4], right[4]) for left, right in found] == [(1, 1), (1, 0), (1, 0)]
    loaded = [(complete, wide) for _, complete, wide, *_ in comparison.page.value(IMAGES)]
    assert all(complete and wide > 0 for complete, wide in loaded)
    with comparison.printed() as paper:
        texts = [page.extract_text() or "" for page in paper.pages]
    assert all(len(text.split()) > 12 for text in texts)
    assert all(data["hash"] in text for data in comparison.data for text in texts)


@pytest.fixture(scope="module")
def suggested(tmp_path_factory):
    """A folder of suggestions for a made-up patient of the demo's id and target."""
    result = replace(suggestions(), case_id="demo-L1", target="GTV")
    return write_suggestions(result, tmp_path_factory.mktemp("map") / "out")[0].parent


@pytest.fixture
def plan_only(demo, tmp_path):
    """A folder with the demo's plan.json alone."""
    (tmp_path / "plan").mkdir()
    shutil.copy(demo / "plan.json", tmp_path / "plan")
    return tmp_path / "plan"


def run_report(monkeypatch, capsys, *arguments):
    from template_designer import cli

    monkeypatch.setattr(sys, "argv", ["x", "report", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code, capsys.readouterr().err.strip()


def test_the_map_of_entry_planes_is_in_the_report(page, plan_only, suggested, monkeypatch, capsys):
    path = plan_only / "report.html"
    assert run_report(monkeypatch, capsys, plan_only, "--map", suggested, "-o", path)[0] == 0
    opened = Opened(page, path, json.loads((suggested / "suggest.json").read_text("utf-8")))
    ((name, complete, wide, *_),) = page.value(IMAGES)
    assert (name, complete) == ("Where needles may come from", True)
    assert wide > 1000
    source = page.value("document.images[0].src")
    stored = base64.b64decode(source.partition(",")[2])
    assert stored == (suggested / "suggest.png").read_bytes()
    rows = opened.table("Entry planes compared")[1:]
    data = opened.data[0]
    for number, (row, plane) in enumerate(zip(rows, data["planes"], strict=False), start=1):
        assert row[0] == str(number)
        assert same(row[1], plane["reach_pct"], HALF_STEP)
        assert same(row[5], plane["margin_mm"], HALF_STEP)
        for text, key in ((row[2], "tilt_deg"), (row[3], "depth_mm"), (row[6], "gap_mm")):
            assert same(text, plane[key], 0.501)  # no decimal
    (behind,) = [row for row in rows if row[0] == "straight from behind"]
    assert same(behind[1], data["posterior"]["reach_pct"], HALF_STEP)
    assert len(rows) == len(data["planes"]) + 1 + len(data["case_entries"])


def without(key):
    def change(text):
        data = json.loads(text)
        del data["planes"][0][key]
        return json.dumps(data)

    return change


WRONG_MAPS = {
    "another case": (lambda text: text.replace("demo-L1", "other"), "of case 'other'"),
    "another schema": (lambda text: text.replace('"schema": 1', '"schema": 9'), "has schema 9"),
    "no JSON": (lambda text: text[:50], "is not valid JSON"),
    "a number missing": (without("reach_pct"), "lacks or misstates 'reach_pct'"),
    "a list": (lambda text: "[]", "lacks or misstates"),
    "no number": (lambda text: text.replace('"tilt_deg": ', '"tilt_deg": NaN, "x": '), "misstates"),
}


@pytest.mark.parametrize("what", WRONG_MAPS)
def test_a_wrong_map_is_refused_in_one_line(
    plan_only, suggested, tmp_path, monkeypatch, capsys, what
):
    change, clue = WRONG_MAPS[what]
    folder = shutil.copytree(suggested, tmp_path / "map")
    file = folder / "suggest.json"
    file.write_text(change(file.read_text("utf-8")), "utf-8")
    code, told = run_report(monkeypatch, capsys, plan_only, "--map", folder)
    assert code == 2
    assert clue in told.splitlines()[-1]
    assert [path.name for path in plan_only.iterdir()] == ["plan.json"]


def test_a_folder_without_a_map_or_two_plans_are_refused(plan_only, suggested, monkeypatch, capsys):
    code, told = run_report(monkeypatch, capsys, plan_only, "--map", plan_only)
    assert (code, "holds no suggestions" in told) == (2, True)
    code, told = run_report(monkeypatch, capsys, plan_only, plan_only, "--map", suggested)
    assert (code, "--map belongs to one plan" in told) == (2, True)
    (suggested / "suggest.png").rename(suggested / "kept.png")
    try:
        (suggested / "suggest.png").write_bytes(b"<svg>")
        code, told = run_report(monkeypatch, capsys, plan_only, "--map", suggested)
        assert (code, "is no PNG" in told) == (2, True)
    finally:
        (suggested / "kept.png").replace(suggested / "suggest.png")
    assert [path.name for path in plan_only.iterdir()] == ["plan.json"]


def test_a_design_says_what_its_report_leaves_out(report):
    said = report.page.value("document.querySelector('#pictures').innerText")
    for kind in report_pictures.PICTURES:
        assert (kind.title in said) or not kind.only_full
    assert "template-designer report DIR --case CASE.toml" in said
