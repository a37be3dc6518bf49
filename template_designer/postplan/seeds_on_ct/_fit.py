"""Rods fitted to voxels by least squares, several at once where they are close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from template_designer.postplan.seeds_on_ct._rods import (
    MOST_LOG,
    PARAMETERS,
    Scanner,
    Window,
    centres_of,
    ends_of,
    gap_mm,
    rod_voxels,
    window_round,
)

TISSUE_HU = 80.0
"""What bone, noise and streaks leave of a background that is known roughly, one sigma."""

MODEL_PART = 0.10
"""What the rod's simple form leaves of a signal, as a part of it: a marker inside, a kernel."""

OFFSET_HU = 150.0
"""How far the background round seeds may be off that of its surroundings, one sigma."""

SIGNAL_SPREAD = 0.15
"""Seeds of one batch look alike: part by which their signals differ, one sigma."""

OVERLAP_MM = 0.8
"""Axes of two capsules are not nearer than one diameter."""

MOST_EVALUATIONS, STOP = 40, 1e-4
"""A fit ends after so many evaluations, or where a step changes sum and rods by this part."""

ROOM_MM = 1.0
"""Voxels so much farther count too: a rod may move that far while it is fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What is known of every seed before it is fitted."""

    signal_hu_mm3: float
    spread: float = SIGNAL_SPREAD
    axis: NDArray[np.float64] | None = None  # needles' direction, (3,) u, v, w
    axis_spread: float = 0.35  # of a unit vector: 20 degrees


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Rods after a fit."""

    rods: NDArray[np.float64]  # (n, 7)
    cost: float  # half the weighted sum of squares, priors left out
    whole_cost: float  # with them
    offset_hu: float
    axis_error_rad: NDArray[np.float64]  # (n,) one sigma, the larger of both angles


def weights_of(excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """One over the expected error of voxels, 1/HU."""
    return np.asarray(1.0 / np.hypot(TISSUE_HU, MODEL_PART * np.maximum(excess, 0.0)))


def reach_mm(scanner: Scanner) -> NDArray[np.float64]:
    """How far from a rod's line its signal is seen, (3,) mm."""
    return 2.0 * scanner.sigma_mm + 0.5 * scanner.spacing_mm + 0.5


def fit_rods(
    hu: NDArray[np.float64],
    background: NDArray[np.float64],
    others: NDArray[np.float64],
    window: Window,
    rods: NDArray[np.float64],
    scanner: Scanner,
    prior: Prior | None,
    near: NDArray[np.bool_] | None = None,
) -> Fit:
    """Fit rods in the voxels of a window.

    Parameters
    ----------
    hu, background, others : (nw, nv, nu) ndarray
        Of the window: what was measured, tissue alone, signal of rods that stay as they are.
    window : Window
    rods : (n, 7) ndarray
        To start from.
    scanner : Scanner
    prior : Prior or None
        None: the signal is free, for the first look at single seeds.
    near : (nw, nv, nu) ndarray of bool, optional
        Voxels that count; default those near the rods.
    """
    count = len(rods)
    weight = weights_of(hu - background)
    weight *= near_rods(rods, window, scanner) if near is None else near
    start = np.append(rods.ravel(), 0.0)
    if int(np.count_nonzero(weight)) < start.size:  # at a corner of the image: nothing to learn
        return Fit(rods.copy(), np.inf, np.inf, 0.0, np.full(count, np.pi))
    problem = _Problem(hu, background + others, weight, window, scanner, prior)
    found = least_squares(
        problem.residual,
        start,
        jac=problem.slopes,
        method="lm",
        xtol=STOP,
        ftol=STOP,
        max_nfev=MOST_EVALUATIONS,
    )
    seen = problem.residual(found.x)[: hu.size]
    after = found.x[:-1].reshape(count, PARAMETERS).copy()
    after[:, 6] = np.minimum(after[:, 6], MOST_LOG)
    after[:, 3:6] /= np.linalg.norm(after[:, 3:6], axis=1, keepdims=True)
    errors = _axis_errors(problem.slopes(found.x), seen, count)
    return Fit(after, 0.5 * float(seen @ seen), float(found.cost), float(found.x[-1]), errors)


