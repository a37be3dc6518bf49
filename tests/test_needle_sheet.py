"""``needles.pdf`` and ``drawing.pdf``, read back by other readers: numbers, places, millimetres."""

import io
import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from exports import drawing_pdf, needle_sheet, plan_json
from exports.as_written import as_written
from exports.needle_sheet_map import BAR_MM, side_names
from exports.pdf_fonts import shown, text_width_mm, wrapped
from exports.pdf_page import EDGE_MM, NOTICE
from template_designer.errors import CaseError
from template_designer.geometry.lattice import lattice_points
from template_designer.inputs.schema import parse_settings
from template_designer.model import (
    DicomIdentity,
    Hole,
    HoleState,
    ImageReference,
    Plan,
    PlanWarning,
    Seed,
)
from template_designer.planning.delivery import deliver
from tests.plates import case_settings
from tests.small_plan import ACCESS, BLOCKED, PLANNED, SIZE_MM, small_plan

pdfplumber = pytest.importorskip("pdfplumber")
pdfium = pytest.importorskip("pypdfium2")

MM = 72.0 / 25.4
TENTH = 0.1 + 1e-9  # one decimal, rounded down
PATIENT = "PAT-0815"
HOSTILE = "Größe_Опухоль_Αορτή <b>&amp;</b> 甲状腺 \u202egpj.exe\x07 " + "Long" * 12


def named(plan: Plan, patient_id: str = PATIENT, name: str = "Muster^Érika", **more) -> Plan:
    """The plan on images that say whose they are."""
    identity = DicomIdentity("1.2", "1.3", "1.4", (), patient_name=name, patient_id=patient_id,
                             patient_birth_date="19600131", **more)  # fmt: skip
    image = ImageReference((2, 2, 2), np.zeros(3), np.eye(3), np.ones(3), identity)
    return replace(plan, image=image)


def paper(plan: Plan, name: str) -> Plan:
    tables = plan.settings.model_dump(by_alias=True, exclude_unset=True) | {
        "report": {"paper": name}
    }
    return replace(plan, settings=parse_settings(tables))


def pages_of(content: bytes):
    return pdfplumber.open(io.BytesIO(content)).pages


def text_of(content: bytes) -> str:
    """All the text, a page in pdfium's order."""
    document = pdfium.PdfDocument(content)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


def is_box(rect) -> bool:
    return abs(rect["width"] - 5.0 * MM) < 0.1 and abs(rect["height"] - 5.0 * MM) < 0.1


def table_rows(page) -> list[list[str]]:
    """Every row of cells on a page, the head included, by the lines drawn round them."""
    cells = [r for r in page.rects if r["stroke"] and not is_box(r)]
    tops = sorted({round(cell["top"], 1) for cell in cells})
    rows: dict[float, list] = {top: [] for top in tops}
    for cell in cells:
        rows[round(cell["top"], 1)].append((cell["x0"], cell["x1"], cell["bottom"], []))
    for word in page.extract_words():  # in reading order
        x, y = 0.5 * (word["x0"] + word["x1"]), 0.5 * (word["top"] + word["bottom"])
        for top in [top for top in tops if top <= y][-1:]:
            for left, right, low, words in rows[top]:
                if left <= x < right and y < low:
                    words.append(word["text"])
    return [[" ".join(words) for *_, words in sorted(rows[top])] for top in tops]


def needle_cells(plan: Plan) -> list[list[str]]:
    pages = pages_of(needle_sheet.build(plan))
    rows = [row for page in pages for row in table_rows(page)]
    return [row for row in rows if row[0].isdigit()]


def stated(plan: Plan) -> dict[int, tuple[str, dict]]:
    """The needles of ``plan.json`` by their number."""
    data = json.loads(plan_json.build(plan))
    return {
        needle["insertion_order"]: (template["name"], needle)
        for template in data["templates"]
        for needle in template["needles"]
    }


@pytest.fixture(scope="module")
def plan() -> Plan:
    return as_written(named(small_plan(plates=2, seed=4)))


@pytest.fixture(scope="module")
def content(plan) -> bytes:
    return needle_sheet.build(plan)


