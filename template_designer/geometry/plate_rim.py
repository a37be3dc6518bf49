"""What the four side faces carry: directions, a line for the laser, words, and the plan's code.

Each side is seen from outside with the operator face up: x in reading direction from the middle,
y up from half the thickness, mm. The line in the middle parts a side in two areas. On the right
stands the patient direction; on the left stand, by side:

- the operator's bottom: plan id and name of the template;
- the operator's top: the word UP behind a triangle;
- the right: a QR code of the plan's hash;
- the left: date, the gauge that goes through square marks first, the start of the hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.affinity import translate
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.frames import direction_letters
from template_designer.geometry.plate_qr import QR_CHARACTERS, qr_module_mm, qr_outline
from template_designer.geometry.plate_style import PRINT_FROM_TEMPLATE, ROUGH_MM, PlateStyle
from template_designer.geometry.text import line_width_mm, text_outline
from template_designer.model import Template

BOTTOM, RIGHT, TOP, LEFT = (0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)
"""Sides by their outward normal in print pose; named as the operator sees them."""

HASH_CHARACTERS = 8
"""Characters of the plan's hash that the rim shows in plain text."""

_TEXT_MM = 7.0  # cap height at most
_TEXT_LEAST_MM = 2.4  # three strokes and two open counters
_RELAXED_MM = 3.2  # letters under this are condensed and words broken, rather than made smaller
_LEADING = 0.3  # plain strip between two lines over their height, at least a wall
_BREAKS = "-_."


@dataclass(frozen=True, slots=True)
class RimText:
    """What is written on a rim."""

    plan_id: str
    plan_hash: str | None = None  # hexadecimal; None: no code


