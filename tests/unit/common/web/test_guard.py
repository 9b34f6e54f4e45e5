"""Guard: who gets past it, what the others are told, and the headers of every answer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from rankcast.web import Access, Guard
from rankcast.web.access import MOST_WRONG
from rankcast.web.guard import POLICY

TOKEN = "0123456789abcdef"
COOKIE = "rankcast_session_8080"


async def _page(_: Request) -> Response:
    return PlainTextResponse("inside")


async def _socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def guard(access: Access) -> Guard:
    paths = ("/", "/login", "/metrics", "/healthz", "/readyz", "/api/cameras")
    return Guard(
        Starlette(
            routes=[*(Route(path, _page) for path in paths), WebSocketRoute("/live", _socket)]
        ),
        access,
    )


class Answer:
    """What an application sent in reply to one request."""

    def __init__(self, messages: list[Mapping[str, Any]]) -> None:
        self.messages = messages
        first = messages[0]
        self.status = first.get("status")
        self.headers = {k.decode(): v.decode() for k, v in first.get("headers", [])}
        self.body = b"".join(message.get("body", b"") for message in messages)


def ask(
    app: Guard,
    path: str = "/",
    *,
    kind: str = "http",
    scheme: str = "http",
    client: tuple[str, int] | None = ("10.0.0.9", 1234),
    host: str = "10.0.0.1:8080",
    **headers: str,
) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent: list[Mapping[str, Any]] = []
    scope = {
        "type": kind, "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "",
        "scheme": scheme, "query_string": b"", "client": client, "subprotocols": [],
        "server": ("10.0.0.1", 8080),
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in {"host": host, **named}.items()],
        "extensions": {"websocket.http.response": {}},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return Answer(sent)


def test_every_answer_has_the_headers_of_security() -> None:
    app = guard(Access(TOKEN))
    for answer in (ask(app), ask(app, authorization=f"Bearer {TOKEN}"), ask(app, host="evil")):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_a_foreign_host_is_misdirected_whatever_token_it_has() -> None:
    answer = ask(guard(Access(TOKEN)), host="evil.example", authorization=f"Bearer {TOKEN}")
    assert (answer.status, answer.body) == (
        421, b'{"error":"this server is not evil.example: use its address"}',
    )  # fmt: skip


def test_a_page_of_another_server_is_refused_and_one_of_this_is_not() -> None:
    app = guard(Access())
    assert ask(app, origin="http://evil.example").status == 403
    assert ask(app, origin="null").status == 403
    assert ask(app, origin="https://10.0.0.1:8080").status == 403
    assert ask(app, origin="http://10.0.0.1:8080").status == 200
    assert ask(app, scheme="https", origin="https://10.0.0.1:8080").status == 200


def test_a_page_behind_a_proxy_with_tls_comes_from_a_name_of_this_server() -> None:
    app = guard(Access(hosts=["Viewer.example"]))
    for origin, status in (
        ("https://viewer.example", 200), ("http://viewer.example", 200),
        ("https://viewer.example:444", 403), ("ftp://viewer.example", 403),
        ("https://evil.example", 403), ("null", 403),
    ):  # fmt: skip
        assert ask(app, host="viewer.example", origin=origin).status == status, origin
    assert ask(app, host="localhost:8080", origin="https://localhost:8080").status == 403


@pytest.mark.parametrize(
    "headers", [{"sec_fetch_mode": "cors"}, {"sec_fetch_mode": "websocket"}, {"cookie": "a=b"}]
)
def test_a_page_whose_session_has_ended_opens_no_password_box(headers: dict[str, str]) -> None:
    answer = ask(guard(Access(TOKEN)), "/api/cameras", **headers)
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_a_websocket_of_a_foreign_page_is_refused_before_it_is_accepted() -> None:
    answer = ask(guard(Access()), "/live", kind="websocket", scheme="ws", origin="http://evil")
    assert (answer.messages[0]["type"], answer.status) == ("websocket.http.response.start", 403)
    same = ask(
        guard(Access()), "/live", kind="websocket", scheme="wss", origin="https://10.0.0.1:8080"
    )
    assert same.messages[0]["type"] == "websocket.accept"


def test_a_websocket_needs_the_token_too() -> None:
    app = guard(Access(TOKEN))
    assert ask(app, "/live", kind="websocket", scheme="ws").status == 401
    accepted = ask(app, "/live", kind="websocket", scheme="ws", authorization=f"Bearer {TOKEN}")
    assert accepted.messages[0]["type"] == "websocket.accept"


def test_without_the_token_a_program_gets_401_and_a_browser_the_login() -> None:
    app = guard(Access(TOKEN))
    answer = ask(app, "/api/cameras")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    page = ask(app, accept="text/html,application/xhtml+xml")
    assert (page.status, page.headers["location"]) == (303, "/login")
    assert ask(app, "/login").status == 200


def test_bearer_basic_and_cookie_let_in() -> None:
    access = Access(TOKEN)
    app = guard(access)
    basic = base64.b64encode(f"user:{TOKEN}".encode()).decode()
    assert ask(app, authorization=f"Bearer {TOKEN}").status == 200
    assert ask(app, authorization=f"Basic {basic}").status == 200
    session = access.begin_session()
    assert ask(app, cookie=f"other=1; {COOKIE}={session}").status == 200
    assert ask(app, cookie=f'prefs={{"a": 1}}; {COOKIE}={session}').status == 200
    assert ask(app, cookie=f"rankcast_session_8081=x; {COOKIE}={session}").status == 200
    access.end_session(session)
    assert ask(app, cookie=f"{COOKIE}={session}").status == 401


@pytest.mark.parametrize(
    "cookie", ["", "=", ";;;", f"{COOKIE}", 'a="\\', "\xff=\xfe", f"{COOKIE}=x"]
)
def test_a_malformed_cookie_is_no_session(cookie: str) -> None:
    assert ask(guard(Access(TOKEN)), cookie=cookie).status == 401


def test_an_address_that_guesses_is_told_to_wait_and_no_other() -> None:
    app = guard(Access(TOKEN))
    for _ in range(MOST_WRONG - 1):
        assert ask(app, authorization="Bearer wrong").status == 401
    assert ask(app, authorization="Bearer wrong").status == 429
    assert ask(app, authorization=f"Bearer {TOKEN}").status == 429
    assert ask(app, authorization=f"Bearer {TOKEN}", client=("10.0.0.8", 1)).status == 200


def test_requests_without_any_token_are_no_guesses() -> None:
    app = guard(Access(TOKEN))
    assert {ask(app).status for _ in range(3 * MOST_WRONG)} == {401}


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_health_and_metrics_need_no_token_from_the_same_machine(path: str) -> None:
    app = guard(Access(TOKEN))
    for client in (("127.0.0.1", 1), ("::1", 1), ("127.9.9.9", 1)):
        assert ask(app, path, client=client).status == 200
        assert ask(app, "/", client=client).status == 401
    assert ask(app, path).status == 401
    assert ask(app, path, client=None).status == 401


@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for"])
def test_a_proxy_on_the_same_machine_asks_for_somebody_else(header: str) -> None:
    answer = ask(guard(Access(TOKEN)), "/metrics", client=("127.0.0.1", 1), **{header: "8.8.8.8"})
    assert answer.status == 401
