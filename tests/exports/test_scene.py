"""``scene.html``: what lies in it, and what a browser shows of it."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import trimesh

from exports import scene
from exports.clearance_colours import clearance_scale
from exports.drawn3d import TARGET_COLOUR, avoid_colours, rgb
from tests.chromium import chromium, needs_chromium

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">&amp;'\u202egnp"


class Reader(HTMLParser):
    """The page's elements, and the text of its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        self.texts[self._inside] = self.texts.get(self._inside, "") + data

    @property
    def data(self):
        return json.loads(self.texts["data"])


@pytest.fixture(scope="module")
def page(plan) -> bytes:
    return scene.build(plan)


@pytest.fixture(scope="module")
def read(page) -> Reader:
    return Reader(page.decode("utf-8"))


def arrays(mesh) -> tuple[np.ndarray, np.ndarray]:
    vertices = np.frombuffer(base64.b64decode(mesh["v"]), "<f4").reshape(-1, 3)
    return vertices, np.frombuffer(base64.b64decode(mesh["f"]), "<u4").reshape(-1, 3)


def switch(data, label: str) -> str:
    (key,) = [item["key"] for item in data["switches"] if item["label"] == label]
    return key


def meshes(data, label: str):
    return [mesh for mesh in data["meshes"] if mesh["switch"] == switch(data, label)]


# What lies in the file


