"""Reads the seeds of a permanent brachytherapy plan (DICOM RTPLAN), ours or another system's.

Systems write seeds in three ways, and all are read: one channel a needle or one a seed; a place as
a pair of control points between which time passes (the standard's way, DICOM PS3.3 C.8.8.15.7), or
as a single one. Where a source stays no time, there is no seed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy.spatial import cKDTree

from dose import HALF_LIFE_DAYS, DoseInputError, check_usual_strength
from template_designer.errors import InputError, PlannerError
from template_designer.inputs._dicom_file import (
    damaged_error,
    integer_of,
    items_of,
    text_of,
    whole_dataset,
)
from template_designer.model import PlanWarning
from template_designer.model.seed_set import SeedSet

DATE_NOT_STATED = "strength of the implant's day, which is not stated"
"""In Source Description of a plan of ours: its Source Strength Reference Date means nothing."""

SAME_PLACE_MM = 0.01
"""Control points nearer than this are one place: positions are written to about 0.001 mm."""

SAME_SEED_MM = 0.1
"""No two seeds lie so near; a plan that says so lists its seeds twice."""

EQUAL_SHARES = 0.01
"""Part by which the times of one channel's seeds may differ: all stay for good."""

HALF_LIFE_PART = 0.01
"""Part by which a stated half-life may differ from the nuclide's before it is worth a word."""

_ELEMENTS = {"I": "I", "IODINE": "I", "PD": "Pd", "PALLADIUM": "Pd", "CS": "Cs", "CESIUM": "Cs"}


@dataclass(frozen=True, slots=True)
class _Source:
    """One item of the Source Sequence."""

    nuclide: str
    half_life_days: float
    strength_u: float
    date: datetime.date | None
    model: str


@dataclass(frozen=True, slots=True, eq=False)
class _Channel:
    """The seeds of one channel."""

    name: str
    source: _Source
    centers: NDArray[np.float64]  # (n, 3)
    axes: NDArray[np.float64]  # (n, 3)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Control points at one place, one after the other."""

    center: NDArray[np.float64]
    axis: NDArray[np.float64] | None
    points: int
    stay: float | None  # growth of the cumulative time weight; None where it is not stated


def read_rtplan_seeds(
    path: Path, *, application_setup: int | None = None, confirm_unusual_strength: bool = False
) -> SeedSet:
    """Read the seeds of a permanent brachytherapy plan.

    Parameters
    ----------
    path : Path
        An RTPLAN file.
    application_setup : int, optional
        Application Setup Number to read alone; default all.
    confirm_unusual_strength : bool
        Take strengths that no clinic uses.

    Returns
    -------
    SeedSet
        LPS, mm. The Reference Air Kerma Rate (uGy/h at 1 m) is the air-kerma strength in U
        (uGy m2/h) as a number. Axes are those stated, else they follow the seeds of the channel;
        a seed alone in its channel has none. Of several reference dates the latest is kept, and
        strengths decay to it.

    Raises
    ------
    InputError
        If the file is no RTPLAN of a permanent implant, or says of some seed not where it is or
        how strong; the text names application setup, channel and control point.
    """
    dataset = whole_dataset(path)
    try:
        return _seeds(path, dataset, application_setup, confirm_unusual_strength)
    except PlannerError:
        raise
    except Exception as error:  # pydicom raises many kinds on values that break their own type
        raise damaged_error(path, error) from error