@pytest.mark.parametrize("technique", ["mick", "strand"])
def test_every_needle_says_what_plan_json_says(technique):
    plan = as_written(named(small_plan(plates=2, seed=9, technique=technique)))
    needles, cells = stated(plan), needle_cells(plan)
    assert [int(row[0]) for row in cells] == list(range(1, len(needles) + 1))
    seeds = 0
    for row in cells:
        _, needle = needles[int(row[0])]
        assert (row[1], row[2]) == (needle["label"], f"{needle['gauge']}G")
        for cell, value, step in (
            (row[3], needle["depth_mm"], TENTH),
            (row[4], needle["depth_mm"] / 10.0, TENTH),
            (row[5], needle["skin_depth_mm"], TENTH),
        ):
            assert re.fullmatch(r"\d+\.\d", cell)
            assert -1e-9 <= value - float(cell) < step  # never deeper than planned
        assert int(row[6]) == len(needle["seeds"])
        from_tip = [float(text) for text in row[7].split(";")]
        # two decimals
        assert from_tip == pytest.approx([s["from_tip_mm"] for s in needle["seeds"]], abs=0.0051)
        check_steps(row[8], needle, technique)
        assert (needle["label"] == ACCESS) == ("ACCESS 16G" in row[9])
        assert f"{needle['bone_mm']:.1f} mm" in row[9]
        name, least = min(needle["clearance_mm"].items(), key=lambda item: item[1])
        printed = re.match(r"(\d+\.\d) (\w+)", row[10])
        assert printed[2] == name
        assert -1e-9 <= least - float(printed[1]) < TENTH
        seeds += len(needle["seeds"])
        assert int(row[11]) == seeds


def check_steps(cell: str, needle: dict, technique: str) -> None:
    delivery = needle["delivery"]
    if technique == "strand":
        assert cell.replace(" ", "") == delivery["strand"]
        return
    readings = [float(text) for text in re.findall(r"☐ (\d+\.\d)", cell)]
    for printed, exact in zip(readings, delivery["seed_readings_mm"], strict=True):
        assert -1e-9 <= exact - printed < TENTH
    backs = [float(text) for text in re.findall(r"−(\d+\.\d) →", cell)]
    for back, (deep, high) in zip(backs, itertools.pairwise(readings), strict=True):
        assert deep - back == pytest.approx(high, abs=1e-9)  # who follows the steps ends right
    numbers = [int(text) for text in re.findall(r"cartridge (\d+):", cell)]
    assert numbers == [use["number"] for use in delivery["cartridges"]]


def test_every_page_says_whose_it_is_and_of_how_many(plan, content):
    pages = pages_of(content)
    assert len(pages) == 6  # map, table and 1:1 of two templates
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        for words in (f"Patient id: {PATIENT}", "Muster, Érika", "1960-01-31", NOTICE,
                      plan_json.plan_hash(plan), f"page {number} of 6"):  # fmt: skip
            assert words in text
        templates = {"T1", "T2"} & set(re.findall(r"Template (T\d)", text))
        assert templates == {"T1" if number <= 3 else "T2"}
    assert text_of(content).count(plan.warnings[0].text.split()[0]) == 1


def test_totals_and_boxes(plan, content):
    first, second = (pages_of(content)[n] for n in (1, 4))
    assert "TOTAL T1: 3 needles, 9 seeds" in first.extract_text()
    assert "TOTAL T2: 3 needles, 9 seeds; with all templates before: 18 of 18" in (
        second.extract_text()
    )
    for page in (first, second):
        assert len([rect for rect in page.rects if is_box(rect)]) == 3 * 3
        assert "rounded down" in page.extract_text()


def test_the_large_map_numbers_every_hole_where_the_operator_sees_it(plan, content):
    """Numbers lie on one map of the lattice: x to the right, y down, same scale, no turn."""
    numbers = {needle["label"]: n for n, (name, needle) in stated(plan).items() if name == "T1"}
    page = pages_of(content)[0]
    white = page.filter(lambda o: o.get("non_stroking_color") in ((1,), (1.0,), 1))
    words = {word["text"]: word for word in white.extract_words()}
    assert set(words) == {str(n) for n in numbers.values()}
    holes = {hole.label: hole for hole in plan.templates[0].holes}
    here = np.array([[0.5 * (words[str(numbers[h])][a] + words[str(numbers[h])][b])
                      for a, b in (("x0", "x1"), ("top", "bottom"))] for h in PLANNED])  # fmt: skip
    there = np.array([(holes[h].x_mm, holes[h].y_mm) for h in PLANNED])
    design = np.zeros((2 * len(PLANNED), 3))
    design[0::2, 0], design[0::2, 1] = there[:, 0], 1.0
    design[1::2, 0], design[1::2, 2] = there[:, 1], 1.0
    fit, *_ = np.linalg.lstsq(design, here.ravel(), rcond=None)
    assert fit[0] > MM  # larger than life, not mirrored
    # letters differ in width and height: a fifth of a disc
    assert np.abs(design @ fit - here.ravel()).max() < 0.2 * 5.0 * fit[0]


