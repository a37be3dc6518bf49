"""Turns the text of a case file into settings; every complaint is one line that names the key."""

from __future__ import annotations

import datetime
import tomllib
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from template_designer.errors import CaseError
from template_designer.inputs._dicom_file import read_bytes
from template_designer.inputs.names import did_you_mean
from template_designer.model import CaseSettings

_REASONS = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "literal_error": "choose one of {expected}",
    "enum": "choose one of {expected}",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "model_type": "must be a table",
    "tuple_type": "must be a list",
    "too_long": "takes {max_length} values",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_pattern_mismatch": (
        "takes 1 to 32 letters, digits, spaces, '.', '_' or '-', a letter or digit first"
    ),
}
"""What each kind of schema error means, in the words of the case file."""

_NAMES = ("structure", "from", "and", "minus", "within", "crop_out_of")
"""Keys that take one structure name or a list of them."""


def read_settings(path: Path) -> CaseSettings:
    """Read a case file and check it against the schema.

    Parameters
    ----------
    path : Path
        The TOML file.

    Returns
    -------
    CaseSettings
        Checked by type, unit and range; structure names and paths are not looked up yet.

    Raises
    ------
    CaseError
        If it is not TOML, or a key is missing, unknown or out of range.
    InputError
        If the file cannot be read.
    """
    try:
        data = tomllib.loads(read_bytes(path).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise CaseError("is not a text file in UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"is not valid TOML: {error}") from error
    return parse_settings(data)


def parse_settings(data: Mapping[str, Any]) -> CaseSettings:
    """Check the tables of a case file against the schema; see ``read_settings``."""
    data = dict(data)
    try:
        return CaseSettings.model_validate(data)
    except ValidationError as error:
        raise CaseError(_one_line(error.errors(), data)) from error


def _one_line(errors: Sequence[Any], data: Mapping[str, Any]) -> str:
    """Say the first complaint; unknown keys first, for they explain missing ones."""
    ordered = sorted(errors, key=lambda e: e["type"] != "extra_forbidden")
    first = ordered[0]
    loc = _in_data(first["loc"], data)
    others = {_in_data(e["loc"], data) for e in ordered} - {loc}
    more = f" (and {len(others)} more)" if others else ""
    return _complaint(first, loc, data) + more


def _in_data(loc: Sequence[int | str], data: Any) -> tuple[int | str, ...]:
    """Path of an error without the branches of unions that pydantic adds at its end."""
    kept: list[int | str] = []
    for part in loc:
        if not isinstance(data, dict | list):
            break
        if isinstance(part, int) and isinstance(data, dict):
            continue  # one table where a list of tables may stand
        kept.append(part)
        try:
            data = data[part]  # type: ignore[index]  # a part that does not fit ends the walk
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(kept)


def _complaint(error: Mapping[str, Any], loc: tuple[int | str, ...], data: Any) -> str:
    kind = error["type"]
    where = key_path(loc, data)
    if kind == "extra_forbidden":
        keys = _known_keys(loc[:-1])
        return f"{where} is not known; {did_you_mean(str(loc[-1]), keys)}keys: {', '.join(keys)}"
    if kind == "missing":
        if isinstance(loc[-1], int):
            return f"{key_path(loc[:-1], data)} has too few values"
        return f"{where} is missing"
    if loc == ("target", "structure") and kind == "string_type":
        reason = "must be one name; join two targets with [[structure]] name = ..., from = [...]"
    elif len(loc) > 1 and loc[-1] in _NAMES and kind in ("string_type", "tuple_type"):
        reason = "must be a name in quotes or a list of names"
    elif kind == "value_error":
        reason = str(error["ctx"]["error"])
    elif kind in _REASONS:
        reason = _REASONS[kind].format(**error.get("ctx", {}))
    else:
        reason = str(error["msg"])
    value = error["input"]
    shown = "" if isinstance(value, dict) else f" = {_shown(value)}"
    return f"{where}{shown}: {reason}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return repr(value.value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return f"{value:g}" if isinstance(value, float) else repr(value)


def key_path(loc: Sequence[int | str], data: Any = None) -> str:
    """Write where a key stands, as the case file has it.

    >>> key_path(("source", "activity_mci")), key_path(("avoid", 1, "structure")), key_path(("id",))
    ('[source] activity_mci', '[[avoid]] #2 structure', 'id')
    """
    if not loc:  # a rule between tables
        return "the case as a whole"
    first, *rest = loc
    if rest and isinstance(rest[0], int):
        head = f"[[{first}]] #{rest[0] + 1}"
        rest = rest[1:]
    elif rest or isinstance((data or {}).get(first), dict) or _model_at((first,)) is not None:
        head = f"[{first}]"
    else:
        return str(first)
    names = [str(part) for part in rest if isinstance(part, str)]
    return " ".join([head, ".".join(names)]) if names else head


def _known_keys(loc: Sequence[int | str]) -> tuple[str, ...]:
    model = _model_at(loc)
    if model is None:
        return ()
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _model_at(loc: Sequence[int | str]) -> type[BaseModel] | None:
    """Find the table type at a path of keys; None where the path leads to a value."""
    model: type[BaseModel] | None = CaseSettings
    for part in loc:
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = _table_type(field.annotation) if field is not None else None
    return model


def _table_type(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_table_type(arg) for arg in get_args(annotation))
    return next((model for model in found if model is not None), None)
