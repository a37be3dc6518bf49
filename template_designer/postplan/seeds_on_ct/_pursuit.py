"""Seeds one after the other: a rod where most signal is left, fitted with its neighbours."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from template_designer.postplan.seeds_on_ct._evidence import CORE_MM, RING_MM, RING_PART, contrast
from template_designer.postplan.seeds_on_ct._field import Field, together
from template_designer.postplan.seeds_on_ct._fit import Prior, group_window, weights_of
from template_designer.postplan.seeds_on_ct._rods import (
    PARAMETERS,
    Scanner,
    Window,
    centres_of,
    rod_voxels,
    window_round,
)

LEAST_GAIN = 0.45
"""A rod stays if it explains this part of what a seed in its place would explain."""

LEAST_LIKENESS = 0.6
"""Part of the variance in a rod's own voxels that it explains (R squared)."""

LEAST_CONTRAST = 0.35
"""A seed stands above its surroundings by this part of what it should: looked at before a fit."""

LEAST_SIGNAL_PART = 0.5
"""A seed has at least this part of the signal that seeds have in the same CT."""

STOP_PART = 0.3
"""The search of a candidate ends when less than this part of a seed's own peak is left."""

STUCK_PART = 0.7
"""A place that keeps more than this part of its signal after a rod was put there is closed."""

DEAD_MM = 1.5
"""So far round a place at which no rod fitted none is tried again."""

THICK_SLICE_MM = 1.5
"""In thicker slices rods are tried between slices too."""

SMOOTH_MM = 0.6
_WAYS = [np.array(w, dtype=float) for w in product((-1, 0, 1), repeat=3) if w > (0, 0, 0)]
_WAYS = [w / np.linalg.norm(w) for w in _WAYS]


def first_rod(
    field: Field, site: tuple[int, int, int], signal_hu_mm3: float | None
) -> NDArray[np.float64]:
    """A rod at a voxel, turned the way that explains most of what is there.

    ``signal_hu_mm3``: None: that which fits best.
    """
    scanner, prior = field.scanner, field.prior
    place = np.array(site[::-1]) * scanner.spacing_mm
    window = window_round(place[None], 3.5 + scanner.spacing_mm, scanner, field.hu.shape)
    left = field.hu[window] - field.shown(window)
    u, v, w = centres_of(window, scanner)
    for _ in range(3):  # walk to the middle of the signal nearby
        near = (
            ((u - place[0]) / 2.5) ** 2
            + (((v - place[1]) / 2.5) ** 2)[:, None]
            + (((w - place[2]) / (1.5 + 0.5 * scanner.spacing_mm[2])) ** 2)[:, None, None]
        ) <= 1.0
        mass = np.where(near, np.maximum(left, 0.0), 0.0)
        total = float(mass.sum())
        if total <= 0.0:
            break
        place = np.array([(mass.sum(axis=(0, 1)) @ u), (mass.sum(axis=(0, 2)) @ v),
                          (mass.sum(axis=(1, 2)) @ w)]) / total  # fmt: skip
    ways = list(_WAYS)
    if prior is not None and prior.axis is not None:
        ways.append(prior.axis)
    weight = weights_of(field.hu[window] - field.background[window])
    base = field.background[window] + field.total[window]
    # within a thick slice nothing tells where along its normal a rod lies: a fit that starts in
    # its middle would stay there, whatever the next slice shows
    step = scanner.spacing_mm[2]
    heights = (0.0, -0.5 * step, 0.5 * step) if step > THICK_SLICE_MM else (0.0,)
    best, chosen = np.inf, np.zeros(PARAMETERS)
    for way, height in product(ways, heights):
        rod = np.array([place[0], place[1], place[2] + height, *way, 0.0])
        shape = rod_voxels(rod, window, scanner)[0]
        free = base + shape < scanner.clip_hu
        level = signal_hu_mm3
        if level is None:
            part = weight**2 * shape * free * (field.hu[window] < scanner.clip_hu)
            level = float(np.sum(part * left) / max(float(np.sum(part * shape)), 1e-12))
            level = max(level, 1e3)
        off = weight * (np.minimum(base + level * shape, scanner.clip_hu) - field.hu[window])
        cost = float(np.sum(off**2))
        if cost < best:
            best, chosen = cost, np.array([*rod[:6], np.log(level)])
    return chosen


