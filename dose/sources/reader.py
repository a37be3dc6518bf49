"""A table file, read strictly: every error names the file and the key."""

from __future__ import annotations

import tomllib

import numpy as np

from dose.errors import DoseInputError
from dose.sources._toml import TableFile
from dose.sources.consistency import check_consistency
from dose.sources.model import SeedModel, SourceTableError
from dose.units import HALF_LIFE_DAYS

CONSTANT_UNIT = "cGy h^-1 U^-1"

LAYOUT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "": (
        (
            *("status", "verified", "source", "dose_rate_constant", "radial_dose_line"),
            *("anisotropy_1d", "anisotropy_2d", "provenance"),
        ),
        ("radial_dose_point",),
    ),
    "source": (
        ("id", "manufacturer", "model", "nuclide", "half_life_days", "effective_length_cm"),
        ("capsule_length_cm", "capsule_diameter_cm"),
    ),
    "dose_rate_constant": (("value", "unit"), ("consensus",)),
    "radial_dose_line": (("r_cm", "g"), ()),
    "radial_dose_point": (("r_cm", "g"), ("origin",)),
    "anisotropy_1d": (("r_cm", "phi_an"), ("origin", "odd_r_cm")),
    "anisotropy_2d": (("r_cm", "theta_deg", "F"), ()),
    "provenance": (("publication", "read"), ("tables", "notes")),
}
"""Keys that each table of a file must and may have; the units are part of their names."""

KEY_OF_FIELD = {
    "verified": "verified",
    "consensus_constant": "dose_rate_constant.consensus",
    "active_length_mm": "source.effective_length_cm",
    "capsule_length_mm": "source.capsule_length_cm",
    "radial_r_cm": "radial_dose_line.r_cm",
    "radial_g": "radial_dose_line.g",
    "radial_point_g": "radial_dose_point.g",
    "anisotropy_r_cm": "anisotropy_2d.r_cm",
    "anisotropy_theta_deg": "anisotropy_2d.theta_deg",
    "anisotropy_f": "anisotropy_2d.F",
    "anisotropy_factor_r_cm": "anisotropy_1d.r_cm",
    "anisotropy_factor": "anisotropy_1d.phi_an",
    "anisotropy_factor_odd_r_cm": "anisotropy_1d.odd_r_cm",
}
"""Where the file holds what a field of ``SeedModel`` is made from."""

LONGEST_CM = 2.0
"""Seeds are 0.3-0.5 cm long; 3-5 here is a length in mm."""

WIDEST_CM = 0.3
"""Seeds are 0.05-0.1 cm across, to pass a needle; 0.8 here is a diameter in mm."""

FARTHEST_CM = 50.0
"""Published tables end at 10-15 cm; 100 here is a radius in mm."""

CONSTANT_RANGE = (0.2, 2.0)
"""Dose-rate constants of low-energy seeds are 0.6-1.1; 0.01 here is Gy taken for cGy."""

HALF_LIFE_TOLERANCE = 0.01
"""Published half-lives of one nuclide agree within 0.5 % (Pd-103: 16.96, 16.991, 17.0 days)."""


