"""What the page's scripts fetch beside the shared state: slices, outlines, the scene."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import lru_cache
from typing import Any

from aiohttp import web

from exports import scene
from exports.slice_layers import Outlines
from template_designer.errors import CaseError, PlannerError
from template_designer.page.draft import Draft
from template_designer.page.session import PlanningSession
from template_designer.page.slice_pictures import (
    GreyScale,
    Section,
    bounds_of,
    outlines_of,
    slice_picture,
)

SCENE_STYLE = (
    "body{grid-template-columns:1fr!important;grid-template-rows:1fr!important}"
    "#panel{display:none}#stage{grid-row:auto!important;height:100vh!important}"
)
"""The scene without its own panel: the page's switches do its work."""

KEPT_OUTLINES = 600
SOCKET = "sessionURL=ws://USE_HOST/ws"


class Routes:
    """Answers for the page's scripts; all work is done in threads."""

    def __init__(self, session: PlanningSession, pool: Executor) -> None:
        self._session, self._pool = session, pool
        self._outlines: Outlines | None = None
        self._draft: Draft | None = None
        self._scene: tuple[Draft, bytes] | None = None
        self._cut = lru_cache(KEPT_OUTLINES)(self._cut_now)

    def table(self) -> list[web.RouteDef]:
        """The routes, for aiohttp."""
        return [
            web.get("/", self.root),
            web.get("/slice", self.slice),
            web.get("/outlines", self.outlines),
            web.get("/scene.html", self.scene),
            web.get("/alive", self.alive),
        ]

    def show(self, draft: Draft) -> tuple[str, ...]:
        """Draw this loading from now on; the names of the structures that can be drawn."""
        if self._outlines is None:  # structures never change in a session
            self._outlines = Outlines.of(draft.plan)
        self._draft = draft
        return self._outlines.names()

    def _shown(self) -> Draft:
        """What is drawn: the newest loading whose dose is known."""
        if self._draft is None:
            self.show(self._session.draft())
        assert self._draft is not None
        return self._draft

    async def root(self, _: web.Request) -> web.Response:
        """Goes on to the page; its websocket is named, or trame would look for a launcher first."""
        raise web.HTTPFound(f"index.html?{SOCKET}")

    async def slice(self, request: web.Request) -> web.Response:
        """One CT slice with isodoses, needles and seeds."""

        def work() -> dict[str, Any]:
            section, place_mm = self._asked(request)
            scale = GreyScale(_number(request, "level", 40.0), _number(request, "width", 400.0))
            draft = self._shown()
            return slice_picture(self._session.case.image, draft, section, place_mm, scale)

        return await self._json(work)

    async def outlines(self, request: web.Request) -> web.Response:
        """Outlines of every structure in one slice."""

        def work() -> dict[str, Any]:
            section, place_mm = self._asked(request)
            return self._cut(section, round(place_mm, 2))

        return await self._json(work)

    async def scene(self, _: web.Request) -> web.Response:
        """The scene in space, without its panel."""

        def work() -> bytes:
            draft = self._shown()
            if self._scene is None or self._scene[0] is not draft:
                page = scene.build(draft.plan)
                page = page.replace(b"</style>", SCENE_STYLE.encode() + b"</style>", 1)
                self._scene = (draft, page)
            return self._scene[1]

        try:
            page = await self._in_thread(work)
        except PlannerError as error:
            return web.Response(status=422, text=str(error))
        return web.Response(body=page, content_type="text/html", charset="utf-8")

    async def alive(self, _: web.Request) -> web.Response:
        """Says that the program runs, and whether the plan's folder is still there."""
        return web.json_response({"folder_missing": self._session.folder_missing})

    def _cut_now(self, section: Section, place_mm: float) -> dict[str, str]:
        self._shown()
        assert self._outlines is not None
        names = self._outlines.names()
        return outlines_of(self._outlines, self._session.case.image, names, section, place_mm)

    def _asked(self, request: web.Request) -> tuple[Section, float]:
        name = request.query.get("section", "")
        if name not in set(Section):
            raise CaseError(f"section {name!r}: choose from {', '.join(Section)}")
        section = Section(name)
        low, high = bounds_of(self._session.case.image)
        place_mm = _number(request, "at", 0.5 * float(low[section.axis] + high[section.axis]))
        return section, min(max(place_mm, float(low[section.axis])), float(high[section.axis]))

    async def _json(self, work: Callable[[], dict[str, Any]]) -> web.Response:
        try:
            return web.json_response(await self._in_thread(work))
        except PlannerError as error:
            return web.json_response({"error": str(error)}, status=422)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _number(request: web.Request, name: str, default: float) -> float:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e5:  # also catches NaN
        raise CaseError(f"{name} = {text!r} is no number of use")
    return value