def _seeds(path: Path, dataset: Dataset, setup: int | None, confirmed: bool) -> SeedSet:
    _check_permanent(path, dataset)
    warnings: list[PlanWarning] = []
    sources = _sources(path, dataset, warnings)
    channels = list(_channels(path, dataset, sources, setup, warnings))
    if not channels:
        which = "" if setup is None else f" in application setup {setup}"
        raise InputError(f"{path}: holds no seeds{which}; name a plan with loaded channels")
    nuclides = sorted({channel.source.nuclide for channel in channels})
    if len(nuclides) > 1:
        raise InputError(
            f"{path}: its seeds are of several nuclides ({', '.join(nuclides)}); one at a time can "
            "be evaluated"
        )
    date = _latest_date(path, channels)
    strengths = [_strength_u(path, channel, date, confirmed) for channel in channels]
    centers = np.concatenate([channel.centers for channel in channels])
    names = tuple(channel.name for channel in channels for _ in channel.centers)
    _check_apart(path, centers, names)
    axes = np.concatenate([channel.axes for channel in channels])
    lost = int(np.count_nonzero(np.isnan(axes[:, 0])))
    if lost:
        text = (
            f"{path.name}: {lost} of {len(axes)} seeds lie alone in their channels and no axis is "
            "stated; their dose can be computed without anisotropy only"
        )
        warnings.append(PlanWarning("seed-axis-unknown", text))
    models = dict.fromkeys(channel.source.model for channel in channels if channel.source.model)
    return SeedSet(
        centers_lps_mm=centers,
        axes_lps=axes,
        strength_u=np.repeat(strengths, [len(channel.centers) for channel in channels]),
        nuclide=nuclides[0],
        reference_date=date,
        channels=names,
        source_model=", ".join(models),
        frame_of_reference_uid=text_of(dataset, "FrameOfReferenceUID"),
        study_uid=text_of(dataset, "StudyInstanceUID"),
        patient_id=text_of(dataset, "PatientID"),
        warnings=tuple(warnings),
    )


def _check_permanent(path: Path, dataset: Dataset) -> None:
    modality = text_of(dataset, "Modality")
    if modality != "RTPLAN":
        kind = f"a DICOM file of modality {modality}" if modality else "DICOM without a modality"
        raise InputError(f"{path}: is not an RTPLAN but {kind}; name the plan")
    technique = text_of(dataset, "BrachyTreatmentTechnique")
    if not technique:
        raise InputError(
            f"{path}: is no brachytherapy plan (it states no Brachy Treatment Technique); name the "
            "plan of the implant"
        )
    if technique.upper() != "PERMANENT":
        kind = text_of(dataset, "BrachyTreatmentType") or "no type"
        raise InputError(
            f"{path}: is a brachytherapy plan of technique {technique}, {kind}; only PERMANENT "
            "ones hold seeds that stay"
        )


def _sources(path: Path, dataset: Dataset, warnings: list[PlanWarning]) -> dict[int, _Source]:
    found: dict[int, _Source] = {}
    for index, item in enumerate(items_of(dataset, "SourceSequence"), start=1):
        where = f"{path}: source {index}"
        number = integer_of(item, "SourceNumber")
        if number is None or number in found:
            raise InputError(f"{where}: its Source Number is missing or another's; export it again")
        units = text_of(item, "SourceStrengthUnits").upper()
        if units not in ("", "AIR_KERMA_RATE"):
            raise InputError(
                f"{where}: its strength is stated as {units}; only air kerma rates of photon "
                "sources can be read"
            )
        nuclide, half_life = _nuclide(where, item, warnings)
        found[number] = _Source(
            nuclide=nuclide,
            half_life_days=half_life,
            strength_u=_numbers(where, item, "ReferenceAirKermaRate", 1)[0],
            date=_date(where, item),
            model=text_of(item, "SourceModelID") or text_of(item, "SourceDescription"),
        )
    return found


