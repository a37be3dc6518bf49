"""A CT with the rods found in it so far, and fits of rods together with their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from template_designer.postplan.seeds_on_ct._fit import (
    Fit,
    Prior,
    fit_rods,
    group_window,
    near_rods,
    weights_of,
)
from template_designer.postplan.seeds_on_ct._rods import (
    PARAMETERS,
    Scanner,
    Window,
    ends_of,
    gap_mm,
    rod_voxels,
)

NEIGHBOURS = 4
"""Most rods that are fitted together with one."""

MOST_MOVE_VOXELS = 4.0
"""A rod that a fit moves farther does not belong where it was put."""


class Field:
    """A CT with the rods found in it so far."""

    def __init__(
        self,
        hu: NDArray[np.float64],
        background: NDArray[np.float64],
        scanner: Scanner,
        prior: Prior | None = None,
    ) -> None:
        self.hu, self.background, self.scanner, self.prior = hu, background, scanner, prior
        self.rods = np.zeros((0, PARAMETERS))
        self.total = np.zeros(hu.shape)  # signal of all rods, not clipped

    def shown(self, window: Window) -> NDArray[np.float64]:
        """What the image should show."""
        return np.minimum(self.background[window] + self.total[window], self.scanner.clip_hu)

    def paint(self, rods: NDArray[np.float64], sign: float) -> None:
        """Add rods to the total, or take them out."""
        for rod in rods:
            window = group_window(rod[None], self.scanner, self.hu.shape)
            self.total[window] += sign * rod_voxels(rod, window, self.scanner)[0]

    def replace(self, members: NDArray[np.intp], rods: NDArray[np.float64]) -> None:
        """Put other rods in the place of some."""
        self.paint(self.rods[members], -1.0)
        self.rods = np.concatenate([np.delete(self.rods, members, axis=0), rods])
        self.paint(rods, 1.0)

    def neighbours(self, rod: NDArray[np.float64], most: int = NEIGHBOURS) -> NDArray[np.intp]:
        """The rods that share voxels with one, nearest first."""
        if not len(self.rods):
            return np.zeros(0, dtype=np.intp)
        scale = 1.0 + 2.0 * self.scanner.sigma_mm + self.scanner.spacing_mm
        own = ends_of(rod[None], self.scanner)[0] / scale
        near = np.flatnonzero(
            np.linalg.norm(self.rods[:, :3] - rod[:3], axis=1) < 15.0 + self.scanner.spacing_mm[2]
        )
        gaps = np.array([gap_mm(e / scale, own) for e in ends_of(self.rods[near], self.scanner)])
        order = np.argsort(gaps)[:most] if len(gaps) else np.zeros(0, dtype=np.intp)
        return np.asarray(near[order][gaps[order] < 1.0], dtype=np.intp)

    def group(self, n: int) -> NDArray[np.intp]:
        """A rod and its neighbours, itself last."""
        others = self.neighbours(self.rods[n], NEIGHBOURS + 1)
        return np.append(others[others != n][:NEIGHBOURS], n)


def together(
    field: Field, members: NDArray[np.intp], rods: NDArray[np.float64], prior: Prior | None
) -> tuple[Fit, float, float]:
    """Fit rods in the place of members: the fit, its gain over leaving ``rods[-1]`` out, and R2.

    The gain is one for a rod that explains all that a seed in its place would explain.
    """
    start = np.concatenate([field.rods[members], rods]) if len(members) else rods
    window = group_window(start, field.scanner, field.hu.shape)
    near = near_rods(start, window, field.scanner)
    hu, background = field.hu[window], field.background[window]
    others = field.total[window].copy()
    for rod in field.rods[members]:
        others -= rod_voxels(rod, window, field.scanner)[0]
    fit = fit_rods(hu, background, others, window, start, field.scanner, prior, near)
    clip = field.scanner.clip_hu
    weight = weights_of(hu - background) * near
    before = _best_offset_cost(hu, background + field.total[window], weight, clip)
    last = rod_voxels(fit.rods[-1], window, field.scanner)[0]
    rest = others + sum(rod_voxels(r, window, field.scanner)[0] for r in fit.rods[:-1])
    base = background + fit.offset_hu + rest
    added = np.minimum(base + last, clip) - np.minimum(base, clip)
    ideal = 0.5 * float(np.sum((weight * added) ** 2))
    gain = (before - fit.cost) / max(ideal, 1e-9)
    moved = float(np.linalg.norm((fit.rods[-1, :3] - start[-1, :3]) / field.scanner.spacing_mm))
    if moved > MOST_MOVE_VOXELS:  # it fled from what is there
        return fit, -np.inf, 0.0
    whole = (hu - np.minimum(base, clip))[near & (last > 0.02 * last.max())]
    left = (np.minimum(base + last, clip) - hu)[near & (last > 0.02 * last.max())]
    return fit, gain, 1.0 - float(left @ left) / max(float(whole @ whole), 1e-9)


def _best_offset_cost(
    hu: NDArray[np.float64],
    model: NDArray[np.float64],
    weight: NDArray[np.float64],
    clip: float,
) -> float:
    """Cost of a model that is there already, its background moved to fit as well as it can."""
    residual = hu - np.minimum(model, clip)
    open_ = (model < clip) * weight**2
    move = float(np.clip(np.sum(open_ * residual) / max(float(open_.sum()), 1e-9), -300.0, 300.0))
    return 0.5 * float(np.sum((weight * (hu - np.minimum(model + move, clip))) ** 2))


def refit(
    field: Field,
    members: NDArray[np.intp],
    rods: NDArray[np.float64] | None = None,
    near: NDArray[np.bool_] | None = None,
    window: Window | None = None,
) -> Fit:
    """Fit rods in the place of members, which they are by default; the field stays as it is."""
    own = field.rods[members]
    start = own if rods is None else rods
    window = group_window(start, field.scanner, field.hu.shape) if window is None else window
    others = field.total[window].copy()
    for rod in own:
        others -= rod_voxels(rod, window, field.scanner)[0]
    return fit_rods(
        field.hu[window],
        field.background[window],
        others,
        window,
        start,
        field.scanner,
        field.prior,
        near,
    )


def polish(field: Field) -> NDArray[np.float64]:
    """Fit every rod once more with its neighbours; errors of the axes, (n,) rad."""
    errors = np.full(len(field.rods), np.nan)
    for n in np.argsort(field.rods[:, 0]):
        members = field.group(int(n))
        fit = refit(field, members)
        field.paint(field.rods[members], -1.0)
        field.rods[members] = fit.rods
        field.paint(fit.rods, 1.0)
        errors[n] = fit.axis_error_rad[-1]
    return errors
