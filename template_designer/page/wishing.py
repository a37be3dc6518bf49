"""What can be asked of a hole, and of the next search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from template_designer.errors import CaseError
from template_designer.model import Template
from template_designer.model.steering import HandLoad, Steering, parse_loads
from template_designer.page.draft import NeedleShelf
from template_designer.page.history import History
from template_designer.page.situation import Situation


class Wishing(History):
    """A history of loadings that wishes change; what they take out or put in is seen at once."""

    def __init__(self, first: Situation) -> None:
        super().__init__(first)
        self._shelf = NeedleShelf()

    def templates(
        self, situation: Situation | None = None, check: Callable[[], None] | None = None
    ) -> tuple[Template, ...]:
        """The plates with their needles; ``check`` is called between them and may raise."""
        situation = situation or self.situation
        more = () if check is None else (check,)
        return self._shelf.templates(situation.laid_out, situation.chosen, *more)

    def lock(self, label: str) -> None:
        """Keep a planned needle as it is."""
        with self.change() as now:
            place, plate = now.place(label)
            if not now.seeds_of(place, plate).size:
                raise CaseError(
                    f"{place} has no needle to hold; load it by hand, or re-optimise first"
                )
            steering = now.without_wish(place)
            self._wish(now, replace(steering, lock=(*steering.lock, place)), f"hold {place}")

    def forbid(self, label: str) -> None:
        """Leave a hole empty; a needle in it is taken out."""
        with self.change() as now:
            place, _ = now.place(label)
            steering = now.without_wish(place)
            self._wish(now, replace(steering, forbid=(*steering.forbid, place)), f"forbid {place}")

    def load(self, label: str, seeds: int, spacing_mm: float, behind_mm: float = 0.0) -> None:
        """Load a hole by hand: seeds from the deepest permitted one on, or ``behind_mm`` behind it.

        Raises
        ------
        CaseError
            If a seed may not lie there; the text says where seeds may.
        """
        with self.change() as now:
            place, _ = now.place(label)
            (load,) = parse_loads([f"{place}={int(seeds)}@{spacing_mm:g}+{behind_mm:g}"])
            self._load(now, load)

    def load_at(self, label: str, behind_mm: Sequence[float]) -> None:
        """Load a hole by hand: seeds so far behind the deepest permitted one, mm."""
        with self.change() as now:
            place, _ = now.place(label)
            (load,) = parse_loads([f"{place}={','.join(f'{mm:g}' for mm in behind_mm)}"])
            self._load(now, load)

    def clear(self, label: str) -> None:
        """Ask nothing of a hole any more; a needle in it stays until the next search."""
        with self.change() as now:
            place, _ = now.place(label)
            steering = now.without_wish(place)
            if steering == now.steering:
                raise CaseError(f"nothing was asked of {place} here that could be taken back")
            self._wish(now, steering, f"free {place}")

    def limit(self, max_needles: int | None = None, max_seeds: int | None = None) -> None:
        """At most so many needles and seeds in the next search; None: as the case says."""
        with self.change() as now:
            steering = replace(now.steering, max_needles=max_needles, max_seeds=max_seeds)
            said = f"at most {max_needles or '-'} needles, {max_seeds or '-'} seeds"
            self._wish(now, steering, said)

    def _load(self, now: Situation, load: HandLoad) -> None:
        steering = now.without_wish(load.hole)
        steering = replace(steering, load=(*steering.load, load))
        self._wish(now, steering, f"load {load.hole} by hand")

    def _wish(self, now: Situation, steering: Steering, said: str) -> None:
        prepared, chosen = now.steered(steering, now.earlier(self.templates(now)))
        source = prepared.loading.source
        self.go(replace(now, steering=steering, chosen=chosen, source=source, said=said))
