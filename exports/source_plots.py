"""The curves of one seed model on one A4 page: g, F, dose rate over distance, isodose rates.

Everything drawn is what the dose engine computes; points are the published numbers. Colours are
those of Okabe and Ito and of viridis, told apart by colour-blind readers; line styles and markers
say the same once more.
"""

from __future__ import annotations

import io
import os
import textwrap
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from dose import SeedModel, anisotropy, dose_rate_cgy_h, radial_dose
from template_designer.errors import OutputError

SUFFIXES = (".png", ".svg", ".pdf")
"""Formats that a name's suffix can ask for."""

ANGLES_DEG = (90.0, 60.0, 30.0, 0.0)
"""Angles from the seed's axis of the dose-rate curves, in the order of their height."""

RATE_LEVELS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Isodose rates, cGy/(h U)."""

MAP_REACH_CM = (2.7, 1.5)
"""The map shows so much either way from the seed's centre, along and away."""

FARTHEST = 1.25
"""Curves run so much farther than the g table, to show its extrapolation."""

A4_INCHES = (11.69, 8.27)
_DPI = 150
_MM_PER_CM = 10.0
_ANGLE_LOOKS = (("#0072B2", "-"), ("#009E73", "--"), ("#E69F00", "-."), ("#D55E00", ":"))
_MARKERS = "os^Dv<>ph*XP"
_RANGE_COLOUR, _POINT_COLOUR, _WARNING_COLOUR = "#DCE6EE", "#0072B2", "#D55E00"
_MAP_STEPS = 271  # odd: the middle of the seed is a node; 0.2 mm apart along, 0.11 mm away
_LABEL_RAYS_DEG = (25.0, 55.0)  # of the outermost and the innermost line, on either side by turns
_SHADES = 0.75  # part of viridis in use: its yellow end is too pale for lines
_TITLE_WIDTH = 110  # characters of a title line


def check_plot_path(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Say early whether a plot may be written there: its path, or an ``OutputError``."""
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"{str(target)!r} names no picture format; end it with one of {', '.join(SUFFIXES)}"
        )
    if not target.parent.is_dir():
        raise OutputError(
            f"{str(target.parent)!r} is not a folder, so {target.name!r} cannot be written there; "
            "make it, or name another"
        )
    if target.is_dir():
        raise OutputError(f"{str(target)!r} is a folder; name a file")
    if target.exists() and not overwrite:
        raise OutputError(
            f"{str(target)!r} exists; name another file, or ask to overwrite (--overwrite)"
        )
    return target


def write_source_plot(
    source: SeedModel, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Draw a seed model's curves into a file, wholly or not at all.

    Parameters
    ----------
    source : SeedModel
        On board, or a user's own.
    path : path-like
        Ends with .png, .svg or .pdf; its folder must exist.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If the suffix is another, the folder is missing, the file is there already, or it cannot
        be written.
    """
    target = check_plot_path(path, overwrite=overwrite)
    content = build(source, target.suffix.lower())
    staging = target.parent / f".{target.name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        staging.write_bytes(content)
        check_plot_path(target, overwrite=overwrite)  # again: others may have written meanwhile
        staging.replace(target)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            staging.unlink(missing_ok=True)
    return target


def build(source: SeedModel, suffix: str = ".png") -> bytes:
    """The page as a file's content; the same bytes for the same source, without a time stamp."""
    stamps: dict[str, dict[str, str | None]] = {
        ".png": {"Software": None, "Title": source.id},
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None},
    }
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["svg.hashsalt"] = source.id
        buffer = io.BytesIO()
        draw(source).savefig(buffer, format=suffix.lstrip("."), metadata=stamps[suffix])
    return buffer.getvalue()


def draw(source: SeedModel) -> Figure:
    """The page as a figure: g, F, dose rate over distance, map of isodose rates."""
    figure = Figure(figsize=A4_INCHES, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        2, 2, gridspec_kw={"left": 0.065, "right": 0.975, "bottom": 0.075, "top": 0.835,
                           "wspace": 0.17, "hspace": 0.34},
    )  # fmt: skip
    _draw_title(figure, source)
    _draw_radial(panels[0, 0], source)
    _draw_anisotropy(panels[0, 1], source)
    _draw_rates(panels[1, 0], source)
    _draw_map(panels[1, 1], source)
    for axes in panels.flat:
        axes.title.set_fontsize(11)
        axes.tick_params(labelsize=9)
    return figure