@dataclass(frozen=True, slots=True, eq=False)
class Rim:
    """The engraving of the four sides, and what found no room."""

    sides: tuple[tuple[tuple[float, float, float], BaseGeometry], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Area:
    """Half a side: from ``left`` to ``right``, ``height`` high around ``middle``."""

    left: float
    right: float
    middle: float
    height: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def center(self) -> float:
        return 0.5 * (self.left + self.right)

    def put(self, shape: BaseGeometry) -> BaseGeometry:
        """Bring a shape drawn around the origin into the middle of the area."""
        return translate(shape, self.center, self.middle)


def lay_out_rim(template: Template, text: RimText, style: PlateStyle) -> Rim:
    """Place everything on the four sides.

    Raises
    ------
    GeometryError
        If plan id and name are too long for the rim, or a QR code is asked for that has no room.
    """
    left_out: list[str] = []
    id_words, rest = _id_words(template, text, style)
    words = {
        BOTTOM: id_words,
        TOP: _up_mark(_areas(template, TOP, style)[0], style),
        RIGHT: _code(template, text, style, left_out),
        LEFT: _small_words(template, text, style, rest, left_out),
    }
    sides = []
    for normal, shape in words.items():
        area = _areas(template, normal, style)[1]
        line = _line(template, style) if style.cross_lines else Polygon()
        letter = _direction_mark(direction(template, normal), area, style)
        if normal != RIGHT:  # the necks between modules of the code are finer than that
            shape = shape.simplify(ROUGH_MM)
        sides.append((normal, shapely.union_all([shape, line, letter.simplify(ROUGH_MM)])))
    return Rim(tuple(sides), tuple(left_out))


def direction(template: Template, normal: tuple[float, float, float]) -> str:
    """Patient direction of a side: one or two letters."""
    normal_tpl = PRINT_FROM_TEMPLATE[:3, :3] @ np.array(normal)
    return direction_letters(np.asarray(template.lps_from_template)[:3, :3] @ normal_tpl)


def _areas(
    template: Template, normal: tuple[float, float, float], style: PlateStyle
) -> tuple[_Area, _Area]:
    """Areas left and right of the middle line, clear of corners and of the operator face."""
    width, height, thickness = template.size_mm
    half = 0.5 * (width if normal in (BOTTOM, TOP) else height)
    corner = style.corner_radius_mm + style.wall_mm
    cut = max(style.corner_radius_mm, style.chamfer_mm) + style.wall_mm  # beside A1
    first, last = (cut if normal == LEFT else corner), (cut if normal == TOP else corner)
    gap = 0.5 * style.stroke_mm + 2.0 * style.wall_mm
    low = -0.5 * thickness + style.wall_mm
    high = 0.5 * thickness - style.wall_mm - style.engraving_depth_mm
    middle, tall = 0.5 * (low + high), high - low
    return _Area(first - half, -gap, middle, tall), _Area(gap, half - last, middle, tall)


def _line(template: Template, style: PlateStyle) -> BaseGeometry:
    """The upright line through the origin: open towards the patient, short of the other face."""
    half = 0.5 * template.size_mm[2]
    top = half - style.wall_mm - style.engraving_depth_mm
    return box(-0.5 * style.stroke_mm, -half - 1.0, 0.5 * style.stroke_mm, top)


def _id_words(
    template: Template, text: RimText, style: PlateStyle
) -> tuple[BaseGeometry, tuple[str, ...]]:
    """Plan id and name of the template; on a small plate the name goes to the words on the left.

    Returns the area, and what is left to be written elsewhere.
    """
    area = _areas(template, BOTTOM, style)[0]
    plan_id = text.plan_id.split()
    for rest in ((), (template.name,)):
        words = plan_id if rest else [*plan_id, template.name]
        for tried in (words, [word.upper() for word in words]):
            shape = _paragraph(tried, area, style)
            if shape is not None:
                return area.put(shape), rest
    raise GeometryError(
        f"template {template.name!r}: plan id {text.plan_id!r} is too long for the rim (half a "
        f"side: {area.width:.0f} x {area.height:.1f} mm); shorten the id or make the plate larger "
        "or thicker"
    )


def _small_words(
    template: Template,
    text: RimText,
    style: PlateStyle,
    first: tuple[str, ...],
    left_out: list[str],
) -> BaseGeometry:
    """Date, legend of the squares, and the start of the hash: as much of it as has room.

    ``first`` must have room.
    """
    area = _areas(template, LEFT, style)[0]
    gauges = {n.bone_access.gauge for n in template.needles if n.bone_access is not None}
    items: list[tuple[str, str]] = []
    if template.features.date is not None:
        items.append(("date", template.features.date.isoformat()))
    items += [("legend of the squares", f"□{gauge}G") for gauge in sorted(gauges)]
    if text.plan_hash is not None:
        items.append(("start of the hash", text.plan_hash[:HASH_CHARACTERS].upper()))
    kept: list[str] = list(first)
    shape: BaseGeometry = Polygon()
    if first:
        found = _paragraph(first, area, style)
        if found is None:
            raise GeometryError(
                f"template {template.name!r}: its rim has no room for its name ({area.width:.1f} x "
                f"{area.height:.1f} mm); make the plate larger or thicker"
            )
        shape = found
    for name, word in items:
        tried = _paragraph([*kept, word], area, style, breaking=False)
        if tried is None:
            left_out.append(name)
        else:
            kept.append(word)
            shape = tried
    return area.put(shape) if kept else shape


def _code(
    template: Template, text: RimText, style: PlateStyle, left_out: list[str]
) -> BaseGeometry:
    """The QR code, clear of the line beside it."""
    wanted = template.features.qr
    if wanted is False or text.plan_hash is None:
        return Polygon()
    area = _areas(template, RIGHT, style)[0]
    plain = template.size_mm[2] - 2.0 * abs(area.middle)
    module = qr_module_mm(area.width, area.height, plain, style.stroke_mm)
    if module is None:
        if wanted:
            raise GeometryError(
                f"template {template.name!r}: the rim has no room for a QR code with modules of "
                f"{style.stroke_mm:g} mm (half a side: {area.width:.1f} x "
                f"{template.size_mm[2]:g} mm; {25.0 * style.stroke_mm:g} mm along it and "
                f"{25.0 * style.stroke_mm + style.engraving_depth_mm:g} mm across are needed); "
                "make the plate larger or thicker, or leave template.qr out"
            )
        left_out.append("QR code")
        return Polygon()
    return area.put(qr_outline(text.plan_hash[:QR_CHARACTERS].upper(), module))


def _direction_mark(letter: str, area: _Area, style: PlateStyle) -> BaseGeometry:
    """Patient direction: one or two letters, in a ring where the area has room for one."""
    room = min(area.height, area.width)
    cap = min(6.0, (0.5 * room - style.ring_mm) / 0.95 - 0.01)
    if cap < 3.2:
        height = min(area.height, 0.8 * _TEXT_MM)
        while height > _TEXT_LEAST_MM:
            try:
                return area.put(
                    text_outline(letter, height, max_width_mm=area.width, stroke_mm=style.stroke_mm)
                )
            except GeometryError:
                height -= 0.4
        raise GeometryError(
            f"the patient direction {letter!r} finds no room on a rim of {area.width:.1f} x "
            f"{area.height:.1f} mm; make the plate larger or thicker"
        )
    glyph = text_outline(letter, cap, max_width_mm=1.35 * cap, stroke_mm=style.stroke_mm)
    outer = Point(0.0, 0.0).buffer(0.95 * cap + style.ring_mm, quad_segs=16)
    ring = outer.difference(Point(0.0, 0.0).buffer(0.95 * cap, quad_segs=16))
    return area.put(glyph.union(ring))


def _up_mark(area: _Area, style: PlateStyle) -> BaseGeometry:
    """The word UP behind a solid triangle that the finger finds."""
    cap = min(5.0, area.height)
    while cap >= _TEXT_LEAST_MM:
        word = text_outline("UP", cap, stroke_mm=style.stroke_mm)
        half = 0.5 * cap
        triangle = Polygon([(-half, -half), (half, -half), (0.0, half)])
        shape = word.union(translate(triangle, word.bounds[0] - half - 1.5))
        left, _, right, _ = shape.bounds
        if right - left <= area.width:
            return area.put(translate(shape, -0.5 * (left + right)))
        cap -= 0.2
    half = 0.5 * min(5.0, area.height, area.width)  # the triangle alone
    return area.put(Polygon([(-half, -half), (half, -half), (0.0, half)]))


def _paragraph(
    words: Sequence[str], area: _Area, style: PlateStyle, *, breaking: bool = True
) -> BaseGeometry | None:
    """Words in as many lines as serve, as large as the area allows; None where they do not fit.

    Words are broken only where nothing else helps, and never without ``breaking``.
    """
    for height in np.arange(_TEXT_MM, _TEXT_LEAST_MM - 0.01, -0.2):
        most = _most_lines(float(height), area, style)
        if most < 1:
            continue
        squeeze = 1.0 if height > _RELAXED_MM else 0.7
        for may_break in (False, True) if breaking and height <= _RELAXED_MM else (False,):
            lines = _wrapped(words, float(height), area.width / squeeze, may_break, style)
            if lines is None or len(lines) > most:
                continue
            shape = _drawn(lines, float(height), area, style)
            if shape is not None:
                return shape
    return None


def _most_lines(height_mm: float, area: _Area, style: PlateStyle) -> int:
    step = height_mm + _between_mm(height_mm, style)
    return int((area.height - height_mm) // step) + 1 if area.height >= height_mm else 0


def _between_mm(height_mm: float, style: PlateStyle) -> float:
    """Plain strip between two lines."""
    return max(style.wall_mm, _LEADING * height_mm)


def _wrapped(
    words: Sequence[str], height_mm: float, width_mm: float, may_break: bool, style: PlateStyle
) -> list[str] | None:
    """Lines no wider than the area, greedily; None where a word is wider and may not break."""

    def fits(line: str) -> bool:
        return line_width_mm(line, height_mm, stroke_mm=style.stroke_mm) <= width_mm

    lines: list[str] = []
    for word in words:
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] = f"{lines[-1]} {word}"
            continue
        rest = word
        while not fits(rest):
            if not may_break:
                return None
            ends = [n for n in range(1, len(rest)) if fits(rest[:n])]
            if not ends:
                return None
            nice = [n for n in ends if rest[n - 1] in _BREAKS and 2 * n > max(ends)]
            end = nice[-1] if nice else ends[-1]
            lines.append(rest[:end])
            rest = rest[end:]
        lines.append(rest)
    return lines


def _drawn(
    lines: Sequence[str], height_mm: float, area: _Area, style: PlateStyle
) -> BaseGeometry | None:
    """Lines set one under the other around the origin; None where a letter does not print."""
    shapes: list[BaseGeometry] = []
    for line in lines:
        try:
            shape = text_outline(
                line, height_mm, max_width_mm=area.width, stroke_mm=style.stroke_mm
            )
        except GeometryError:
            return None
        if shapes:
            under = shapes[-1].bounds[1] - _between_mm(height_mm, style)
            shape = translate(shape, 0.0, under - shape.bounds[3])
        shapes.append(shape)
    joined = shapely.union_all(shapes)
    _, low, _, high = joined.bounds
    return translate(joined, 0.0, -0.5 * (low + high)) if high - low <= area.height else None
