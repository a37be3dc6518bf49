"""The page: a session in a browser, by trame. Bound to this machine, with a token in its address.

State goes one way: the session changes, the page shows it. What people do comes back as calls of
one trigger, ``act``; only cursor and switches are written by the browser itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import resources
from typing import Any

from template_designer.errors import CaseError, PlannerError
from template_designer.page import shown
from template_designer.page.actions import ACTIONS, LONG_ACTIONS
from template_designer.page.draft import Draft
from template_designer.page.gate import HOST, TOKEN_KEY, Gate, new_token
from template_designer.page.routes import Routes
from template_designer.page.session import PlanningSession, SupersededError
from template_designer.page.situation import Situation
from template_designer.page.worker import SearchCancelledError

ASSETS = "page-assets"
SCRIPTS = ("plate.js", "slices.js", "space.js", "numbers.js", "files.js", "page.js")
MAX_BYTES = 64 * 2**20
"""Largest message of the websocket: the state of a plate with 600 holes has some 100 kB."""

REST_S = 0.4
"""Dose and numbers are worked out once a slider that is held has not moved for so long."""

TEMPLATE = (
    '<planning-page :fixed="fixed" :plates="plates" :numbers="numbers" :reach="reach" '
    ':status="status" :cursor="cursor" :look="look" :said="said" />'
)


class PlanningPage:
    """One session, shown to every tab that opens it.

    Parameters
    ----------
    session : PlanningSession
    port : int
        0: any that is free.
    on_ready : callable, optional
        Called with the address once the page can be opened.
    """

    def __init__(
        self,
        session: PlanningSession,
        port: int = 0,
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        self.session, self._port, self._on_ready = session, port, on_ready
        self.token = new_token()
        self._gate = Gate(self.token)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="page")
        self._drafts = ThreadPoolExecutor(1, thread_name_prefix="draft")
        self._routes = Routes(session, self._pool)
        self._revision = 0
        self._notices = 0
        self._busy = ""  # a long action under way, in words
        self._at_work = 0  # actions that are being done
        self._drafted: Situation | None = None  # whose dose and numbers are shown
        self._server = self._made_server()

    async def run(self) -> None:
        """Serve until the task is cancelled."""
        loop = asyncio.get_running_loop()
        self._dirty = asyncio.Event()
        self._dirty.set()
        self._stale = asyncio.Event()  # dose and numbers are not those of the loading
        self._loop = loop
        loop.set_exception_handler(_without_lost_browsers)
        logging.getLogger("wslink.protocol").addFilter(_no_lost_browser)
        self.session.listen(self._changed)
        server = asyncio.ensure_future(self._serving())
        keepers = [asyncio.ensure_future(f()) for f in (self._keep_shown, self._keep_numbers)]
        try:
            done, _ = await asyncio.wait({server, *keepers}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # an error ends the program with its text
        finally:
            for task in (server, *keepers):
                task.cancel()
            self.session.close()
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._drafts.shutdown(wait=False, cancel_futures=True)

    def _changed(self) -> None:
        self._loop.call_soon_threadsafe(self._dirty.set)

    # The server

    def _made_server(self) -> Any:
        from trame.app import get_server
        from trame.ui.html import DivLayout

        server = get_server(f"template-designer-{id(self)}", client_type="vue3")
        folder = resources.files("template_designer.page") / "assets"
        server.enable_module(
            {
                "serve": {ASSETS: str(folder)},
                "scripts": [f"{ASSETS}/{name}" for name in SCRIPTS],
                "styles": [f"{ASSETS}/page.css"],
                "vue_use": ["planningPage"],
            }
        )
        server.state.update(self._first_state())
        server.state.trame__title = f"{self.session.case.settings.id} - template-designer"
        server.controller.trigger("act")(self.act)
        server.controller.on_server_bind.add(self._bind)
        server.controller.on_server_ready.add(self._ready)
        with DivLayout(server) as layout:
            layout.root.add_child(TEMPLATE)
        return server

    def _first_state(self) -> dict[str, Any]:
        situation = self.session.situation
        return {
            "fixed": shown.case_data(self.session),
            "plates": shown.plates_data(situation),
            "reach": shown.reach_data(situation),
            "numbers": None,
            "status": self._status(fresh=False),
            "cursor": shown.middle_of_target(self.session),
            "look": {"hidden": [], "isodoses": ["50", "100", "150", "200"], "window": "tissue"},
            "said": {"number": 0, "text": "", "wrong": False},
        }

    async def _serving(self) -> None:
        os.environ["WSLINK_READY_MSG"] = ""  # no line of the library's own
        with _no_arguments():
            serving = self._server.start(
                port=self._port,
                host=HOST,
                thread=True,  # the loop's owner ends it, by Ctrl-C too
                open_browser=False,
                show_connection_info=False,
                disable_logging=True,
                timeout=0,
                exec_mode="coroutine",
                backend="aiohttp",
                ws_max_msg_size=MAX_BYTES,
            )
        await serving

    def _bind(self, web_server: Any) -> None:
        web_server.app.middlewares.append(self._gate.middleware())
        web_server.app.add_routes(self._routes.table())

    def _ready(self, **_: Any) -> None:
        if self._on_ready is not None:
            self._on_ready(f"http://{HOST}:{self._server.port}/?{TOKEN_KEY}={self.token}")

    # What people do

    async def act(self, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do what somebody asked for on the page; the answer says what became of it."""
        action = ACTIONS.get(str(name)) or LONG_ACTIONS.get(str(name))
        if action is None:
            return {"error": f"the page knows no action {name!r}"}
        if name in LONG_ACTIONS:
            if self._busy:
                return self._tell(f"wait: {self._busy} is under way", wrong=True)
            self._busy = name
            self._dirty.set()
        self._at_work += 1
        try:
            text = await self._loop.run_in_executor(
                self._pool, lambda: action(self.session, arguments or {}, self._step)
            )
        except SearchCancelledError as error:
            return self._tell(str(error))
        except PlannerError as error:
            return self._tell(str(error), wrong=True)
        except (KeyError, TypeError, ValueError) as error:
            return self._tell(f"{name} was asked for in a way it cannot be done: {error}", True)
        finally:
            self._at_work -= 1
            if name in LONG_ACTIONS:
                self._busy = ""
            self._dirty.set()
        return self._tell(text) if text else {"ok": True}

    def _step(self, text: str) -> None:
        """A step of a long action, told from its thread."""
        self._busy = text
        self._changed()

    def _tell(self, text: str, wrong: bool = False) -> dict[str, Any]:
        self._notices += 1
        with self._server.state as state:
            state.said = {"number": self._notices, "text": text, "wrong": wrong}
        return {"error" if wrong else "ok": text}

    # What is shown

    async def _keep_shown(self) -> None:
        """Show every change of plates and state at once, also while numbers are worked out."""
        shown_now = None
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            situation = self.session.situation
            with self._server.state as state:
                if situation is not shown_now:
                    state.plates = shown.plates_data(situation)
                    state.reach = shown.reach_data(situation)
                    shown_now = situation
                state.status = self._status(fresh=self._drafted is situation)
            if self._drafted is not situation:
                self._stale.set()

    async def _keep_numbers(self) -> None:
        """Work dose and numbers out whenever a change has come to rest, and show them."""
        warm: asyncio.Future[None] | None = None
        while True:
            if warm is None and self._drafted is not None:  # what is seen first comes first
                warm = self._loop.run_in_executor(self._pool, self.session.warm_up)
            await self._stale.wait()
            await self._rest()
            self._stale.clear()
            situation = self.session.situation
            if self._drafted is situation:
                continue
            try:
                draft = await self._loop.run_in_executor(
                    self._drafts, partial(self.session.draft, situation, while_shown=True)
                )
            except SupersededError:
                self._stale.set()
                continue
            except PlannerError as error:
                self._tell(f"dose and numbers cannot be worked out: {error}", wrong=True)
                self._drafted = situation
                continue
            if self.session.situation is situation:
                await self._show_draft(draft)
                self._drafted = situation
            self._dirty.set()

    async def _rest(self) -> None:
        """Wait until a slider has been let go of, or has not moved for a while."""
        situation, end = self.session.situation, self._loop.time() + REST_S
        while self.session.sliding and self._loop.time() < end:
            await asyncio.sleep(0.03)
            if self._at_work or self.session.situation is not situation:
                situation, end = self.session.situation, self._loop.time() + REST_S

    async def _show_draft(self, draft: Draft) -> None:
        names = await self._loop.run_in_executor(self._pool, self._routes.show, draft)
        self._revision += 1
        with self._server.state as state:
            looks = shown.looks_data(draft, names)
            state.numbers = {**shown.numbers_data(draft), "looks": looks}
            state.status = self._status(fresh=True)

    def _status(self, *, fresh: bool) -> dict[str, Any]:
        session, search = self.session, self.session.search
        steering = session.situation.steering
        return {
            "revision": self._revision,
            "fresh": fresh,
            "planned": session.situation.planned,
            "searching": None if search is None else round(search.part, 3),
            "afresh": search is not None and search.afresh,
            "busy": self._busy if search is None else "",
            "undo": session.can_undo,
            "redo": session.can_redo,
            "unsaved": session.unsaved,
            "folder": "" if session.folder is None else str(session.folder),
            "folder_missing": session.folder_missing,
            "max_needles": steering.max_needles,
            "max_seeds": steering.max_seeds,
        }


def _without_lost_browsers(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of an answer to a browser that is gone: it is no error of the program."""
    if not isinstance(context.get("exception"), ConnectionError):
        loop.default_exception_handler(context)


def _no_lost_browser(_: logging.LogRecord) -> bool:
    """Leave the same out of what wslink logs while it handles the error."""
    return not isinstance(sys.exc_info()[1], ConnectionError)


@contextmanager
def _no_arguments() -> Iterator[None]:
    """Without the command line: trame would read options from it that are not its own."""
    before = sys.argv
    sys.argv = before[:1]
    try:
        yield
    finally:
        sys.argv = before


def serve(
    session: PlanningSession, port: int = 0, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serve a session until the program is ended (Ctrl-C).

    Raises
    ------
    CaseError
        If the port is taken.
    """

    async def main() -> None:
        await PlanningPage(session, port, on_ready).run()

    try:
        asyncio.run(main())
    except OSError as error:
        raise CaseError(
            f"--port {port}: cannot be used ({error.strerror or error}); choose another, or 0 for "
            "any that is free"
        ) from error


__all__ = ["PlanningPage", "serve"]