def test_patient_directions_stand_on_their_sides(plan, content):
    frame = plan.templates[0].lps_from_template
    sides = side_names(plan.templates[0])
    assert sides["above"].startswith("H: ")  # the plate's y runs to the feet in this frame
    assert np.allclose(frame[:3, 1], (0.0, 0.0, -1.0), atol=1e-9)
    words = {word["text"]: word for word in pages_of(content)[0].extract_words()}
    head, feet = words["head"], words["feet"]
    assert head["top"] < feet["top"]


@pytest.mark.parametrize("name", ["A4", "Letter"])
def test_the_map_to_lay_the_plate_on_is_exact(plan, name):
    page = pages_of(needle_sheet.build(paper(plan, name)))[2]
    width, height = {"A4": (210.0, 297.0), "Letter": (215.9, 279.4)}[name]
    assert (page.width / MM, page.height / MM) == pytest.approx((width, height), abs=0.01)
    check_plate(page, plan.templates[0], filled=True)
    lengths = [
        (line["width"] / MM, line["height"] / MM)
        for line in page.lines
        if max(line["width"], line["height"]) / MM == pytest.approx(BAR_MM, abs=1e-3)
    ]
    assert len(lengths) == 2  # one across, one along the paper: printers stretch either way
    assert lengths[0][0] != lengths[1][0]
    assert "100 %" in page.extract_text()


def check_plate(page, template, *, filled: bool) -> None:
    """Every bore at its place on the plate to 0.01 mm, with its diameter to 0.02 mm."""
    outline = max(
        (c for c in page.curves if len(c["pts"]) > 8 and c["stroke"]),
        key=lambda c: c["width"] * c["height"],
    )
    assert (outline["width"] / MM, outline["height"] / MM) == pytest.approx(SIZE_MM[:2], abs=0.01)
    x0 = 0.5 * (outline["x0"] + outline["x1"])
    y0 = 0.5 * (outline["top"] + outline["bottom"])
    found = [
        (
            (0.5 * (c["x0"] + c["x1"]) - x0) / MM,
            (0.5 * (c["top"] + c["bottom"]) - y0) / MM,
            c["width"] / MM,
            bool(c["fill"]),
        )
        for c in page.curves
        if c is not outline
    ]
    for hole in template.holes:
        at = [
            (diameter, black)
            for x, y, diameter, black in found
            if max(abs(x - hole.x_mm), abs(y - hole.y_mm)) < 0.01
        ]
        bores = [black for diameter, black in at if abs(diameter - template.bore_of(hole)) < 0.02]
        planned = hole.state is HoleState.PLANNED
        assert bores == [planned and filled], hole.label
        assert len(at) == 1 + planned  # a ring round it


def test_the_map_as_pixels(content, plan):
    """Another reader draws it: black in planned bores, paper in open ones."""
    document = pdfium.PdfDocument(content)
    page = document[2]
    scale = 300.0 / 72.0
    image = np.asarray(page.render(scale=scale).to_pil().convert("L"), dtype=float)
    document.close()
    curves = pages_of(content)[2].curves
    outline = max((c for c in curves if len(c["pts"]) > 8), key=lambda c: c["width"])
    x0 = 0.5 * (outline["x0"] + outline["x1"])
    y0 = 0.5 * (outline["top"] + outline["bottom"])
    for hole in plan.templates[0].holes:
        column, row = (
            round((start + place * MM) * scale)
            for start, place in ((x0, hole.x_mm), (y0, hole.y_mm))
        )
        if hole.state is not HoleState.BLOCKED:
            black = image[row, column] < 64
            assert black == (hole.state is HoleState.PLANNED), hole.label