def read_source(text: str, where: str) -> SeedModel:
    """Seed model from the text of a table file; ``where`` names the file in errors.

    Raises
    ------
    DoseInputError
        If the text is not TOML, a key is missing, unknown or of the wrong type, a value has no
        physical meaning, or the tables disagree with each other.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DoseInputError(f"{where} is not a TOML file: {error}") from error
    file = TableFile(data, where)
    file.check_layout(LAYOUT)
    try:
        return check_consistency(_model_from(file))
    except SourceTableError as error:
        raise DoseInputError(f"{where}: {KEY_OF_FIELD[error.field]}: {error}") from error


def _model_from(file: TableFile) -> SeedModel:
    point_g = None
    if file.has("radial_dose_point"):
        point_g = file.numbers("radial_dose_point.g")
        radii = file.numbers("radial_dose_point.r_cm"), file.numbers("radial_dose_line.r_cm")
        if not np.array_equal(*radii):
            raise file.error("radial_dose_point.r_cm", "must equal radial_dose_line.r_cm")
    return SeedModel(
        id=file.text("source.id"),
        manufacturer=file.text("source.manufacturer"),
        model=file.text("source.model"),
        nuclide=_nuclide(file),
        half_life_days=_half_life_days(file),
        dose_rate_constant=_constant(file),
        active_length_mm=_mm(file.number("source.effective_length_cm", LONGEST_CM)),
        capsule_length_mm=_optional_mm(file, "source.capsule_length_cm", LONGEST_CM),
        capsule_diameter_mm=_optional_mm(file, "source.capsule_diameter_cm", WIDEST_CM),
        radial_r_cm=file.numbers("radial_dose_line.r_cm", FARTHEST_CM),
        radial_g=file.numbers("radial_dose_line.g"),
        anisotropy_r_cm=file.numbers("anisotropy_2d.r_cm", FARTHEST_CM),
        anisotropy_theta_deg=file.numbers("anisotropy_2d.theta_deg"),
        anisotropy_f=file.rows("anisotropy_2d.F"),
        anisotropy_factor_r_cm=file.numbers("anisotropy_1d.r_cm", FARTHEST_CM),
        anisotropy_factor=file.numbers("anisotropy_1d.phi_an"),
        publication=file.text("provenance.publication"),
        status=file.text("status"),
        provenance=(
            *((file.text("provenance.tables"),) if file.has("provenance.tables") else ()),
            *file.texts("provenance.read"),
            *(file.texts("provenance.notes") if file.has("provenance.notes") else ()),
        ),
        verified=file.truth("verified"),
        anisotropy_factor_derived=(
            file.has("anisotropy_1d.origin")
            and file.text("anisotropy_1d.origin").startswith("derived")
        ),
        anisotropy_factor_odd_r_cm=(
            tuple(file.numbers("anisotropy_1d.odd_r_cm").tolist())
            if file.has("anisotropy_1d.odd_r_cm")
            else ()
        ),
        radial_point_g=point_g,
        consensus_constant=(
            file.number("dose_rate_constant.consensus")
            if file.has("dose_rate_constant.consensus")
            else None
        ),
    )


def _nuclide(file: TableFile) -> str:
    nuclide = file.text("source.nuclide")
    if nuclide not in HALF_LIFE_DAYS:
        raise file.error(
            "source.nuclide", f"= {nuclide!r} is not known; write one of {list(HALF_LIFE_DAYS)}"
        )
    return nuclide


def _half_life_days(file: TableFile) -> float:
    value, known = file.number("source.half_life_days"), HALF_LIFE_DAYS[_nuclide(file)]
    if not abs(value / known - 1.0) <= HALF_LIFE_TOLERANCE:
        raise file.error(
            "source.half_life_days",
            f"= {value:g} days, but {_nuclide(file)} has {known:g} days; check value and unit",
        )
    return value


def _constant(file: TableFile) -> float:
    unit = file.text("dose_rate_constant.unit")
    if unit != CONSTANT_UNIT:
        raise file.error(
            "dose_rate_constant.unit", f"= {unit!r} must be {CONSTANT_UNIT!r}; convert the value"
        )
    value, (least, most) = file.number("dose_rate_constant.value"), CONSTANT_RANGE
    if not least <= value <= most:
        raise file.error(
            "dose_rate_constant.value",
            f"= {value:g} {CONSTANT_UNIT} is outside {least:g}-{most:g}; check its unit",
        )
    return value


def _optional_mm(file: TableFile, key: str, most_cm: float) -> float | None:
    return _mm(file.number(key, most_cm)) if file.has(key) else None


def _mm(length_cm: float) -> float:
    return round(10.0 * length_cm, 9)  # 0.455 cm is 4.55 mm, not 4.550000000000001
