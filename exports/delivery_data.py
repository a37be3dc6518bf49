"""How the seeds get in, for ``plan.json`` and ``needles.csv``: order, retractions, strands."""

from __future__ import annotations

import itertools
from typing import Any

from exports.rounding import rounded, rounded_down
from template_designer.model import Needle, Plan, Template
from template_designer.model.delivery import MickSteps, NeedleDelivery

COLUMNS = ("insertion_order", "retraction_mm", "seed_readings_mm", "cartridge", "strand")
"""``insertion_order`` is counted from 1 over all templates. ``seed_readings_mm`` = operator face of
the plate to the tip as each seed is dropped, from the deepest; ``retraction_mm`` = from each
reading to the next; ``cartridge`` = number of the cartridge and how many seeds of it, as ``1:5``.
Lists are separated by semicolons. ``strand`` = seeds (S) and spacers (their lengths in mm) from the
tip backwards. Columns that the technique does not need are empty."""

_LENGTH_DIGITS = 4  # as positions and depths


def delivery_of(plan: Plan, template: Template, needle: Needle) -> NeedleDelivery | None:
    """What is done at one needle; None where the plan does not say."""
    for done in plan.delivery:
        if (done.template, done.label) == (template.name, needle.label):
            return done
    return None


def delivery_keys(done: NeedleDelivery | None) -> dict[str, Any]:
    """The keys that a needle of ``plan.json`` has for its delivery; none where there is no such."""
    if done is None:
        return {}
    data: dict[str, Any] = {"technique": done.technique.value}
    loading = done.loading
    if isinstance(loading, MickSteps):
        data |= {
            "seed_readings_mm": [_length(reading) for reading in loading.readings_mm],
            "retraction_mm": [_length(step) for step in loading.retractions_mm],
            "seeds_before": loading.seeds_before,
            "cartridges": [{"number": u.number, "seeds": u.seeds} for u in loading.cartridges],
        }
    else:
        data |= {
            "strand": loading.text,
            "spacers": loading.spacer_count,
            "strand_mm": _length(loading.length_mm),
            "shift_mm": [_length(shift) for shift in loading.shifts_mm],
        }
    return {"insertion_order": done.order, "delivery": data}


def delivery_cells(done: NeedleDelivery | None) -> dict[str, object]:
    """The cells of :data:`COLUMNS` for one needle.

    Readings carry one decimal and are rounded down, as depths are; retractions are the differences
    of the readings as printed, so that following them ends at the last reading.
    """
    cells: dict[str, object] = dict.fromkeys(COLUMNS, "")
    if done is None:
        return cells
    cells["insertion_order"] = done.order
    loading = done.loading
    if isinstance(loading, MickSteps):
        readings = [rounded_down(reading, 1) for reading in loading.readings_mm]
        steps = (deep - high for deep, high in itertools.pairwise(readings))
        cells["seed_readings_mm"] = ";".join(f"{reading:.1f}" for reading in readings)
        cells["retraction_mm"] = ";".join(f"{step:.1f}" for step in steps)
        cells["cartridge"] = ";".join(f"{use.number}:{use.seeds}" for use in loading.cartridges)
    else:
        cells["strand"] = loading.text
    return cells


def _length(value_mm: float) -> float:
    return rounded(value_mm, _LENGTH_DIGITS)