def test_a_plate_larger_than_the_paper_goes_on_paper_twice_as_large(plan):
    size = (190.0, 180.0, 12.0)
    holes = tuple(
        Hole(p.label, p.x_mm, p.y_mm, HoleState.OPEN) for p in lattice_points(size, 10.0, 5.0)
    )
    template = replace(plan.templates[0], size_mm=size, pitch_mm=10.0, holes=holes, needles=())
    large = replace(plan, templates=(template,), delivery=())
    for name, side in (("A4", (297.0, 420.0)), ("Letter", (279.4, 431.8))):
        for content, which in (
            (needle_sheet.build(paper(large, name)), -1),
            (drawing_pdf.build(paper(large, name), template), 0),
        ):
            page = pages_of(content)[which]
            assert (page.width / MM, page.height / MM) == pytest.approx(side, abs=0.01)
            assert {"A4": "A3", "Letter": "Tabloid"}[name] in page.extract_text()
            check_on_paper(page)


def check_on_paper(page) -> None:
    """Nothing lies in the strip that printers do not reach."""
    edge = (EDGE_MM - 0.5) * MM  # a letter's own bow
    for thing in (*page.chars, *page.lines, *page.curves, *page.rects):
        assert edge <= thing["x0"] <= thing["x1"] <= page.width - edge
        assert edge <= thing["top"] + 3.0  # a letter's box is higher than the letter
        assert thing["bottom"] <= page.height - edge + 3.0


def test_the_drawing_is_exact_and_names_no_patient(plan):
    template = plan.templates[1]
    content = drawing_pdf.build(plan, template)
    assert content == drawing_pdf.build(plan, template)
    (page,) = pages_of(content)
    check_plate(page, template, filled=False)
    check_on_paper(page)
    text = page.extract_text()
    assert PATIENT not in text
    assert "Muster" not in text
    for words in ("60", "40", "10 x 5 = 50", "T2", f"Bore 1.85 mm: {ACCESS}", "100 %", NOTICE,
                  plan_json.plan_hash(plan)):  # fmt: skip
        assert words in text
    lengths = [round(max(line["width"], line["height"]) / MM, 3) for line in page.lines]
    assert {60.0, 40.0, 50.0, 30.0, 5.0} <= set(lengths)  # what the dimensions say, as drawn


def crowd(count: int, structure: str = "Aorta", seeds: int = 3) -> Plan:
    """One plate with many needles, each with seeds 5 mm apart."""
    plan = small_plan(seed=2)
    template = plan.templates[0]
    free = [hole for hole in template.holes if hole.label not in BLOCKED][:count]
    model = template.needles[0]
    needles = []
    for hole in free:
        ways = [2.5 + 5.0 * n for n in range(seeds)]
        needles.append(
            replace(
                model,
                label=hole.label,
                depth_mm=ways[-1] + 80.0,
                skin_depth_mm=ways[-1] + 40.0,
                seeds=tuple(Seed(model.tip_lps_mm, way, 30.0) for way in ways),
                clearance_mm={structure: 12.34, "SpinalCord": 14.0},
            )
        )
    labels = {needle.label for needle in needles}
    holes = tuple(
        replace(h, state=HoleState.PLANNED if h.label in labels else h.state, bore_mm=None)
        for h in template.holes
    )
    templates = (replace(template, holes=holes, needles=tuple(needles)),)
    delivery = deliver(plan.settings, templates, plan.source.model)
    return named(replace(plan, templates=templates, delivery=delivery))


@pytest.mark.parametrize("name", ["A4", "Letter"])
def test_sixty_needles_with_a_long_and_odd_name(name):
    plan = paper(crowd(60, HOSTILE), name)
    pages = pages_of(needle_sheet.build(plan))
    tables = [page for page in pages if table_rows(page)]
    assert len(tables) > 4
    numbers = []
    for page in tables:
        head, *rows = table_rows(page)
        assert head[:2] == ["No.", "Hole"]  # on every page
        assert len(rows) >= 1
        numbers += [int(row[0]) for row in rows]
        check_cells(page)
        check_on_paper(page)
    assert numbers == list(range(1, 61))
    assert sum("TOTAL" in page.extract_text() for page in pages) == 1
    told = "".join(text_of(needle_sheet.build(plan)).split())
    for part in ("GrößeОпухольΑορτή<b>&amp;</b>", "<U+7532>", "<U+202E>", "<U+0007>"):
        assert part.replace("GrößeОпухоль", "Größe_Опухоль_") in told


