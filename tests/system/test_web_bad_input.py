"""What strangers and broken pages send to a web address costs them a 4xx; the stream goes on."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rankcast.decoder import Decoder
from rankcast.errors import WireError
from rankcast.wire import frames_topic, pack, split_message, unpack
from support.bare_sender import sender
from support.fakes import free_address, picture
from support.processes import rankcast
from support.web_page import WebPage, ask, wait_until
from support.web_station import WebStation

MALICIOUS = Path(__file__).resolve().parents[1] / "corpus" / "malicious"
TOKEN = "0123456789abcdef-a-token"


@pytest.fixture(scope="module")
def station() -> Iterator[WebStation]:
    with ExitStack() as stack:
        found = WebStation(stack)
        found.wait_live()
        yield found


@pytest.fixture
def watching(station: WebStation) -> Iterator[WebPage]:
    """A page that sees pictures before and after."""
    with WebPage(station.url) as page:
        page.watch("cam")
        list(page.frames(3))
        yield page
        last = list(page.frames(10))
        assert len(last) == 10


def closing_code(page: WebPage) -> int:
    """Return how the server closed the socket."""
    try:
        while True:
            page.socket.recv(20)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[" * 2000,
        "[]",
        '{"type": "dance"}',
        '{"type": "watch"}',
        '{"type": "watch", "cameras": {"cam": "h264"}}',
        '{"type": "ack", "cameras": {"cam": -1}}',
        '{"type": "ack", "cameras": {"cam": 1e99}}',
        '{"type": "ping", "t0": NaN}',
        '{"type": "ping", "t0": 1e999}',
        '{"type": "request", "id": 1, "op": "get", "camera": "cam", "args": {"name": []}}',
        '{"type": "play", "from_s": 0}',
    ],
)
@pytest.mark.usefixtures("watching")
def test_a_message_that_breaks_the_rules_closes_its_socket_alone(
    station: WebStation, message: str
) -> None:
    with WebPage(station.url) as page:
        page.socket.send(message)
        assert closing_code(page) == 1008


@pytest.mark.usefixtures("watching")
def test_a_binary_message_closes_the_socket(station: WebStation) -> None:
    with WebPage(station.url) as page:
        page.socket.send(b"\0\1\2")
        assert closing_code(page) == 1008


@pytest.mark.usefixtures("watching")
def test_an_oversized_message_closes_the_socket(station: WebStation) -> None:
    with WebPage(station.url) as page:
        page.socket.send("x" * 5000)
        assert closing_code(page) == 1009


@pytest.mark.usefixtures("watching")
def test_a_flood_of_acknowledgements_closes_the_socket(station: WebStation) -> None:
    with WebPage(station.url) as page:
        page.watch("cam")
        with suppress(ConnectionClosed):
            for _ in range(1000):
                page.send(type="ack", cameras={"cam": 1})
        assert closing_code(page) == 1008


@pytest.mark.usefixtures("watching")
def test_an_unknown_camera_and_markup_in_its_name_are_nothing_to_watch(station: WebStation) -> None:
    with WebPage(station.url) as page:
        page.watch("<script>alert(1)</script>", "cam-99")
        page.send(type="restart", camera="<img src=x>")
        page.send(type="ping", t0=7)
        assert page.text_of("pong")["t0"] == 7
    answer = ask(station.url, "api/cameras/%3Cscript%3E")
    assert answer.status == 404
    assert b"<" not in answer.body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": ""}, 421),
    ],
)
@pytest.mark.usefixtures("watching")
def test_a_foreign_origin_and_a_foreign_host_are_refused(
    station: WebStation, headers: dict[str, str], status: int
) -> None:
    assert ask(station.url, "api/cameras", **headers).status == status
    if "Origin" in headers:
        with (
            pytest.raises(InvalidStatus) as refused,
            WebPage(station.url, additional_headers=headers),
        ):
            pass
        assert refused.value.response.status_code == status


@pytest.mark.usefixtures("watching")
def test_a_socket_without_the_protocol_is_refused(station: WebStation) -> None:
    with pytest.raises(InvalidStatus), WebPage(station.url, subprotocols=None):
        pass


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(station: WebStation, method: str) -> None:
    for path in ("api/cameras", "api/cameras/cam/snapshot", "", "page/login.css"):
        assert ask(station.url, path, method).status == 405


@pytest.mark.slow
@pytest.mark.usefixtures("watching")
def test_a_connection_that_asks_for_nothing_is_closed(station: WebStation) -> None:
    where = urlsplit(station.url)
    with socket.create_connection((where.hostname, where.port)) as slow:
        slow.settimeout(20)
        began_s = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\nHost: local")
        assert slow.recv(100) == b""
        assert time.monotonic() - began_s > 5


@pytest.mark.parametrize("rubbish", [b"\0" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20])
@pytest.mark.usefixtures("watching")
def test_what_is_no_http_is_answered_with_400(station: WebStation, rubbish: bytes) -> None:
    where = urlsplit(station.url)
    with socket.create_connection((where.hostname, where.port)) as stranger:
        stranger.settimeout(20)
        stranger.sendall(rubbish + b"\r\n\r\n")
        assert stranger.recv(100).startswith(b"HTTP/1.1 400")


def test_tls_and_a_token_guard_everything(tmp_path: Path) -> None:
    certificate, key, token = (tmp_path / name for name in ("cert.pem", "key.pem", "token"))
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with rankcast(
        "receive", "--connect", "tcp://127.0.0.1:9", "--web", "127.0.0.1:0",
        "--tls-cert", str(certificate), "--tls-key", str(key), "--web-token", str(token),
    ) as receiver:  # fmt: skip
        url = receiver.wait_line("web address: ").rpartition(" ")[2]
        assert url.startswith("https://")

        def get(path: str = "api/cameras", **options: Any) -> Any:
            return ask(url, path, tls=trusting, **options)

        refused = get()
        assert (refused.status, refused.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        assert get("", Accept="text/html").headers["Location"] == "/login"
        assert get(Authorization=f"Bearer {TOKEN}").status == 200
        assert get(Authorization="Bearer wrong").status == 401
        page = get("login")
        assert page.status == 200
        assert b"/page/login.css" in page.body
        assert get("page/login.css").status == 200
        wrong = get("login", method="POST", body=urlencode({"token": "<b>"}).encode())
        assert wrong.status == 401
        assert b"<b>" not in wrong.body
        form = urlencode({"token": TOKEN}).encode()
        entered = get("login", method="POST", body=form)
        assert (entered.status, entered.headers["Location"]) == (303, "/")
        cookie = entered.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=strict", "Secure"} <= {
            part.strip() for part in cookie.split(";")
        }
        session = cookie.split(";")[0]
        assert get(Cookie=session).status == 200
        with WebPage(url, ssl=trusting, additional_headers={"Cookie": session}) as live:
            assert live.hello["type"] == "hello"
        with pytest.raises(InvalidStatus), WebPage(url, ssl=trusting):
            pass
        assert get("logout", method="POST", body=b"", Cookie=session).status == 303
        assert get(Cookie=session).status == 401
        assert get("login", method="POST", body=b"x" * 5000).status == 400
        for _ in range(10):
            get(Authorization="Bearer wrong")
        assert get(Authorization=f"Bearer {TOKEN}").status == 429
        assert "error" in json.loads(get(Authorization="Bearer wrong").body)


def as_new_stream(message: bytes) -> bytes:
    """Return a message of the corpus as the first one of a stream, if that is possible."""
    try:
        camera, channel, data = split_message(memoryview(message))
        packet = unpack(data)
    except WireError:
        return message
    header = replace(packet.header, stream_id=os.urandom(8))
    return f"{camera}/{channel}\0".encode() + pack(header, packet.body)


def test_hostile_packets_reach_pages_only_if_taken_and_the_stream_goes_on() -> None:
    address = free_address()
    files = sorted(MALICIOUS.glob("*/*.msg"))
    assert len(files) > 100
    with (
        sender(address, "cam", codec="svd-patch") as hostile,
        rankcast("receive", "--connect", address, "--web", "127.0.0.1:0") as receiver,
    ):
        url = receiver.wait_line("web address: ").rpartition(" ")[2]
        hostile.wait_viewers()
        hostile.frame("cam")
        wait_until(lambda: ask(url, "api/cameras/cam").json.get("received", 0) > 0)
        with WebPage(url) as page:
            page.watch("cam")
            # The first one may have come before the server took packets.
            hostile.encoders["cam"].request_keyframe()
            hostile.frame("cam")
            packets = page.packets()
            next(packets)
            for path in files:
                hostile.socket.send(as_new_stream(path.read_bytes()))
            hostile.encoders["cam"].request_keyframe()
            last = hostile.packet("cam", 7)
            hostile.socket.send(frames_topic("cam") + last)
            taken = []
            while (data := next(packets)[1]) != last:
                page.acknowledge(unpack(data))  # a header that the receiver took is sound
                taken.append(data)
            assert 10 < len(taken) < len(files)
            assert Decoder().decode(last).shape == picture().shape
