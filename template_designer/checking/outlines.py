"""Structures from their drawn outlines, measured point by point: no grid, no distance field.

On a drawn slice a structure is what was drawn. Between two slices the signed in-plane distances of
a point to both outlines are mixed in proportion to height. Parts that meet nothing on the next
slice, and the end slices, go on for half a spacing. A signed distance is 1-Lipschitz, and so is a
mixture of two; the in-plane distance of a point from the outline between them is therefore never
less than the mixture. Joined with the height this bounds distances from below (the safe side).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from matplotlib.path import Path
from numpy.typing import NDArray

from template_designer.checking.segments import point_segment_distances_mm, segment_distances_mm
from template_designer.errors import GeometryError

SAME_PLANE_MM = 0.2
"""Rings whose planes differ by less lie on one slice (coordinates are written rounded)."""

BRIDGE_SPACINGS = 2.5
"""A longer stretch without contours separates two parts, unless needles must avoid them."""

FOREVER_MM = 1000.0
"""How far a structure that is cut by the end of the scan goes on: anatomy does not end there."""

_BLOCK = 1_000_000  # points times edges worked on at once: some ten megabytes an array

Rings = tuple[NDArray[np.float64], ...]
"""(n, 2) rings of one slice, combined by the even-odd rule."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What lies between two heights: one outline held, or two mixed in proportion to height."""

    low_mm: float
    high_mm: float
    lower: Rings
    upper: Rings  # the same object as ``lower`` where one outline is held


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """A structure; ``axes`` are unit rows u, v, w (LPS), w across the drawn planes."""

    name: str
    axes: NDArray[np.float64]  # (3, 3)
    heights_mm: NDArray[np.float64]  # (n,) of the drawn slices, rising
    slices: tuple[Rings, ...]
    layers: tuple[Layer, ...]
    spacing_mm: float  # of the drawn slices

    def to_local(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """LPS points as u, v, w, (..., 3)."""
        return np.asarray(points_lps_mm) @ self.axes.T

    def to_lps(self, points_uvw_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points in u, v, w as LPS, (..., 3)."""
        return np.asarray(points_uvw_mm) @ self.axes

    def contains(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points lie inside, (n, 3) -> (n,)."""
        local = np.atleast_2d(self.to_local(points_lps_mm))
        inside = np.zeros(len(local), dtype=bool)
        for layer in self.layers:
            here = (local[:, 2] >= layer.low_mm) & (local[:, 2] <= layer.high_mm)
            if here.any():
                blend = Blend.of(layer, local[here, :2])
                share = (local[here, 2] - layer.low_mm) / (layer.high_mm - layer.low_mm)
                inside[here] |= blend.inside(share[blend.some])
        return inside

    def away_mm(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of points from the structure, never too large, 0 inside. (n, 3) -> (n,)."""
        return self._least(points_lps_mm, 1.0, self.layers)

    def depth_mm(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """How deep points lie inside, never too large; 0 outside. (n, 3) -> (n,).

        The ends of the stack count as surface unless the scan ends there.
        """
        local = np.atleast_2d(self.to_local(points_lps_mm))
        least = self._least(points_lps_mm, -1.0, self.layers)
        ends = np.array([self.layers[0].low_mm, max(layer.high_mm for layer in self.layers)])
        return np.minimum(least, np.maximum(0.0, np.abs(local[:, 2, None] - ends).min(axis=1)))

    def needle_mm(
        self, start_lps_mm: NDArray[np.float64], end_lps_mm: NDArray[np.float64]
    ) -> float:
        """Distance of a straight segment from the structure, never too large, mm.

        Points every 2 mm find where it can be least, points every 0.1 mm there measure it; what a
        1-Lipschitz distance may fall by between two of those is taken off.
        """
        start, way = np.asarray(start_lps_mm), np.asarray(end_lps_mm) - np.asarray(start_lps_mm)
        length = float(np.linalg.norm(way))
        count = max(1, int(np.ceil(length / 2.0)))
        shares = np.linspace(0.0, 1.0, count + 1)
        coarse = self.away_mm(start + shares[:, None] * way)
        half = 0.5 * length / count  # a distance falls by no more than this between two points
        near = np.flatnonzero(np.minimum(coarse[1:], coarse[:-1]) - half <= coarse.min())
        fine = np.unique(shares[near, None] + np.linspace(0.0, 1.0, 21) / count)
        least = float(self.away_mm(start + fine[:, None] * way).min())
        step = length / count / 20.0
        return max(0.0, least - min(0.5 * step, step * step / (8.0 * max(least - step, 1e-9))))

    def drawn_mm(self, start_lps_mm: NDArray[np.float64], end_lps_mm: NDArray[np.float64]) -> float:
        """Exact distance of a segment from the drawn outlines and what they enclose, mm.

        Nothing between the slices counts: no sound clearance is larger than this.
        """
        a, b = self.to_local(start_lps_mm), self.to_local(end_lps_mm)
        least = np.inf
        for w, rings in zip(self.heights_mm, self.slices, strict=True):
            for ring in rings:
                flat = np.column_stack([ring, np.full(len(ring), w)])
                away = segment_distances_mm(a, b, flat, np.roll(flat, -1, axis=0))
                least = min(least, float(away.min()))
            points = [a, b]
            if (a[2] - w) * (b[2] - w) < 0.0:
                points.append(a + (w - a[2]) / (b[2] - a[2]) * (b - a))
            over = np.array(points)
            within = inside_rings(rings, over[:, :2])
            if within.any():
                least = min(least, float(np.abs(over[within, 2] - w).min()))
        return least

    def _least(
        self, points_lps_mm: NDArray[np.float64], sign: float, layers: Sequence[Layer]
    ) -> NDArray[np.float64]:
        """Least joint of height and in-plane distance (``sign`` -1: from inside), (n,)."""
        local = np.atleast_2d(self.to_local(points_lps_mm))
        known: dict[int, NDArray[np.float64]] = {}
        least = np.full(len(local), np.inf)

        def signed(rings: Rings) -> NDArray[np.float64]:
            if id(rings) not in known:
                known[id(rings)] = sign * signed_distance_mm(rings, local[:, :2])
            return known[id(rings)]

        if sign > 0.0:
            pairs = [(layer, signed(layer.lower), signed(layer.upper)) for layer in layers]
        else:  # of layers at one height a point may leave the one and still be in the other
            pairs = [(layer, signed(layer.lower), signed(layer.upper)) for layer in _main(layers)]
        for layer, low, high in pairs:
            below, above = layer.low_mm - local[:, 2], layer.high_mm - local[:, 2]
            least = np.minimum(least, _to_profile(low, below, high, above))
        return least


def build_outlines(
    name: str,
    rings_lps_mm: Sequence[NDArray[np.float64]],
    scan_lps_mm: NDArray[np.float64] | None = None,
    *,
    avoided: bool = False,
    held: bool = False,
) -> Outlines:
    """Layers of one structure.

    Parameters
    ----------
    name : str
    rings_lps_mm : sequence of (n, 3) ndarray
        As drawn, LPS, mm.
    scan_lps_mm : (slices, 3) ndarray, optional
        A point on every CT slice: structures that end with the scan go on past it.
    avoided : bool
        Needles must avoid it: however long a stretch without contours is, parts that face each
        other are joined across it.
    held : bool
        Nothing is mixed: every outline is held half way to the next (area times spacing), the
        other plain reading of what lies between two slices.

    Raises
    ------
    GeometryError
        If the rings lie on no common set of parallel planes.
    """
    axes = plane_axes(name, rings_lps_mm)
    heights, slices = _slices(name, [ring @ axes.T for ring in rings_lps_mm])
    scan = None if scan_lps_mm is None else np.sort(np.asarray(scan_lps_mm) @ axes[2])
    if scan is not None and (len(scan) < 2 or float(np.ptp(scan)) < 1.0):
        scan = None  # drawn across the slices of the scan
    steps = np.diff(heights)
    spacing = float(np.median(steps)) if steps.size else 1.0
    if scan is not None and not steps.size:
        spacing = float(np.median(np.diff(scan)))
    first, last = heights[0] - 0.5 * spacing, heights[-1] + 0.5 * spacing
    if scan is not None:
        reach = 0.75 * max(spacing, float(np.median(np.diff(scan))))
        first -= FOREVER_MM if first < scan[0] + reach else 0.0
        last += FOREVER_MM if last > scan[-1] - reach else 0.0
    layers = [Layer(first, float(heights[0]), slices[0], slices[0])]
    for k in range(len(steps)):
        pair = heights[k : k + 2], slices[k : k + 2], spacing
        layers.extend(_held(*pair) if held else _between(*pair, avoided))
    layers.append(Layer(float(heights[-1]), last, slices[-1], slices[-1]))
    return Outlines(name, axes, heights, tuple(slices), tuple(layers), spacing)


def plane_axes(name: str, rings_lps_mm: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Unit rows u, v, w (LPS): w across the plane of the largest ring."""
    areas = [
        0.5 * np.cross(ring - ring[0], np.roll(ring, -1, axis=0) - ring[0]).sum(axis=0)
        for ring in rings_lps_mm
    ]
    sizes = [float(np.linalg.norm(area)) for area in areas]
    if not sizes or not max(sizes) > 1e-6:
        raise GeometryError(f"structure {name!r} has no contour with an area; it cannot be checked")
    w = areas[int(np.argmax(sizes))] / max(sizes)
    nearest = int(np.argmax(np.abs(w)))
    if abs(w[nearest]) > 1.0 - 1e-6:  # rounded coordinates do not tilt an axial plane
        w = np.eye(3)[nearest]
    w = w * np.sign(w[nearest])
    u = np.eye(3)[int(np.argmin(np.abs(w)))]
    u = u - (u @ w) * w
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(w, u), w])


def signed_distance_mm(rings: Rings, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """In-plane distance of (n, 2) points from the outline, negative inside, (n,) mm."""
    ax, ay = np.vstack(rings).T
    bx, by = np.vstack([np.roll(ring, -1, axis=0) for ring in rings]).T
    ux, uy = bx - ax, by - ay
    squared = ux * ux + uy * uy
    share_per_mm = np.divide(1.0, squared, out=np.zeros_like(squared), where=squared > 0.0)
    distance = np.zeros(len(points_mm))
    block = max(1, _BLOCK // len(ax))
    for first in range(0, len(points_mm), block):
        x = points_mm[first : first + block, 0, None] - ax
        y = points_mm[first : first + block, 1, None] - ay
        share = np.clip((x * ux + y * uy) * share_per_mm, 0.0, 1.0)
        x -= share * ux
        y -= share * uy
        distance[first : first + block] = np.sqrt((x * x + y * y).min(axis=1))
    return np.where(inside_rings(rings, points_mm), -distance, distance)


def inside_rings(
    rings: Sequence[NDArray[np.float64]], points_mm: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Even-odd rule: whether a ray from each (n, 2) point crosses the rings an odd number of times.

    matplotlib counts the crossings of each ring.
    """
    inside = np.zeros(len(points_mm), dtype=bool)
    for ring in rings:
        inside ^= Path(ring).contains_points(points_mm)
    return inside


def _slices(
    name: str, rings_uvw_mm: list[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], list[Rings]]:
    """Rings by the plane they were drawn on, rising."""
    heights: list[float] = []
    groups: list[list[NDArray[np.float64]]] = []
    for ring in sorted(rings_uvw_mm, key=lambda r: float(r[:, 2].mean())):
        if np.ptp(ring[:, 2]) > 1.0:
            raise GeometryError(
                f"structure {name!r}: a contour is not planar; it cannot be checked"
            )
        w = float(ring[:, 2].mean())
        if not heights or w - heights[-1] > SAME_PLANE_MM:
            heights.append(w)
            groups.append([])
        groups[-1].append(np.ascontiguousarray(ring[:, :2]))
    return np.array(heights), [tuple(group) for group in groups]


def _between(
    heights: NDArray[np.float64], slices: Sequence[Rings], spacing_mm: float, avoided: bool
) -> Iterator[Layer]:
    """Layers from one drawn slice to the next: mixed where they face each other, else held."""
    (low, high), (lower, upper) = heights.tolist(), slices
    lone_low, lone_high = _lone(lower, upper), _lone(upper, lower)
    apart = high - low > BRIDGE_SPACINGS * spacing_mm
    held = 0.5 * (spacing_mm if apart else high - low)
    if apart and (not avoided or len(lone_low) == len(lower)):
        lone_low, lone_high = lower, upper
    else:
        yield Layer(low, high, lower, upper)
    if lone_low:
        yield Layer(low, low + held, lone_low, lone_low)
    if lone_high:
        yield Layer(high - held, high, lone_high, lone_high)


def _held(
    heights: NDArray[np.float64], slices: Sequence[Rings], spacing_mm: float
) -> Iterator[Layer]:
    """Both outlines held half way, or half a spacing where the stretch is long."""
    low, high = heights.tolist()
    apart = high - low > BRIDGE_SPACINGS * spacing_mm
    half = 0.5 * (spacing_mm if apart else high - low)
    yield Layer(low, low + half, slices[0], slices[0])
    yield Layer(high - half, high, slices[1], slices[1])


def _lone(here: Rings, there: Rings) -> Rings:
    """Rings that cover nothing of what the other slice's rings cover."""
    others = shapely.union_all([_filled(ring) for ring in there])
    lone = tuple(ring for ring in here if not _filled(ring).intersects(others))
    return lone if len(lone) < len(here) else here


def _filled(ring: NDArray[np.float64]) -> shapely.Geometry:
    return shapely.make_valid(shapely.Polygon(ring))


def _main(layers: Sequence[Layer]) -> list[Layer]:
    """Layers without those of lone parts, which lie beside a mixed one at the same height."""
    mixed = [layer for layer in layers if layer.lower is not layer.upper]
    return [
        layer
        for layer in layers
        if layer.lower is not layer.upper
        or not any(m.low_mm <= layer.low_mm and layer.high_mm <= m.high_mm for m in mixed)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """What a layer makes of some (n, 2) points, at any height."""

    both: NDArray[np.bool_]  # (n,) inside both outlines: inside at every height
    some: NDArray[np.int64]  # (k,) points inside one of the two
    low_mm: NDArray[np.float64]  # (k,) their signed distance from the lower outline
    high_mm: NDArray[np.float64]  # (k,) and from the upper

    @classmethod
    def of(cls, layer: Layer, points_mm: NDArray[np.float64]) -> Blend:
        """Distances only where they decide: of points inside one outline and outside the other."""
        low = inside_rings(layer.lower, points_mm)
        if layer.lower is layer.upper:
            return cls(low, np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
        high = inside_rings(layer.upper, points_mm)
        some = np.flatnonzero(low != high)
        low_mm, high_mm = (
            signed_distance_mm(rings, points_mm[some]) for rings in (layer.lower, layer.upper)
        )
        return cls(low & high, some, low_mm, high_mm)

    def inside(self, share: NDArray[np.float64] | float) -> NDArray[np.bool_]:
        """Points inside at a share of the way up, one for all or (k,) one for each of ``some``."""
        found = self.both.copy()
        found[self.some] = (1.0 - share) * self.low_mm + share * self.high_mm <= 0.0
        return found


def _to_profile(
    low: NDArray[np.float64],
    below: NDArray[np.float64],
    high: NDArray[np.float64],
    above: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distance of the origin from a profile: the line from (low, below) to (high, above).

    First coordinate: in-plane distance, where all under 0 is inside and counts as 0; second:
    height. All (n,).
    """
    start, end = np.column_stack([low, below]), np.column_stack([high, above])
    span = high - low
    at = np.clip(-low / np.where(span == 0.0, 1.0, span), 0.0, 1.0)
    cross = below + at * (above - below)  # where the line passes from inside to outside
    zero = np.zeros_like(low)
    away = np.where((low <= 0.0) & (high <= 0.0), np.inf, 0.0)
    outer_start = np.where((low < 0.0)[:, None], np.column_stack([zero, cross]), start)
    outer_end = np.where((high < 0.0)[:, None], np.column_stack([zero, cross]), end)
    origin = np.zeros_like(start)
    outside = point_segment_distances_mm(origin, outer_start, outer_end) + away
    none_inside = (low > 0.0) & (high > 0.0)
    inner = [np.where(low <= 0.0, below, cross), np.where(high <= 0.0, above, cross)]
    low_end, high_end = np.minimum(*inner), np.maximum(*inner)
    straight = np.maximum.reduce([zero, low_end, -high_end])
    return np.minimum(outside, np.where(none_inside, np.inf, straight))
