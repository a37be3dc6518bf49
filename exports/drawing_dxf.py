"""``drawing.dxf``: the drill drawing 1:1, for CAD and milling (DXF R2010, millimetres)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from exports.drawing import Layer, draw
from exports.plan_json import plan_hash
from template_designer.model import Plan, Template

COLORS = {
    Layer.OUTLINE: 7,
    Layer.BORES: 7,
    Layer.MOUNTING: 7,
    Layer.MARKERS: 30,
    Layer.PLANNED: 5,
    Layer.BLOCKED: 1,
    Layer.LABELS: 7,
    Layer.NOTES: 8,
}
"""AutoCAD colour index of each layer; 7 is black on white, white on black."""


def build(plan: Plan, template: Template) -> bytes:
    """DXF with X to the right and Y up as the operator sees the plate, origin at its middle.

    True circles, one layer a purpose: a mill takes ``OUTLINE``, ``BORES`` and ``MOUNTING``.
    """
    import ezdxf
    from ezdxf import units
    from ezdxf.enums import TextEntityAlignment

    drawing = draw(plan, template)
    with _same_bytes_every_time():
        document = ezdxf.new("R2010", units=units.MM)
        document.header["$MEASUREMENT"] = 1
        document.header.custom_vars.append("Plan", drawing.title)
        document.header.custom_vars.append("Hash", plan_hash(plan))
        for layer in Layer:
            document.layers.add(layer.value, color=COLORS[layer])
        space = document.modelspace()
        for circle in drawing.circles:
            space.add_circle(
                (circle.x_mm, circle.y_mm),
                0.5 * circle.diameter_mm,
                dxfattribs={"layer": circle.layer.value},
            )
        for path in drawing.paths:
            space.add_lwpolyline(
                path.points_mm.tolist(), close=path.closed, dxfattribs={"layer": path.layer.value}
            )
        for words in drawing.words:
            side = TextEntityAlignment.MIDDLE_CENTER
            if not words.centred:
                side = TextEntityAlignment.MIDDLE_LEFT
            space.add_text(
                words.text, height=words.height_mm, dxfattribs={"layer": words.layer.value}
            ).set_placement((words.x_mm, words.y_mm), align=side)
        document.classes.add_required_classes(document.dxfversion)
        classes = document.classes.classes
        for name in sorted(classes):  # else in the order of a set, which differs from run to run
            classes.move_to_end(name)  # type: ignore[attr-defined]  # it is an OrderedDict
        text = io.StringIO(newline="")
        document.write(text)
    return text.getvalue().encode(document.output_encoding, errors="dxfreplace")


@contextmanager
def _same_bytes_every_time() -> Iterator[None]:
    """Let ezdxf write fixed dates and identifiers in place of the day's."""
    from ezdxf import options

    before = options.write_fixed_meta_data_for_testing
    options.write_fixed_meta_data_for_testing = True
    try:
        yield
    finally:
        options.write_fixed_meta_data_for_testing = before