def _nuclide(where: str, item: Dataset, warnings: list[PlanWarning]) -> tuple[str, float]:
    """Nuclide as the dose engine names it, and its half-life, days."""
    stated = text_of(item, "SourceIsotopeName")
    letters, digits = re.sub(r"[^A-Za-z]", "", stated).upper(), re.sub(r"\D", "", stated)
    nuclide = f"{_ELEMENTS.get(letters, letters)}-{digits}"
    known = HALF_LIFE_DAYS.get(nuclide)
    if known is None:
        raise InputError(
            f"{where}: its isotope {stated!r} is not one of {', '.join(HALF_LIFE_DAYS)}; no other "
            "seeds are known here"
        )
    half_life = _numbers(where, item, "SourceIsotopeHalfLife", 1)[0]
    if not abs(half_life - known) <= HALF_LIFE_PART * known:
        text = f"{where} states a half-life of {half_life:g} days, {nuclide} has {known:g}; used"
        warnings.append(PlanWarning("half-life-differs", f"{text} is {known:g}"))
    return nuclide, known


def _date(where: str, item: Dataset) -> datetime.date | None:
    if DATE_NOT_STATED in text_of(item, "SourceDescription"):
        return None
    text = text_of(item, "SourceStrengthReferenceDate")
    try:
        return datetime.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        raise InputError(
            f"{where}: its Source Strength Reference Date {text!r} is no date, so its strength on "
            "the day of the implant is not known; export it again"
        ) from None


def _channels(
    path: Path,
    dataset: Dataset,
    sources: dict[int, _Source],
    wanted: int | None,
    warnings: list[PlanWarning],
) -> Iterator[_Channel]:
    """Channels that hold seeds, in file order."""
    for place, setup in enumerate(items_of(dataset, "ApplicationSetupSequence"), start=1):
        number = integer_of(setup, "ApplicationSetupNumber")
        number = place if number is None else number
        if wanted is not None and number != wanted:
            continue
        for index, item in enumerate(items_of(setup, "ChannelSequence"), start=1):
            stated = integer_of(item, "ChannelNumber")
            name = f"application setup {number}, channel {index if stated is None else stated}"
            where = f"{path}: {name}"
            places = _places(where, item)
            seeds = _with_seeds(where, places, warnings)
            if not seeds:
                continue
            source = sources.get(integer_of(item, "ReferencedSourceNumber") or 0)
            if source is None:
                raise InputError(f"{where}: refers to no source of the plan; export it again")
            label = text_of(item, "SourceApplicatorID")
            centers = np.array([seed.center for seed in seeds])
            shown = f"{name} ({label})" if label else name
            yield _Channel(shown, source, centers, _axes(where, seeds, centers))


def _places(where: str, channel: Dataset) -> list[_Place]:
    """Places of a channel in the order of its control points."""
    places: list[_Place] = []
    arrived: float | None = None  # cumulative weight at the first control point of the last place
    points = list(items_of(channel, "BrachyControlPointSequence"))
    if not points:
        raise InputError(f"{where}: has no control points, so no positions; export it again")
    for index, item in enumerate(points):
        at = f"{where}, control point {index}"
        center = np.array(_numbers(at, item, "ControlPoint3DPosition", 3))
        axis = _axis(at, item)
        weight = None
        if text_of(item, "CumulativeTimeWeight"):
            weight = _numbers(at, item, "CumulativeTimeWeight", 1)[0]
        last = places[-1] if places else None
        if last is None or float(np.linalg.norm(center - last.center)) > SAME_PLACE_MM:
            places.append(_Place(center, axis, 1, None))
            arrived = weight
            continue
        stay = None if weight is None or arrived is None else weight - arrived
        if stay is not None and stay < 0.0:  # starts anew: what follows is no stay
            stay = last.stay
        places[-1] = _Place(last.center, last.axis, last.points + 1, stay)
    return places


