"""Checks against published values that a user can run: ``published_checks()``.

Each row holds what was printed, what this package computes by its public functions, and how far
one lies from the other. A tolerance is as tight as the rounding of the printed number allows.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from dose.point_source import point_radial_dose
from dose.sources import load_source, source_names
from dose.sources.consistency import phi_an_deviations_pct, phi_an_tolerance_pct
from dose.sources.model import SeedModel
from dose.superposition import CGY_PER_GY, dose_at_points
from dose.tg43 import MM_PER_CM, anisotropy, radial_dose
from dose.units import air_kerma_strength_u

ROUNDING_PCT = 1e-8
"""Computed from the table's own numbers: 1e-10 of them, a few roundings of float64."""

WORKED_EXAMPLE_PCT = 0.17
"""The worked examples are printed to 0.001: half of it, of 0.300."""

DOSE_PER_U_PCT = 3e-4
"""Printed to 0.01 cGy: half of it, of 1984.72 cGy."""

DOSE_PER_MCI_PCT = 1e-3
"""Worked out by hand to 0.01 cGy: half of it, of 521.83 cGy."""

CONSENSUS_PCT = 3.0
"""Consensus constants carry 1.2 % (CS-1) to 4.5 % (AgX100, selectSeed) themselves; a greater
deviation is another edition, another model, or a slip of the pen."""

POINT_G_PCT = 0.4
"""g_P and g_L are printed to 0.001: half of it of the least g_P in question (0.144), and as much
again for three digits of g_L."""

TG43U1S1 = "Rivard et al., TG-43U1S1, Med Phys 34:2187 (2007), doi 10.1118/1.2736790"
CONSENSUS = "TG-43 consensus column of Safigholi et al., Med Phys 47:4656 (2020)"


@dataclass(frozen=True, slots=True)
class Check:
    """One published value and what this package makes of it."""

    what: str  # "g(1.5 cm) between g(1) = 1.000 and g(2) = 0.800"
    source: str  # name of the seed model, or "formalism"
    published: float
    computed: float
    tolerance_pct: float
    reference: str

    @property
    def deviation_pct(self) -> float:
        """How far the computed value lies above the published one, %."""
        return 100.0 * (self.computed / self.published - 1.0)

    @property
    def passed(self) -> bool:
        """Whether the deviation lies within the tolerance; a NaN does not."""
        return abs(self.deviation_pct) <= self.tolerance_pct


def published_checks() -> tuple[Check, ...]:
    """Compute every published value on board anew.

    Returns
    -------
    tuple of Check
        The worked examples of the formalism first, then each source: its dose-rate constant (from
        the dose 1 cm beside an oblique seed, and against the consensus list), the table node of g_L
        and of F that comes back worst, phi_an against F at its worst radius and at each radius
        known to be odd, and g_P where it is published.

    Examples
    --------
    >>> all(check.passed for check in published_checks())
    True
    """
    rows = [*_worked_examples(), *_published_doses()]
    for name in source_names():
        source = load_source(name)
        rows += _constant_checks(source)
        rows += [_worst_g(source), _worst_f(source), *_phi_an_checks(source)]
        rows += _point_g_checks(source)
    return tuple(rows)


def _worked_examples() -> list[Check]:
    """Interpolation and extrapolation of g, as TG-43U1S1 works them out."""
    base = load_source("I125-6711")
    rows = []
    for r_cm, radii, values, published in (
        (1.5, [1.0, 2.0], [1.0, 0.8], 0.894),
        (6.0, [1.0, 4.0, 5.0], [1.0, 0.51, 0.391], 0.300),
    ):
        example = dataclasses.replace(base, radial_r_cm=np.array(radii), radial_g=np.array(values))
        (computed,) = radial_dose(example, [MM_PER_CM * r_cm])
        points = ", ".join(f"g({r:g}) = {g:.3f}" for r, g in zip(radii, values, strict=True))
        what = f"g({r_cm:g} cm) from {points}"
        rows.append(
            Check(what, "formalism", published, float(computed), WORKED_EXAMPLE_PCT, TG43U1S1)
        )
    return rows


