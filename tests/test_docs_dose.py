"""docs/dose.md says what the code does: its examples, its tables of sources and its budget."""

import doctest
import math
import re

import pytest

from dose import (
    HALF_LIFE_DAYS,
    U_PER_MCI,
    USUAL_STRENGTH_U,
    SeedModel,
    load_source,
    published_checks,
    source_names,
)
from tests.paths import ROOT

DOCUMENT = ROOT / "docs/dose.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")

Row = list[str]


def table(heading: str) -> list[Row]:
    """Rows of the only table whose header or marker begins so, without bold marks and header."""
    assert TEXT.count(heading) == 1, heading
    lines = TEXT[TEXT.index(heading) :].splitlines()
    lines = lines[1:] if heading.startswith("<!--") else lines
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("*`") for cell in line.strip("|").split("|")])
    assert len(rows) > 2, heading
    assert set("".join(rows[1])) == {"-"}, heading
    return rows[2:]


def split_budget(heading: str) -> tuple[dict[str, str], str, str]:
    """Components of a budget (k = 1, %), its sum and its sum at k = 2, as printed."""
    rows = {row[0]: row[1] for row in table(heading)}
    total, expanded = rows.pop("sum"), rows.pop("sum, k = 2")
    assert len(rows) >= 2
    return rows, total, expanded


def quadrature(rows: dict[str, str]) -> float:
    return math.sqrt(sum(float(value) ** 2 for value in rows.values()))


def as_printed(value: float, like: str) -> str:
    return f"{value:.{len(like.partition('.')[2])}f}"


def test_every_example_gives_what_is_printed() -> None:
    result = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 50  # all of them, not a text whose fences hide them


@pytest.mark.parametrize("name", ["published", "ours", "both"])
def test_each_budget_adds_up(name: str) -> None:
    rows, total, expanded = split_budget(f"<!-- budget: {name} -->")
    assert as_printed(quadrature(rows), total) == total
    assert as_printed(2.0 * quadrature(rows), expanded) == expanded


def test_the_last_budget_adds_up_the_two_before_it() -> None:
    rows, _, _ = split_budget("<!-- budget: both -->")
    assert set(rows) == {"published", "ours"}
    for name, value in rows.items():
        components, _, _ = split_budget(f"<!-- budget: {name} -->")
        assert as_printed(quadrature(components), value) == value


def test_the_published_budget_is_the_total_that_is_cited() -> None:
    _, _, expanded = split_budget("<!-- budget: published -->")
    readme = (ROOT / "dose/sources/README.md").read_text(encoding="utf-8")
    assert f"About {expanded} % (k = 2) at 1 cm" in readme


def test_no_component_is_missing_from_the_arithmetic_below_the_budgets() -> None:
    """The doctest repeats the components by hand; zeros need not be repeated."""
    patterns = {
        "published": r"published, ours = math.hypot\(([^)]*)\)",
        "ours": r"published, ours = .*, math.hypot\(([^)]*)\)",
    }
    for name, pattern in patterns.items():
        rows, _, _ = split_budget(f"<!-- budget: {name} -->")
        (arguments,) = re.findall(pattern, TEXT)
        given = sorted(float(value) for value in arguments.split(","))
        assert given == sorted(float(value) for value in rows.values() if float(value) > 0.0)


def expected_row(source: SeedModel) -> Row:
    capsule = "-"
    if source.capsule_length_mm is not None:
        capsule = f"{source.capsule_length_mm:g} x {source.capsule_diameter_mm:g}"
    return [
        source.id,
        f"{source.manufacturer} {source.model}",
        source.nuclide,
        f"{source.dose_rate_constant:.3f}",
        f"{source.active_length_mm:g}",
        capsule,
        "-".join(f"{r_mm / 10.0:g}" for r_mm in source.radial_range_mm),
        "-".join(f"{r_mm / 10.0:g}" for r_mm in source.anisotropy_range_mm),
        "derived" if source.anisotropy_factor_derived else "published",
        "yes" if source.verified else "no",
    ]


def test_the_table_of_sources_is_the_registry() -> None:
    assert table("<!-- table: sources -->") == [
        expected_row(load_source(n)) for n in source_names()
    ]


def test_the_disputed_constants_are_all_named() -> None:
    disputed = {
        name: (source.dose_rate_constant, source.consensus_constant)
        for name, source in ((name, load_source(name)) for name in source_names())
        if source.consensus_constant not in (None, source.dose_rate_constant)
    }
    (sentence,) = re.findall(r"\*\*Disputed constants\*\*[^:]*:(.*?)\. `", TEXT, flags=re.S)
    named = re.findall(r"`([^`]+)` ([\d.]+) and ([\d.]+)", sentence)
    assert {name: (float(ours), float(theirs)) for name, ours, theirs in named} == disputed


def test_the_models_with_phi_an_inside_the_capsule_are_all_named() -> None:
    """Their 1D dose is used nearer than half a capsule; the text says which."""
    near = [
        name
        for name, source in ((name, load_source(name)) for name in source_names())
        if 20.0 * source.anisotropy_factor_r_cm[0] < source.wall_mm[0]
    ]
    (sentence,) = re.findall(r"Two models, (.*?), publish", TEXT)
    assert re.findall(r"`([^`]+)`", sentence) == near


def test_half_lives_and_strengths_are_those_in_use() -> None:
    rows = {row[0]: row[1:4] for row in table("| | I-125 | Pd-103 | Cs-131 | source |")}
    assert [float(v) for v in rows["half-life, days"]] == list(HALF_LIFE_DAYS.values())
    factors = [f"{U_PER_MCI[n]:.3f}" if n in U_PER_MCI else "U only" for n in HALF_LIFE_DAYS]
    assert rows["U per apparent mCi"] == factors
    usual = [f"{low:g}-{high:g}" for low, high in (USUAL_STRENGTH_U[n] for n in HALF_LIFE_DAYS)]
    assert rows["usual strength of a seed, U"] == usual


def test_the_worked_examples_are_the_published_ones() -> None:
    printed = re.findall(r"TG-43U1S1 prints, ([\d.]+) and ([\d.]+):", TEXT)
    checks = [check for check in published_checks() if check.source == "formalism"]
    assert [tuple(f"{check.published:.3f}" for check in checks)] == printed


def test_the_keys_of_the_case_file_are_its_keys() -> None:
    from template_designer.model.settings import CaseSettings

    section = TEXT[TEXT.index("## 4. ") : TEXT.index("## 6. ")]
    keys = re.findall(r"`([a-z_]+)(?: = true)?` (?:of|in) `\[source\]`", section)
    assert len(keys) == 4
    assert set(keys) <= set(CaseSettings.model_fields["source"].annotation.model_fields)


def test_every_link_leads_somewhere_and_every_reference_is_listed() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert links
    for link in links:
        assert (DOCUMENT.parent / link).exists(), link
    body, _, listed = TEXT.partition("## References")
    prose = re.sub(r"```.*?```", "", body, flags=re.S)  # [200] in code is no reference
    cited = {int(number) for number in re.findall(r" \[(\d+)\]", prose)}
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", listed, flags=re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert cited == set(numbers)