def test_it_loads_nothing(page, read):
    text = page.decode("utf-8")
    assert not re.search(r"https?:|//[a-z0-9]+\.|@import|url\(|fetch\(|import\(", text, flags=re.I)
    for tag, attributes in read.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not {"src", "href", "srcset", "data"} & set(attributes)
    (policy,) = [a["content"] for tag, a in read.elements if tag == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'")


def test_the_same_page_twice(plan, page):
    assert scene.build(plan) == page
    assert len(page) < 12_000_000


@pytest.mark.parametrize("name", ["GTV", "SpinalCord", "Aorta", "Body", "Bone"])
def test_triangles_are_those_of_the_plan(plan, read, name):
    (mesh,) = meshes(read.data, name)
    vertices, faces = arrays(mesh)
    surface = plan.surfaces[name][1]
    assert np.array_equal(faces, surface.faces)
    # single precision: 24 bits, so half a unit of the last of 512 mm is 3e-5 mm
    assert np.abs(vertices - surface.vertices_lps_mm).max() < 4e-5


def test_needles_and_seeds_stand_where_the_plan_has_them(plan, read):
    tubes = meshes(read.data, "needles")
    assert {m["colour"] for m in tubes} == {clearance_scale(plan).colour(n) for n in plan.needles}
    everything = np.vstack([arrays(mesh)[0] for mesh in tubes])
    for needle in plan.needles:
        # the corners of a rod's end stand a radius, 0.635 mm, from its axis: so does the nearest
        distance = np.linalg.norm(everything - needle.tip_lps_mm, axis=1)
        assert distance.min() < 0.64
    (mesh,) = meshes(read.data, "seeds (drawn thicker)")
    vertices, faces = arrays(mesh)
    seeds = [s.center_lps_mm for n in plan.needles for s in n.seeds]
    bodies = trimesh.Trimesh(vertices, faces, process=False).split()
    middles = np.array([body.bounds.mean(axis=0) for body in bodies])
    assert len(middles) == len(seeds)
    for seed in seeds:  # single precision, and a 14-sided rod is not the same on both sides
        assert np.linalg.norm(middles - seed, axis=1).min() < 0.05


def test_every_mesh_is_wound_outwards(read):
    """Else far sides would be drawn for near ones."""
    for mesh in read.data["meshes"]:
        if mesh["opacity"] < 1.0:
            vertices, faces = arrays(mesh)
            assert trimesh.Trimesh(vertices, faces, process=False).volume > 0.0, mesh["switch"]


def test_every_hole_structure_and_isodose_can_be_switched(plan, read):
    data = read.data
    labels = [item["label"] for item in data["switches"]]
    assert set(plan.surfaces) <= set(labels)
    levels = {f"{p} %: {1.2 * p:g} Gy" for p in (50, 100, 150, 200)}  # of 120 Gy
    assert levels <= set(labels)
    assert {"needles", "seeds (drawn thicker)", "plate T1", "structure names"} <= set(labels)
    texts = {label["text"] for label in data["labels"]}
    assert {hole.label for hole in plan.templates[0].holes} <= texts
    keys = {item["key"] for item in data["switches"]}
    assert {m["switch"] for m in data["meshes"]} <= keys
    assert len(keys) == len(data["switches"])


def test_a_label_stands_over_its_hole(plan, read):
    frame = np.linalg.inv(plan.templates[0].lps_from_template)
    places = {hole.label: (hole.x_mm, hole.y_mm) for hole in plan.templates[0].holes}
    for label in read.data["labels"]:
        if label["text"] in places:
            (place,) = label["at"]
            x, y, z = frame[:3, :3] @ place + frame[:3, 3]
            assert (x, y) == pytest.approx(places[label["text"]], abs=2e-3)  # written to 0.001 mm
            assert z < -plan.templates[0].size_mm[2]  # before the face that the operator sees


def test_views_are_not_mirrored(read):
    """Right in the picture is forward x up: seen from the front, the patient's left is right."""
    views = {view["key"]: view for view in read.data["views"]}
    right = {k: np.cross(v["forward"], v["up"]) for k, v in views.items()}
    assert right["a"] == pytest.approx([1, 0, 0])
    assert right["p"] == pytest.approx([-1, 0, 0])
    assert right["f"] == pytest.approx([1, 0, 0])  # as CT slices are shown
    assert right["h"] == pytest.approx([-1, 0, 0])
    assert right["l"] == pytest.approx([0, 1, 0])
    assert right["r"] == pytest.approx([0, -1, 0])


def test_the_operators_view_is_that_of_the_plate(plan, read):
    (view,) = [v for v in read.data["views"] if v["key"] == "o"]
    x, y, z = plan.templates[0].lps_from_template[:3, :3].T
    assert view["forward"] == pytest.approx(z, abs=1e-8)  # written to 1e-9
    assert np.cross(view["forward"], view["up"]) == pytest.approx(x, abs=1e-8)
    assert view["up"] == pytest.approx(-y, abs=1e-8)


def hostile(plan):
    surfaces = {HOSTILE if n == "GTV" else n: s for n, s in plan.surfaces.items()}
    settings = plan.settings.model_copy(update={"id": HOSTILE.replace("\u202e", "")})
    return replace(plan, surfaces=surfaces, settings=settings)


def test_names_are_text_never_markup(plan):
    text = scene.build(hostile(plan)).decode("utf-8")
    read = Reader(text)
    assert not [tag for tag, _ in read.elements if tag == "img"]
    assert text.count("</script>") == 2
    assert "\u202e" not in text
    assert HOSTILE.replace("\u202e", "<U+202E>") in {s["label"] for s in read.data["switches"]}
    assert "&lt;img" in text


def test_a_plan_without_surfaces_or_needles_has_a_page(plan):
    bare = replace(plan, templates=(replace(plan.templates[0], needles=()),), surfaces={})
    assert meshes(Reader(scene.build(bare).decode()).data, "plate T1")


def test_two_plates_have_two_switches(two_plates):
    data = Reader(scene.build(two_plates).decode()).data
    assert meshes(data, "plate T1")
    assert meshes(data, "plate T2")


# What a browser shows


def coloured(image: np.ndarray, colour: str) -> np.ndarray:
    """Pixels of a colour, in any light: 0.985 is 10 degrees between colours."""
    wanted = rgb(colour) / np.linalg.norm(rgb(colour))
    size = np.maximum(np.linalg.norm(image.astype(float), axis=2), 1.0)
    return (image @ wanted / size > 0.985) & (size > 60.0)


def orange(image: np.ndarray) -> np.ndarray:
    """Pixels of the target: paler over white, with red, green and blue in the same order."""
    red, green, blue = (image[:, :, k].astype(int) for k in range(3))
    return (red > green + 20) & (green > blue + 10)


def in_scene(browser, place) -> np.ndarray:
    """Window pixels of a place in the patient, from the page's camera."""
    corner = browser.value(
        "(() => {const b = document.getElementById('space').getBoundingClientRect();"
        "return [b.x, b.y]})()"
    )
    there = browser.value(f"viewer.project({[float(x) for x in place]})")
    return np.array(there) + np.array(corner)


def only(browser, *labels: str) -> None:
    """Tick the switches of these labels and no others, by clicking as a person does."""
    keys = browser.value(
        "[...document.querySelectorAll('#switches label')].filter(l => l.querySelector('input')"
        f".checked !== {json.dumps(labels)}.includes(l.textContent))"
        ".map(l => l.querySelector('input').dataset.key)"
    )
    for key in keys:
        browser.click_on(f"[data-key='{key}']")


@pytest.fixture(scope="module")
def browser(page, tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.html"
    path.write_bytes(page)
    with chromium() as opened:
        opened.open(path)
        opened.wait("document.getElementById('message').hidden")
        yield opened


@needs_chromium
def test_it_draws_without_an_error_and_asks_for_nothing(browser):
    image = browser.picture()
    assert image[:, 300:].std() > 20
    assert browser.said == []
    assert [a for a in browser.asked if not a.startswith(("file:", "data:", "about:"))] == []


@needs_chromium
def test_a_switch_takes_the_target_away_and_brings_it_back(browser, plan, read):
    browser.click_on("[data-view='a']")
    only(browser, "GTV")
    middle = plan.surfaces["GTV"][1].vertices_lps_mm.mean(axis=0)
    column, row = np.rint(in_scene(browser, middle)).astype(int)
    key = f"[data-key='{switch(read.data, 'GTV')}']"

    def share() -> float:
        part = browser.picture()[row - 15 : row + 15, column - 15 : column + 15]
        return float(orange(part).mean())

    assert share() > 0.99
    browser.click_on(key)
    assert share() == 0.0
    browser.value(f'document.querySelector("{key}").focus()')
    browser.call("Input.dispatchKeyEvent", type="keyDown", key=" ", text=" ")
    browser.call("Input.dispatchKeyEvent", type="keyUp", key=" ")
    assert share() > 0.99  # by keyboard


@needs_chromium
@pytest.mark.parametrize(("key", "axis", "sign"), [("a", 0, 1), ("p", 0, -1), ("l", 1, 1)])
def test_pixels_are_not_mirrored(browser, plan, key, axis, sign):
    """Cord and target stand beside each other as they do in the patient."""
    browser.click_on(f"[data-view='{key}']")
    columns = {}
    for name in ("SpinalCord", "GTV"):
        only(browser, name)
        image = browser.picture()[:, 290:]
        blue = avoid_colours(plan)["SpinalCord"]
        found = orange(image) if name == "GTV" else coloured(image, blue)
        assert found.sum() > 300
        columns[name] = np.nonzero(found)[1].mean()
    middles = {n: plan.surfaces[n][1].vertices_lps_mm.mean(axis=0)[axis] for n in columns}
    apart = sign * (middles["SpinalCord"] - middles["GTV"])
    assert abs(apart) > 10.0  # else this test could not fail
    assert (columns["SpinalCord"] - columns["GTV"]) * apart > 0.0


@needs_chromium
def test_keys_turn_and_zoom_and_reset(browser):
    browser.press("Tab")
    browser.value("document.getElementById('space').focus()")
    browser.press("0")
    start = browser.value("JSON.stringify(viewer.camera)")
    for key, shift in (("ArrowLeft", False), ("ArrowUp", True), ("+", False), ("h", False)):
        before = browser.value("JSON.stringify(viewer.camera)")
        browser.press(key, shift=shift)
        assert browser.value("JSON.stringify(viewer.camera)") != before, key
    browser.press("0")
    assert browser.value("JSON.stringify(viewer.camera)") == start


@needs_chromium
def test_turning_keeps_the_axes_square(browser):
    browser.value("document.getElementById('space').focus()")
    for _ in range(40):
        browser.press("ArrowLeft")
        browser.press("ArrowUp")
    camera = browser.value("viewer.camera")
    forward, up = np.array(camera["forward"]), np.array(camera["up"])
    assert np.linalg.norm(forward) == pytest.approx(1.0)
    assert np.linalg.norm(up) == pytest.approx(1.0)
    assert forward @ up == pytest.approx(0.0, abs=1e-12)  # made square again each time


@needs_chromium
def test_words_can_be_read(browser):
    """Switching words on draws ink where nothing else is."""
    browser.click_on("[data-view='o']")
    only(browser)
    blank = browser.picture()[:, 290:]
    only(browser, "plate T1", "needles, by their holes")
    browser.picture()
    words = browser.value(
        "(() => {const c = document.getElementById('labels'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let n = 0;"
        "for (let i = 3; i < d.length; i += 4) if (d[i] > 200 && d[i - 1] < 60) n++; return n})()"
    )
    assert words > 600  # dark ink of six labels and four letters
    assert blank[200:600, 200:800].min() == 255  # nothing is drawn that is switched off


@needs_chromium
def test_hostile_names_run_nothing(plan, tmp_path):
    path = tmp_path / "scene.html"
    path.write_bytes(scene.build(hostile(plan)))
    with chromium() as opened:
        opened.open(path)
        opened.wait("document.getElementById('message').hidden")
        assert opened.value("document.querySelectorAll('img').length") == 0
        assert opened.value("document.title").startswith("Plan </script>")
        assert opened.said == []


@needs_chromium
def test_without_webgl_it_says_so(page, tmp_path):
    path = tmp_path / "scene.html"
    path.write_bytes(page)
    with chromium(webgl=False) as opened:
        opened.open(path)
        assert "WebGL 2" in opened.value("document.getElementById('message').innerText")
        assert (
            opened.value("getComputedStyle(document.getElementById('message')).display") != "none"
        )


def test_the_target_has_its_colour(read):
    (mesh,) = meshes(read.data, "GTV")
    assert mesh["colour"] == TARGET_COLOUR
