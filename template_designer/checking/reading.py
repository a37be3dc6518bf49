"""Reads the engraved hole labels off a plate, as somebody does who looks down on it.

Letters run along +x and numbers along +y of the template frame. A mirrored or turned plate shows
other letters at those places, or letters the wrong way round. Glyphs are drawn here from DejaVu
Sans with matplotlib; the planner's own outlines are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
import shapely
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from numpy.typing import NDArray
from shapely.affinity import affine_transform, rotate, scale

TURNS: Mapping[str, tuple[float, float, float, float]] = {
    "as it should be": (1, 0, 0, 1),
    "turned by 90 degrees": (0, -1, 1, 0),
    "turned by 180 degrees": (-1, 0, 0, -1),
    "turned by 270 degrees": (0, 1, -1, 0),
    "mirrored left to right": (-1, 0, 0, 1),
    "mirrored top to bottom": (1, 0, 0, -1),
    "mirrored across the diagonal from A1": (0, -1, -1, 0),
    "mirrored across the other diagonal": (0, 1, 1, 0),
}
"""Ways a plate can lie, as matrices a, b, d, e of x' = a x + b y, y' = d x + e y."""


def likeness(
    ink: Sequence[shapely.Polygon],
    columns: Mapping[str, float],
    rows: Mapping[str, float],
    half_size_mm: tuple[float, float],
    bore_mm: float,
) -> dict[str, float]:
    """How well the engraving reads as the labels, for each way the plate could lie (0 to 1).

    Parameters
    ----------
    ink : sequence of Polygon
        Engraved areas, print plane (X right, Y up), mm.
    columns, rows : mapping of label to place
        X of each column's letters and Y of each row's number, print plane, mm.
    half_size_mm : (x, y)
        Half the size of the plate.
    bore_mm : float
        Diameter of the holes.

    Returns
    -------
    dict
        Mean overlap of engraved and drawn letters by way of lying; the largest is how it lies.
    """
    found = {}
    for name, (a, b, d, e) in TURNS.items():
        turned = [affine_transform(part, [a, b, d, e, 0.0, 0.0]) for part in ink]
        found[name] = _score(turned, columns, rows, half_size_mm, bore_mm)
    return found


Margin = Sequence[tuple[str, float]]
"""Labels of one margin and their places along it, mm."""


def _score(
    ink: Sequence[shapely.Polygon],
    columns: Mapping[str, float],
    rows: Mapping[str, float],
    half_size_mm: tuple[float, float],
    bore_mm: float,
) -> float:
    """Mean likeness of the labels in all four margins."""
    centres = np.array([part.centroid.coords[0] for part in ink]).reshape(-1, 2)
    scores = []
    for places, along, half in ((columns, 0, half_size_mm[1]), (rows, 1, half_size_mm[0])):
        sign = 1.0 if along == 0 else -1.0  # from A on, and from 1 on: Y falls
        labels = sorted(((name, sign * place) for name, place in places.items()), key=_place)
        other = rows if along == 0 else columns
        low = max(map(abs, other.values())) + 0.5 * bore_mm
        for side in (-1.0, 1.0):
            out = side * centres[:, 1 - along]
            here = np.flatnonzero((out > low) & (out < half))
            at = sign * centres[here, along]
            scores.append(_margin([ink[int(n)] for n in here], at, labels))
    return float(np.mean(scores))


def _place(label: tuple[str, float]) -> float:
    return label[1]


def _margin(ink: Sequence[shapely.Polygon], at_mm: NDArray[np.float64], labels: Margin) -> float:
    """Mean likeness along one margin: labels upright or turned, all, every second or fourth."""
    step = min(np.diff([place for _, place in labels]), default=10.0)
    best = 0.0
    for every in (1, 2, 4):
        words = []
        for name, place in labels[::every]:
            near = np.flatnonzero(np.abs(at_mm - place) < 0.5 * every * step)
            words.append((name, [ink[int(n)] for n in near]))
        for turned in (False, True):
            likenesses = [_word(parts, name, turned) for name, parts in words]
            best = max(best, float(np.mean(likenesses)))
    return best


def _word(parts: Sequence[shapely.Polygon], name: str, turned: bool) -> float:
    """Likeness of some engraved areas and one label, letter by letter."""
    if turned:  # read from the right: turned a quarter back, it stands upright
        parts = [rotate(part, -90.0, origin=(0.0, 0.0)) for part in parts]
    parts = sorted(parts, key=lambda part: part.centroid.x)
    if len(parts) != len(name):
        return 0.0
    overlaps = []
    for part, char in zip(parts, name, strict=True):
        seen, drawn = _fitted(part), _glyph(char)
        overlaps.append(seen.intersection(drawn).area / seen.union(drawn).area)
    return float(np.mean(overlaps))


@lru_cache(maxsize=64)
def _glyph(char: str) -> shapely.Geometry:
    """One letter or digit of DejaVu Sans, fitted to the unit square."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    text = TextPath((0.0, 0.0), char, size=100.0, prop=FontProperties(fname=str(path)))
    shape: shapely.Geometry = shapely.Polygon()
    for ring in text.to_polygons():
        shape = shape.symmetric_difference(shapely.Polygon(ring))
    if char == "1":  # plates carry a 1 without its foot
        left, low, right, high = shape.bounds
        shape = shape.intersection(shapely.box(left, low + 0.2 * (high - low), right, high))
    return _fitted(shape)


def _fitted(shape: shapely.Geometry) -> shapely.Geometry:
    left, low, right, high = shape.bounds
    moved = affine_transform(shape, [1.0, 0.0, 0.0, 1.0, -left, -low])
    return scale(
        moved, 1.0 / max(right - left, 1e-9), 1.0 / max(high - low, 1e-9), origin=(0.0, 0.0)
    )