def _draw_title(figure: Figure, source: SeedModel) -> None:
    """Name, origin, and whether anybody compared the numbers."""
    figure.text(0.025, 0.975, _plain(source.id), fontsize=18, fontweight="bold", va="top")
    constants = (
        f"{source.manufacturer} {source.model}, {source.nuclide}   |   "
        f"{source.dose_rate_constant:g} cGy/(h U), line of {source.active_length_mm:g} mm"
    )
    figure.text(0.025, 0.936, _one_line(constants), fontsize=10.5, va="top")
    figure.text(0.025, 0.911, _one_line(source.publication), fontsize=9, va="top", color="0.25")
    mark, colour = "cross-checked", "0.25"
    if not source.verified:
        mark, colour = "NOT cross-checked", _WARNING_COLOUR
    figure.text(0.975, 0.972, mark, fontsize=14, va="top", ha="right", color=colour,
                fontweight="normal" if source.verified else "bold")  # fmt: skip
    figure.text(0.025, 0.889, _one_line(source.status), fontsize=9, va="top", color=colour)


def _draw_radial(axes: Any, source: SeedModel) -> None:
    first_cm, last_cm = (mm / _MM_PER_CM for mm in source.radial_range_mm)
    _shade_range(axes, first_cm, last_cm)
    inner = np.linspace(first_cm, last_cm, 400)
    below = np.linspace(0.0, first_cm, 5)
    beyond = np.linspace(last_cm, FARTHEST * last_cm, 60)
    look = {"color": _POINT_COLOUR, "linewidth": 1.4}
    axes.plot(inner, radial_dose(source, _MM_PER_CM * inner), label="ln g linear between", **look)
    for part, label in ((below, None), (beyond, "extrapolated (TG-43U1S1)")):
        values = radial_dose(source, _MM_PER_CM * part)
        axes.plot(part, values, linestyle="--", label=label, **look)
    axes.plot(source.radial_r_cm, source.radial_g, "o", color="black", markersize=4,
              label="published", zorder=3)  # fmt: skip
    axes.set(title="Radial dose function", xlabel="r, cm", ylabel=r"$g_L(r)$",
             xlim=(0.0, FARTHEST * last_cm), ylim=(0.0, None))  # fmt: skip
    axes.grid(alpha=0.4)
    axes.legend(fontsize=9)


def _draw_anisotropy(axes: Any, source: SeedModel) -> None:
    theta_deg = np.linspace(0.0, 90.0, 361)
    radii_cm = source.anisotropy_r_cm
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, _SHADES, radii_cm.size))
    for k, (r_cm, shade) in enumerate(zip(radii_cm, shades, strict=True)):
        at = np.full(theta_deg.size, _MM_PER_CM * r_cm)
        axes.plot(theta_deg, anisotropy(source, at, np.radians(theta_deg)), color=shade, lw=1.1)
        axes.plot(source.anisotropy_theta_deg, source.anisotropy_f[:, k], color=shade, lw=1.1,
                  marker=_MARKERS[k % len(_MARKERS)], markersize=4.5, linestyle="none",
                  label=f"{r_cm:g} cm")  # fmt: skip
    axes.set(title="Anisotropy function: published points, linear between",
             xlabel="theta, degrees (0 = along the seed)", ylabel=r"$F(r, \theta)$",
             xlim=(0.0, 91.0), ylim=(0.0, None), xticks=range(0, 91, 15))  # fmt: skip
    axes.grid(alpha=0.4)
    axes.legend(title="r", fontsize=9, ncols=2, loc="lower right")


def _draw_rates(axes: Any, source: SeedModel) -> None:
    first_mm = max(source.radial_range_mm[0], source.anisotropy_range_mm[0])
    last_mm = min(source.radial_range_mm[1], source.anisotropy_range_mm[1])
    _shade_range(axes, first_mm / _MM_PER_CM, last_mm / _MM_PER_CM, "tables of g and F")
    last_cm = source.radial_range_mm[1] / _MM_PER_CM
    for degrees, (colour, style) in zip(ANGLES_DEG, _ANGLE_LOOKS, strict=True):
        r_cm = np.geomspace(_wall_cm(source, degrees), last_cm, 300)
        theta = np.full(r_cm.size, np.radians(degrees))
        rate = dose_rate_cgy_h(source, _MM_PER_CM * r_cm, theta)
        axes.plot(r_cm, rate, color=colour, linestyle=style, lw=1.6, label=f"{degrees:g}°")
    axes.set(title="Dose rate from the capsule's wall outwards", xlabel="r, cm",
             ylabel="dose rate, cGy/(h U)", xscale="log", yscale="log",
             xlim=(None, last_cm))  # fmt: skip
    ticks = [r for r in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if r <= last_cm]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda r_cm, _: f"{r_cm:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.4)
    axes.legend(title="theta", fontsize=9, loc="lower left")


