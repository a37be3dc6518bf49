"""Postoperative CT by simulation: seeds and hostile things put into real CT, for tests only.

Anatomy is that of a real CT, resampled. Metal is a density on a fine grid (0.2 mm), seen through a
point spread in the plane and a slice profile along the stack; streaks come from projections that
harden with the metal in their way. None of this is the model that the finder fits: its rods are
thin lines, these are cylinders with a marker inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import iradon, radon

from template_designer.model import ImageVolume
from tests.template_designer.inputs.dicom_factory import write_ct_series

CLIP_HU = 3071
"""Largest CT number in 12 bits with the usual intercept."""

CAPSULE_MM = (4.5, 0.8)
FINE_MM = 0.2
"""Grid of the metal: a quarter of the capsule's diameter."""

SIGNAL_HU = 25_000.0
"""CT number of the capsule on the mean: a silver rod of 0.5 x 3 mm (NIST attenuation at 70 keV:
about 2e5 HU) and 0.06 mm of titanium (1e4 HU) make 5e4 HU before the beam hardens; 15 000 to
40 000 is left for scanners that see a part of it."""

STREAK = 0.012
"""Part of a projection lost by its square (mm of water): bands of 50 to 300 HU between seeds."""


@dataclass(frozen=True)
class Look:
    """How the scanner sees."""

    slice_mm: float = 1.0
    fwhm_mm: float = 1.0  # point spread in the plane
    noise_hu: float = 18.0
    signal_hu: float = SIGNAL_HU
    marker_part: float = 0.7  # of the signal, in the inner 3 mm; the rest is the capsule
    streaks: bool = True


@dataclass(frozen=True)
class Implant:
    """Where seeds are put, LPS, mm."""

    centers: NDArray[np.float64]  # (n, 3)
    axes: NDArray[np.float64]  # (n, 3)
    touching: NDArray[np.bool_]  # (n,)


def resampled(image: ImageVolume, center_lps, half_mm, slice_mm: float) -> ImageVolume:
    """A box of a CT with pixels of 1 mm at most and slices of another thickness.

    The thin anatomy between thick slices is not known: it is interpolated to 1 mm and averaged
    over each new slice.
    """
    pixel = np.minimum(image.spacing_mm[:2], 1.0)
    spacing = np.array([*pixel, slice_mm])
    count = np.maximum(np.rint(2.0 * np.asarray(half_mm) / spacing).astype(int), 3)
    middle = (np.asarray(center_lps) - image.origin_lps_mm) @ image.axes_lps.T
    start = middle - 0.5 * (count - 1) * spacing
    u, v = (start[n] + spacing[n] * np.arange(count[n]) for n in (0, 1))
    thin = max(1, round(slice_mm))
    hu = np.zeros((count[2], count[1], count[0]))
    for part in range(thin):
        w = start[2] + spacing[2] * (np.arange(count[2]) + (part + 0.5) / thin - 0.5)
        places = np.meshgrid(
            *(c / s for c, s in zip((w, v, u), image.spacing_mm[::-1], strict=True)), indexing="ij"
        )
        hu += ndimage.map_coordinates(image.hu.astype(float), places, order=1, mode="nearest")
    hu = np.clip(np.rint(hu / thin), -1024, CLIP_HU).astype(np.int16)
    return replace(
        image,
        hu=hu,
        origin_lps_mm=image.origin_lps_mm + start @ image.axes_lps,
        spacing_mm=spacing,
    )