def check_cells(page) -> None:
    """No letter crosses the line of the cell that it begins in."""
    cells = [r for r in page.rects if r["stroke"] and not is_box(r)]
    for char in page.chars:
        for cell in cells:
            if (
                cell["x0"] <= char["x0"] < cell["x1"]
                and cell["top"] <= char["top"] < cell["bottom"]
            ):
                assert char["x1"] <= cell["x1"] + 0.1  # a line's width
                assert char["bottom"] <= cell["bottom"] + 2.0  # a letter's box under its line


def test_a_needle_longer_than_a_page_goes_on_without_losing_a_seed():
    plan = crowd(1, seeds=100)
    pages = pages_of(needle_sheet.build(plan))
    rows = [row for page in pages for row in table_rows(page) if row[0] == "1"]
    assert len(rows) > 1
    assert {row[1] for row in rows} == {plan.needles[0].label}
    readings = [float(t) for row in rows for t in re.findall(r"☐ (\d+\.\d)", row[8])]
    assert readings == [plan.needles[0].depth_mm - 5.0 * n for n in range(100)]


def test_the_same_plan_is_the_same_file(plan, content):
    assert needle_sheet.build(plan) == content
    with pdfplumber.open(io.BytesIO(content)) as document:
        assert "2000" in document.metadata["CreationDate"]  # no clock
        fonts = {char["fontname"] for page in document.pages for char in page.chars}
    assert fonts
    assert all(re.fullmatch(r"[A-Z]{6}\+DejaVuSans(-Bold)?", font) for font in fonts)  # embedded


def test_without_a_name_the_sheet_leaves_room_for_it():
    text = pages_of(needle_sheet.build(small_plan()))[0].extract_text()
    assert re.search(r"Patient id: _{10,} \(not in the images: fill in\)", text)
    assert re.search(r"Name: _{10,}", text)


def test_deidentified_on_request():
    plan = named(small_plan(dicom={"deidentify": True}))
    text = text_of(needle_sheet.build(plan))
    assert f"Patient id: {plan.id} (de-identified" in text
    for word in (PATIENT, "Muster", "1960"):
        assert word not in text


@pytest.mark.parametrize(
    ("patient_id", "name"),
    [("W" * 64, "W" * 64), ("<b>x</b> & %PDF ) Tj", "山田^太郎=山田^太郎"), ("=1+1", "כהן^דוד")],
)
def test_odd_ids_stay_on_the_paper(patient_id, name):
    content = needle_sheet.build(named(small_plan(), patient_id, name))
    for page in pages_of(content):
        assert patient_id in page.extract_text()
        check_on_paper(page)


def test_many_warnings_get_pages_of_their_own():
    texts = [f"w{n:03d} something about a structure and what to do about it" for n in range(80)]
    warnings = tuple(PlanWarning("many", text) for text in texts)
    content = needle_sheet.build(replace(small_plan(), warnings=warnings))
    text = text_of(content)
    assert "80 WARNINGS: read the next page" in text
    for n in range(80):
        assert text.count(f"w{n:03d}") == 1
    for page in pages_of(content):
        check_on_paper(page)


def test_a_plan_without_delivery_numbers_by_holes_and_says_so():
    plan = replace(small_plan(), delivery=())
    assert [row[1] for row in needle_cells(plan)] == sorted(PLANNED)
    assert "states no order of insertion" in " ".join(text_of(needle_sheet.build(plan)).split())


def test_a_missed_goal_stands_on_the_first_page(content):
    assert "GOAL MISSED: Aorta Dmax" in pages_of(content)[0].extract_text()


@pytest.mark.parametrize("name", ["a4", "A3", 4])
def test_other_paper_is_refused(name):
    with pytest.raises(CaseError, match="paper"):
        case_settings(report={"paper": name})


def test_lines_fit_and_keep_every_letter():
    name = "AReallyLongName_with-parts.and_more" * 4
    lines = wrapped(name, 8.0, 22.0)
    assert "".join(lines) == name
    assert max(text_width_mm(line, 8.0) for line in lines) <= 22.0
    assert shown("a\tb\nc") == "a b c"
    assert shown("דוד כהן") == "דוד כהן"[::-1]  # placed from left to right it reads as it should
    assert shown(shown("דוד")) == shown("דוד")
