"""The search for a loading in a process of its own: the page goes on, and it can be ended at once.

The kernels hold Python's lock while they anneal, so a thread would stop the page; and a process
can be ended in the middle of one. It is started by spawn: the kernels' threads do not survive fork.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
from numpy.typing import NDArray

from template_designer.errors import PlannerError
from template_designer.model import SeedSource
from template_designer.planning.loading import LoadingStatement, Locks, load_sites

CANCELLED = "the search was cancelled; nothing changed"


class SearchCancelledError(PlannerError, RuntimeError):
    """The search was ended by whoever asked for it; nothing has changed."""


class SearchFailedError(PlannerError, RuntimeError):
    """The search ended without an answer; nothing has changed."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a search chose, with seeds of which strength."""

    chosen: NDArray[np.int64]  # (n,) sites
    source: SeedSource
    cost: float


def _serve(pipe: Connection) -> None:
    """Answer one question after the other until the pipe is closed."""
    try:
        while True:
            statement, locks, starts = pipe.recv()
            try:
                found = load_sites(
                    statement,
                    locks=locks,
                    starts=starts,
                    progress=lambda part: pipe.send(("progress", part)),
                )
            except PlannerError as error:
                pipe.send(("error", str(error)))
            else:
                answer = Answer(found.loading.chosen, found.source, float(found.loading.cost))
                pipe.send(("answer", answer))
    except (EOFError, OSError, KeyboardInterrupt):
        return  # the page has ended


class SearchProcess:
    """A process that searches when it is asked; it starts again after it was ended."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._guard = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._cancelled = False

    def start(self) -> None:
        """Start the process ahead of the first question: it loads its kernels meanwhile."""
        with self._guard:
            self._started()

    def _started(self) -> Connection:
        if self._pipe is None or self._process is None or not self._process.is_alive():
            ours, theirs = self._context.Pipe()
            process = self._context.Process(
                target=_serve, args=(theirs,), name="template-designer search", daemon=True
            )
            process.start()
            theirs.close()
            self._process, self._pipe = process, ours
        return self._pipe

    def expect(self) -> None:
        """A search is about to run: from now on it can be cancelled."""
        self._cancelled = False

    def run(
        self,
        statement: LoadingStatement,
        locks: Locks | None,
        progress: Callable[[float], None] | None = None,
        starts: tuple[NDArray[np.int64], ...] = (),
    ) -> Answer:
        """Search, and wait for the answer; see :func:`load_sites`.

        Raises
        ------
        SearchCancelledError
            If :meth:`cancel` was called meanwhile.
        SearchFailedError
            If the process ended by itself: out of memory, ended by the system.
        PlannerError
            What the search said.
        """
        with self._guard:
            if self._cancelled:
                raise SearchCancelledError(CANCELLED)
            pipe = self._started()
        try:
            pipe.send((statement, locks, starts))
            while True:
                kind, content = pipe.recv()
                if kind == "answer":
                    assert isinstance(content, Answer)
                    return content
                if kind == "error":
                    raise PlannerError(content)
                if progress is not None:
                    progress(float(content))
        except (EOFError, OSError) as error:
            if self._cancelled:
                raise SearchCancelledError(CANCELLED) from error
            self.stop()
            raise SearchFailedError(
                "the search ended without an answer: its process was ended by the system, perhaps "
                "for want of memory. Nothing changed; try again"
            ) from error

    def cancel(self) -> None:
        """End a search that runs; the next one starts a new process."""
        with self._guard:
            self._cancelled = True
            self._end()

    def stop(self) -> None:
        """End the process."""
        with self._guard:
            self._end()

    def _end(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if process is not None:
            process.kill()
            process.join()
        if pipe is not None:
            # left to the garbage collector where another thread still reads from it: the end of
            # the process wakes that thread with an end of file
            del pipe
