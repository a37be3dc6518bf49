"""The data sheet of one seed model, and strengths as they are printed."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from dose import dose_at_points, dose_rate_cgy_h, load_source, source_names
from template_designer.model import SeedSource
from template_designer.source_sheet import ALONG_CM, AWAY_CM, COLUMNS, source_sheet, strength_text
from template_designer.summary import plan_tables
from tests.template_designer.planning.plans import good_plan


def printed(parts, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    for part in parts:
        console.print(part, highlight=False)
    return console.export_text()


def rows_under(text, title):
    """Cells of the table below a title, without its head: one list a row."""
    lines = [line.strip() for line in text.split(title)[1].splitlines()]
    start = next(i for i, line in enumerate(lines) if "───" in line)
    end = lines.index("", start)
    return [re.split(r"\s{2,}", line) for line in lines[start + 1 : end]]


@pytest.mark.parametrize("name", source_names())
def test_the_sheet_of_every_model_fits_a_terminal_and_holds_its_tables(name):
    source = load_source(name)
    text = printed(source_sheet(source))
    assert "…" not in text  # nothing is cut off at 80 columns
    for r_cm, g in zip(source.radial_r_cm, source.radial_g, strict=True):
        assert re.search(rf"\b{re.escape(f'{r_cm:g}')}\b", text)
        assert re.search(rf"(?<![\d.]){re.escape(f'{g:.8g}')}(?![\d.])", text)
    for theta, row in zip(source.anisotropy_theta_deg, source.anisotropy_f, strict=True):
        line = next(x for x in text.splitlines() if x.strip().startswith(f"{theta:g}°"))
        told = [float(word) for word in line.split()[1:]]
        assert told == row[: len(told)].tolist()
        assert len(told) == min(COLUMNS, row.size)
    assert ("NOT cross-checked" in text) == (not source.verified)
    for line in source.provenance:
        assert line[:30] in text
    least, most = {"I-125": ("0.1", "5"), "Pd-103": ("0.3", "15"), "Cs-131": ("0.3", "12")}[
        source.nuclide
    ]
    assert f"{least}-{most} U" in text


def test_dose_rates_are_the_engines_and_extrapolated_ones_are_starred():
    source = load_source("I125-6711")  # F ends at 5 cm, g at 10 cm
    text = printed(source_sheet(source))
    rows = rows_under(text, "along (down) and away")
    assert [float(row[0]) for row in rows] == list(ALONG_CM)
    assert rows[0][1] == "inside"
    for row in rows:
        for away, cell in zip(AWAY_CM, row[1:], strict=True):
            if cell == "inside":
                assert (float(row[0]), away) == (0.0, 0.0)
                continue
            r_cm = float(np.hypot(float(row[0]), away))
            assert cell.endswith("*") == (r_cm > 5.0 + 1e-6)
            theta = np.arctan2(away, float(row[0]))
            (rate,) = dose_rate_cgy_h(source, [10.0 * r_cm], [theta])
            assert float(cell.rstrip("*")) == pytest.approx(rate, rel=5.1e-3)  # three digits
    for r_cm, rate, dose in rows_under(text, "beside the middle of the seed"):
        (gy,) = dose_at_points(source, [[0, 0, 0]], [0, 0, 1], 1.0, [[10.0 * float(r_cm), 0, 0]])
        assert float(dose) == pytest.approx(gy, rel=5.1e-4)  # four digits
        assert float(rate) == pytest.approx(gy * 100.0 / source.mean_life_hours, rel=5.1e-4)


@pytest.mark.parametrize(
    ("strength_u", "nuclide", "text"),
    [
        (1.27, "I-125", "1.270 U (1.000 mCi)"),
        (1.293, "Pd-103", "1.293 U (1.000 mCi)"),
        (2.0, "Cs-131", "2.000 U"),
    ],
)
def test_strengths_are_told_in_u_and_mci(strength_u, nuclide, text):
    assert strength_text(strength_u, nuclide) == text


def test_the_summary_tells_both_strengths():
    import datetime
    from dataclasses import replace

    from template_designer.model import Calibration

    model = replace(load_source("I125-6711"), id="Own [bold]1")
    dates = datetime.date(2026, 11, 1), datetime.date(2026, 11, 15)
    source = SeedSource(model, 0.6472, "own.toml", Calibration(0.762, *dates))
    text = printed(plan_tables(replace(good_plan(), source=source)), 120)
    assert "Own [bold]1, 0.647 U (0.510 mCi) a seed" in text  # no markup of a user's words
    assert re.search(r"strength at implant +0\.647 U \(0\.510 mCi\) on 2026-11-15", text)
    assert re.search(r"strength at calibration +0\.762 U \(0\.600 mCi\) on 2026-11-01", text)
    assert "calibration" not in printed(plan_tables(good_plan()), 120)
