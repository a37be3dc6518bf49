"""Seed models for the terminal: the list, the data sheet of one, published beside computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text

from dose import (
    U_PER_MCI,
    USUAL_STRENGTH_U,
    Check,
    SeedModel,
    apparent_activity_mci,
    dose_rate_cgy_h,
    load_source,
    source_names,
)

COLUMNS = 7
"""Most values side by side: an 80-column terminal holds them."""

TRANSVERSE_CM = (1.0, 2.0, 3.0, 4.0, 5.0)
ALONG_CM = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
AWAY_CM = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)
"""Where the data sheet gives dose rates, from the centre of the seed."""

NOT_CHECKED = "NOT cross-checked"

_MM_PER_CM = 10.0
_CGY_PER_GY = 100.0
_SAME_RADIUS = 1.0 + 1e-9  # of a radius on the edge of a table: rounding


def plain_table(title: str) -> Table:
    """Table in the look that every command prints."""
    return Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))


def strength_text(strength_u: float, nuclide: str) -> str:
    """Strength in U, and in mCi where the nuclide has an apparent activity.

    >>> strength_text(0.762, "I-125"), strength_text(2.0, "Cs-131")
    ('0.762 U (0.600 mCi)', '2.000 U')
    """
    if nuclide not in U_PER_MCI:
        return f"{strength_u:.3f} U"
    return f"{strength_u:.3f} U ({apparent_activity_mci(strength_u, nuclide):.3f} mCi)"


def source_tables() -> tuple[Table, ...]:
    """The seed models on board, one block each."""
    return tuple(_block(load_source(name)) for name in source_names())


def source_sheet(source: SeedModel) -> tuple[Table | Text, ...]:
    """Everything about one seed model: constants, tables as published, dose rates, origins."""
    return (
        _block(source),
        *_row_tables("radial dose function g_L(r)", "g_L", source.radial_r_cm, source.radial_g),
        *_anisotropy_tables(source),
        *_row_tables(
            "anisotropy factor phi_an(r)"
            + (" (derived from F)" if source.anisotropy_factor_derived else ""),
            "phi_an",
            source.anisotropy_factor_r_cm,
            source.anisotropy_factor,
        ),
        _transverse_table(source),
        _along_away_table(source),
        _extrapolation(source),
        _origins(source),
    )


def check_table(checks: Sequence[Check]) -> Table:
    """Published values beside what the dose engine computes."""
    table = plain_table("published values")
    for heading in ("source", "what", "published", "computed", "off %", ""):
        right = heading in ("published", "computed", "off %")
        table.add_column(heading, justify="right" if right else "left")
    for check in checks:
        verdict = Text("ok", style="green") if check.passed else Text("FAILS", style="bold red")
        values = (f"{check.published:.5g}", f"{check.computed:.5g}", f"{check.deviation_pct:+.3f}")
        table.add_row(check.source, Text(check.what), *values, verdict)
    return table


def _block(source: SeedModel) -> Table:
    table = plain_table(source.id)
    table.show_header = False
    capsule = "capsule not known: not for planning"
    if source.capsule_length_mm is not None:
        capsule = f"{source.capsule_length_mm:g} x {source.capsule_diameter_mm:g} mm"
    least, most = USUAL_STRENGTH_U[source.nuclide]
    g_mm, f_mm = source.radial_range_mm, source.anisotropy_range_mm
    use = "cross-checked" if source.verified else f"{NOT_CHECKED}: needs accept_unverified"
    for key, value in (
        ("seed", f"{source.manufacturer} {source.model}, {source.nuclide}"),
        ("half-life", f"{source.half_life_days:g} d"),
        ("usual strength", f"{least:g}-{most:g} U"),
        ("dose-rate constant", f"{source.dose_rate_constant:g} cGy/(h U)"),
        ("effective length, capsule", f"{source.active_length_mm:g} mm, {capsule}"),
        ("valid", f"g {_range_cm(g_mm)}, F {_range_cm(f_mm)}; beyond: extrapolated"),
        ("published", source.publication),
        ("table", use),
        ("data", source.status),
    ):
        table.add_row(key, Text(value))
    return table


def _range_cm(range_mm: tuple[float, float]) -> str:
    return f"{range_mm[0] / _MM_PER_CM:g}-{range_mm[1] / _MM_PER_CM:g} cm"


def _row_tables(
    title: str, symbol: str, r_cm: NDArray[np.float64], values: NDArray[np.float64]
) -> Iterator[Table]:
    """Values over radii, as many tables as the width of a terminal asks for."""
    for first in range(0, r_cm.size, COLUMNS):
        part = slice(first, first + COLUMNS)
        table = _headed("r, cm", r_cm[part], title if first == 0 else f"{title}, continued")
        table.add_row(symbol, *(f"{value:.8g}" for value in values[part]))
        yield table


def _anisotropy_tables(source: SeedModel) -> Iterator[Table]:
    """F as published: rows of angles, columns of radii."""
    title, r_cm = "anisotropy function F(r, theta)", source.anisotropy_r_cm
    for first in range(0, r_cm.size, COLUMNS):
        part = slice(first, first + COLUMNS)
        caption = title if first == 0 else f"{title}, continued"
        table = _headed("theta, r cm", r_cm[part], caption)
        for theta, row in zip(source.anisotropy_theta_deg, source.anisotropy_f, strict=True):
            table.add_row(f"{theta:g}°", *(f"{value:.8g}" for value in row[part]))
        yield table


def _transverse_table(source: SeedModel) -> Table:
    table = plain_table("beside the middle of the seed (90°), per U")
    for heading in ("r, cm", "dose rate, cGy/(h U)", "dose to full decay, Gy/U"):
        table.add_column(heading, justify="right", no_wrap=True)
    for r_cm in TRANSVERSE_CM:
        (rate,) = dose_rate_cgy_h(source, [_MM_PER_CM * r_cm], [0.5 * np.pi])
        dose_gy = rate * source.mean_life_hours / _CGY_PER_GY
        table.add_row(f"{r_cm:g}", _rate_text(source, r_cm, rate, 4), f"{dose_gy:#.4g}")
    return table


def _along_away_table(source: SeedModel) -> Table:
    """Dose rate per U in the plane of the seed, in Cartesian steps as planning systems show it."""
    table = _headed("cm", np.array(AWAY_CM), "dose rate, cGy/(h U): along (down) and away")
    half_length_cm, radius_cm = (0.5 * size / _MM_PER_CM for size in source.wall_mm)
    for along in ALONG_CM:
        cells = []
        for away in AWAY_CM:
            r_cm, theta = float(np.hypot(along, away)), np.arctan2(away, along)
            if along <= half_length_cm and away < radius_cm:
                cells.append("inside")
                continue
            (rate,) = dose_rate_cgy_h(source, [_MM_PER_CM * r_cm], [theta])
            cells.append(_rate_text(source, r_cm, rate))
        table.add_row(f"{along:g}", *cells)
    return table


def _rate_text(source: SeedModel, r_cm: float, rate_cgy_h: float, digits: int = 3) -> str:
    """Rounded, with a star where a table is extrapolated."""
    ranges = (source.radial_range_mm, source.anisotropy_range_mm)
    least = max(low for low, _ in ranges) / _MM_PER_CM
    most = min(high for _, high in ranges) / _MM_PER_CM
    inside = least / _SAME_RADIUS <= r_cm <= most * _SAME_RADIUS
    return f"{rate_cgy_h:#.{digits}g}" + ("" if inside else "*")


def _extrapolation(source: SeedModel) -> Text:
    g, f = _range_cm(source.radial_range_mm), _range_cm(source.anisotropy_range_mm)
    return Text(
        f"* outside the radii of g ({g}) or F ({f}): extrapolated as TG-43U1S1 says "
        "(g by the exponential of its two outermost radii, or its first value; F held)"
    )


def _origins(source: SeedModel) -> Text:
    lines = (f"  - {line}" for line in source.provenance)
    return Text("\n".join(("", "Where the numbers were read, and remarks:", *lines)))


def _headed(corner: str, values: NDArray[np.float64], title: str) -> Table:
    table = plain_table(title)
    table.add_column(Text(corner), no_wrap=True)
    for value in values:
        table.add_column(f"{value:g}", justify="right", no_wrap=True)
    return table