def _published_doses() -> list[Check]:
    """Dose to full decay at 1 cm, 90 degrees, per U and per apparent mCi."""
    rows = []
    for name, unit, published, tolerance, how in (
        ("I125-6711", "U", 1984.72, DOSE_PER_U_PCT, "0.965 x 24 h x 59.40 d / ln 2"),
        ("I125-6711", "mCi", 2520.60, DOSE_PER_MCI_PCT, "1.270 x 0.965 x 24 h x 59.40 d / ln 2"),
        ("Pd103-200", "mCi", 521.83, DOSE_PER_MCI_PCT, "1.293 x 0.686 x 24 h x 16.991 d / ln 2"),
    ):
        source = load_source(name)
        strength_u = air_kerma_strength_u(1.0, unit, source.nuclide)
        what = f"total dose at 1 cm, cGy per {unit}"
        rows.append(Check(what, name, published, _cgy_at_1_cm(source, strength_u), tolerance, how))
    return rows


def _cgy_at_1_cm(source: SeedModel, strength_u: float) -> float:
    """Dose to full decay 1 cm beside the middle of a seed that lies askew, by the public sum."""
    center, axis = np.array([11.0, -7.0, 3.0]), np.array([2.0, 3.0, 6.0]) / 7.0
    beside = np.array([3.0, -2.0, 0.0]) / math.sqrt(13.0)
    point = center + MM_PER_CM * beside
    (dose_gy,) = dose_at_points(source, [center], [axis], strength_u, [point])
    return float(CGY_PER_GY * dose_gy)


def _constant_checks(source: SeedModel) -> list[Check]:
    rate = _cgy_at_1_cm(source, 1.0) / source.mean_life_hours
    constant = source.dose_rate_constant
    rows = [
        Check(
            "dose rate at 1 cm, 90 degrees, cGy/h per U",
            source.id,
            constant,
            rate,
            ROUNDING_PCT,
            source.publication,
        )
    ]
    if source.consensus_constant is not None:
        what = "dose-rate constant against the consensus list"
        published = source.consensus_constant
        rows.append(Check(what, source.id, published, rate, CONSENSUS_PCT, CONSENSUS))
    return rows


def _worst_g(source: SeedModel) -> Check:
    computed = radial_dose(source, MM_PER_CM * source.radial_r_cm)
    k = int(np.argmax(np.abs(computed / source.radial_g - 1.0)))
    return Check(
        f"g_L at {computed.size} nodes, worst at {source.radial_r_cm[k]:g} cm",
        source.id,
        float(source.radial_g[k]),
        float(computed[k]),
        ROUNDING_PCT,
        source.publication,
    )


def _worst_f(source: SeedModel) -> Check:
    theta, r = np.meshgrid(source.anisotropy_theta_deg, source.anisotropy_r_cm, indexing="ij")
    computed = anisotropy(source, MM_PER_CM * r.ravel(), np.radians(theta.ravel()))
    published = source.anisotropy_f.ravel()
    k = int(np.argmax(np.abs(computed / published - 1.0)))
    return Check(
        f"F at {computed.size} nodes, worst at {r.flat[k]:g} cm, {theta.flat[k]:g} degrees",
        source.id,
        float(published[k]),
        float(computed[k]),
        ROUNDING_PCT,
        source.publication,
    )


def _phi_an_checks(source: SeedModel) -> list[Check]:
    """Phi_an and the mean of F: the worst radius, and each that is known to be odd."""
    deviations = phi_an_deviations_pct(source)
    odd = [row for row in deviations if row[0] in source.anisotropy_factor_odd_r_cm]
    usual = [row for row in deviations if row not in odd]
    worst = sorted(usual, key=lambda row: -abs(row[2]))[:1]
    rows = []
    for r_cm, mean, deviation in (*worst, *odd):
        origin = "phi_an derived from F" if source.anisotropy_factor_derived else "phi_an"
        which = f"{r_cm:g} cm (odd as published)" if (r_cm, mean, deviation) in odd else ""
        rows.append(
            Check(
                f"{origin}, mean of F at {which or f'{r_cm:g} cm, the worst of {len(usual)}'}",
                source.id,
                mean / (1.0 + deviation / 100.0),
                mean,
                phi_an_tolerance_pct(source, r_cm),
                source.publication,
            )
        )
    return rows


def _point_g_checks(source: SeedModel) -> list[Check]:
    """g_P from g_L and the effective length, where g_P is published: it tests the length."""
    if source.radial_point_g is None:
        return []
    computed = point_radial_dose(source, MM_PER_CM * source.radial_r_cm)
    k = int(np.argmax(np.abs(computed / source.radial_point_g - 1.0)))
    return [
        Check(
            f"g_P from g_L at {computed.size} nodes, worst at {source.radial_r_cm[k]:g} cm",
            source.id,
            float(source.radial_point_g[k]),
            float(computed[k]),
            POINT_G_PCT,
            source.publication,
        )
    ]