def _with_seeds(where: str, places: list[_Place], warnings: list[PlanWarning]) -> list[_Place]:
    """Places at which a seed stays."""
    if all(place.points == 1 for place in places):
        return places  # one control point a seed: there are no stays to tell anything
    loose = [k for k, place in enumerate(places) if place.points == 1]
    seeds = [place for place in places if place.points > 1 and place.stay != 0.0]
    if loose and seeds:
        raise InputError(
            f"{where}: some of its places are pairs of control points, place {loose[0] + 1} of "
            f"{len(places)} is a single one; whether a seed stays there cannot be known"
        )
    empty = len(places) - len(seeds)
    if empty:
        text = f"{where}: no seed at {empty} of {len(places)} places: no time is spent there"
        warnings.append(PlanWarning("place-empty", text))
    stays = [place.stay for place in seeds if place.stay is not None]
    if stays and max(stays) - min(stays) > EQUAL_SHARES * max(stays):
        raise InputError(
            f"{where}: its sources stay for different times ({min(stays):g} to {max(stays):g} in "
            "cumulative time weight); seeds of a permanent implant all stay for good"
        )
    return seeds


def _axis(where: str, point: Dataset) -> NDArray[np.float64] | None:
    if not text_of(point, "ControlPointOrientation"):
        return None
    axis = np.array(_numbers(where, point, "ControlPointOrientation", 3))
    length = float(np.linalg.norm(axis))
    if not length > 0.0:
        raise InputError(f"{where}: ControlPointOrientation is [0, 0, 0]; export the plan again")
    return np.asarray(axis / length)


def _axes(where: str, seeds: list[_Place], centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axis of every seed, (n, 3): as stated, else along its neighbours, else NaN."""
    axes = np.full(centers.shape, np.nan)
    for k, seed in enumerate(seeds):
        if seed.axis is not None:
            axes[k] = seed.axis
        elif len(seeds) > 1:
            way = centers[min(k + 1, len(seeds) - 1)] - centers[max(k - 1, 0)]
            length = float(np.linalg.norm(way))
            if not length > SAME_PLACE_MM:
                raise InputError(f"{where}: its seeds go forth and back, so they have no axis")
            axes[k] = way / length
    return axes


def _latest_date(path: Path, channels: list[_Channel]) -> datetime.date | None:
    dates = {channel.source.date for channel in channels}
    stated = [date for date in dates if date is not None]
    if stated and None in dates:
        raise InputError(f"{path}: some sources state no day for their strength, others do")
    return max(stated, default=None)


def _strength_u(
    path: Path, channel: _Channel, date: datetime.date | None, confirmed: bool
) -> float:
    """Strength of one seed of a channel on the reference date, U."""
    source = channel.source
    try:
        strength_u = check_usual_strength(source.strength_u, source.nuclide, confirmed=confirmed)
    except DoseInputError as error:
        raise InputError(
            f"{path}: {channel.name}: Reference Air Kerma Rate {source.strength_u:g} uGy/h at 1 m: "
            f"{error}"
        ) from error
    days = (date - source.date).days if date is not None and source.date is not None else 0
    return float(strength_u * 0.5 ** (days / source.half_life_days))


def _check_apart(path: Path, centers: NDArray[np.float64], names: tuple[str, ...]) -> None:
    pairs = cKDTree(centers).query_pairs(SAME_SEED_MM)
    if pairs:
        a, b = min(pairs)
        x, y, z = centers[a]
        raise InputError(
            f"{path}: {len(pairs)} seeds are listed twice, the first at ({x:.1f}, {y:.1f}, "
            f"{z:.1f}) mm in {names[a]} and in {names[b]}; where the plan holds the implant in "
            "several application setups, choose one"
        )


def _numbers(where: str, item: Dataset, keyword: str, count: int) -> list[float]:
    try:
        values = np.atleast_1d(np.asarray(item[keyword].value, dtype=np.float64))
    except KeyError:
        raise InputError(f"{where}: {keyword} is missing; export the plan again") from None
    except Exception:  # pydicom raises many kinds on values that break their own type
        values = np.zeros(0)
    if values.shape != (count,) or not np.all(np.isfinite(values)):
        wanted = "a finite number" if count == 1 else f"{count} finite numbers"
        raise InputError(
            f"{where}: {keyword} = {text_of(item, keyword)!r} is not {wanted}; export the plan "
            "again"
        )
    return [float(value) for value in values]
