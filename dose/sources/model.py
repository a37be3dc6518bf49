"""One seed model: its TG-43 tables, valid from the constructor on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dose.errors import DoseInputError
from dose.validation import validate_array, validate_number

HOURS_PER_DAY = 24.0


@dataclass(frozen=True, slots=True, eq=False)
class SeedModel:
    """TG-43U1 line-source data of one brachytherapy seed.

    Tables keep the units they are published in (cm, degrees); arrays are read-only. Two models
    are equal only if they are the same object.

    References
    ----------
    .. [1] Rivard et al., Med. Phys. 31, 633 (2004). https://doi.org/10.1118/1.1646040
    .. [2] Rivard et al., Med. Phys. 34, 2187 (2007). https://doi.org/10.1118/1.2736790
    """

    id: str  # as a case file names it: "I125-6711"
    manufacturer: str
    model: str
    nuclide: str  # "I-125"
    half_life_days: float
    dose_rate_constant: float  # cGy h-1 U-1 at 1 cm, 90 degrees
    active_length_mm: float  # effective length of the line source
    capsule_length_mm: float
    capsule_diameter_mm: float
    radial_r_cm: NDArray[np.float64]  # (n,) rising
    radial_g: NDArray[np.float64]  # (n,) g_L; 1 at 1 cm
    anisotropy_r_cm: NDArray[np.float64]  # (m,) rising
    anisotropy_theta_deg: NDArray[np.float64]  # (k,) rising from 0 to 90
    anisotropy_f: NDArray[np.float64]  # (k, m); 1 at 90 degrees
    anisotropy_factor_r_cm: NDArray[np.float64]  # (l,) rising
    anisotropy_factor: NDArray[np.float64]  # (l,) phi_an as published; the 2D dose needs none
    publication: str
    status: str  # how well the transcription was checked
    provenance: tuple[str, ...]  # where each table was read, and remarks

    def __post_init__(self) -> None:
        for name in (
            "half_life_days",
            "dose_rate_constant",
            "active_length_mm",
            "capsule_length_mm",
            "capsule_diameter_mm",
        ):
            number = validate_number(getattr(self, name), f"source {self.id!r}: {name}", above=0.0)
            object.__setattr__(self, name, number)
        if self.active_length_mm > self.capsule_length_mm:
            raise self._error(
                f"active length {self.active_length_mm:g} mm is longer than the capsule, "
                f"{self.capsule_length_mm:g} mm"
            )
        for name in ("radial_r_cm", "radial_g", "anisotropy_r_cm", "anisotropy_theta_deg"):
            self._freeze(name)
        self._freeze("anisotropy_factor_r_cm")
        self._freeze("anisotropy_factor")
        self._freeze("anisotropy_f", ndim=2)
        self._check_radial()
        self._check_anisotropy()

    @property
    def radial_range_mm(self) -> tuple[float, float]:
        """Least and greatest radius of the g table; beyond it TG-43U1S1 extrapolates."""
        return 10.0 * float(self.radial_r_cm[0]), 10.0 * float(self.radial_r_cm[-1])

    @property
    def anisotropy_range_mm(self) -> tuple[float, float]:
        """Least and greatest radius of the F table; beyond it the nearest radius holds."""
        return 10.0 * float(self.anisotropy_r_cm[0]), 10.0 * float(self.anisotropy_r_cm[-1])

    @property
    def mean_life_hours(self) -> float:
        """Half-life / ln 2: initial dose rate times this is the dose to full decay."""
        return self.half_life_days * HOURS_PER_DAY / math.log(2.0)

    def _error(self, text: str) -> DoseInputError:
        return DoseInputError(
            f"source {self.id!r}: {text}. Compare its table with the publication."
        )

    def _freeze(self, name: str, ndim: int = 1) -> None:
        array = validate_array(getattr(self, name), f"source {self.id!r}: {name}", ndim)
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def _check_radial(self) -> None:
        r, g = self.radial_r_cm, self.radial_g
        if r.shape != g.shape or r.size < 2:
            raise self._error(f"g has {g.size} values for {r.size} radii (two at least)")
        self._check_rising("radial_r_cm", least=0.0)
        if not (g > 0.0).all():
            raise self._error("g must be positive everywhere")
        if not np.any((np.abs(r - 1.0) < 1e-9) & (np.abs(g - 1.0) < 1e-9)):
            raise self._error("g(1 cm) must stand in the table and be 1")
        if not g[-1] < g[-2]:
            raise self._error("g must fall between its two outermost radii (it is extrapolated)")

    def _check_anisotropy(self) -> None:
        r, theta, f = self.anisotropy_r_cm, self.anisotropy_theta_deg, self.anisotropy_f
        if f.shape != (theta.size, r.size) or r.size < 1 or theta.size < 2:
            raise self._error(
                f"F has shape {f.shape} for {theta.size} angles (rows) and {r.size} radii (columns)"
            )
        self._check_rising("anisotropy_r_cm", least=0.0)
        self._check_rising("anisotropy_theta_deg")
        if theta[0] != 0.0 or theta[-1] != 90.0:
            raise self._error(f"F must run from 0 to 90 degrees, not {theta[0]:g} to {theta[-1]:g}")
        if not (f > 0.0).all():
            raise self._error("F must be positive everywhere")
        if not (f[-1] == 1.0).all():
            raise self._error("F(90 degrees) must be 1 at every radius")
        if self.anisotropy_factor.shape != self.anisotropy_factor_r_cm.shape:
            raise self._error("phi_an must have one value per radius")
        self._check_rising("anisotropy_factor_r_cm", least=0.0)
        if not (self.anisotropy_factor > 0.0).all():
            raise self._error("phi_an must be positive everywhere")

    def _check_rising(self, name: str, least: float = -math.inf) -> None:
        values = getattr(self, name)
        if not ((np.diff(values) > 0.0).all() and (values > least).all()):
            raise self._error(f"{name} must rise strictly and be positive")
