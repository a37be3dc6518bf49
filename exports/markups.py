"""``slicer/needles.mrk.json`` and ``slicer/seeds.mrk.json``: markups for 3D Slicer 5 (LPS, mm)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from exports.rounding import rounded
from template_designer.model import Needle, Plan, Seed, Template

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.3.json#"
)
"""The layout that 3D Slicer 5.0 and later read."""

NEEDLE_COLOR = (0.75, 0.78, 0.82)
SEED_COLOR = (0.95, 0.75, 0.1)

_DIGITS = 4  # as in plan.json: 0.1 micrometre
_SEED_GLYPH_MM = 2.0


def build_needles(plan: Plan) -> bytes:
    """One line a needle, from the plate's patient face to the tip, locked; JSON in UTF-8.

    Its name and both its ends carry the hole's label (``T1 C4`` where there are several plates);
    the description says depth and gauge.
    """
    lines = [
        _markup(
            "Line",
            f"Needle {_label(plan, template, needle)}",
            [
                _point(1, _label(plan, template, needle), needle.entry_lps_mm, _says(needle)),
                _point(2, f"{_label(plan, template, needle)} tip", needle.tip_lps_mm, ""),
            ],
            NEEDLE_COLOR,
        )
        for template in plan.templates
        for needle in template.needles
    ]
    return _file(lines)


def build_seeds(plan: Plan) -> bytes:
    """One list of points a template: the seed centres, named by hole and number from the tip.

    The axis of a seed is that of its needle.
    """
    lists = [
        _markup(
            "Fiducial",
            f"Seeds {plan.id}" + (f" {template.name}" if len(plan.templates) > 1 else ""),
            [
                _point(
                    number,
                    f"{_label(plan, template, needle)}-{order}",
                    seed.center_lps_mm,
                    f"{rounded(seed.from_tip_mm, 2):g} mm from the tip",
                )
                for number, (needle, order, seed) in enumerate(_seeds(template), start=1)
            ],
            SEED_COLOR,
            display={"useGlyphScale": False, "glyphSize": _SEED_GLYPH_MM},
        )
        for template in plan.templates
    ]
    return _file(lists)


def _seeds(template: Template) -> Iterable[tuple[Needle, int, Seed]]:
    for needle in template.needles:
        for order, seed in enumerate(needle.seeds, start=1):
            yield needle, order, seed


def _label(plan: Plan, template: Template, needle: Needle) -> str:
    return f"{template.name} {needle.label}" if len(plan.templates) > 1 else needle.label


def _says(needle: Needle) -> str:
    return (
        f"{needle.gauge}G, depth {rounded(needle.depth_mm, 1):.1f} mm from the plate's operator "
        f"face, {len(needle.seeds)} seeds"
    )


def _markup(
    kind: str,
    name: str,
    points: Sequence[dict[str, Any]],
    color: tuple[float, float, float],
    display: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "type": kind,
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "fixedNumberOfControlPoints": True,
        "controlPoints": list(points),
        "display": {
            "visibility": True,
            "color": list(color),
            "selectedColor": list(color),
            "pointLabelsVisibility": False,
            "propertiesLabelVisibility": False,
            **(display or {}),
        },
    }


def _point(number: int, label: str, place_lps_mm: Sequence[float], text: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "label": label,
        "description": text,
        "position": [rounded(value, _DIGITS) for value in place_lps_mm],
        "locked": True,
        "positionStatus": "defined",
    }


def _file(markups: Sequence[dict[str, Any]]) -> bytes:
    data = {"@schema": SCHEMA, "markups": list(markups)}
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")