def implant(
    rng: np.random.Generator, count: int, center_lps, direction_lps, *, touching: float = 0.12
) -> Implant:
    """Seeds on parallel needles, 5 to 10 mm apart, of which some came to touch."""
    d = np.asarray(direction_lps, dtype=float) / np.linalg.norm(direction_lps)
    a = np.cross(d, (0.0, 0.0, 1.0) if abs(d[2]) < 0.9 else (1.0, 0.0, 0.0))
    a /= np.linalg.norm(a)
    b = np.cross(d, a)
    needles = max(2, round(count / 4.0))
    side = int(np.ceil(np.sqrt(needles)))
    pitch = 10.0 if needles <= 16 else 7.0
    holes = [((i - 0.5 * (side - 1)) * pitch, (j - 0.5 * (side - 1)) * pitch)
             for i in range(side) for j in range(side)][:needles]  # fmt: skip
    centers, axes, close = [], [], []
    for n, (x, y) in enumerate(holes):
        own = count // needles + (n < count % needles)
        steps = rng.uniform(5.0, 10.0, own)
        near = rng.random(own) < touching
        steps[near] = rng.uniform(4.5, 5.0, int(near.sum()))
        along = np.cumsum(steps) - steps[0]
        along += -0.5 * along[-1] + rng.normal(0.0, 1.0)
        for k in range(own):
            tilt = d + rng.normal(0.0, 0.04, 3)
            place = along[k] * d + (x + rng.normal(0, 0.3)) * a + (y + rng.normal(0, 0.3)) * b
            centers.append(place)
            axes.append(tilt / np.linalg.norm(tilt))
            close.append(bool((k and near[k]) or (k + 1 < own and near[k + 1])))
    centers, close = np.array(centers), np.array(close)
    # side by side: a few move to 1-2 mm beside a neighbour
    for _ in range(round(0.5 * touching * count)):
        i = rng.integers(count)
        j = (i + 1) % count
        if close[i] or close[j]:
            continue
        angle = rng.uniform(0.0, 2.0 * np.pi)
        side_way = np.cos(angle) * a + np.sin(angle) * b
        centers[j] = centers[i] + rng.uniform(1.0, 2.0) * side_way + rng.uniform(-1, 1) * d
        axes[j] = axes[i]
        close[i] = close[j] = True
    return Implant(centers + np.asarray(center_lps), np.array(axes), close)


