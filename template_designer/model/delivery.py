"""How seeds get into the patient: the technique of the case, and what is done at every needle."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StrictInt, model_validator

from template_designer.errors import GeometryError
from template_designer.model.tables import Number, Settings

SLACK_MM = 1e-6
"""Rounding of sums and differences of lengths."""


class Technique(StrEnum):
    """How seeds are brought in."""

    MICK = "mick"  # from a cartridge on the needle, one at a time, the needle drawn back between
    STRAND = "strand"  # seeds and spacers linked, left behind as the needle is drawn off
    PRELOADED = "preloaded"  # loose seeds and spacers in the needle, left behind likewise

    @property
    def uses_spacers(self) -> bool:
        """Whether spacers, and not the operator, keep the seeds apart."""
        return self is not Technique.MICK


Spacer = Annotated[Number, Field(ge=0.1, le=50.0)]


class DeliverySettings(Settings):
    """``[delivery]``: the technique, and what seeds and spacers come in.

    15 seeds a cartridge is a common size, not the only one: state what the supplier's hold; too
    small a number only asks for more changes. Spacers of 5.5 mm and 0.5 mm put the usual capsules
    of 4.5 mm at 10 mm and 5 mm. Capsules of the published tables are up to 4.6 mm long, so a gap
    may differ from its spacers by ``strand_tolerance_mm``.
    """

    technique: Technique = Technique.MICK
    seeds_per_cartridge: Annotated[StrictInt, Field(ge=1, le=100)] = 15
    spacer_lengths_mm: Annotated[tuple[Spacer, ...], Field(min_length=1, max_length=6)] = (5.5, 0.5)
    spacers_per_gap: Annotated[StrictInt, Field(ge=1, le=6)] = 2  # between two seeds, at most
    strand_tolerance_mm: Annotated[Number, Field(ge=0.0, le=0.5)] = 0.1  # of every gap

    @model_validator(mode="after")
    def _lengths_differ(self) -> Self:
        if len(set(self.spacer_lengths_mm)) < len(self.spacer_lengths_mm):
            raise ValueError(
                f"spacer_lengths_mm {list(self.spacer_lengths_mm)} states a length twice; "
                "state each once, spacers_per_gap says how many may be joined"
            )
        return self

    def spacers_for(self, gap_mm: float) -> tuple[float, ...] | None:
        """Whole spacers that fill a gap between two capsules, longest first; None: none do.

        Of several choices the nearest to the gap is taken, then that of the fewest spacers, then
        that with the longest.

        >>> DeliverySettings().spacers_for(5.45), DeliverySettings().spacers_for(3.0)
        ((5.5,), None)
        """
        fitting = []
        for spacers in self._joined():
            error_mm = abs(sum(spacers) - gap_mm)
            if error_mm <= self.strand_tolerance_mm + SLACK_MM:  # NaN fits nothing
                longest_first = tuple(-length for length in spacers)
                fitting.append((round(error_mm, 6), len(spacers), longest_first, spacers))
        return min(fitting)[-1] if fitting else None

    def _joined(self) -> Iterator[tuple[float, ...]]:
        """Every way to join up to ``spacers_per_gap`` spacers, also none."""
        lengths = sorted(self.spacer_lengths_mm, reverse=True)
        for count in range(self.spacers_per_gap + 1):
            yield from itertools.combinations_with_replacement(lengths, count)


@dataclass(frozen=True, slots=True)
class CartridgeUse:
    """How many seeds of a needle come out of one cartridge."""

    number: int  # counted through over the implant, from 1
    seeds: int


@dataclass(frozen=True, slots=True)
class MickSteps:
    """Seeds dropped one at a time, the deepest first, the needle drawn back between them."""

    readings_mm: tuple[float, ...]  # operator face of the plate to the needle tip, at each seed
    seeds_before: int  # that the needles before this one took
    cartridges: tuple[CartridgeUse, ...]  # in the order of use

    def __post_init__(self) -> None:
        if not (self.readings_mm and all(step > 0.0 for step in self.retractions_mm)):
            raise GeometryError(
                f"readings {self.readings_mm} mm must become smaller from seed to seed: a needle "
                "is only drawn back. Check the order of the seeds"
            )
        if sum(use.seeds for use in self.cartridges) != len(self.readings_mm):
            raise GeometryError(
                f"cartridges {self.cartridges} do not give {len(self.readings_mm)} seeds; count "
                "them again"
            )

    @property
    def retractions_mm(self) -> tuple[float, ...]:
        """How far the needle is drawn back before each seed but the first, mm."""
        return tuple(deep - high for deep, high in itertools.pairwise(self.readings_mm))


@dataclass(frozen=True, slots=True)
class SeedTrain:
    """Seeds and spacers of one needle, linked or loose, from the tip backwards."""

    capsule_mm: float
    spacers_mm: tuple[tuple[float, ...], ...]  # in each gap between two seeds
    shifts_mm: tuple[float, ...]
    """How much nearer the entry each seed lies than planned, the first being where it should."""

    def __post_init__(self) -> None:
        if len(self.shifts_mm) != len(self.spacers_mm) + 1 or not self.capsule_mm > 0.0:
            raise GeometryError(
                f"{len(self.shifts_mm)} seeds of {self.capsule_mm} mm do not have "
                f"{len(self.spacers_mm)} gaps; state one gap less than seeds"
            )

    @property
    def text(self) -> str:
        """The loading from the tip backwards, spacers by their lengths in mm.

        >>> SeedTrain(4.5, ((5.5,), (0.5,)), (0.0, 0.0, 0.0)).text
        'S-5.5-S-0.5-S'
        """
        parts = ["S"]
        for gap in self.spacers_mm:
            parts += [f"{length:g}" for length in gap] + ["S"]
        return "-".join(parts)

    @property
    def spacer_count(self) -> int:
        """Number of spacers."""
        return sum(len(gap) for gap in self.spacers_mm)

    @property
    def length_mm(self) -> float:
        """From the first capsule's end at the tip to the last one's."""
        return math.fsum(
            [len(self.shifts_mm) * self.capsule_mm, *(sum(gap) for gap in self.spacers_mm)]
        )


@dataclass(frozen=True, slots=True)
class NeedleDelivery:
    """What is done at one needle."""

    template: str
    label: str
    order: int  # of insertion, over all templates, from 1
    technique: Technique
    loading: MickSteps | SeedTrain
