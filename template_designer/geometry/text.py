"""Text as areas that a printer can engrave: no stroke thinner than it resolves.

Glyphs come from the DejaVu Sans that matplotlib brings along, so that the same words give the same
outline on every machine, whatever fonts and settings it has. Small print is made sturdy instead of
being scaled down: letters are condensed, then thickened until every stroke reaches the limit.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import shapely
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import TextPath
from shapely.affinity import affine_transform, translate
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError

STROKE_MM = 0.6
"""Thinnest groove or wall that prints with a 0.4 mm nozzle and on common resin printers."""

OPEN_GAP_MM = 0.2
"""A counter or a gap between strokes narrower than this fills up: the letter is refused."""

_LETTER_GAP_MM = 0.35  # ink to ink, at least
_EM = 1000.0
_CAP_EM = 0.7291  # height of a capital H
_STEM_EM = 0.0986  # width of an upright stroke: the ink of a capital I
_BAR_EM = 0.0800  # height of a level stroke: the ink of a hyphen
_CORNER = 0.35  # how much of a stroke's width its corners may lose when they are rounded
_CONDENSE_STEP = 0.01
_CONDENSE_LEAST = 0.30
_EXTRA_MM = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.13, 0.16, 0.20)
_QUAD_SEGS = 8


def text_outline(
    text: str,
    height_mm: float,
    *,
    max_width_mm: float | None = None,
    stroke_mm: float = STROKE_MM,
) -> MultiPolygon:
    """Outline of one line of text, ready to be engraved.

    Capitals and digits fill the cap height exactly (no overshoot, no tail under J and Q).

    Parameters
    ----------
    text : str
        One line; every character must be in DejaVu Sans.
    height_mm : float
        Cap height, mm.
    max_width_mm : float, optional
        Letters are condensed to stay within this width, mm.
    stroke_mm : float
        No stroke is thinner than this, mm.

    Returns
    -------
    shapely.MultiPolygon
        Text plane: x in reading direction, y up, mm. The ink is centred on x = 0 and the capitals
        reach from ``-height_mm / 2`` to ``+height_mm / 2``.

    Raises
    ------
    GeometryError
        If there is nothing to write, a character is not in the font, or the text cannot be made
        that small with open letters and full strokes.
    """
    if not text.strip():
        raise GeometryError("no text to engrave: give at least one letter or digit")
    if not (height_mm > 0.0 and stroke_mm > 0.0):
        raise GeometryError(
            f"text height {height_mm:g} mm and stroke {stroke_mm:g} mm must both be above 0"
        )
    steps = round((1.0 - _CONDENSE_LEAST) / _CONDENSE_STEP)
    low, high = 0, steps  # fewest steps of condensing that fit, by bisection
    while low < high:
        middle = (low + high) // 2
        if _fits(_layout_width(text, height_mm, middle, stroke_mm), max_width_mm):
            high = middle
        else:
            low = middle + 1
    for step in range(low, steps + 1):  # the estimate is off by a hair for slanted strokes
        shape = _set_line(text, height_mm, 1.0 - step * _CONDENSE_STEP, stroke_mm)
        left, _, right, _ = shape.bounds
        if _fits(right - left, max_width_mm):
            return _as_multi(translate(shape, -0.5 * (left + right), -0.5 * height_mm))
    raise GeometryError(
        f"text {text!r} does not fit into {max_width_mm:g} mm at a height of {height_mm:g} mm "
        f"with strokes of {stroke_mm:g} mm; shorten it or make room"
    )


def line_width_mm(text: str, height_mm: float, *, stroke_mm: float = STROKE_MM) -> float:
    """About how wide a line of text comes out if it is not condensed, mm; quick."""
    return _layout_width(text, height_mm, 0, stroke_mm)


def _fits(width_mm: float, max_width_mm: float | None) -> bool:
    return max_width_mm is None or width_mm <= max_width_mm


def _letter_gap_mm(height_mm: float, condense: float) -> float:
    return max(_LETTER_GAP_MM, 0.16 * height_mm * condense)


def _space_mm(height_mm: float, condense: float) -> float:
    return max(2.0 * _LETTER_GAP_MM, 0.40 * height_mm * condense)


def _layout_width(text: str, height_mm: float, step: int, stroke_mm: float) -> float:
    """Width of a line in mm from the font's numbers alone, without drawing it."""
    condense = 1.0 - step * _CONDENSE_STEP
    mm_per_em = height_mm / _CAP_EM * condense
    thicker_mm = max(0.0, stroke_mm - _STEM_EM * mm_per_em)
    gap = _letter_gap_mm(height_mm, condense)
    width = -gap
    for char in text.strip():
        if char.isspace():
            width += _space_mm(height_mm, condense)
        else:
            left, _, right, _ = _glyph(char).bounds
            width += (right - left) * mm_per_em + thicker_mm + gap
    return width


def _set_line(text: str, height_mm: float, condense: float, stroke_mm: float) -> BaseGeometry:
    """Glyphs side by side, gaps measured from ink to ink, baseline on y = 0."""
    gap = _letter_gap_mm(height_mm, condense)
    pen = 0.0
    glyphs = []
    for char in text.strip():
        if char.isspace():
            pen += _space_mm(height_mm, condense)
            continue
        glyph = _sturdy_glyph(char, height_mm, condense, stroke_mm)
        left, _, right, _ = glyph.bounds
        glyphs.append(translate(glyph, pen - left))
        pen += right - left + gap
    return shapely.union_all(glyphs)