def rod_density(
    image: ImageVolume, start_lps, end_lps, diameter_mm: float, look: Look
) -> tuple[tuple[slice, slice, slice], NDArray[np.float64]]:
    """How much of each voxel a cylinder fills as the scanner sees it, in a box of the image."""
    spacing = image.spacing_mm
    ends = (np.array([start_lps, end_lps]) - image.origin_lps_mm) @ image.axes_lps.T
    reach = np.array([4.0, 4.0, 3.0 + look.slice_mm])
    low = np.floor((ends.min(axis=0) - reach) / spacing).astype(int)
    high = np.ceil((ends.max(axis=0) + reach) / spacing).astype(int) + 1
    fine = [max(1, round(s / FINE_MM)) for s in spacing]
    step = spacing / fine
    grids = [
        (low[n] - 0.5) * spacing[n] + step[n] * (np.arange((high[n] - low[n]) * fine[n]) + 0.5)
        for n in range(3)
    ]
    w, v, u = np.meshgrid(*grids[::-1], indexing="ij", sparse=True)
    axis = ends[1] - ends[0]
    length = float(np.linalg.norm(axis))
    axis = axis / length
    du, dv, dw = u - ends[0, 0], v - ends[0, 1], w - ends[0, 2]
    along = du * axis[0] + dv * axis[1] + dw * axis[2]
    across2 = du**2 + dv**2 + dw**2 - along**2
    inside = ((along >= 0) & (along <= length) & (across2 <= 0.25 * diameter_mm**2)).astype(float)
    true_mm3 = np.pi / 4.0 * diameter_mm**2 * length
    inside *= true_mm3 / max(float(inside.sum()) * float(np.prod(step)), 1e-9)
    sigma = look.fwhm_mm / 2.3548
    seen = ndimage.uniform_filter1d(inside, fine[2], axis=0)  # the slice profile
    seen = ndimage.gaussian_filter(
        seen, (0.12 * look.slice_mm / step[2] + 0.2 / step[2], sigma / step[1], sigma / step[0])
    )
    seen = seen[fine[2] // 2 :: fine[2]]  # the middle of each slice
    shape = (len(seen), high[1] - low[1], fine[1], high[0] - low[0], fine[0])
    seen = seen.reshape(shape).mean(axis=(2, 4))
    box, cut = [], []
    for n in (2, 1, 0):
        size = image.hu.shape[2 - n]
        a, b = max(low[n], 0), min(high[n], size)
        box.append(slice(a, max(a, b)))
        cut.append(slice(a - low[n], max(a, b) - low[n]))
    return tuple(box), seen[tuple(cut)]


def add_rods(metal, image, implant_: Implant, look: Look) -> None:
    """Add seeds to a volume of metal, HU above tissue."""
    length, diameter = CAPSULE_MM
    volume = np.pi / 4.0 * diameter**2 * length
    for c, d in zip(implant_.centers, implant_.axes, strict=True):
        total = look.signal_hu * volume
        for part, long_mm, wide_mm in (
            (look.marker_part, 3.0, 0.5),
            (1.0 - look.marker_part, length, diameter),
        ):
            box, seen = rod_density(image, c - 0.5 * long_mm * d, c + 0.5 * long_mm * d, wide_mm,
                                    look)  # fmt: skip
            metal[box] += seen * total * part / (np.pi / 4.0 * wide_mm**2 * long_mm)


def streaks_of(metal, image, rng: np.random.Generator) -> NDArray[np.float64]:
    """What beam hardening does round metal: the picture of what each projection lost, in HU."""
    out = np.zeros(metal.shape)
    angles = np.linspace(0.0, 180.0, 60, endpoint=False) + rng.uniform(0, 3)
    rows, columns = metal.shape[1:]
    size = max(rows, columns)
    pixel = float(image.spacing_mm[0])
    for k in np.flatnonzero(metal.max(axis=(1, 2)) > 200.0):
        square = np.zeros((size, size))
        square[:rows, :columns] = metal[k]
        sums = radon(square, angles, circle=False) * pixel / 1000.0  # mm of water
        lost = -STREAK * sums**2
        back = iradon(lost, angles, filter_name="ramp", circle=False, output_size=size)
        out[k] = np.clip(back[:rows, :columns] * 1000.0 / pixel, -400.0, 400.0)
    return out


def noise_of(shape, look: Look, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise with the grain of a soft kernel."""
    white = ndimage.gaussian_filter(rng.standard_normal(shape), (0.0, 0.8, 0.8))
    return look.noise_hu * white / white.std()


def simulate(
    image: ImageVolume,
    implant_: Implant | None,
    look: Look,
    rng: np.random.Generator,
    others: NDArray[np.float64] | None = None,
) -> ImageVolume:
    """The CT with seeds, hostile things (HU to add), streaks and noise, clipped at 3071 HU."""
    metal = np.zeros(image.hu.shape)
    if implant_ is not None:
        add_rods(metal, image, implant_, look)
    if others is not None:
        metal += others
    hu = image.hu + metal + noise_of(metal.shape, look, rng)
    if look.streaks and metal.max() > 0:
        hu = hu + streaks_of(metal, image, rng)
    return replace(image, hu=np.clip(np.rint(hu), -1024, CLIP_HU).astype(np.int16))


def add_ball(others, image: ImageVolume, center_lps, diameter_mm, hu: float, look: Look) -> None:
    """A calcification or a cut vessel: an ellipsoid of a stated CT number above tissue."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in image.hu.shape), indexing="ij", sparse=True)
    c = image.index_of(np.atleast_2d(center_lps))[0]
    s = image.spacing_mm[::-1]
    subs = (np.arange(5) + 0.5) / 5 - 0.5
    full = np.zeros(image.hu.shape)
    half = 0.5 * np.broadcast_to(np.asarray(diameter_mm, float), 3)[::-1]
    for a in subs:
        for b in subs[::2]:
            for e in subs[::2]:
                r2 = sum(
                    ((index + part - centre) * step / h) ** 2
                    for index, part, centre, step, h in zip(
                        (k, j, i), (a, b, e), c, s, half, strict=True
                    )
                )
                full += (r2 <= 1.0) / (5 * 3 * 3)
    sigma = look.fwhm_mm / 2.3548 / image.spacing_mm[0]
    others += hu * ndimage.gaussian_filter(full, (0.0, sigma, sigma))


def add_wire(others, image, start_lps, end_lps, diameter_mm, hu: float, look: Look) -> None:
    """A needle, a wire or a vessel: a cylinder of a stated CT number above tissue."""
    box, seen = rod_density(image, np.asarray(start_lps, float), np.asarray(end_lps, float),
                            diameter_mm, look)  # fmt: skip
    others[box] += hu * seen


def write_day(folder: Path, image: ImageVolume, *, frame_uid: str = "") -> Path:
    """A CT as a DICOM folder of the same patient, a series of its own; as a rule in one frame."""
    own = image.dicom

    def of_the_patient(_: int, slice_) -> None:
        slice_.PatientID, slice_.PatientName = image.patient_id, own.patient_name

    write_ct_series(
        folder,
        shape=image.hu.shape,
        spacing_mm=tuple(image.spacing_mm.tolist()),
        origin=tuple(image.origin_lps_mm.tolist()),
        iop=image.axes_lps[:2].ravel().tolist(),
        frame_uid=frame_uid or image.frame_of_reference_uid,
        description="after the implant",
        hu=image.hu,
        change=of_the_patient,
    )
    return folder
