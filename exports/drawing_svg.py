"""``drawing.svg``: the drill drawing 1:1, for browsers and printers."""

from __future__ import annotations

from xml.sax.saxutils import escape

from exports.drawing import Drawing, Layer, draw
from exports.plan_json import plan_hash
from template_designer.model import Plan, Template

COLORS = {
    Layer.OUTLINE: "#000000",
    Layer.BORES: "#000000",
    Layer.MOUNTING: "#000000",
    Layer.MARKERS: "#7a4a00",
    Layer.PLANNED: "#0050b4",
    Layer.BLOCKED: "#c00000",
    Layer.LABELS: "#000000",
    Layer.NOTES: "#404040",
}
LINE_MM = 0.15

_DIGITS = 4
_FONT = 'font-family="Helvetica, Arial, sans-serif"'


def build(plan: Plan, template: Template) -> bytes:
    """SVG 1.1 in millimetres: its width and height are those on paper, one unit is 1 mm.

    One group a layer. The middle of the plate is the origin of the group ``sheet``, x to the right
    and y down as the operator sees the plate: the template frame.
    """
    drawing = draw(plan, template)
    left, low, right, high = drawing.bounds_mm
    width, height = _n(right - left), _n(high - low)
    body = "\n".join(_layer(drawing, layer) for layer in Layer)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="{width}mm" '
        f'height="{height}mm" viewBox="0 0 {width} {height}">\n'
        f"<title>{escape(drawing.title)}</title>\n"
        f"<desc>plan {plan_hash(plan)}</desc>\n"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        f'<g id="sheet" transform="translate({_n(-left)} {_n(high)})" fill="none" '
        f'stroke-width="{LINE_MM}">\n{body}\n</g>\n</svg>\n'
    )
    return text.encode("utf-8")


def _layer(drawing: Drawing, layer: Layer) -> str:
    color = COLORS[layer]
    parts = [
        f'<circle cx="{_n(c.x_mm)}" cy="{_n(-c.y_mm)}" r="{_n(0.5 * c.diameter_mm, 6)}"/>'
        for c in drawing.circles
        if c.layer is layer
    ]
    for path in drawing.paths:
        if path.layer is layer:
            points = " L ".join(f"{_n(x)} {_n(-y)}" for x, y in path.points_mm.tolist())
            parts.append(f'<path d="M {points}{" Z" if path.closed else ""}"/>')
    parts += [
        f'<text x="{_n(w.x_mm)}" y="{_n(-w.y_mm + 0.36 * w.height_mm)}" '
        f'font-size="{_n(1.38 * w.height_mm)}" fill="{color}" stroke="none" '
        f'text-anchor="{"middle" if w.centred else "start"}" {_FONT}>{escape(w.text)}</text>'
        for w in drawing.words
        if w.layer is layer
    ]
    return f'<g id="{layer}" stroke="{color}">\n' + "\n".join(parts) + "\n</g>"


def _n(value: float, digits: int = _DIGITS) -> str:
    """A number in as few characters as it takes, never ``-0``."""
    return f"{round(value, digits) + 0.0:.{digits}f}".rstrip("0").rstrip(".")
