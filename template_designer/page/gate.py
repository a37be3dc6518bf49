"""Who may speak to the page: whoever has the token from its address, from this machine only."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

HOST = "127.0.0.1"
"""The page is bound to this machine; no other one can reach it."""

TOKEN_KEY = "token"

REFUSED = (
    "403: this page needs the token that stands in its address. Copy the whole address that "
    "template-designer view printed, with what follows the question mark."
)

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
"""The token never leaves in a referrer, nothing is kept, no other page shows this one inside."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


class Gate:
    """Lets requests in that carry the token: in the address at first, then in a cookie.

    The cookie has a name of its own for every run: all ports of a machine share cookies.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._cookie = f"template-designer-{secrets.token_hex(6)}"

    def lets_in(self, request: web.Request) -> bool:
        """Whether a request comes from this machine's own page or address, with the token."""
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        if host not in (HOST, "localhost"):  # a name of elsewhere that was pointed here
            return False
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
            return False
        shown = request.query.get(TOKEN_KEY) or request.cookies.get(self._cookie, "")
        return hmac.compare_digest(shown.encode(), self._token.encode())

    def middleware(self) -> Any:
        """What aiohttp asks before it answers anything, websockets too."""

        @web.middleware
        async def check(request: web.Request, handler: _Handler) -> web.StreamResponse:
            if not self.lets_in(request):
                return web.Response(status=403, text=REFUSED, headers=HEADERS)
            try:
                response = await handler(request)
            except ConnectionError:  # the browser went away while it was answered
                return web.Response(status=499)
            except web.HTTPException as redirect:
                redirect.headers.update(HEADERS)
                self._remember(request, redirect)
                raise
            if not response.prepared:
                response.headers.update(HEADERS)
                self._remember(request, response)
            return response

        return check

    def _remember(self, request: web.Request, response: web.StreamResponse) -> None:
        if TOKEN_KEY in request.query:
            response.set_cookie(
                self._cookie, self._token, httponly=True, samesite="Strict", path="/"
            )
