"""One state of a session: plates where they stand, wishes, loading. It never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import CaseError
from template_designer.model import Reach, SeedSource, Template
from template_designer.model.earlier import EarlierPlan
from template_designer.model.steering import HandLoad, Place, Steering, parse_places
from template_designer.page.entry_moves import EntryOffset
from template_designer.planning.loading.steering import PlateHoles, plate_holes
from template_designer.planning.loading.wishes import with_limits
from template_designer.workflow import Preparation, steered_preparation

NO_SITES = np.zeros(0, dtype=np.int64)


class Mark(StrEnum):
    """What a person asked of a hole."""

    NONE = ""
    LOCKED = "locked"
    FORBIDDEN = "forbidden"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """Plates, wishes and loading at one moment of a session."""

    laid_out: Preparation  # the plates where they stand, before any wish
    offsets: tuple[EntryOffset, ...]  # of each plate
    reach: Reach
    source: SeedSource  # its strength is decided once something was planned
    steering: Steering = field(default_factory=Steering)  # beside the case's own
    chosen: NDArray[np.int64] = field(default_factory=lambda: NO_SITES)  # (n,) sites with a seed
    said: str = ""  # what led here, in a few words

    @property
    def planned(self) -> bool:
        """Whether there is a seed."""
        return bool(self.chosen.size)

    @property
    def holes(self) -> tuple[PlateHoles, ...]:
        """Every plate's holes with their sites."""
        laid_out = self.laid_out
        return plate_holes(laid_out.approaches, laid_out.plate_names, laid_out.loading.joined)

    def place(self, label: str) -> tuple[Place, PlateHoles]:
        """A hole by its label (``C4``; with several plates ``T2:C4``).

        Raises
        ------
        CaseError
            If the label names no hole.
        """
        (place,) = parse_places([label])
        plates = self.holes
        if place.seed is not None:
            raise CaseError(f"{label}: name the hole, {place.label}, not one of its seeds")
        if place.plate is None and len(plates) > 1:
            raise CaseError(f"{label}: name the plate as well, as {plates[0].name}:{label}")
        name = place.plate or plates[0].name
        plate = next((plate for plate in plates if plate.name == name), None)
        if plate is None or place.label not in plate.reasons:
            raise CaseError(f"{label}: there is no such hole on the plate")
        return Place(place.label, name if len(plates) > 1 else None), plate

    def seeds_of(self, place: Place, plate: PlateHoles) -> NDArray[np.int64]:
        """Chosen sites of a hole, the deepest first."""
        return np.intersect1d(plate.sites.get(place.label, NO_SITES), self.chosen)

    def load_of(self, place: Place, plate: PlateHoles) -> HandLoad:
        """What is in a hole, as a load that puts it there again."""
        sites = self.laid_out.loading.joined.sites
        step_mm = self.laid_out.settings.loading.step_mm
        slots = np.sort(sites.slot[self.seeds_of(place, plate)])
        return HandLoad(place, tuple((step_mm * slots).tolist()))

    def marks(self) -> Mapping[str, Mark]:
        """What was asked of each hole, by its label (``T2:C4`` with several plates)."""
        of = {str(place): Mark.LOCKED for place in self.steering.lock}
        of |= {str(place): Mark.FORBIDDEN for place in self.steering.forbid}
        return of | {str(load.hole): Mark.BY_HAND for load in self.steering.load}

    def without_wish(self, place: Place) -> Steering:
        """The wishes without those for one hole."""
        return replace(
            self.steering,
            lock=tuple(p for p in self.steering.lock if p != place),
            forbid=tuple(p for p in self.steering.forbid if p != place),
            load=tuple(load for load in self.steering.load if load.hole != place),
        )

    def earlier(self, templates: Sequence[Template]) -> EarlierPlan | None:
        """The loading as a plan to go on from; None where there is none."""
        if not self.planned:
            return None
        case = self.laid_out.case
        return EarlierPlan(
            where="this page",
            sha256="",
            case_id=case.settings.id,
            inputs=case.inputs,
            templates=tuple(templates),
            air_kerma_strength_u=self.source.air_kerma_strength_u,
        )

    def steered(
        self, steering: Steering, earlier: EarlierPlan | None
    ) -> tuple[Preparation, NDArray[np.int64]]:
        """The problem with wishes, and the loading that they leave of an earlier one.

        Raises
        ------
        CaseError
            If a wish cannot be kept.
        """
        laid_out = self.laid_out
        settings = with_limits(laid_out.settings, steering)
        limited = replace(
            laid_out, settings=settings, loading=replace(laid_out.loading, settings=settings)
        )
        if not len(laid_out.loading.joined.sites):
            return limited, NO_SITES
        prepared = steered_preparation(limited, steering, earlier)
        if prepared.locks is None:
            return prepared, NO_SITES
        return prepared, np.flatnonzero(prepared.locks.start)

    def by_hand(self) -> Steering:
        """The wishes with every locked needle as a load by hand: no earlier plan is needed."""
        loads = [self.load_of(place, self.place(str(place))[1]) for place in self.steering.lock]
        return replace(self.steering, lock=(), load=(*self.steering.load, *loads))
