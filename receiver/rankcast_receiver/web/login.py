"""The login page: a token becomes a session, which a cookie names."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from rankcast.web import Access, cookie_of, session_of

MOST_FORM_BYTES: Final = 4096
FORM_S: Final = 5.0
# The form posts to its own address: without an action, the fragment (#camera=NAME) stays.
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rankcast: log in</title>
<link rel="stylesheet" href="/page/login.css">
</head>
<body>
<main>
<h1>Rankcast</h1>
<form method="post">
<label for="token">Token of this viewer</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
{remark}
</form>
</main>
</body>
</html>
"""


class Login:
    """Answers /login and /logout.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[BaseRoute]:
        """Return the routes of logging in and out."""
        return [
            Route("/login", self._form, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    async def _form(self, _: Request) -> Response:
        if not self._access.asks_for_token:
            return RedirectResponse("/", 303)
        return _page("")

    async def _log_in(self, request: Request) -> Response:
        if not self._access.asks_for_token:
            return RedirectResponse("/", 303)
        address = request.client.host if request.client else "unknown"
        if not self._access.may_try(address):
            return _page("Too many wrong tokens from this address: wait a minute.", 429)
        token = await _token(request)
        if token is None:
            return _page("The form is too large, or it did not arrive.", 400)
        if not self._access.is_token(token, address):
            return _page("This token is wrong.", 401)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            cookie_of(request.scope),
            self._access.begin_session(),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return response

    async def _log_out(self, request: Request) -> Response:
        self._access.end_session(session_of(request.scope))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(
            cookie_of(request.scope),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response


async def _token(request: Request) -> str | None:
    body = b""
    try:
        async with asyncio.timeout(FORM_S):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_FORM_BYTES:
                    return None
    except TimeoutError:
        return None
    try:
        given = parse_qs(body.decode(), max_num_fields=8).get("token", [""])
    except ValueError:
        return None
    return given[0].strip()


def _page(remark: str, status: int = 200) -> Response:
    shown = f'<p role="alert">{remark}</p>' if remark else ""
    headers = {"Cache-Control": "no-store"}
    return HTMLResponse(_PAGE.format(remark=shown), status, headers)
