"""The plan's hash: that of the file, and the one that each plate carries as a QR code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import segno
import shapely
from numpy.typing import NDArray

from template_designer.checking.evidence import Evidence
from template_designer.checking.lines import CheckLine, all_same, failed, not_checked
from template_designer.checking.plate import PlateModel

MODULES = 21
"""Modules along a side of a QR code of version 1."""

CHARACTERS = 16
"""Hexadecimal digits of the hash that the code carries."""

UNDER_MM = 1.0
"""Above this, from the operator face down, stand the walls of the letters engraved there."""


def check_hash(evidence: Evidence) -> Iterator[CheckLine]:
    """The hash is that of everything else in plan.json: nothing was changed afterwards."""
    name, compared = "plan hash", "SHA-256 of what plan.json holds beside it"
    stated = evidence.plan.hash
    if stated is None:
        yield not_checked(name, compared, "plan.json states none")
        return
    data = json.loads((evidence.folder / "plan.json").read_text(encoding="utf-8"))
    data.pop("hash", None)
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    found = hashlib.sha256(text.encode("utf-8")).hexdigest()
    wrong = [] if found == stated else [f"states {stated[:8]}, holds {found[:8]}"]
    yield all_same(name, compared, wrong, 1)


def check_codes(evidence: Evidence) -> Iterator[CheckLine]:
    """The code on each plate's rim is that of this plan, module by module."""
    stated = evidence.plan.hash
    for template in evidence.plan.templates:
        part = f"{template.name} " if len(evidence.plan.templates) > 1 else ""
        name, compared = f"{part}model belongs to the plan", "QR code on the rim with the hash"
        ink = _ink(evidence.plates[template.name])
        if stated is None or ink.is_empty:
            why = "plan.json states no hash" if stated is None else "the rim carries no code"
            yield not_checked(name, compared, why)
            continue
        seen = _modules(ink)
        if seen is None:
            yield failed(name, compared, "what stands on the rim is no code of 21 x 21 modules")
            continue
        text = stated[:CHARACTERS].upper()
        drawn = segno.make(text, version=1, error="q", mode="alphanumeric", boost_error=False)
        asked = np.array([[bool(m) for m in row] for row in drawn.matrix])
        count = int(np.count_nonzero(asked != seen))
        wrong = [f"{count} of {asked.size} modules differ: another plan's plate"] if count else []
        yield all_same(name, compared, wrong, asked.size)


def _ink(model: PlateModel) -> shapely.Geometry:
    """Engraving on the left half of the right side as seen from outside: x along +Y, y along Z."""
    p = model.triangles_mm
    wall = float(p[..., 0].max())
    flat = np.ptp(p[..., 0], axis=1) < 1e-3
    deep = wall - p[..., 0].mean(axis=1)
    u, v = p[:, 1, 1:] - p[:, 0, 1:], p[:, 2, 1:] - p[:, 0, 1:]
    outward = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] > 0.0
    left = p[..., 1].max(axis=1) < -0.5  # the line for the laser stands in the middle
    under = p[..., 2].max(axis=1) < float(p[..., 2].max()) - UNDER_MM
    floor = flat & outward & left & under & (deep > 0.05) & (deep < 2.0)
    if not floor.any():
        return shapely.Polygon()
    return shapely.union_all(shapely.set_precision(shapely.polygons(p[floor][..., 1:]), 1e-4))


def _modules(ink: shapely.Geometry) -> NDArray[np.bool_] | None:
    """Dark modules, rows from the top; None where the ink does not fill a square."""
    left, low, right, high = ink.bounds
    if not 0.95 < (right - left) / (high - low) < 1.05:
        return None
    at = (np.arange(MODULES) + 0.5) / MODULES
    x, y = np.meshgrid(left + at * (right - left), high - at * (high - low))
    return np.asarray(shapely.contains_xy(ink, x, y))
