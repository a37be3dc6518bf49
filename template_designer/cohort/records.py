"""What is known of every case of a series: what went in, and what became of it (``case.json``)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from template_designer._version import __version__
from template_designer.cohort.cases import CohortCase
from template_designer.errors import NoSafePlanError, PlannerError
from template_designer.evaluating import Delivered
from template_designer.inputs.hashing import sha256_of
from template_designer.inputs.schema import read_settings
from template_designer.model.cohort import CaseOutcome

RECORD = "case.json"
"""In the folder of every case."""

SCHEMA = 1

DONE, GOAL_MISSED, WRONG_INPUT, NO_SAFE_PLAN, DEFECT = 0, 1, 2, 3, 70
"""Exit codes, as those of ``design``."""


def fingerprint(case: CohortCase, files: str) -> str:
    """SHA-256 of everything a case's folder follows from, 64 hexadecimal digits.

    The case file, all it points to, what there is after the implant, which files are asked for,
    and the version of the program.
    """
    content = {
        "schema": SCHEMA,
        "version": __version__,
        "files": files,
        "case": _hash(case.case_file),
        "inputs": [_hash(case.case_file.parent / name) for name in _named(case.case_file)],
        "postplan": None,
    }
    if case.delivered is not None:
        content["postplan"] = _of_delivered(case.delivered)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def exit_code_of(error: Exception) -> int:
    """The code that ``design`` ends with after an error."""
    if isinstance(error, NoSafePlanError):
        return NO_SAFE_PLAN
    return WRONG_INPUT if isinstance(error, PlannerError | OSError) else DEFECT


def error_text(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, PlannerError):
        return " ".join(str(error).split())
    return " ".join(f"{type(error).__name__}: {error}".split())


def write_record(outcome: CaseOutcome, folder: Path) -> None:
    """Write ``case.json`` into a folder."""
    data = {"schema": SCHEMA, "version": __version__, **_plain(asdict(outcome))}
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def read_record(folder: Path) -> CaseOutcome | None:
    """The outcome that a case's folder holds; None where it holds none that this version wrote."""
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA or data.pop("version") != __version__:
            return None
        kinds = {field.name: field.type for field in fields(CaseOutcome)}
        values: dict[str, Any] = {
            key: math.nan if value is None and kinds[key] == "float" else _numbers(value)
            for key, value in data.items()
        }
        return CaseOutcome(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # then the case is done again


def _of_delivered(delivered: Delivered) -> dict[str, Any]:
    """Everything an evaluation follows from, files by their hashes."""
    content: dict[str, Any] = {}
    for field in fields(delivered):
        value = getattr(delivered, field.name)
        if field.name == "registration" and Path(value).is_file():
            value = Path(value)
        content[field.name] = _hash(value) if isinstance(value, Path) else str(value)
    return content


def _named(case_file: Path) -> tuple[str, ...]:
    """Files that a case file points to; none where it cannot be read."""
    try:
        settings = read_settings(case_file)
    except PlannerError:
        return ()
    images = settings.images
    named = (images.ct, images.structures, images.labels, settings.source.file)
    return tuple(name for name in named if name is not None)


def _hash(path: Path) -> str | None:
    """Hash of a file or folder; None where there is none that can be read."""
    try:
        return sha256_of(path)
    except PlannerError:
        return None


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same without NaN, which JSON does not know."""
    return {
        key: _plain(value)
        if isinstance(value, Mapping)
        else (None if isinstance(value, float) and not math.isfinite(value) else value)
        for key, value in data.items()
    }


def _numbers(value: Any) -> Any:
    """A mapping of numbers with NaN for null."""
    if isinstance(value, dict):
        return {key: math.nan if v is None else v for key, v in value.items()}
    return value
