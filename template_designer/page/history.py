"""What a session remembers: one situation after the other, for undo, changed one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from template_designer.errors import CaseError
from template_designer.page.situation import Situation

MOST_UNDO = 200
"""Situations kept for undo."""

Listener = Callable[[], None]


class History:
    """Situations, the newest last; changes from several threads are made one after the other."""

    def __init__(self, first: Situation) -> None:
        self._guard = threading.RLock()
        self._listeners: list[Listener] = []
        self._past, self._future = [first], list[Situation]()
        self._merge: str | None = None
        self.held = ""  # why nothing may be changed now; empty where it may

    @property
    def situation(self) -> Situation:
        """The state at this moment."""
        return self._past[-1]

    @property
    def can_undo(self) -> str:
        """What undo would take back; empty where there is nothing."""
        return self.situation.said if len(self._past) > 1 else ""

    @property
    def can_redo(self) -> str:
        """What redo would do again; empty where there is nothing."""
        return self._future[-1].said if self._future else ""

    @property
    def changed(self) -> bool:
        """Whether there ever was a change."""
        return len(self._past) + len(self._future) > 1

    @property
    def sliding(self) -> bool:
        """Whether a change goes on that the next one like it takes the place of: a slider's way."""
        return self._merge is not None

    def listen(self, listener: Listener) -> None:
        """Call a function, without arguments, after every change and step of a search."""
        self._listeners.append(listener)

    def undo(self) -> None:
        """Take the last change back."""
        with self.change():
            if len(self._past) < 2:
                raise CaseError("there is nothing to undo")
            self._merge = None
            self._future.append(self._past.pop())
            self.tell()

    def redo(self) -> None:
        """Do again what was taken back."""
        with self.change():
            if not self._future:
                raise CaseError("there is nothing to redo")
            self._merge = None
            self._past.append(self._future.pop())
            self.tell()

    def seal(self) -> None:
        """What comes next is a step of its own for undo."""
        self._merge = None

    @contextmanager
    def change(self) -> Iterator[Situation]:
        """One change at a time, and none while something holds the session.

        Raises
        ------
        CaseError
            If a search runs.
        """
        with self._guard:
            if self.held:
                raise CaseError(self.held)
            yield self.situation

    def start_of(self, key: str) -> Situation:
        """The situation that a change of some kind goes out from: before the last one like it."""
        return self._past[-2] if self._merges(key) else self.situation

    def go(self, situation: Situation, merge: str | None = None) -> None:
        """Go on to a situation; with ``merge`` in the place of the last one of that kind."""
        if merge is not None and self._merges(merge):
            self._past.pop()
        self._merge = merge
        self._future.clear()
        self._past.append(situation)
        if len(self._past) > MOST_UNDO:
            del self._past[0]
        self.tell()

    def tell(self) -> None:
        """Call everybody who listens."""
        for listener in self._listeners:
            listener()

    def _merges(self, key: str) -> bool:
        return self._merge == key and len(self._past) > 1
