"""Authenticator over real sockets: who is let in, and that nobody is when it is not there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq

from rankcast.errors import SettingsError, TransportError, WorkerError
from rankcast.net import (
    AuthorizedKey,
    CurveClient,
    Role,
    SocketOptions,
    authorize,
    client_keys,
    configure,
    new_key,
    revoke,
    server_keys,
)
from rankcast.net.key_file import read_secret
from rankcast.runtime.logs import TextFormatter
from rankcast_sender.sockets import authenticator as authenticator_module
from rankcast_sender.sockets import key_policy as key_policy_module
from rankcast_sender.sockets.authenticator import Authenticator
from rankcast_sender.sockets.key_policy import KeyPolicy

OPTIONS = SocketOptions(4, 65536, 1024)
NOTHING_MS = 600
"""A handshake over loopback takes some 10 ms."""
COMES_MS = 10_000


class Keys:
    """A folder of key files: `cam`, and whoever is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authorized = folder / "authorized"
        self.authorized.mkdir(mode=0o700)
        self.cam_secret, self.cam_public = new_key(folder, "cam")
        self._sockets: list[zmq.Socket[Any]] = []
        """Kept until their context is destroyed, which closes them."""

    def make(self, name: str, role: Role | None = None) -> CurveClient:
        """A new key, authorised when it has a role."""
        secret, public = new_key(self.folder, name)
        if role is not None:
            authorize(public, self.authorized, role)
        return client_keys(secret, [self.cam_public])[0]

    def pub(self, context: zmq.Context[Any]) -> tuple[zmq.Socket[Any], str]:
        """The guarded socket, bound."""
        pub = context.socket(zmq.XPUB)
        configure(pub, replace(OPTIONS, curve=server_keys(self.cam_secret)))
        port = pub.bind_to_random_port("tcp://127.0.0.1")
        self._sockets.append(pub)
        return pub, f"tcp://127.0.0.1:{port}"

    def sub(
        self, context: zmq.Context[Any], endpoint: str, keys: CurveClient | None
    ) -> zmq.Socket[Any]:
        """One that takes whatever there is."""
        sub = context.socket(zmq.SUB)
        configure(sub, replace(OPTIONS, curve=keys))
        sub.setsockopt(zmq.SUBSCRIBE, b"")
        sub.connect(endpoint)
        self._sockets.append(sub)
        return sub


def receives(pub: zmq.Socket[Any], sub: zmq.Socket[Any], wait_ms: int) -> bool:
    """Publish until something comes, or for that long."""
    until = time.monotonic() + wait_ms / 1000
    while time.monotonic() < until:
        pub.send(b"cam/frames\0frame")
        if sub.poll(20, zmq.POLLIN):
            return bool(sub.recv(zmq.NOBLOCK))
    return False


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def contexts(keys: Keys) -> Iterator[tuple[zmq.Context[Any], zmq.Context[Any]]]:
    """One of the sender, one of the viewers, ended before what `keys` holds is collected."""
    assert keys.authorized.is_dir()
    with zmq.Context() as server, zmq.Context() as client:
        yield server, client
        client.destroy(linger=0)
        server.destroy(linger=0)


@pytest.fixture
def fast_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticator_module, "RELOAD_S", 0.05)


@pytest.fixture
def guard(
    contexts: tuple[zmq.Context[Any], zmq.Context[Any]], keys: Keys
) -> Iterator[Authenticator]:
    authenticator = started(contexts[0], keys.authorized)
    yield authenticator
    authenticator.close()


def started(context: zmq.Context[Any], folder: Path) -> Authenticator:
    """An authenticator that answers; its owner closes it."""
    made = Authenticator(context, folder)
    made.start()
    return made


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + COMES_MS / 1000
    turn = threading.Event()
    while not true():
        assert time.monotonic() < until, "it never became true"
        turn.wait(0.01)


Contexts = tuple[zmq.Context[Any], zmq.Context[Any]]


def test_only_authorised_keys_get_frames(contexts: Contexts, keys: Keys) -> None:
    server, client = contexts
    known, unknown = keys.make("anna", Role.VIEWER), keys.make("eve")
    authenticator = started(server, keys.authorized)
    pub, endpoint = keys.pub(server)
    subs = {
        "known": keys.sub(client, endpoint, known),
        "unknown": keys.sub(client, endpoint, unknown),
        "none": keys.sub(client, endpoint, None),
        "wrong server": keys.sub(
            client, endpoint, replace(known, server_public=unknown.public)
        ),
    }  # fmt: skip
    assert receives(pub, subs["known"], COMES_MS)
    for name in ("unknown", "none", "wrong server"):
        assert not receives(pub, subs[name], NOTHING_MS), name
    assert receives(pub, subs["known"], COMES_MS)
    assert authenticator.state.authorized == 1
    assert authenticator.state.refused >= 1
    authenticator.close()


def test_nobody_gets_frames_where_no_authenticator_ever_was(contexts: Contexts, keys: Keys) -> None:
    pub, endpoint = keys.pub(contexts[0])
    sub = keys.sub(contexts[1], endpoint, keys.make("anna", Role.VIEWER))
    assert not receives(pub, sub, NOTHING_MS)


