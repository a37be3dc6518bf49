"""Suggestions as files: tables that paste into a case, data, and a map that shows the limits."""

import io
import json
import re
import tomllib

import numpy as np
import pytest
from matplotlib import image as pictures

from exports import suggest_map
from exports.suggest_files import NAMES, as_data, toml_tables, write_suggestions
from template_designer.errors import OutputError
from template_designer.inputs.schema import read_settings
from template_designer.planning.approach import prepare_approach
from template_designer.planning.reach import reach_of_target
from tests.paths import DEMO
from tests.template_designer.planning.suggest.patient import (
    SOURCE,
    found,
    image,
    pairs,
    settings,
    solids,
)


def blocks(text):
    """Everything under each rank's comment."""
    return [part.split("\n", 1)[1] for part in text.split("# rank ")[1:]]


@pytest.mark.parametrize("result", [found, pairs], ids=["planes", "pairs"])
def test_a_table_pasted_into_a_case_reaches_what_it_says(result, tmp_path):
    result = result()
    case = (DEMO / "case.toml").read_text(encoding="utf-8")
    parts = blocks(toml_tables(result))
    assert len(parts) == len(result)
    for number, block in enumerate(parts, start=1):
        pasted = re.sub(r"\[entry\].*?(?=\n\[)", block, case, count=1, flags=re.S)
        (tmp_path / "case.toml").write_text(pasted, encoding="utf-8")
        entries = read_settings(tmp_path / "case.toml").entry
        assert entries == result.entries(number)
    # the last of them: what the comment over it says is what its entries reach
    body = solids()
    approaches = [
        prepare_approach(settings(), e, image(), body, body["GTV"], SOURCE) for e in entries
    ]
    exact = reach_of_target(body["GTV"], approaches, settings()).reachable_pct
    assert f"# rank {number}: reaches {exact:.1f} % of GTV" in toml_tables(result)


def test_data_hold_the_same_numbers():
    data = json.loads(json.dumps(as_data(found()), allow_nan=False))
    assert [tuple(plane["entry"]["point_lps"]) for plane in data["planes"]] == [
        plane.entry.point_lps for plane in found().planes
    ]
    assert data["gain_over_posterior"] == pytest.approx(found().gain, abs=1e-4)
    assert data["posterior"]["reach_pct"] == pytest.approx(found().posterior.reach_pct, abs=1e-4)
    assert data["limits"]["position"] == "any"
    assert as_data(pairs())["pairs"][0]["planes"][1]["entry"]["up_lps"]


def test_the_map_is_drawn_hatched_and_the_same_every_time():
    once = suggest_map.build(found())
    assert once == suggest_map.build(found())
    pixels = pictures.imread(io.BytesIO(once))[..., :3]
    assert pixels.shape == (990, 1650, 3)
    across = pixels[:, 740]  # down the middle of the map
    light = across.mean(axis=1)
    # tilt is limited to 30 degrees: hatching (pale with dark lines) over and under a coloured band
    head, band, feet = slice(200, 330), slice(420, 620), slice(700, 840)
    coloured = np.ptp(across, axis=1) > 0.15
    for part in (head, feet):
        assert np.median(light[part]) > 0.9
        assert light[part].min() < 0.6
        assert not coloured[part].any()
    assert coloured[band].mean() > 0.6


def test_pairs_are_drawn_too():
    assert suggest_map.build(pairs()) != suggest_map.build(found())


def test_files_are_written_together_and_only_over_their_own(tmp_path):
    target = tmp_path / "new" / "suggestions"
    written = write_suggestions(found(), target)
    assert sorted(path.name for path in target.iterdir()) == sorted(NAMES)
    assert written == tuple(target / name for name in NAMES)
    json.loads((target / "suggest.json").read_text())
    with pytest.raises(tomllib.TOMLDecodeError):  # several [entry] tables: one is to be copied
        tomllib.loads((target / "suggest.toml").read_text())
    with pytest.raises(OutputError, match="not empty"):
        write_suggestions(found(), target)
    write_suggestions(pairs(), target, overwrite=True)
    assert "[[entry]]" in (target / "suggest.toml").read_text()
    (target / "mine.txt").write_text("keep me")
    with pytest.raises(OutputError, match=r"also holds mine\.txt"):
        write_suggestions(found(), target, overwrite=True)
    assert (target / "mine.txt").read_text() == "keep me"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        write_suggestions(found(), tmp_path / "file", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new"]