class _Problem:
    """Weighted residuals of rods and of what is believed of them, with their slopes."""

    def __init__(
        self,
        hu: NDArray[np.float64],
        base: NDArray[np.float64],
        weight: NDArray[np.float64],
        window: Window,
        scanner: Scanner,
        prior: Prior | None,
    ) -> None:
        self.hu, self.base, self.weight = hu, base, weight
        self.window, self.scanner, self.prior = window, scanner, prior
        self._at, self._known = b"", (np.zeros(0), np.zeros((0, 0)))

    def residual(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(voxels + beliefs,)."""
        return self._both(x)[0]

    def slopes(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(voxels + beliefs, parameters)."""
        return self._both(x)[1]

    def _both(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both at once: they share most of their work, and are asked for one after the other."""
        if x.tobytes() == self._at:
            return self._known
        count = x.size // PARAMETERS
        table = np.zeros((x.size, self.hu.size))
        total = self.base + x[-1]
        for n, rod in enumerate(x[:-1].reshape(count, PARAMETERS)):
            signal, slopes = rod_voxels(rod, self.window, self.scanner, slopes=True)
            total = total + signal
            table[n * PARAMETERS : (n + 1) * PARAMETERS] = slopes
        table[-1] = 1.0
        clip = self.scanner.clip_hu
        table[:, (total >= clip).ravel()] = 0.0
        table *= self.weight.ravel()
        off, slope = _beliefs(x, count, self.prior, self.scanner)
        left = (self.weight * (np.minimum(total, clip) - self.hu)).ravel()
        self._known = np.concatenate([left, off]), np.concatenate([table, slope], axis=1).T
        self._at = x.tobytes()
        return self._known


def _beliefs(
    x: NDArray[np.float64], count: int, prior: Prior | None, scanner: Scanner
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Residuals of what is believed, and their slopes (parameters, residuals)."""
    rows: list[tuple[float, dict[int, float]]] = [
        (x[-1] / OFFSET_HU, {x.size - 1: 1.0 / OFFSET_HU})
    ]
    rods = x[:-1].reshape(count, PARAMETERS)
    for n, rod in enumerate(rods):
        base = n * PARAMETERS
        size = float(np.linalg.norm(rod[3:6]))
        grow = {base + 3 + m: rod[3 + m] / size * 5.0 for m in range(3)}
        rows.append(((size - 1.0) * 5.0, grow))
        if prior is None:
            continue
        off = (rod[6] - np.log(prior.signal_hu_mm3)) / prior.spread
        rows.append((off, {base + 6: 1.0 / prior.spread}))
        if prior.axis is not None:
            sense = float(np.sign(rod[3:6] @ prior.axis)) or 1.0
            for m in range(3):
                away = (rod[3 + m] - sense * prior.axis[m]) / prior.axis_spread
                rows.append((away, {base + 3 + m: 1.0 / prior.axis_spread}))
    rows.extend(_overlaps(rods, scanner))
    off_all = np.array([row[0] for row in rows])
    slope = np.zeros((x.size, len(rows)))
    for column, (_, entries) in enumerate(rows):
        for index, value in entries.items():
            slope[index, column] = value
    return off_all, slope


def _overlaps(rods: NDArray[np.float64], scanner: Scanner) -> list[tuple[float, dict[int, float]]]:
    """Residuals of capsules that would be in each other's place: one a pair, moved by centres."""
    rows: list[tuple[float, dict[int, float]]] = []
    ends = ends_of(rods, scanner)
    for i in range(len(rods)):
        for j in range(i + 1, len(rods)):
            way = rods[i, :3] - rods[j, :3]
            apart = float(np.linalg.norm(way))
            gap = gap_mm(ends[i], ends[j]) if apart < scanner.length_mm + OVERLAP_MM else np.inf
            entries: dict[int, float] = {}
            depth = max(0.0, OVERLAP_MM - gap)
            if depth > 0.0:
                unit = way / max(apart, 1e-6)
                for m in range(3):
                    entries[i * PARAMETERS + m] = -unit[m] / 0.1
                    entries[j * PARAMETERS + m] = unit[m] / 0.1
            rows.append((depth / 0.1, entries))
    return rows


def _axis_errors(
    slopes: NDArray[np.float64], seen: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """One sigma of each axis from the curvature of the fit, rad; residuals scale it."""
    used = int(np.count_nonzero(seen))
    spread = max(1.0, float(seen @ seen) / max(used - slopes.shape[1], 1))
    covariance = np.linalg.pinv(slopes.T @ slopes) * spread
    errors = np.zeros(count)
    for n in range(count):
        part = covariance[n * PARAMETERS + 3 : n * PARAMETERS + 6, :][
            :, n * PARAMETERS + 3 : n * PARAMETERS + 6
        ]
        errors[n] = np.sqrt(max(float(np.linalg.eigvalsh(part)[-1]), 0.0))
    return errors


def group_window(rods: NDArray[np.float64], scanner: Scanner, shape: tuple[int, ...]) -> Window:
    """Voxels in which rods can be seen."""
    return window_round(
        ends_of(rods, scanner).reshape(-1, 3), reach_mm(scanner) + ROOM_MM, scanner, shape
    )


def near_rods(rods: NDArray[np.float64], window: Window, scanner: Scanner) -> NDArray[np.bool_]:
    """Voxels of a window near enough to some rod to say something about it."""
    u, v, w = centres_of(window, scanner)
    reach = reach_mm(scanner) + ROOM_MM
    near = np.zeros((len(w), len(v), len(u)), dtype=np.bool_)
    for low, high in ends_of(rods, scanner) / reach:
        line = high - low
        du, dv, dw = (
            a / r - b for a, r, b in zip((u, v[:, None], w[:, None, None]), reach, low, strict=True)
        )
        along = np.clip((du * line[0] + dv * line[1] + dw * line[2]) / (line @ line), 0.0, 1.0)
        away = [d - along * step for d, step in zip((du, dv, dw), line, strict=True)]
        near |= away[0] ** 2 + away[1] ** 2 + away[2] ** 2 <= 1.0
    return near
