"""What a plan was steered by, from ``plan.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from template_designer.errors import InputError
from template_designer.model.steering import Origin, Steering, parse_loads, parse_places


def steering_of(item: Mapping[str, Any] | None) -> Steering | None:
    """The ``steering`` of ``plan.json``; None where a plan was not steered."""
    if item is None:
        return None
    origin = item["from"]
    return Steering(
        lock=parse_places(item["lock"]),
        forbid=parse_places(item["forbid"]),
        load=parse_loads(item["load"]),
        max_needles=_count(item["max_needles"]),
        max_seeds=_count(item["max_seeds"]),
        origin=(
            None
            if origin is None
            else Origin(str(origin["plan_sha256"]), tuple(str(seed) for seed in origin["dropped"]))
        ),
    )


def _count(value: Any) -> int | None:
    if value is not None and type(value) is not int:
        raise InputError(f"{value!r} is not a whole number")
    return value
