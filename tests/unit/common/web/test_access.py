"""Access: tokens, sessions, hosts, origins, and addresses that guess."""

from __future__ import annotations

import base64
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError
from rankcast.web import Access, read_token
from rankcast.web.access import MOST_ADDRESSES, MOST_SESSIONS, MOST_WRONG, SESSION_S, WRONG_S
from support.clock import Clock

TOKEN = "0123456789abcdef"
WRONG = "f" * 16


def written(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_a_token_is_the_only_line_of_its_file(tmp_path: Path) -> None:
    assert read_token(written(tmp_path, TOKEN.encode() + b"\n")) == TOKEN


@pytest.mark.parametrize(
    "content",
    [
        b"", b"short\n", b"x" * 257, b"two words of a line", b"0123456789abcdef\n0123456789abcdef",
        b"\xff" * 20, b"0123456789abcde\x7f",
    ],
)  # fmt: skip
def test_a_file_without_one_token_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SettingsError, match="openssl rand"):
        read_token(written(tmp_path, content))


def test_a_token_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(SettingsError, match="the token cannot be read"):
            read_token(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match="chmod 600"):
        read_token(written(tmp_path, TOKEN.encode(), mode))


@pytest.mark.parametrize("given_in", [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", basic(TOKEN)])
def test_a_token_comes_as_bearer_or_as_any_users_password(given_in: str) -> None:
    assert Access(TOKEN).admits(given_in, "", "10.0.0.1")


@pytest.mark.parametrize(
    "given_in",
    ["", "Bearer", f"Bearer {WRONG}", TOKEN, f"Token {TOKEN}", basic(WRONG), "Basic ???",
     "Basic /w==", f"Basic {TOKEN}"],
)  # fmt: skip
def test_anything_else_is_refused(given_in: str) -> None:
    assert not Access(TOKEN).admits(given_in, "", "10.0.0.1")


@given(st.text(), st.text())
def test_no_header_breaks_the_comparison(authorization: str, session: str) -> None:
    assert not Access(TOKEN).admits(authorization, session, "10.0.0.1")


def test_without_a_token_everybody_is_let_in() -> None:
    access = Access()
    assert not access.asks_for_token
    assert access.admits("", "", "10.0.0.1")


def test_a_session_is_as_good_as_the_token_until_it_ends() -> None:
    access = Access(TOKEN)
    session = access.begin_session()
    assert access.admits("", session, "10.0.0.1")
    access.end_session(session)
    access.end_session(session)
    assert not access.admits("", session, "10.0.0.1")


def test_a_session_ends_when_it_asks_nothing_for_hours() -> None:
    clock = Clock()
    access = Access(TOKEN, now_s=clock)
    session = access.begin_session()
    clock.advance(SESSION_S - 1)
    assert access.admits("", session, "10.0.0.1")
    clock.advance(SESSION_S - 1)
    assert access.admits("", session, "10.0.0.1"), "it has asked since"
    clock.advance(SESSION_S + 1)
    assert not access.admits("", session, "10.0.0.1")


def test_the_number_of_sessions_is_bounded() -> None:
    access = Access(TOKEN)
    first = access.begin_session()
    for _ in range(MOST_SESSIONS):
        latest = access.begin_session()
    assert not access.admits("", first, "10.0.0.1")
    assert access.admits("", latest, "10.0.0.1")


def test_an_address_that_guesses_has_to_wait_and_no_other_does() -> None:
    clock = Clock()
    access = Access(TOKEN, now_s=clock)
    for _ in range(MOST_WRONG):
        assert access.may_try("10.0.0.1")
        assert not access.is_token(WRONG, "10.0.0.1")
    assert not access.may_try("10.0.0.1")
    assert not access.is_token(TOKEN, "10.0.0.1"), "it could go on guessing"
    assert access.is_token(TOKEN, "10.0.0.2")
    clock.advance(WRONG_S + 1)
    assert access.is_token(TOKEN, "10.0.0.1")


def test_the_number_of_addresses_that_guess_is_bounded() -> None:
    access = Access(TOKEN)
    for number in range(MOST_ADDRESSES + 10):
        access.is_token(WRONG, f"address {number}")
    assert len(access._wrong) == MOST_ADDRESSES


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3", "station.lab:80",
     socket.gethostname(), f"{socket.gethostname()}.local:8080"],
)  # fmt: skip
def test_its_own_names_and_ip_addresses_are_known(host: str) -> None:
    assert Access(hosts=["Station.LAB"]).knows_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example:8080", "[::1", "[]", "127.0.0.1.evil", ":80"],
)
def test_other_names_are_not(host: str) -> None:
    assert not Access().knows_host(host)


@given(st.text())
def test_no_host_header_breaks_the_check(host: str) -> None:
    Access().knows_host(host)


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://localhost:8080", True),
        ("http://LOCALHOST:8080", True),
        ("https://localhost:8080", False),
        ("http://localhost:8081", False),
        ("http://localhost", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_only_a_page_of_this_server_is_of_the_same_origin(origin: str, same: bool) -> None:
    assert Access().is_same_origin(origin, "localhost:8080", "http") == same