def _draw_map(axes: Any, source: SeedModel) -> None:
    """Isodose rates in a plane through the seed's axis (lying), the capsule to scale."""
    reach_along, reach_away = MAP_REACH_CM
    sides = (np.linspace(-reach, reach, _MAP_STEPS) for reach in MAP_REACH_CM)
    along, away = np.meshgrid(*sides)
    r_mm = _MM_PER_CM * np.hypot(along, away).ravel()
    theta = np.arctan2(np.abs(away), along).ravel()
    rate = dose_rate_cgy_h(source, r_mm, theta).reshape(along.shape)
    shades = matplotlib.colormaps["viridis"](np.linspace(_SHADES, 0.0, len(RATE_LEVELS)))
    lines = axes.contour(along, away, rate, levels=RATE_LEVELS, colors=shades, linewidths=1.4)
    axes.clabel(lines, fmt="%g", fontsize=9, inline_spacing=3, manual=_label_places(source))
    _draw_seed(axes, source)
    axes.set(title="Isodose rates, cGy/(h U)", xlabel="along the axis of the seed, cm",
             ylabel="away from it, cm", aspect="equal", xlim=(-reach_along, reach_along),
             ylim=(-reach_away, reach_away))  # fmt: skip
    axes.grid(alpha=0.25)
    axes.legend(fontsize=9, loc="lower left", framealpha=0.95)


def _draw_seed(axes: Any, source: SeedModel) -> None:
    length_cm, width_cm = (size / _MM_PER_CM for size in source.wall_mm)
    known = source.capsule_length_mm is not None
    axes.add_patch(
        FancyBboxPatch(
            (-0.5 * length_cm, -0.5 * width_cm), length_cm, width_cm,
            boxstyle=f"round,pad=0,rounding_size={0.35 * width_cm}", facecolor="0.8",
            edgecolor="black", linewidth=0.9, linestyle="-" if known else ":", zorder=4,
            label="capsule, to scale" if known else "capsule, size assumed",
        )
    )  # fmt: skip
    half_line_cm = 0.5 * source.active_length_mm / _MM_PER_CM
    axes.plot([-half_line_cm, half_line_cm], [0.0, 0.0], color=_WARNING_COLOUR, lw=1.6, zorder=5,
              label="line source")  # fmt: skip


def _label_places(source: SeedModel) -> list[tuple[float, float]]:
    """Where each isodose rate crosses a slanting ray of its own, as far as the map shows it."""
    r_cm = np.geomspace(0.1, 10.0, 400)
    places = []
    slants = np.radians(np.linspace(*_LABEL_RAYS_DEG, len(RATE_LEVELS)))
    slants[1::2] = np.pi - slants[1::2]
    for level, slant in zip(RATE_LEVELS, slants, strict=True):
        rate = dose_rate_cgy_h(source, _MM_PER_CM * r_cm, np.full(r_cm.size, slant))
        r_of_level = float(np.exp(np.interp(-np.log(level), -np.log(rate), np.log(r_cm))))
        place = (r_of_level * float(np.cos(slant)), r_of_level * float(np.sin(slant)))
        if np.all(np.abs(place) < MAP_REACH_CM):
            places.append(place)
    return places


def _wall_cm(source: SeedModel, degrees: float) -> float:
    """Distance from the centre at which a ray leaves the capsule."""
    half_length_cm, radius_cm = (0.5 * size / _MM_PER_CM for size in source.wall_mm)
    along, across = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    ways = [half_length_cm / along] if along > 1e-9 else []
    ways += [radius_cm / across] if across > 1e-9 else []
    return float(min(ways)) * (1.0 + 1e-6)  # outside the wall, whatever the rounding


def _shade_range(axes: Any, first_cm: float, last_cm: float, label: str = "table") -> None:
    axes.axvspan(first_cm, last_cm, color=_RANGE_COLOUR, zorder=0, label=label)


def _one_line(text: str) -> str:
    return _plain(textwrap.shorten(text, _TITLE_WIDTH + 40, placeholder=" ..."))


def _plain(text: str) -> str:
    """Without what matplotlib would read as mathematics, or print as boxes."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.replace("$", r"\$")