class _Search:
    """Signal that no rod explains yet, smoothed, and the places where one may still be put."""

    def __init__(self, field: Field, open_: NDArray[np.bool_]) -> None:
        self.field = field
        self.places = np.flatnonzero(open_)
        self.closed = np.zeros(field.hu.shape, dtype=np.bool_)
        self.left = np.zeros(field.hu.shape)
        nk, nj, ni = field.hu.shape
        self.refresh((slice(0, nk), slice(0, nj), slice(0, ni)))

    def brightest(self) -> tuple[tuple[int, int, int], float]:
        """The place with most signal left, and how much, HU."""
        values = self.left.ravel()[self.places]
        at = int(np.argmax(values))
        k, j, i = np.unravel_index(self.places[at], self.left.shape)
        return (int(k), int(j), int(i)), float(values[at])

    def height(self, site: tuple[int, int, int]) -> float:
        """How far a place stands above what lies round it in its slice, HU."""
        k, j, i = site
        v, u = (round(RING_MM[1] / s) for s in self.field.scanner.spacing_mm[1::-1])
        rows, columns = slice(max(0, j - v), j + v + 1), slice(max(0, i - u), i + u + 1)
        part = self.field.hu[k, rows, columns] - self.field.total[k, rows, columns]
        step = self.field.scanner.spacing_mm
        y, x = np.ogrid[
            rows.start : rows.start + part.shape[0], columns.start : columns.start + part.shape[1]
        ]
        away = np.hypot((x - i) * step[0], (y - j) * step[1])
        ring = part[(away >= RING_MM[0]) & (away <= RING_MM[1])]
        core = part[away <= max(CORE_MM, 0.75 * float(step[0]))]
        return float(core.mean() - np.percentile(ring, RING_PART)) if ring.size else 0.0

    def beside_a_rod(self, site: tuple[int, int, int]) -> bool:
        """Whether a rod lies so near that it is in the place's surroundings."""
        place = np.array(site[::-1]) * self.field.scanner.spacing_mm
        away = np.linalg.norm(self.field.rods[:, :3] - place, axis=1)
        return bool(np.any(away < RING_MM[1] + 0.5 * self.field.scanner.length_mm))

    def refresh(self, window: Window) -> None:
        """Look again where rods have changed."""
        step = self.field.scanner.spacing_mm[::-1]
        sigma = SMOOTH_MM / step
        wide = _grown(window, np.ceil(4.0 * sigma), self.left.shape)
        cut = tuple(
            slice(w.start - g.start, w.stop - g.start) for w, g in zip(window, wide, strict=True)
        )
        smooth = ndimage.gaussian_filter(self.field.hu[wide] - self.field.shown(wide), sigma)[cut]
        self.left[window] = np.where(self.closed[window], -np.inf, smooth)

    def close(self, site: tuple[int, int, int]) -> None:
        """Try no further rod round a place."""
        step = self.field.scanner.spacing_mm[::-1]
        reach = np.array([max(DEAD_MM, 0.6 * step[0]), DEAD_MM, DEAD_MM])
        k, j, i = site
        at = (slice(k, k + 1), slice(j, j + 1), slice(i, i + 1))
        window = _grown(at, np.floor(reach / step), self.left.shape)
        index = np.indices(self.left[window].shape).T + [part.start for part in window]
        away = np.linalg.norm((index - np.array(site)) * step / reach, axis=-1).T
        self.closed[window] |= away <= 1.0
        self.left[window] = np.where(self.closed[window], -np.inf, self.left[window])


def _grown(window: Window, room: NDArray[np.float64], shape: tuple[int, ...]) -> Window:
    """A window with voxels more on either side, as far as the image goes."""
    k, j, i = (
        slice(max(0, part.start - int(more)), min(size, part.stop + int(more)))
        for part, more, size in zip(window, room, shape, strict=True)
    )
    return k, j, i


def pursue(field: Field, open_: NDArray[np.bool_]) -> int:
    """Put rods into candidates until their signal is explained; how many places were given up.

    Parameters
    ----------
    field : Field
        Changed: gets the rods.
    open_ : (slices, rows, columns) ndarray of bool
        Voxels of the candidates.
    """
    prior = field.prior
    assert prior is not None
    least = _own_peak(prior, field.scanner)
    search = _Search(field, open_)
    given_up = 0
    while len(search.places):
        site, left_hu = search.brightest()
        if not left_hu > STOP_PART * least:
            break
        found = None
        # beside a seed the surroundings are the seed: only the fit can tell
        if search.beside_a_rod(site) or search.height(site) >= LEAST_CONTRAST * least:
            found = _one_more(field, site, prior)
        if found is None:
            given_up += 1
            search.close(site)
            continue
        members, rods = found
        changed = np.concatenate([field.rods[members], rods])
        field.replace(members, rods)
        search.refresh(group_window(changed, field.scanner, field.hu.shape))
        if search.left[site] > STUCK_PART * left_hu:  # the rod went elsewhere
            search.close(site)
    return given_up


def _one_more(
    field: Field, site: tuple[int, int, int], prior: Prior
) -> tuple[NDArray[np.intp], NDArray[np.float64]] | None:
    """A rod at a place: the rods it changes, and these with it; None where it does not belong."""
    rod = first_rod(field, site, prior.signal_hu_mm3)
    high, whole = contrast(field, rod, placed=False)
    if high < LEAST_CONTRAST * whole:
        return None
    members = field.neighbours(rod)
    fit, gain, likeness = together(field, members, rod[None], prior)
    enough = np.exp(fit.rods[-1, 6]) >= LEAST_SIGNAL_PART * prior.signal_hu_mm3
    if gain < LEAST_GAIN or likeness < LEAST_LIKENESS or not enough:
        return None
    return members, fit.rods


def _own_peak(prior: Prior, scanner: Scanner) -> float:
    """Peak of a seed that lies in a slice plane, between two slices, HU."""
    line = prior.signal_hu_mm3 / scanner.length_mm
    across = np.sqrt(2.0 * np.pi) * np.hypot(scanner.sigma_mm[0], 0.8 * SMOOTH_MM)
    thick = max(2.0 * scanner.spacing_mm[2], 1.5)
    return float(min(line / (across * thick), scanner.clip_hu))
