"""Guard: answers every request that may not reach the application, and adds security headers."""

from __future__ import annotations

import ipaddress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rankcast.web.access import Access

_COOKIE: Final = "rankcast_session"
OPEN_PATHS: Final = frozenset({"/login", "/page/login.css"})
"""Answered without a token: they are how one is given."""
LOOPBACK_PATHS: Final = frozenset({"/metrics", "/healthz", "/readyz"})
"""Answered without a token to programs of this machine, such as the health check of a container."""
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "worker-src 'self'; connect-src 'self'; img-src 'self' blob: data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, browsers send `Origin: null` with the form of the login.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware around everything that a web address serves; docs/web.md has its rules."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send_guarded)
        else:
            # Starlette's responses also refuse a WebSocket, before it is accepted.
            await refusal(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, access = headers.get("host", ""), self._access
        if not access.knows_host(host):
            return _refused(421, f"this server is not {host or 'without a Host'}: use its address")
        secure = scope["scheme"] in ("https", "wss")
        origin = headers.get("origin")
        if origin is not None and not access.is_same_origin(
            origin, host, "https" if secure else "http"
        ):
            return _refused(403, "requests from pages of other servers are refused")
        if scope["path"] in OPEN_PATHS or not access.asks_for_token:
            return None
        address = (scope.get("client") or ("unknown",))[0]
        if scope["path"] in LOOPBACK_PATHS and _is_local(address, headers):
            return None
        if access.admits(headers.get("authorization", ""), session_of(scope), address):
            return None
        if not access.may_try(address):
            return _refused(429, "too many wrong tokens from this address: wait a minute")
        if scope["type"] == "http" and "text/html" in headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        response = _refused(401, "a token is needed: log in, or send it as password or Bearer")
        if headers.get("sec-fetch-mode", "navigate") == "navigate" and "cookie" not in headers:
            # A page asks for its login itself; this would open a password box of the browser.
            response.headers["WWW-Authenticate"] = 'Basic realm="Rankcast", charset="UTF-8"'
        return response


def cookie_of(scope: Scope) -> str:
    """Return the name of the cookie, with the port: browsers send cookies to all of a host."""
    server = scope.get("server")
    return f"{_COOKIE}_{server[1]}" if server and server[1] else _COOKIE


def session_of(scope: Scope) -> str:
    """Return the session that a request names in its cookie; empty if none."""
    # Other programs of the host may have set cookies that no strict parser accepts.
    name = cookie_of(scope)
    for cookie in Headers(scope=scope).get("cookie", "").split(";"):
        key, _, value = cookie.strip().partition("=")
        if key == name:
            return value
    return ""


def _is_local(address: str, headers: Headers) -> bool:
    """Return whether a request comes from this machine, and not through a proxy on it."""
    if "forwarded" in headers or "x-forwarded-for" in headers:
        return False
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _refused(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)
