"""The fit gauge: a small part with one bore of each allowance, to print before any plate.

Whoever tries the needles in it finds the allowance that printer and material ask for.
"""

from __future__ import annotations

from collections.abc import Sequence

import shapely
import trimesh
from shapely.affinity import translate
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from template_designer.errors import GeometryError
from template_designer.geometry.plate_solid import bore_tool, carve, cut, placed, top_frame
from template_designer.geometry.plate_style import ROUGH_MM, PlateStyle
from template_designer.geometry.text import text_outline
from template_designer.model import OUTER_DIAMETER_MM

_STEP_MM = 11.0  # between bores: room for a number of four characters
_ROW_MM = 13.0
_EDGE_MM = 3.0
_HEAD_MM = 13.0  # in front of each row, for its gauge
_TEXT_MM = 3.4
_BELOW_MM = 5.2  # from a bore to the middle of its number


def gauge_places(
    gauges: Sequence[int], allowances_mm: Sequence[float]
) -> dict[tuple[int, float], tuple[float, float]]:
    """Centre of the bore of every gauge and allowance, print plane, mm, from the part's middle."""
    width, height = _size(len(gauges), len(allowances_mm))
    return {
        (gauge, allowance): (
            -0.5 * width + _EDGE_MM + _HEAD_MM + (n + 0.5) * _STEP_MM,
            0.5 * height - _EDGE_MM - row * _ROW_MM - 2.5,
        )
        for row, gauge in enumerate(gauges)
        for n, allowance in enumerate(allowances_mm)
    }


def build_fit_gauge(
    gauges: Sequence[int],
    allowances_mm: Sequence[float],
    *,
    chosen_mm: float,
    thickness_mm: float,
    style: PlateStyle,
) -> trimesh.Trimesh:
    """One bore for each gauge and allowance, each with its allowance engraved under it.

    Parameters
    ----------
    gauges : sequence of int
        One row each, from the top.
    allowances_mm : sequence of float
        Bore minus needle on the diameter, from the left.
    chosen_mm : float
        Allowance of the case: its bores are ringed.
    thickness_mm : float
        As thick as the plate: the friction is that of the plate.
    style : PlateStyle
        As for the plate.

    Returns
    -------
    trimesh.Trimesh
        One closed body, patient face on Z = 0, mm.

    Raises
    ------
    GeometryError
        If an allowance stands twice or no gauge is given.
    """
    if not gauges or len(set(allowances_mm)) != len(allowances_mm) or not allowances_mm:
        raise GeometryError(
            f"fit gauge: gauges {list(gauges)} and allowances {list(allowances_mm)} mm must each "
            "hold at least one value and none twice; correct [printer] fit_gauge_mm"
        )
    width, height = _size(len(gauges), len(allowances_mm))
    outline = box(-0.5 * width, -0.5 * height, 0.5 * width, 0.5 * height)
    outline = outline.buffer(-2.0).buffer(2.0, quad_segs=8)
    outline = outline.difference(  # the cut corner is at the operator's upper left, as on a plate
        Polygon(
            [
                (-0.5 * width, 0.5 * height),
                (-0.5 * width + 3.0, 0.5 * height),
                (-0.5 * width, 0.5 * height - 3.0),
            ]
        )
    )
    tools, marks = [], []
    for (gauge, allowance), place in gauge_places(gauges, allowances_mm).items():
        bore = OUTER_DIAMETER_MM[gauge] + allowance
        at_face = 0.5 * (bore + min(style.counter_sink_mm, 0.2 * thickness_mm, 1.0))
        tools.append(placed(bore_tool(bore, at_face, thickness_mm, style.chord_mm), place))
        marks.append(_number(allowance, place, style))
        if abs(allowance - chosen_mm) < 1e-9:
            marks.append(_ring(place, at_face + style.wall_mm, style))
    for row, gauge in enumerate(gauges):
        word = text_outline(f"{gauge}G", 5.0, stroke_mm=style.stroke_mm)
        y = 0.5 * height - _EDGE_MM - row * _ROW_MM - 5.0
        marks.append(translate(word, -0.5 * width + _EDGE_MM + 0.5 * _HEAD_MM, y))
    body = trimesh.creation.extrude_polygon(outline, thickness_mm, engine="earcut")
    engraving = carve(
        shapely.union_all(marks).simplify(ROUGH_MM),
        top_frame(thickness_mm, style),
        style.engraving_depth_mm,
    )
    return cut(body, [*tools, engraving], "fit gauge")


def _size(rows: int, columns: int) -> tuple[float, float]:
    return 2.0 * _EDGE_MM + _HEAD_MM + columns * _STEP_MM, 2.0 * _EDGE_MM + rows * _ROW_MM - 3.0


def _number(allowance_mm: float, place: tuple[float, float], style: PlateStyle) -> BaseGeometry:
    text = f"{allowance_mm:.2f}" if round(allowance_mm, 2) == allowance_mm else f"{allowance_mm:g}"
    shape = text_outline(text, _TEXT_MM, max_width_mm=_STEP_MM - 1.0, stroke_mm=style.stroke_mm)
    return translate(shape, place[0], place[1] - _BELOW_MM)


def _ring(place: tuple[float, float], inner_mm: float, style: PlateStyle) -> BaseGeometry:
    """A ring around the chosen bore, open where its number stands."""
    centre = Point(*place)
    ring = centre.buffer(inner_mm + style.ring_mm, quad_segs=16).difference(
        centre.buffer(inner_mm, quad_segs=16)
    )
    low = place[1] - _BELOW_MM + 0.5 * _TEXT_MM + style.wall_mm
    return ring.intersection(box(place[0] - 9.0, low, place[0] + 9.0, place[1] + 9.0))
