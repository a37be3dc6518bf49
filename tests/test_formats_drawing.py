"""The drill drawings, read back by other readers: every circle where the hole is, 1:1, in mm."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import trimesh

from exports import drawing_dxf, drawing_svg
from exports.drawing import SCALE_BAR_MM, Layer, draw
from exports.plan_json import plan_hash
from template_designer.frames import direction_letters
from template_designer.model import HoleState
from tests.small_plan import BLOCKED, PLANNED, SIZE_MM, small_plan

HOLES_MM, BORES_MM = 0.01, 0.02
"""Issue 6: centres and bores of every file."""


@pytest.fixture(scope="module")
def plan():
    return small_plan(
        markers={"diameter_mm": 2.0}, mount={"positions_mm": [[22.5, 12.5]], "diameter_mm": 1.0}
    )


@pytest.fixture(scope="module")
def template(plan):
    return plan.templates[0]


def check_circles(template, circles: dict[str, list[tuple[float, float, float]]]) -> None:
    """Circles by layer, as (x, y, diameter) in the template frame."""
    features = template.features
    wanted = {
        "BORES": [(h.x_mm, h.y_mm, template.bore_of(h)) for h in template.holes],
        "MARKERS": [(m.x_mm, m.y_mm, m.pocket_mm) for m in features.markers],
        "MOUNTING": [(m.x_mm, m.y_mm, m.diameter_mm) for m in features.mounting_holes],
    }
    for layer, expected in wanted.items():
        found, expected = (
            np.array(sorted(some, key=lambda c: (round(c[0], 1), round(c[1], 1))))
            for some in (circles[layer], expected)
        )
        assert found.shape == expected.shape, layer
        assert np.abs(found[:, :2] - expected[:, :2]).max() < HOLES_MM
        assert np.abs(found[:, 2] - expected[:, 2]).max() < BORES_MM
    rings = {(round(x, 3), round(y, 3)) for x, y, _ in circles["PLANNED"]}
    planned = {(h.x_mm, h.y_mm) for h in template.holes if h.state is HoleState.PLANNED}
    assert rings == planned


def test_dxf_read_by_another_reader(plan, template):
    data = drawing_dxf.build(plan, template)
    path = trimesh.load_path(io.BytesIO(data), file_type="dxf")
    assert path.units in ("mm", "millimeter", "millimeters")
    circles: dict[str, list] = {layer.value: [] for layer in Layer}
    for entity, layer in zip(path.entities, path.layers, strict=True):
        if type(entity).__name__ == "Arc" and entity.closed:
            about = entity.center(path.vertices)
            circles[layer].append((about.center[0], -about.center[1], 2.0 * float(about.radius)))
    check_circles(template, circles)
    outline = [e for e, layer in zip(path.entities, path.layers, strict=True) if layer == "OUTLINE"]
    places = np.vstack([path.vertices[e.points] for e in outline])
    assert np.allclose(np.ptp(places, axis=0), SIZE_MM[:2], rtol=0.0, atol=1e-6)


def test_dxf_is_sound_and_says_its_unit(plan, template):
    ezdxf = pytest.importorskip("ezdxf")
    document = ezdxf.read(io.StringIO(drawing_dxf.build(plan, template).decode("utf-8")))
    assert not document.audit().has_errors
    assert document.header["$INSUNITS"] == 4  # millimetres
    assert dict(document.header.custom_vars.properties)["Hash"] == plan_hash(plan)
    texts = {text.dxf.text for text in document.modelspace().query("TEXT")}
    assert set(PLANNED) <= texts
    crosses = document.modelspace().query('LWPOLYLINE[layer=="BLOCKED"]')
    assert len(crosses) == 2 * len(BLOCKED)


def test_drawings_are_the_same_every_time(plan, template):
    assert drawing_dxf.build(plan, template) == drawing_dxf.build(plan, template)
    assert drawing_svg.build(plan, template) == drawing_svg.build(plan, template)


def test_dxf_does_not_hang_on_the_order_of_a_set(plan, template):
    """Hashes of texts differ from run to run; what hangs on them must not reach the file."""
    text = drawing_dxf.build(plan, template).decode("utf-8")
    names = re.findall(r"\nCLASS\n *1\n(.+)\n", text)
    assert len(names) > 1
    assert names == sorted(names)


def test_svg_read_by_another_reader(plan, template):
    svgelements = pytest.importorskip("svgelements")
    pixel_mm = 25.4 / 96.0  # CSS pixels, what the reader gives
    svg = svgelements.SVG.parse(io.BytesIO(drawing_svg.build(plan, template)), reify=True)
    left, low, right, high = draw(plan, template).bounds_mm
    assert svg.width * pixel_mm == pytest.approx(right - left, abs=1e-3)
    assert svg.height * pixel_mm == pytest.approx(high - low, abs=1e-3)
    circles: dict[str, list] = {layer.value: [] for layer in Layer}
    for group in svg.select(lambda item: isinstance(item, svgelements.Group)):
        if group.id in circles:
            for shape in group:
                if isinstance(shape, svgelements.Circle):
                    x, y = shape.cx * pixel_mm + left, shape.cy * pixel_mm - high
                    circles[group.id].append((x, y, 2.0 * shape.rx * pixel_mm))
    check_circles(template, circles)


def test_svg_is_plain_xml_and_safe_against_markup(plan, template):
    root = ElementTree.fromstring(drawing_svg.build(plan, template))
    assert root.get("width").endswith("mm")
    assert root.get("viewBox").split()[2:] == [root.get("width")[:-2], root.get("height")[:-2]]
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert any(plan_hash(plan)[:16] in text for text in texts)


def test_the_sheet_tells_the_operators_view(plan, template):
    drawing = draw(plan, template)
    words = {(w.layer, w.text): w for w in drawing.words}
    a, one = words[Layer.LABELS, "A"], words[Layer.LABELS, "1"]
    assert a.x_mm == min(h.x_mm for h in template.holes)  # A is left,
    assert one.y_mm == max(-h.y_mm for h in template.holes)  # 1 is up
    frame = np.asarray(template.lps_from_template)
    right = max((w for w in drawing.words if w.height_mm == 4.0), key=lambda w: w.x_mm)
    assert right.text == direction_letters(frame[:3, 0])
    (cut,) = [p for p in drawing.paths if p.layer is Layer.OUTLINE]
    corner = np.array([-0.5 * SIZE_MM[0], 0.5 * SIZE_MM[1]])  # A1, upper left: cut off
    gaps = [np.linalg.norm(cut.points_mm - corner * s, axis=1).min()
            for s in ((1, 1), (-1, 1), (1, -1), (-1, -1))]  # fmt: skip
    assert gaps[0] == max(gaps)


def test_the_scale_bar_is_as_long_as_it_says(plan, template):
    bars = [p.points_mm for p in draw(plan, template).paths if p.layer is Layer.NOTES]
    lengths = [float(np.linalg.norm(points[1] - points[0])) for points in bars]
    assert max(lengths) == SCALE_BAR_MM
    inside = draw(plan, template).bounds_mm
    for points in bars:
        assert np.all(points >= inside[:2])
        assert np.all(points <= inside[2:])


def test_every_line_of_text_fits_the_sheet(plan, template):
    """Letters of usual fonts are less than 0.7 of their height wide, taken over a whole line."""
    drawing = draw(plan, template)
    left, low, right, high = drawing.bounds_mm
    for words in drawing.words:
        wide = 0.7 * words.height_mm * len(words.text)
        begin = words.x_mm - (0.5 * wide if words.centred else 0.0)
        assert left <= begin
        assert begin + wide <= right
        assert low <= words.y_mm - 0.5 * words.height_mm
        assert words.y_mm + 0.5 * words.height_mm <= high
