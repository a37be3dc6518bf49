"""Seeds of an implant before, from a written evaluation or a plan that counts them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError, InputError
from template_designer.frames import inverse, transform_points
from template_designer.inputs._dicom_file import read_bytes
from template_designer.inputs.content import content_hash
from template_designer.model import Case
from template_designer.model.earlier_seeds import EarlierImplant, EarlierSeeds

EVALUATION_FILE = "evaluation.json"
SCHEMA = 1
"""The layout of ``evaluation.json`` that is read here."""


def read_earlier_implant(path: Path, case: Case) -> EarlierImplant:
    """Read ``evaluation.json``, or the one in a folder, in the frame of a case.

    Parameters
    ----------
    path : Path
        The folder that ``evaluate`` wrote, or its file.
    case : Case
        Planned on the CT of the preplan, or on that of the evaluation's day.

    Raises
    ------
    CaseError, InputError
        If it cannot be read, was changed since it was written, or is not of this case's frame or
        seed model.
    """
    file = path / EVALUATION_FILE if path.is_dir() else path
    if not file.is_file():
        raise CaseError(
            f"--from {path}: holds no {EVALUATION_FILE}; --supplement starts from the folder that "
            "evaluate wrote"
        )
    data = _checked(file)
    try:
        return _implant(path, data, case)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, CaseError | InputError):
            raise
        raise InputError(
            f"{file} lacks or misstates {error}; it was not written by this version of the program"
        ) from error


def earlier_seeds_of(
    rows: Sequence[Mapping[str, Any]], sha256: str, implanted: str | None
) -> EarlierSeeds:
    """Seeds as ``evaluation.json`` and ``plan.json`` list them."""
    return EarlierSeeds(
        sha256,
        np.array([row["center_lps_mm"] for row in rows], dtype=np.float64),
        np.array([row["axis_lps"] for row in rows], dtype=np.float64),
        np.array([row["air_kerma_strength_u"] for row in rows], dtype=np.float64),
        None if implanted is None else datetime.date.fromisoformat(implanted),
    )


def _checked(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_bytes(file).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON
        raise InputError(f"{file} is not valid JSON in UTF-8: {error}") from error
    if not isinstance(data, dict) or "matches" not in data:
        raise InputError(f"{file} holds no evaluation; name the folder that evaluate wrote")
    if data.get("schema") != SCHEMA:
        raise InputError(f"{file}: schema {data.get('schema')!r} is not known, only {SCHEMA}")
    if content_hash(data) != data.get("hash"):
        raise InputError(f"{file} was changed since it was written; evaluate again")
    return data


def _implant(path: Path, data: Mapping[str, Any], case: Case) -> EarlierImplant:
    model = str(data["source"]["model"])
    if model != case.source.model.id:
        raise CaseError(
            f"--from {path}: its seeds are {model!r}, the case has {case.source.model.id!r}; doses "
            "of two models are not summed here, state the same [source] model"
        )
    seeds = earlier_seeds_of(data["seeds"], str(data["hash"]), data["implanted"])
    axes = {t["name"]: np.array(t["lps_from_template"])[:3, 2] for t in data["templates"]}
    needles = {
        (match["template"], match["hole"]): match["planned_lps_mm"]
        for match in data["matches"]
        if match["hole"] is not None
    }
    points = np.array(list(needles.values()), dtype=np.float64)
    directions = np.array([axes[template] for template, _ in needles])
    matrix = _to_case(path, data, case)
    rotation = matrix[:3, :3]
    return EarlierImplant(
        where=str(path),
        seeds=replace(
            seeds,
            centers_lps_mm=transform_points(matrix, seeds.centers_lps_mm),
            axes_lps=seeds.axes_lps @ rotation.T,
        ),
        needle_points_lps_mm=transform_points(matrix, points),
        needle_axes_lps=directions @ rotation.T,
        axes_assumed=sum(row["axis"] == "none" for row in data["seeds"]),
    )


def _to_case(path: Path, data: Mapping[str, Any], case: Case) -> NDArray[np.float64]:
    """From the frame of the evaluation (its preplan's) to that of the case."""
    mine, frames = case.image.frame_of_reference_uid, data["frames"]
    if mine == frames["preplan"] or not (mine and frames["preplan"]):
        return np.eye(4)
    if mine == frames["day"]:
        return inverse(np.array(data["registration"]["pre_from_post"], dtype=np.float64))
    raise CaseError(
        f"--from {path}: the case's CT is in another frame of reference ({mine}) than the preplan "
        f"({frames['preplan']}) and the day of the evaluation ({frames['day'] or 'none'}); plan on "
        "one of these CTs"
    )