@lru_cache(maxsize=4096)
def _sturdy_glyph(char: str, height_mm: float, condense: float, stroke_mm: float) -> BaseGeometry:
    """One glyph at its final size, thickened until every stroke reaches ``stroke_mm``."""
    glyph = _glyph(char)
    mm_per_em = height_mm / _CAP_EM
    across = max(0.0, 0.5 * (stroke_mm - _STEM_EM * mm_per_em * condense))
    along = max(0.0, 0.5 * (stroke_mm - _BAR_EM * mm_per_em))
    for extra in _EXTRA_MM:
        dx, dy = across + extra, along + extra
        if extra == 0.0 and across == along == 0.0:
            dx = dy = 0.0
        scale_y = (height_mm - 2.0 * dy) / _CAP_EM  # so that the thick letter has the cap height
        if scale_y <= 0.0:
            break
        shape = affine_transform(glyph, [mm_per_em * condense, 0.0, 0.0, scale_y, 0.0, dy])
        thick = _thickened(shape, dx, dy)
        core = thick.buffer(-0.5 * stroke_mm, quad_segs=_QUAD_SEGS)
        sturdy = core.buffer(0.5 * stroke_mm, quad_segs=_QUAD_SEGS)  # what a round tool can cut
        if _is_whole(thick, core, sturdy, stroke_mm):
            if not _is_open(sturdy, glyph):
                break
            return sturdy
    raise GeometryError(
        f"letter {char!r} cannot be engraved {height_mm:g} mm high at {100 * condense:.0f} % of "
        f"its width with strokes of {stroke_mm:g} mm: its strokes would run together; "
        "make the text larger or shorter"
    )


def _thickened(shape: BaseGeometry, dx_mm: float, dy_mm: float) -> BaseGeometry:
    """Grow by ``dx_mm`` sideways and ``dy_mm`` up and down (an elliptic brush)."""
    if dx_mm <= 0.0 and dy_mm <= 0.0:
        return shape
    dx, dy = max(dx_mm, 1e-3), max(dy_mm, 1e-3)
    circle = affine_transform(shape, [1.0 / dx, 0.0, 0.0, 1.0 / dy, 0.0, 0.0])
    return affine_transform(circle.buffer(1.0, quad_segs=_QUAD_SEGS), [dx, 0, 0, dy, 0, 0])


def _is_whole(
    thick: BaseGeometry, core: BaseGeometry, sturdy: BaseGeometry, stroke_mm: float
) -> bool:
    """Whether the round tool leaves out nothing but corners: no stroke lost, none cut in two."""
    if core.is_empty or len(_as_multi(core).geoms) != len(_as_multi(thick).geoms):
        return False
    same_holes = _holes(core) == _holes(thick)
    return same_holes and sturdy.buffer(_CORNER * stroke_mm).covers(thick)


def _is_open(shape: BaseGeometry, glyph: BaseGeometry) -> bool:
    """Whether the counters and bays of a letter are wider than ``OPEN_GAP_MM``."""
    half = 0.5 * OPEN_GAP_MM
    closed = shape.buffer(half, quad_segs=_QUAD_SEGS)
    return _holes(shape) == _holes(glyph) == _holes(closed)


def _holes(shape: BaseGeometry) -> int:
    return sum(len(polygon.interiors) for polygon in _as_multi(shape).geoms)


def _as_multi(shape: BaseGeometry) -> MultiPolygon:
    return shape if isinstance(shape, MultiPolygon) else MultiPolygon([shape])


@lru_cache(maxsize=512)
def _glyph(char: str) -> BaseGeometry:
    """One glyph in units of the em, ink from x = 0; capitals and digits fill the cap height."""
    font, index = _font()
    if char not in index:
        raise GeometryError(f"character {char!r} is not in DejaVu Sans; use another")
    rings = TextPath((0.0, 0.0), char, size=_EM, prop=font).to_polygons()
    shape: BaseGeometry = Polygon()
    for ring in rings:  # even-odd: an inner ring is a counter
        shape = shape.symmetric_difference(Polygon(ring))
    shape = _trimmed(char, shape)
    left, bottom, _, top = shape.bounds
    if char.isupper() or char.isdigit():
        scale_y, shift_y = _CAP_EM / (top - bottom), -bottom * _CAP_EM / (top - bottom)
    else:
        scale_y, shift_y = 1.0 / _EM, 0.0
    return affine_transform(shape, [1.0 / _EM, 0.0, 0.0, scale_y, -left / _EM, shift_y])


def _trimmed(char: str, shape: BaseGeometry) -> BaseGeometry:
    """The 1 without its foot and the 4 with a short spur, so that "14" fits a narrow margin."""
    if char not in "14":
        return shape
    band = (0.20 * _EM, 0.40 * _EM) if char == "1" else (0.40 * _EM, 0.50 * _EM)  # stem only
    left, _, right, _ = _rightmost(shape.intersection(box(-_EM, band[0], _EM, band[1]))).bounds
    if char == "1":
        foot = box(-_EM, -_EM, _EM, band[0]).difference(box(left, -_EM, right, _EM))
        return shape.difference(foot)
    return shape.intersection(box(-_EM, -_EM, right + 0.035 * _EM, _EM))


def _rightmost(shape: BaseGeometry) -> BaseGeometry:
    return max(_as_multi(shape).geoms, key=lambda part: part.bounds[2])


@lru_cache(maxsize=1)
def _font() -> tuple[FontProperties, frozenset[str]]:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    characters = frozenset(chr(code) for code in FT2Font(str(path)).get_charmap())
    return FontProperties(fname=str(path)), characters
