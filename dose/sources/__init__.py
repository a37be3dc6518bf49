"""Seed models on board. To add one: its TOML file here, and one line in ``REGISTRY``."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any

from dose.errors import DoseInputError, UnknownSourceError
from dose.sources.model import SeedModel

REGISTRY = {
    "I125-6711": "i125_6711.toml",
    "I125-IAI125A": "i125_iai125a.toml",
}
"""Name of each seed model, as a case file gives it, and the table file in this folder."""


def source_names() -> tuple[str, ...]:
    """Names that ``load_source`` knows, in the order of the registry."""
    return tuple(REGISTRY)


def load_source(name: str) -> SeedModel:
    """Seed model of that name; the same object on every call.

    Parameters
    ----------
    name : str
        One of ``source_names()``, for example ``"I125-6711"``.

    Raises
    ------
    UnknownSourceError
        If no seed model has that name; the message lists the names there are.

    Examples
    --------
    >>> load_source("I125-6711").dose_rate_constant
    0.965
    """
    if not isinstance(name, str) or name not in REGISTRY:
        raise UnknownSourceError(
            f"no seed model is called {name!r}; choose one of: {', '.join(source_names())}"
        )
    return _load(name)


@lru_cache(maxsize=32)
def _load(name: str) -> SeedModel:
    file_name = REGISTRY[name]
    text = resources.files("dose.sources").joinpath(file_name).read_text(encoding="utf-8")
    source = parse_source(text, where=f"dose/sources/{file_name}")
    if source.id != name:
        raise DoseInputError(f"dose/sources/{file_name}: id {source.id!r}, registered as {name!r}")
    return source


def parse_source(text: str, where: str) -> SeedModel:
    """Seed model from the text of a table file; ``where`` names the file in errors.

    Parameters
    ----------
    text : str
        TOML in the layout of the files in this folder (README.md there describes it).
    where : str
        File name for messages.

    Raises
    ------
    DoseInputError
        If the text is not TOML, a field is missing, or a value has no physical meaning.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DoseInputError(f"{where} is not a TOML file: {error}") from error
    try:
        return _model_from(data)
    except (KeyError, TypeError) as error:
        raise DoseInputError(
            f"{where}: field {error} is missing or misplaced; see dose/sources/README.md"
        ) from error
    except DoseInputError as error:
        raise DoseInputError(f"{where}: {error}") from error


def _model_from(data: dict[str, Any]) -> SeedModel:
    seed, provenance = data["source"], data["provenance"]
    radial, anisotropy, factor = (
        data["radial_dose_line"],
        data["anisotropy_2d"],
        data["anisotropy_1d"],
    )
    return SeedModel(
        id=seed["id"],
        manufacturer=seed["manufacturer"],
        model=seed["model"],
        nuclide=seed["nuclide"],
        half_life_days=seed["half_life_days"],
        dose_rate_constant=data["dose_rate_constant"]["value"],
        active_length_mm=_mm(seed["effective_length_cm"]),
        capsule_length_mm=_mm(seed["capsule_length_cm"]),
        capsule_diameter_mm=_mm(seed["capsule_diameter_cm"]),
        radial_r_cm=radial["r_cm"],
        radial_g=radial["g"],
        anisotropy_r_cm=anisotropy["r_cm"],
        anisotropy_theta_deg=anisotropy["theta_deg"],
        anisotropy_f=anisotropy["F"],
        anisotropy_factor_r_cm=factor["r_cm"],
        anisotropy_factor=factor["phi_an"],
        publication=provenance["publication"],
        status=data["status"],
        provenance=(provenance["tables"], *provenance["read"], *provenance["notes"]),
    )


def _mm(length_cm: float) -> float:
    return round(10.0 * length_cm, 9)  # 0.455 cm is 4.55 mm, not 4.550000000000001


__all__ = ["REGISTRY", "SeedModel", "load_source", "parse_source", "source_names"]
