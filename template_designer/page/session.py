"""A planning session: the state behind the page, in plain Python.

Every change makes a new :class:`Situation`; those before it stay for undo. All calls may come from
several threads (several tabs): changes are made one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from template_designer.errors import CaseError, PlannerError
from template_designer.model import Case, Plan, Reach
from template_designer.model.earlier import EarlierPlan
from template_designer.model.steering import Steering
from template_designer.page.draft import Draft, evaluate_draft, reach_of
from template_designer.page.entry_moves import SLIDER_ENDS, EntryOffset, KeptFields
from template_designer.page.finishing import finished_plan
from template_designer.page.moving import moved_plate
from template_designer.page.situation import NO_SITES, Situation
from template_designer.page.wishing import Wishing
from template_designer.page.worker import SearchProcess
from template_designer.planning.loading_report import textbook_patterns
from template_designer.workflow import Preparation, refuse_blocked

SEARCHES = "a search runs; wait for it, or cancel it, before you change the plan"


class SupersededError(PlannerError, RuntimeError):
    """Something newer has taken the place of what was worked on."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search that runs."""

    part: float  # done, 0 to 1
    afresh: bool


class PlanningSession(Wishing):
    """One case, the plan at hand, and everything that can be asked for.

    Make it with :func:`template_designer.page.opening.open_plan` or ``open_case``.

    Parameters
    ----------
    laid_out : Preparation
        From :func:`template_designer.workflow.lay_out`.
    steering : Steering
        What the plan at hand was steered by.
    origin : EarlierPlan, optional
        The plan at hand as it was written.
    folder : Path, optional
        Where it was read from.
    """

    def __init__(
        self,
        laid_out: Preparation,
        *,
        steering: Steering | None = None,
        origin: EarlierPlan | None = None,
        folder: Path | None = None,
    ) -> None:
        offsets = tuple(EntryOffset() for _ in laid_out.approaches)
        first = Situation(laid_out, offsets, reach_of(laid_out), laid_out.loading.source)
        steering = steering or Steering()
        prepared, chosen = first.steered(steering, origin)
        source = prepared.loading.source
        super().__init__(replace(first, steering=steering, chosen=chosen, source=source))
        self._draft_guard = threading.Lock()
        self._kept = KeptFields()
        self._drafts: list[tuple[Situation, Draft]] = []
        self._finished: tuple[Situation, Plan] | None = None
        self._search: Search | None = None
        self._worker = SearchProcess()
        self._opened_entries = laid_out.settings.entry
        self.origin, self.folder = origin, folder
        self._saved = self.situation if origin is not None else None

    # What there is

    @property
    def case(self) -> Case:
        """The case that is planned."""
        return self.situation.laid_out.case

    @property
    def search(self) -> Search | None:
        """The search that runs, if one does."""
        return self._search

    @property
    def reach(self) -> Reach:
        """How much of the target permitted seeds come near."""
        return self.situation.reach

    @property
    def unsaved(self) -> bool:
        """Whether something changed since the plan was read or saved."""
        return self.changed and self.situation is not self._saved

    @property
    def folder_missing(self) -> bool:
        """Whether the folder that the plan was read from or saved to is gone."""
        return self.folder is not None and not self.folder.is_dir()

    def draft(self, situation: Situation | None = None, *, while_shown: bool = False) -> Draft:
        """Needles, dose, metrics and goals of the loading; kept until it changes.

        Raises
        ------
        SupersededError
            With ``while_shown``, as soon as another situation has taken its place.
        """
        situation = situation or self.situation

        def check() -> None:
            if while_shown and self.situation is not situation:
                raise SupersededError("the plan changed while its dose was worked out")

        with self._draft_guard:
            known = next((draft for at, draft in self._drafts if at is situation), None)
            return known or self._drafted(situation, check)

    def _drafted(self, situation: Situation, check: Callable[[], None]) -> Draft:
        steering = situation.steering
        laid_out = replace(situation.laid_out, steering=steering if steering else None)
        templates = self.templates(situation, check)
        made = evaluate_draft(laid_out, situation.source, templates, situation.reach, check)
        self._drafts = [*self._drafts[-3:], (situation, made)]
        return made

    # Where the plates stand

    def place_entry(self, offset: EntryOffset, plate: int = 0, *, merge: bool = False) -> None:
        """Put a plate somewhere else, against where it was opened; holes are worked out exactly.

        Needles go with their holes where seeds are still permitted. What was asked of single holes
        is taken back, for other tissue lies under them. With ``merge`` a move that follows another
        takes its place in undo: the way of a slider is one step.

        Raises
        ------
        CaseError
            If the plate cannot stand there.
        """
        with self.change() as now:
            stated = self.case.settings.loading
            if stated.forbid or stated.load:
                raise CaseError(
                    "[loading] forbid and load of the case name holes of the plate where it "
                    "stands; take them out of the case to move it"
                )
            key = f"move {plate}" if merge else None
            start = now if key is None else self.start_of(key)
            laid_out = moved_plate(
                now.laid_out, offset, plate, self._opened_entries[plate], self._kept
            )
            offsets = tuple(offset if n == plate else o for n, o in enumerate(now.offsets))
            steering = replace(now.steering, lock=(), forbid=(), load=())
            name = laid_out.plate_names[plate]
            moved = replace(
                start, laid_out=laid_out, offsets=offsets, reach=reach_of(laid_out),
                steering=steering, chosen=NO_SITES,
                said=f"move {name}" if offset else f"{name} back where it was",
            )  # fmt: skip
            _, chosen = moved.steered(steering, start.earlier(self.templates(start)))
            self.go(replace(moved, chosen=chosen), merge=key)
            self._shelf.keep_only([a for s in self._past[-20:] for a in s.laid_out.approaches])

    def move_entry(
        self,
        shift_right_mm: float = 0.0,
        shift_down_mm: float = 0.0,
        away_mm: float = 0.0,
        *,
        plate: int = 0,
    ) -> None:
        """Shift a plate from where it stands, as the operator sees it; see :meth:`place_entry`."""
        with self._guard:
            old = self.situation.offsets[plate]
            new = replace(
                old,
                right_mm=old.right_mm + shift_right_mm,
                down_mm=old.down_mm + shift_down_mm,
                away_mm=old.away_mm + away_mm,
            )
            self.place_entry(new, plate)

    def tilt_entry(self, right_deg: float = 0.0, down_deg: float = 0.0, *, plate: int = 0) -> None:
        """Tilt a plate about the target from how it stands; see :meth:`place_entry`."""
        with self._guard:
            old = self.situation.offsets[plate]
            new = replace(
                old,
                tilt_right_deg=old.tilt_right_deg + right_deg,
                tilt_down_deg=old.tilt_down_deg + down_deg,
            )
            self.place_entry(new, plate)

    # The search

    def warm_up(self) -> None:
        """Start what the first search and the first moves would have to wait for.

        The plates are moved to the ends of the page's sliders, so that distances are at hand for
        every move; until somebody moves one, or those would take too much memory.
        """
        self._worker.start()
        before = self.situation.laid_out
        for plate, entry in enumerate(self._opened_entries):
            for offset in (EntryOffset(), *SLIDER_ENDS):
                if self.sliding or self._kept.full:
                    return
                with suppress(CaseError):  # no plate can stand there
                    moved_plate(before, offset, plate, entry, self._kept)

    def reoptimise(self, *, afresh: bool = False) -> None:
        """Search for the best needles and seeds that keep every wish; returns when it is done.

        From the loading at hand the search is short and stays near it; ``afresh`` looks without
        it, as long as ``design`` does. Meanwhile nothing else can be changed.

        Raises
        ------
        SearchCancelledError
            If it was cancelled: nothing changed.
        NoSafePlanError
            If no hole takes a needle.
        """
        with self.change() as now:
            refuse_blocked(now.laid_out)
            if afresh or not now.planned:
                prepared, _ = now.steered(now.by_hand(), None)
            else:
                prepared, _ = now.steered(now.steering, now.earlier(self.templates(now)))
            self._search = Search(0.0, afresh or not now.planned)
            self.held = SEARCHES
            self._worker.expect()
        self.tell()
        try:
            patterns = textbook_patterns(prepared.loading, prepared.approaches)
            answer = self._worker.run(
                prepared.loading, prepared.locks, self._progress, tuple(patterns.values())
            )
        finally:
            with self._guard:
                self._search, self.held = None, ""
            self.tell()
        if not answer.chosen.size:
            raise CaseError(
                "the search found no loading: with these goals and wishes every seed does more "
                "harm than good; loosen them"
            )
        with self.change():
            said = "plan afresh" if afresh else "re-optimise"
            self.go(replace(now, chosen=answer.chosen, source=answer.source, said=said))

    def cancel(self) -> None:
        """End the search; everything stays as it was before it."""
        if self._search is not None:
            self._worker.cancel()

    def _progress(self, part: float) -> None:
        if self._search is not None:
            self._search = replace(self._search, part=part)
            self.tell()

    # Files

    def finished(self, progress: Callable[[str], None] | None = None) -> Plan:
        """The plan in full, as ``design`` makes it: bound, patterns, warnings; kept.

        Raises
        ------
        CaseError
            If there is no seed, or more needles or seeds than permitted.
        NoSafePlanError
            If it breaks a hard rule.
        """
        situation, origin = self.situation, self.origin
        if self._finished is not None and self._finished[0] is situation:
            return self._finished[1]
        plan = finished_plan(situation, origin, self._opened_entries, progress)
        self._finished = (situation, plan)
        return plan

    def mark_saved(self, plan: Plan, origin: EarlierPlan, folder: Path) -> None:
        """Go on from a plan that was just written."""
        with self._guard:
            if self._finished is not None and self._finished[1] is plan:
                self._saved = self._finished[0]
            self.origin, self.folder = origin, folder
        self.tell()

    def close(self) -> None:
        """End the search's process."""
        self._worker.stop()


__all__ = ["PlanningSession", "Search", "SupersededError"]
