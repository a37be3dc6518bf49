"""One seed model: its TG-43 tables, valid from the constructor on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dose.errors import DoseInputError
from dose.validation import validate_array, validate_number

HOURS_PER_DAY = 24.0

ASSUMED_DIAMETER_MM = 0.8
"""Taken for a capsule of unknown size, inside its wall only: all published ones here have 0.8 mm
(the CS-1 0.824 mm)."""

ASSUMED_ENDS_MM = 0.5
"""Capsule length beyond the effective length, both ends together, where it is unknown: the least of
the published ones here (CS-1: 4.5 - 4.0 mm)."""


class SourceTableError(DoseInputError):
    """One field of a seed model has no physical meaning; ``field`` names it."""

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field


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
    capsule_length_mm: float | None  # outer size; None where no publication at hand gives it
    capsule_diameter_mm: float | None
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
    verified: bool = False  # cross-checked number by number, no question open
    anisotropy_factor_derived: bool = False  # phi_an worked out from F, not published
    anisotropy_factor_odd_r_cm: tuple[float, ...] = ()  # where published phi_an and F disagree
    radial_point_g: NDArray[np.float64] | None = None  # (n,) g_P as published, same radii as g_L
    consensus_constant: float | None = None  # dose-rate constant of the TG-43 consensus list

    def __post_init__(self) -> None:
        for name in ("half_life_days", "dose_rate_constant", "active_length_mm"):
            self._number(name)
        if self.consensus_constant is not None:
            self._number("consensus_constant")
        if not isinstance(self.verified, bool):
            raise self._error("verified", f"verified = {self.verified!r} must be True or False")
        self._check_capsule()
        for name in ("radial_r_cm", "radial_g", "anisotropy_r_cm", "anisotropy_theta_deg"):
            self._freeze(name)
        self._freeze("anisotropy_factor_r_cm")
        self._freeze("anisotropy_factor")
        self._freeze("anisotropy_f", ndim=2)
        if self.radial_point_g is not None:
            self._freeze("radial_point_g")
        self._check_radial()
        self._check_anisotropy()
        self._check_anisotropy_factor()

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

    @property
    def capsule_mm(self) -> tuple[float, float]:
        """Outer length and diameter of the capsule, for whoever needs its real size.

        Raises
        ------
        DoseInputError
            If the size is not known.
        """
        if self.capsule_length_mm is None or self.capsule_diameter_mm is None:
            raise DoseInputError(
                f"source {self.id!r}: the outer size of its capsule is not in its table, and a "
                "plan needs it (spacing of seeds, clearance). Write a source file of your own with "
                "capsule_length_cm and capsule_diameter_cm, or choose a source that has them."
            )
        return self.capsule_length_mm, self.capsule_diameter_mm

    @property
    def wall_mm(self) -> tuple[float, float]:
        """Length and diameter of the cylinder inside which the dose on its side holds.

        The capsule where its size is known; otherwise effective length + ``ASSUMED_ENDS_MM`` by
        ``ASSUMED_DIAMETER_MM``. Its one purpose is a finite dose where tables say nothing (they
        begin 1 mm from the centre of the seed); it is no statement about a real capsule.
        """
        if self.capsule_length_mm is None or self.capsule_diameter_mm is None:
            return self.active_length_mm + ASSUMED_ENDS_MM, ASSUMED_DIAMETER_MM
        return self.capsule_length_mm, self.capsule_diameter_mm

    def _error(self, field: str, text: str) -> SourceTableError:
        return SourceTableError(
            f"source {self.id!r}: {text}. Compare its table with the publication.", field
        )

    def _number(self, name: str) -> None:
        number = validate_number(getattr(self, name), f"source {self.id!r}: {name}", above=0.0)
        object.__setattr__(self, name, number)

    def _check_capsule(self) -> None:
        if (self.capsule_length_mm is None) != (self.capsule_diameter_mm is None):
            raise self._error(
                "capsule_length_mm",
                "capsule_length_mm and capsule_diameter_mm belong together: give both or neither",
            )
        if self.capsule_length_mm is None:
            return
        self._number("capsule_length_mm")
        self._number("capsule_diameter_mm")
        # equal lengths are refused too: G_L is infinite at the ends of the line
        if not self.active_length_mm < self.capsule_length_mm:
            raise self._error(
                "active_length_mm",
                f"the active length, {self.active_length_mm:g} mm, is as long as or longer than "
                f"the capsule, {self.capsule_length_mm:g} mm",
            )

    def _freeze(self, name: str, ndim: int = 1) -> None:
        array = validate_array(getattr(self, name), f"source {self.id!r}: {name}", ndim)
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def _check_radial(self) -> None:
        r, g = self.radial_r_cm, self.radial_g
        if r.shape != g.shape or r.size < 2:
            raise self._error(
                "radial_g", f"g has {g.size} values for {r.size} radii (two at least)"
            )
        self._check_rising("radial_r_cm", least=0.0)
        self._check_positive("radial_g", "g")
        if not np.any((np.abs(r - 1.0) < 1e-9) & (np.abs(g - 1.0) < 1e-9)):
            raise self._error("radial_g", "g(1 cm) must stand in the table and be 1")
        if not g[-1] < g[-2]:
            raise self._error(
                "radial_g", "g must fall between its two outermost radii (it is extrapolated)"
            )
        if self.radial_point_g is not None:
            if self.radial_point_g.shape != r.shape:
                raise self._error(
                    "radial_point_g",
                    f"g_P has {self.radial_point_g.size} values for {r.size} radii",
                )
            self._check_positive("radial_point_g", "g_P")

    def _check_anisotropy(self) -> None:
        r, theta, f = self.anisotropy_r_cm, self.anisotropy_theta_deg, self.anisotropy_f
        if f.shape != (theta.size, r.size) or r.size < 1 or theta.size < 2:
            raise self._error(
                "anisotropy_f",
                f"F has shape {f.shape} for {theta.size} angles (rows) and {r.size} radii "
                "(columns)",
            )
        self._check_rising("anisotropy_r_cm", least=0.0)
        self._check_rising("anisotropy_theta_deg")
        if theta[0] != 0.0 or theta[-1] != 90.0:
            raise self._error(
                "anisotropy_theta_deg",
                f"F must run from 0 to 90 degrees, not {theta[0]:g} to {theta[-1]:g}",
            )
        self._check_positive("anisotropy_f", "F")
        if not (f[-1] == 1.0).all():
            raise self._error("anisotropy_f", "F(90 degrees) must be 1 at every radius")

    def _check_anisotropy_factor(self) -> None:
        r, factor = self.anisotropy_factor_r_cm, self.anisotropy_factor
        if factor.shape != r.shape or r.size < 1:
            raise self._error("anisotropy_factor", "phi_an must have one value per radius")
        self._check_rising("anisotropy_factor_r_cm", least=0.0)
        self._check_positive("anisotropy_factor", "phi_an")
        odd = tuple(float(value) for value in self.anisotropy_factor_odd_r_cm)
        if not set(odd) <= set(r.tolist()):
            raise self._error(
                "anisotropy_factor_odd_r_cm", f"{list(odd)} cm are not all radii of phi_an"
            )
        object.__setattr__(self, "anisotropy_factor_odd_r_cm", odd)

    def _check_positive(self, name: str, symbol: str) -> None:
        if not (getattr(self, name) > 0.0).all():
            raise self._error(name, f"{symbol} must be positive everywhere")

    def _check_rising(self, name: str, least: float = -math.inf) -> None:
        values = getattr(self, name)
        if not ((np.diff(values) > 0.0).all() and (values > least).all()):
            raise self._error(name, f"{name} must rise strictly and be positive")
