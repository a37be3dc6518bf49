"""Reads the names of labels: a JSON object such as ``{"79": "spinal_cord"}``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from template_designer.errors import InputError
from template_designer.inputs._dicom_file import one_line, read_bytes
from template_designer.model import PlanWarning

LARGEST_LABEL = 65535
"""Labels fit 16 bits; larger values are no labels but an image."""

_EXAMPLE = 'write a label as a whole number in quotes and its name: {"79": "spinal_cord"}'
_BACKGROUND = ("background", "clear label", "none", "unlabelled", "unlabeled")


class _RepeatedKeyError(ValueError):
    """A key that stands twice in one JSON object."""


def read_label_names(path: Path) -> tuple[dict[int, str], tuple[PlanWarning, ...]]:
    """Read which label has which name.

    Parameters
    ----------
    path : Path
        A JSON file with one object: labels as keys, names as values.

    Returns
    -------
    names : dict of int to str
        In the order of the file, without label 0 (the background).
    warnings : tuple of PlanWarning
        A name for label 0.

    Raises
    ------
    InputError
        If the file cannot be read or is no such object, a key is not a whole number from 0 to
        65535, a label stands twice, or a name is empty or not text.
    """
    try:
        data = json.loads(read_bytes(path).decode("utf-8-sig"), object_pairs_hook=_once)
    except _RepeatedKeyError as error:
        raise InputError(f"{path}: label {error} stands twice; give it one name") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file in UTF-8; save it as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({one_line(str(error))}); {_EXAMPLE}") from (
            error
        )
    if not isinstance(data, dict):
        raise InputError(f"{path}: is a JSON {type(data).__name__}, not an object; {_EXAMPLE}")
    names: dict[int, str] = {}
    for key, value in data.items():
        label = _label(path, key)
        if label in names:
            raise InputError(f"{path}: label {label} stands twice; give it one name")
        names[label] = _name(path, key, value)
    background = names.pop(0, "background")
    if not names:
        raise InputError(f"{path}: names no label; {_EXAMPLE}")
    if background.lower() in _BACKGROUND:
        return names, ()
    text = f"{path.name}: label 0 is the background; {background!r} is left out"
    return names, (PlanWarning("label-zero", text),)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _RepeatedKeyError(key)
        found[key] = value
    return found


def _label(path: Path, key: str) -> int:
    text = key.strip()
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{path}: {key!r} is not a label; {_EXAMPLE}")
    label = int(text)
    if label > LARGEST_LABEL:
        raise InputError(f"{path}: label {label} is above {LARGEST_LABEL}; use smaller labels")
    return label


def _name(path: Path, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{path}: label {key!r} is called {value!r}, which is no name; {_EXAMPLE}")
    return one_line(value.strip())