def test_nobody_gets_frames_once_the_authenticator_was_stopped(
    contexts: Contexts, keys: Keys
) -> None:
    known = keys.make("anna", Role.VIEWER)
    started(contexts[0], keys.authorized).close()
    pub, endpoint = keys.pub(contexts[0])
    assert not receives(pub, keys.sub(contexts[1], endpoint, known), NOTHING_MS)


def test_nobody_gets_frames_once_the_authenticator_crashed_and_its_owner_knows(
    contexts: Contexts, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = keys.make("anna", Role.VIEWER)
    monkeypatch.setattr(KeyPolicy, "judge", lambda *_: 1 / 0)
    authenticator = started(contexts[0], keys.authorized)
    authenticator.check()
    pub, endpoint = keys.pub(contexts[0])
    assert not receives(pub, keys.sub(contexts[1], endpoint, known), NOTHING_MS)
    wait_until(lambda: not authenticator.running)
    with pytest.raises(WorkerError, match="authenticator has ended") as caught:
        authenticator.check()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    # A viewer that connects later gets nothing either.
    assert not receives(pub, keys.sub(contexts[1], endpoint, known), NOTHING_MS)
    authenticator.close()  # does not raise it a second time


def test_nobody_gets_frames_while_the_authenticator_hangs(
    contexts: Contexts, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = keys.make("anna", Role.VIEWER)
    asked, release, judge = threading.Event(), threading.Event(), KeyPolicy.judge

    def hang(self: KeyPolicy, request: list[bytes]) -> list[bytes]:
        asked.set()
        release.wait(30)
        return judge(self, request)

    monkeypatch.setattr(KeyPolicy, "judge", hang)
    authenticator = started(contexts[0], keys.authorized)
    pub, endpoint = keys.pub(contexts[0])
    sub = keys.sub(contexts[1], endpoint, known)
    assert asked.wait(5)
    assert not receives(pub, sub, NOTHING_MS)
    release.set()
    assert receives(pub, sub, COMES_MS), "it would have got frames"
    authenticator.close()


def test_a_crash_that_nobody_asked_about_is_raised_at_the_end(
    contexts: Contexts, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = threading.Event()
    monkeypatch.setattr(authenticator_module, "RELOAD_S", 0.0)
    monkeypatch.setattr(KeyPolicy, "reload", lambda _: running.is_set() and 1 / 0)
    authenticator = started(contexts[0], keys.authorized)
    running.set()
    wait_until(lambda: not authenticator.running)
    with pytest.raises(ZeroDivisionError):
        authenticator.close()


@pytest.mark.usefixtures("fast_reload")
def test_a_key_that_is_added_later_is_let_in(contexts: Contexts, keys: Keys) -> None:
    server, client = contexts
    late = keys.make("late")
    authenticator = started(server, keys.authorized)
    pub, endpoint = keys.pub(server)
    assert not receives(pub, keys.sub(client, endpoint, late), NOTHING_MS)
    authorize(keys.folder / "late.pub", keys.authorized, Role.VIEWER)
    wait_until(lambda: authenticator.state.authorized == 1)
    # A socket that was refused never tries again, hence a new one, as the receiver makes it.
    assert receives(pub, keys.sub(client, endpoint, late), COMES_MS)
    authenticator.close()


def role_of(authenticator: Authenticator, curve: CurveClient) -> Role | None:
    key = authenticator.find(curve.public.decode())
    return None if key is None else key.role


def test_a_revocation_is_told_within_two_seconds_and_roles_follow(
    keys: Keys, guard: Authenticator
) -> None:
    anna = keys.make("anna", Role.VIEWER)
    bob = keys.make("bob", Role.OPERATOR)
    wait_until(lambda: guard.state.authorized == 2)
    told = threading.Event()
    guard.on_revoked(told.set)
    assert role_of(guard, anna) is Role.VIEWER
    assert role_of(guard, bob) is Role.OPERATOR
    assert guard.find(bob.public.decode()) == AuthorizedKey("bob", bob.public, Role.OPERATOR)
    authorize(keys.folder / "bob.pub", keys.authorized, Role.VIEWER)
    wait_until(lambda: role_of(guard, bob) is Role.VIEWER)
    assert not told.is_set(), "a change of role ends no connection"
    since = time.monotonic()
    revoke(keys.authorized, "bob")
    assert told.wait(5)
    assert time.monotonic() - since < 2
    assert guard.find(bob.public.decode()) is None
    assert role_of(guard, anna) is Role.VIEWER
    assert guard.find("é" * 40) is None


@pytest.mark.usefixtures("fast_reload")
def test_replacing_a_key_under_its_name_revokes_the_old_one(contexts: Contexts, keys: Keys) -> None:
    old = keys.make("anna", Role.VIEWER)
    authenticator = started(contexts[0], keys.authorized)
    told = threading.Event()
    authenticator.on_revoked(told.set)
    _, fresh = new_key(keys.folder / "fresh", "anna")
    (keys.authorized / "anna.pub").write_bytes(fresh.read_bytes())
    assert told.wait(5)
    assert authenticator.find(old.public.decode()) is None
    authenticator.close()


@pytest.mark.usefixtures("fast_reload")
def test_a_malformed_file_keeps_the_old_set_and_shouts_until_it_is_repaired(
    contexts: Contexts, keys: Keys, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(key_policy_module, "ALARM_INTERVAL_S", 0.001)
    server, client = contexts
    known = keys.make("anna", Role.VIEWER)
    secret = read_secret(keys.cam_secret).secret.decode()
    authenticator = started(server, keys.authorized)
    told = threading.Event()
    authenticator.on_revoked(told.set)
    pub, endpoint = keys.pub(server)
    (keys.authorized / "bad.pub").write_text(f'secret = "{secret}"')
    (keys.authorized / "anna.pub").unlink()
    with caplog.at_level(logging.ERROR):
        wait_until(lambda: caplog.text.count("authorised keys not reloaded") >= 2)
    assert "bad.pub" in authenticator.state.alarm
    assert secret not in caplog.text + authenticator.state.alarm
    assert receives(pub, keys.sub(client, endpoint, known), COMES_MS)
    assert not told.is_set()
    (keys.authorized / "bad.pub").unlink()
    assert told.wait(5)
    assert authenticator.state.alarm == ""
    authenticator.close()


@pytest.mark.usefixtures("fast_reload")
def test_a_folder_that_vanishes_keeps_the_old_set(contexts: Contexts, keys: Keys) -> None:
    anna = keys.make("anna", Role.VIEWER)
    authenticator = started(contexts[0], keys.authorized)
    keys.authorized.rename(keys.folder / "elsewhere")
    wait_until(lambda: authenticator.state.alarm != "")
    assert role_of(authenticator, anna) is Role.VIEWER
    authenticator.close()


def test_a_malformed_folder_lets_nothing_start(contexts: Contexts, keys: Keys) -> None:
    (keys.authorized / "bad.pub").write_text("nonsense")
    with pytest.raises(SettingsError, match=r"bad\.pub: is not a key file"):
        Authenticator(contexts[0], keys.authorized)


@pytest.mark.usefixtures("guard")
def test_a_context_has_one_authenticator(contexts: Contexts, keys: Keys) -> None:
    with pytest.raises(TransportError, match="cannot start the authenticator"):
        started(contexts[0], keys.authorized)


@pytest.mark.parametrize(
    "request_",
    [
        [b"1.0", b"1", b"rankcast", b"10.0.0.1", b"", b"NULL"],
        [b"1.0", b"1", b"rankcast", b"10.0.0.1", b"", b"PLAIN", b"user", b"password"],
        [b"1.0", b"1", b"other", b"10.0.0.1", b"", b"CURVE", b"KEY"],
        [b"1.0", b"1", b"rankcast", b"10.0.0.1", b"", b"CURVE", b"short"],
        [b"2.0", b"1", b"rankcast", b"10.0.0.1", b"", b"CURVE", b"KEY"],
        [b"1.0"],
    ],
)
def test_whatever_is_no_curve_of_the_domain_is_refused(
    contexts: Contexts, keys: Keys, request_: list[bytes], guard: Authenticator
) -> None:
    anna = keys.make("anna", Role.VIEWER)
    wait_until(lambda: guard.state.authorized == 1)
    key = zmq.utils.z85.decode(anna.public)
    with contexts[0].socket(zmq.REQ) as zap:
        zap.setsockopt(zmq.LINGER, 0)
        zap.connect(authenticator_module.ZAP_ENDPOINT)
        zap.send_multipart([key if part == b"KEY" else part for part in request_])
        assert zap.poll(COMES_MS)
        assert zap.recv_multipart()[2] == b"400"
        zap.send_multipart([b"1.0", b"2", b"rankcast", b"10.0.0.1", b"", b"CURVE", key])
        assert zap.poll(COMES_MS)
        assert zap.recv_multipart()[2:5] == [b"200", b"OK", anna.public]


def test_a_flood_of_strangers_becomes_one_line_a_second(
    contexts: Contexts, guard: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = [b"1.0", b"1", b"rankcast", b"10.0.0.\n1", b"", b"CURVE", bytes(32)]
    with contexts[0].socket(zmq.REQ) as zap, caplog.at_level(logging.WARNING):
        zap.setsockopt(zmq.LINGER, 0)
        zap.connect(authenticator_module.ZAP_ENDPOINT)
        since = time.monotonic()
        for _ in range(300):
            zap.send_multipart(stranger)
            assert zap.recv_multipart()[2] == b"400"
        seconds = time.monotonic() - since
    lines = [
        TextFormatter().format(record)
        for record in caplog.records
        if "refused" in record.getMessage()
    ]
    assert 1 <= len(lines) <= 2 + seconds
    assert lines[0].isprintable()
    assert guard.state.refused == 300
