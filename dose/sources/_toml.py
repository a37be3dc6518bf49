"""Typed reading of one parsed TOML file, with the file and the key in every error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dose.errors import DoseInputError

Layout = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""Required and optional keys of each table; the file's own top level is called ``""``."""


class TableFile:
    """Values of a parsed TOML file by dotted key, such as ``anisotropy_2d.r_cm``."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self._data = data
        self._where = where

    def error(self, key: str, text: str) -> DoseInputError:
        """Error about one key."""
        return DoseInputError(f"{self._where}: {key} {text}")

    def check_layout(self, layout: Layout) -> None:
        """Refuse missing and unknown keys: a misspelt optional one would be lost in silence."""
        for section, (required, optional) in layout.items():
            prefix = f"{section}." if section else ""
            if section and section not in self._data:
                continue  # optional: the top level has been checked
            table = self._data[section] if section else self._data
            if not isinstance(table, dict):
                raise self.error(section, f"must be a table: write [{section}] above its keys")
            known = ", ".join((*required, *optional))
            for name in table:
                if name not in (*required, *optional):
                    raise self.error(
                        f"{prefix}{name}",
                        f"is not a known key. Known {'here' if section else 'at the top'}: {known} "
                        "(units are part of the names); see dose/sources/README.md",
                    )
            for name in required:
                if name not in table:
                    raise self.error(
                        f"{prefix}{name}", "is missing or misplaced; see dose/sources/README.md"
                    )

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return self._get(key) is not None

    def text(self, key: str) -> str:
        """Words, not empty."""
        value = self._get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"= {value!r} must be a text in quotes, not empty")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """List of words, not empty."""
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise self.error(key, "must be a list of texts in quotes, not empty")
        return tuple(value)

    def truth(self, key: str) -> bool:
        """``true`` or ``false``."""
        value = self._get(key)
        if not isinstance(value, bool):
            raise self.error(key, f"= {value!r} must be true or false")
        return value

    def number(self, key: str, most: float = math.inf) -> float:
        """Finite number above 0, ``most`` at the highest."""
        value = self._finite(self._get(key), key)
        if not value > 0.0:
            raise self.error(key, f"= {value:g} must be above 0")
        return self._limited(value, key, most)

    def numbers(self, key: str, most: float = math.inf) -> NDArray[np.float64]:
        """List of finite numbers, each ``most`` at the highest, as (n,) array."""
        return np.array(self._list(self._get(key), key, most))

    def rows(self, key: str) -> NDArray[np.float64]:
        """List of equally long lists of finite numbers, as (rows, columns) array."""
        value = self._get(key)
        if not isinstance(value, list) or not value:
            raise self.error(key, "must be a list of rows of numbers, not empty")
        rows = [self._list(row, f"{key}[{i}]", math.inf) for i, row in enumerate(value)]
        for i, row in enumerate(rows):
            if len(row) != len(rows[0]):
                raise self.error(
                    f"{key}[{i}]", f"has {len(row)} numbers, the first row {len(rows[0])}"
                )
        return np.array(rows)

    def _get(self, key: str) -> Any:
        value: Any = self._data
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _list(self, value: Any, key: str, most: float) -> list[float]:
        if not isinstance(value, list) or not value:
            raise self.error(key, "must be a list of numbers, not empty")
        numbers = [self._finite(v, f"{key}[{i}]") for i, v in enumerate(value)]
        for i, number in enumerate(numbers):
            self._limited(number, f"{key}[{i}]", most)
        return numbers

    def _finite(self, value: Any, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"= {value!r} must be a number without quotes")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.error(key, f"= {value} is not finite; give the published number")
        return number

    def _limited(self, value: float, key: str, most: float) -> float:
        if not value <= most:
            raise self.error(
                key, f"= {value:g} is over {most:g}; the unit stands in the key's name (cm, not mm)"
            )
        return value
