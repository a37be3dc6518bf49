"""A written plan back from its ``plan.json``: settings, templates, needles, numbers, warnings.

Numbers come back as they were written. What the file does not hold (dose, surfaces, images) is
left to whoever has the case.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from pydantic import BaseModel

from template_designer.errors import InputError, PlannerError
from template_designer.inputs._dicom_file import read_bytes
from template_designer.inputs.content import content_hash
from template_designer.inputs.earlier_seeds import earlier_seeds_of
from template_designer.inputs.plan_loading import loading_of
from template_designer.inputs.plan_robust import robust_result
from template_designer.inputs.plan_steering import steering_of
from template_designer.inputs.plan_template import deliveries_of, number, template_of
from template_designer.inputs.schema import parse_settings
from template_designer.model import (
    BiologyDose,
    BiologyResult,
    CaseSettings,
    ExternalBeam,
    GoalResult,
    InputFile,
    PlanWarning,
    Reach,
    Template,
)
from template_designer.model.delivery import NeedleDelivery
from template_designer.model.earlier_seeds import EarlierSeeds
from template_designer.model.loading_report import LoadingReport
from template_designer.model.robust import RobustResult
from template_designer.model.steering import Steering

SCHEMA = 1
"""The layout of ``plan.json`` that is read here."""

PLAN_FILE = "plan.json"

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, eq=False)
class PlanFile:
    """Everything of a plan that its file holds."""

    sha256: str  # of the plan, as the file states it and as it was computed again
    settings: CaseSettings
    software_version: str
    inputs: tuple[InputFile, ...]
    templates: tuple[Template, ...]
    metrics: Mapping[str, Mapping[str, float]]
    goals: tuple[GoalResult, ...]
    reach: Reach
    warnings: tuple[PlanWarning, ...]
    biology: tuple[BiologyResult, ...]
    robust: RobustResult | None
    delivery: tuple[NeedleDelivery, ...]
    air_kerma_strength_u: float  # of one seed on the day of the implant, as it is written
    steering: Steering | None
    loading: LoadingReport | None
    earlier_seeds: EarlierSeeds | None


def refuse_supplement(where: Path, *, is_one: bool) -> None:
    """Refuse a plan that adds to seeds in the patient where those would be forgotten.

    Raises
    ------
    InputError
        If it is one.
    """
    if is_one:
        raise InputError(
            f"{where} adds to seeds that lie in the patient already, which this command would "
            "leave out; plan again from the evaluation: design CASE --from EVALUATION --supplement"
        )


def read_plan_file(path: Path, capsule_mm: Callable[[CaseSettings], float]) -> PlanFile:
    """Read ``plan.json``; see :func:`parse_plan`. ``path`` is the file or its folder.

    Raises
    ------
    InputError
        If the file is not there, is no plan, or was changed since it was written.
    """
    file = path / PLAN_FILE if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file} does not exist; name the folder that a plan was written to")
    try:
        data = json.loads(read_bytes(file).decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InputError(f"{file} is nested too deeply for a plan") from error
    except ValueError as error:  # not UTF-8, not JSON
        raise InputError(f"{file} is not valid JSON in UTF-8: {error}") from error
    try:
        return parse_plan(data, capsule_mm)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def parse_plan(data: Any, capsule_mm: Callable[[CaseSettings], float]) -> PlanFile:
    """A plan from the content of its ``plan.json``.

    Parameters
    ----------
    data : object
        What JSON gave.
    capsule_mm : callable
        Length of the capsule of a case's seeds; asked where seeds come in strands.

    Raises
    ------
    InputError
        If it is not the content that a plan was written with.
    """
    if not isinstance(data, dict) or "templates" not in data:
        raise InputError("holds no plan; name the plan.json of a written plan")
    if data.get("schema") != SCHEMA:
        raise InputError(
            f"schema {data.get('schema')!r} is not known, only {SCHEMA}; use the program that "
            "wrote it"
        )
    if "case" not in data or "hash" not in data:
        raise InputError(
            "states no case and no hash: an older version wrote it; plan the case again"
        )
    found = content_hash(data)
    if found != data["hash"]:
        raise InputError(
            f"was changed since it was written (its content has hash {found[:16]}, it states "
            f"{str(data['hash'])[:16]}); plan the case again"
        )
    settings = _reading("case", lambda: read_case_tables(data["case"]))
    return _reading("its content", lambda: _plan_file(data, settings, capsule_mm))


def read_case_tables(tables: Any) -> CaseSettings:
    """Settings from the ``case`` of ``plan.json``: as in the case file, but dates are in quotes."""
    if not isinstance(tables, dict):
        raise InputError("'case' is not a table")
    return parse_settings(_with_dates(tables, CaseSettings))


def _with_dates(value: Any, model: type[BaseModel]) -> Any:
    """Turn texts into dates wherever the schema asks for a date."""
    if isinstance(value, list):
        return [_with_dates(item, model) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    found = dict(value)
    for key, inner in value.items():
        kinds = _kinds(fields.get(key))
        below = next((k for k in kinds if issubclass(k, BaseModel)), None)
        if below is not None:
            found[key] = _with_dates(inner, below)
        elif isinstance(inner, str) and datetime.date in kinds:
            found[key] = datetime.date.fromisoformat(inner)
    return found


def _kinds(annotation: Any) -> tuple[type, ...]:
    """Every plain type that an annotation is made of."""
    inside = get_args(annotation)
    if not inside:
        return (annotation,) if isinstance(annotation, type) else ()
    return tuple(kind for part in inside for kind in _kinds(part))


def _plan_file(
    data: Mapping[str, Any], settings: CaseSettings, capsule_mm: Callable[[CaseSettings], float]
) -> PlanFile:
    templates = tuple(template_of(item, settings) for item in data["templates"])
    return PlanFile(
        sha256=data["hash"],
        settings=settings,
        software_version=str(data["software"]["version"]),
        inputs=tuple(InputFile(str(i["path"]), str(i["sha256"])) for i in data["inputs"]),
        templates=templates,
        metrics={
            str(name): {str(metric): number(value) for metric, value in values.items()}
            for name, values in data["metrics"].items()
        },
        goals=tuple(_goal(item) for item in data["goals"]),
        reach=_reach(data["reach"]),
        warnings=tuple(PlanWarning(str(i["code"]), str(i["text"])) for i in data["warnings"]),
        biology=tuple(_biology(item) for item in data["biology"]),
        robust=None if data["robust"] is None else robust_result(data["robust"]),
        delivery=deliveries_of(data["templates"], lambda: capsule_mm(settings)),
        air_kerma_strength_u=number(data["source"]["air_kerma_strength_u"]),
        steering=steering_of(data.get("steering")),
        loading=loading_of(data["loading"]),
        earlier_seeds=_earlier_seeds(data.get("earlier_seeds")),
    )


def _earlier_seeds(item: Mapping[str, Any] | None) -> EarlierSeeds | None:
    if item is None:
        return None
    return earlier_seeds_of(item["seeds"], str(item["evaluation_sha256"]), item["implanted"])


def _goal(item: Mapping[str, Any]) -> GoalResult:
    is_minimum = "at_least" in item
    return GoalResult(
        structure=str(item["structure"]),
        metric=str(item["metric"]),
        limit=item["at_least" if is_minimum else "at_most"],
        unit=str(item["unit"]),
        is_minimum=is_minimum,
        value=number(item["value"]),
        met=bool(item["met"]),
    )


def _reach(item: Mapping[str, Any]) -> Reach:
    largest = item["largest_v100_pct"]
    return Reach(
        number(item["reachable_pct"]),
        {str(cause): number(value) for cause, value in item["hidden_pct_by_cause"].items()},
        None if largest is None else number(largest),
    )


def _biology(item: Mapping[str, Any]) -> BiologyResult:
    beam = item["external_beam"]
    return BiologyResult(
        structure=str(item["structure"]),
        alpha_beta_gy=item["alpha_beta_gy"],
        repair_half_time_h=item["repair_half_time_h"],
        external_beam=None if beam is None else ExternalBeam(**_numbers(beam)),
        doses=tuple(BiologyDose(**_numbers(dose)) for dose in item["doses"]),
        model=str(item["model"]),
    )


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: number(v) if v is None else v for key, v in values.items()}


def _reading(what: str, read: Callable[[], _Read]) -> _Read:
    """Run a reader; whatever does not fit is an :class:`InputError`."""
    try:
        return read()
    except PlannerError as error:
        raise InputError(f"{what}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{what} lacks or misstates {error}; it was not written by this version of the program"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")
