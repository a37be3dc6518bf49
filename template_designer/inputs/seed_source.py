"""From ``[source]`` to seeds: the model's table, the stated strength and its decay, all checked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from dose import (
    DoseInputError,
    SeedModel,
    UnknownSourceError,
    air_kerma_strength_u,
    check_usual_strength,
    load_source,
    load_source_file,
    strength_on,
)
from template_designer.errors import CaseError, InputError
from template_designer.model import Calibration, PlanWarning, SeedSource
from template_designer.model.settings import SourceSettings


def read_seed_source(settings: SourceSettings, folder: Path) -> SeedSource:
    """Seeds that ``[source]`` asks for.

    Parameters
    ----------
    settings : SourceSettings
        The table of the case file.
    folder : Path
        Of the case file: a table file of the user's own is named relative to it.

    Returns
    -------
    SeedSource
        Its strength is that on the day of the implant; of several to choose from the weakest, until
        the loader has chosen.

    Raises
    ------
    CaseError
        If the model is not on board, the own file is no valid table, a table is not cross-checked
        and not accepted as it is, the capsule is not known, the dates do not fit, or the strength
        is unusual (as stated, or as decayed to the implant) and not confirmed.
    InputError
        If the own file is not there.
    """
    key, model = _model(settings, folder)
    if model.capsule_length_mm is None:
        remedy = "choose another model"
        if settings.file is not None:
            remedy = "add capsule_length_cm and capsule_diameter_cm to its [source] table"
        raise CaseError(
            f"{key}: the size of its capsule is not known, so needles cannot be planned with it; "
            f"{remedy}"
        )
    if not (model.verified or settings.accept_unverified):
        raise CaseError(
            f"{key}: its table is not cross-checked ({model.status}); "
            "set accept_unverified = true in [source] to plan with it all the same"
        )
    stated_u = _stated_strengths_u(settings, model)
    sources = [_source(settings, model, strength_u) for strength_u in stated_u]
    if len(sources) == 1:
        return sources[0]
    return replace(sources[0], choices_u=tuple(s.air_kerma_strength_u for s in sources))


def _source(settings: SourceSettings, model: SeedModel, stated_u: float) -> SeedSource:
    """Seeds of one stated strength, on the day of the implant."""
    calibrated, implanted = settings.calibration_date, settings.implant_date
    if calibrated is None or implanted is None:
        return SeedSource(model, stated_u, settings.file)
    calibration = Calibration(stated_u, calibrated, implanted)
    strength_u = _implant_strength_u(calibration, model, settings.confirm_unusual_strength)
    return SeedSource(model, strength_u, settings.file, calibration)


def source_warnings(source: SeedSource) -> tuple[PlanWarning, ...]:
    """What a plan must carry about its seeds: a table that nobody cross-checked."""
    if source.model.verified:
        return ()
    text = (
        f"The table of seed model {source.model.id!r} is not cross-checked "
        f"({source.model.status}); compare it with {source.model.publication} before use."
    )
    return (PlanWarning("source-unverified", text),)


def seed_model(name_or_file: str | os.PathLike[str]) -> SeedModel:
    """Seed model by its name on board, or from a user's own table file (``.toml``).

    Raises
    ------
    UnknownSourceError
        If it is neither; the message lists the names there are.
    DoseInputError
        If the file cannot be read, or is no valid table.
    """
    text = os.fspath(name_or_file)
    if Path(text).suffix.lower() != ".toml":
        return load_source(text)
    if not Path(text).is_file():
        raise InputError(f"{text}: is not a source file; name a TOML file, or a model on board")
    return load_source_file(text)


def _model(settings: SourceSettings, folder: Path) -> tuple[str, SeedModel]:
    """The model and how the case names it, for errors."""
    if settings.file is None:
        try:
            return f"[source] model = {settings.model!r}", load_source(str(settings.model))
        except UnknownSourceError as error:
            raise CaseError(f"[source] model: {error}") from error
    key = f"[source] file = {settings.file!r}"
    path = folder / settings.file
    if not path.is_file():
        raise InputError(f"{key}: {path} is not a file; the path is relative to the case file")
    try:
        return key, load_source_file(path)
    except DoseInputError as error:
        raise CaseError(f"{key}: {error}") from error


def _stated_strengths_u(settings: SourceSettings, model: SeedModel) -> tuple[float, ...]:
    """Strengths as the case states them, U, refused where one is unusual and not confirmed."""
    stated = (
        ("air_kerma_strength_u", settings.air_kerma_strength_u, "U"),
        ("activity_mci", settings.activity_mci, "mCi"),
        ("activity_mbq", settings.activity_mbq, "MBq"),
    )
    key, values, unit = next(item for item in stated if item[1] is not None)
    found = []
    for value in values if isinstance(values, tuple) else (values,):
        try:
            strength_u = air_kerma_strength_u(float(value or 0.0), unit, model.nuclide)
            found.append(
                check_usual_strength(
                    strength_u, model.nuclide, confirmed=settings.confirm_unusual_strength
                )
            )
        except DoseInputError as error:
            raise CaseError(f"[source] {key} = {value:g}: {error}") from error
    return tuple(found)


def _implant_strength_u(calibration: Calibration, model: SeedModel, confirmed: bool) -> float:
    """Strength on the day of the implant, U: the same rule holds for it as for the stated one."""
    dates = calibration.calibration_date, calibration.implant_date
    key = f"[source] calibration_date = {dates[0]}, implant_date = {dates[1]}"
    try:
        strength_u = strength_on(calibration.air_kerma_strength_u, model, *dates)
    except DoseInputError as error:
        raise CaseError(f"{key}: {error}") from error
    try:
        return check_usual_strength(strength_u, model.nuclide, confirmed=confirmed)
    except DoseInputError as error:
        raise CaseError(
            f"{key}: {calibration.air_kerma_strength_u:.4g} U decays to {strength_u:.4g} U; check "
            f"the dates. {error}"
        ) from error
