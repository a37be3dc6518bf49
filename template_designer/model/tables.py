"""What every table of the case file is made of: checked numbers, names, a frozen base."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _real_number(value: object) -> object:
    """Refuse what pydantic would convert in silence: quoted numbers, booleans."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")
    return value


Number = Annotated[float, BeforeValidator(_real_number)]
Positive = Annotated[Number, Field(gt=0.0)]
Percent = Annotated[Number, Field(ge=0.0, le=100.0)]
Vector = tuple[Number, Number, Number]


def _calendar_date(value: object) -> object:
    """Refuse what pydantic would convert in silence: quoted dates, times, day numbers."""
    if type(value) is not datetime.date:  # a datetime is a date too
        raise ValueError("must be a date without quotes and without a time: 2026-11-15")
    return value


Date = Annotated[datetime.date, BeforeValidator(_calendar_date)]
NameList = str | tuple[str, ...]


def names_of(value: NameList | None) -> tuple[str, ...]:
    """One name, several or none, always as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value or ())


class Settings(BaseModel):
    """Base of every table: frozen, no unknown key, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
