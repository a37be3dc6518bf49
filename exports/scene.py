"""``scene.html``: the plan as a scene to turn, in one file that asks nothing of any network.

Meshes lie in the page as base64 of little-endian arrays; ``assets/scene.js`` draws them with
WebGL 2. Nothing of OpenGL is needed to write the page.
"""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exports.drawn3d import View
from exports.scene_parts import Part, Word, legend_entries, parts_of, words_of
from exports.views_cameras import operator_view, overview, whole_plan
from template_designer._version import SOFTWARE_NAME, __version__
from template_designer.model import Plan

_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Kinds of characters that draw nothing, or turn the reading direction of others."""

_VIEWS = (
    ("l", "Left", (-1, 0, 0), (0, 0, 1)),
    ("r", "Right", (1, 0, 0), (0, 0, 1)),
    ("a", "Front", (0, 1, 0), (0, 0, 1)),
    ("p", "Back", (0, -1, 0), (0, 0, 1)),
    ("h", "Head", (0, 0, -1), (0, -1, 0)),
    ("f", "Feet", (0, 0, 1), (0, -1, 0)),
)
"""Key, side that one looks from, direction of view and up, LPS."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{generator}">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<div id="panel">
<h1>{title}</h1>
<p>{summary}</p>
<p>Planning aid, not a medical device.</p>
<fieldset><legend>Seen from</legend><div id="views"></div></fieldset>
<div id="switches"></div>
<p>Turn: drag, or arrow keys. Zoom: wheel, or + and -. Move: Shift and drag, or Shift and arrow
keys. Keys work once the scene has the focus (Tab). Lengths are mm.</p>
</div>
<div id="stage">
<canvas id="space" tabindex="0" role="img" aria-label="Scene in space: {title}"></canvas>
<canvas id="labels" aria-hidden="true"></canvas>
<p id="message" role="alert">The scene is being built. If this stays, scripts are switched off \
in this browser: allow them for this file. It loads nothing from elsewhere.</p>
</div>
<script id="data" type="application/json">{data}</script>
<script>
{script}</script>
</body>
</html>
"""


def build(plan: Plan) -> bytes:
    """The page, UTF-8; the same plan gives the same bytes."""
    assets = resources.files("exports") / "assets"
    data = json.dumps(_data(plan), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return _PAGE.format(
        generator=f"{SOFTWARE_NAME} {__version__}",
        title=html.escape(_readable(f"Plan {plan.id}")),
        summary=html.escape(_summary(plan)),
        style=(assets / "scene.css").read_text(encoding="utf-8"),
        script=(assets / "scene.js").read_text(encoding="utf-8"),
        data=data.replace("<", "\\u003c"),  # no name can end the script that holds it
    ).encode("utf-8")


def _summary(plan: Plan) -> str:
    return _readable(
        f"{len(plan.needles)} needles, {plan.seed_count} seeds {plan.source_model}, "
        f"{plan.air_kerma_strength_u:.3f} U each; prescribed {plan.prescription_gy:g} Gy"
    )


def _data(plan: Plan) -> dict[str, Any]:
    parts = parts_of(plan)
    words = words_of(plan)
    everywhere = np.vstack([part.vertices_lps_mm for part in parts if len(part.vertices_lps_mm)])
    first, beside = overview(plan), operator_view(plan)
    middle = _rounded(0.5 * (whole_plan(plan).min(axis=0) + whole_plan(plan).max(axis=0)))
    return {
        "reach_mm": _reach_mm(everywhere, first.focus_lps_mm),
        "switches": list(_switches(parts, words).values()),
        "meshes": [_mesh(part) for part in parts if len(part.faces)],
        "labels": [_label(word) for word in words],
        "legend": {"group": "Needles and seeds", "entries": legend_entries(plan)},
        "views": [
            *(
                {**_view(key, side, f"From the patient's {side.lower()}", *axes), "focus": middle}
                for key, side, *axes in _VIEWS
            ),
            _placed("o", "Operator", "As the operator sees it", beside),
            _placed("0", "Reset", "As at the start", first),
        ],
    }


def _switches(parts: list[Part], words: list[Word]) -> dict[str, dict[str, Any]]:
    """What can be switched on and off, by key, in the order of the panel."""
    switches: dict[str, dict[str, Any]] = {}
    for switch in [*(part.switch for part in parts), *(word.switch for word in words)]:
        switches[switch.key] = {
            "key": switch.key,
            "group": switch.group,
            "label": _readable(switch.label),
            "colour": switch.colour,
            "on": switch.on,
        }
    return switches


def _mesh(part: Part) -> dict[str, Any]:
    return {
        "switch": part.switch.key,
        "colour": part.colour,
        "opacity": part.opacity,
        "flat": part.flat,
        "smooth": part.smooth,
        "size": round(float(np.ptp(part.vertices_lps_mm, axis=0).max()), 3),
        "v": _packed(part.vertices_lps_mm, "<f4"),
        "f": _packed(part.faces, "<u4"),
    }


def _label(word: Word) -> dict[str, Any]:
    text = _readable(word.text)
    return {
        "switch": word.switch.key,
        "needs": word.needs,
        "text": text if len(text) <= 40 else f"{text[:39]}…",
        "at": [[round(float(x), 3) for x in place] for place in word.places_lps_mm],
        "size": word.size_px,
        "colour": word.colour,
    }


def _view(key: str, label: str, title: str, forward: ArrayLike, up: ArrayLike) -> dict[str, Any]:
    return {
        "key": key,
        "label": label,
        "title": title,
        "forward": _rounded(forward),
        "up": _rounded(up),
    }


def _placed(key: str, label: str, title: str, view: View) -> dict[str, Any]:
    """A button that also shifts and zooms."""
    return {
        **_view(key, label, title, view.forward_lps, view.up_lps),
        "focus": _rounded(view.focus_lps_mm),
        "half_height_mm": view.half_height_mm,
    }


def _rounded(vector: ArrayLike) -> list[float]:
    return [round(float(x), 9) + 0.0 for x in np.asarray(vector)]


def _reach_mm(points: NDArray[np.float64], focus: NDArray[np.float64]) -> float:
    """Half the depth that is drawn: everything, however the scene is turned and moved."""
    return round(2.0 * float(np.linalg.norm(points - focus, axis=1).max()) + 1.0, 3)


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def _readable(text: str) -> str:
    """A text in which every character can be seen; others stand as their code: ``<U+202E>``."""
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSEEN else char for char in text
    )
