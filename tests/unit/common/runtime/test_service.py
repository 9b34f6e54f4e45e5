"""ServiceManager: what systemd is notified of, and that all of it is true."""

from __future__ import annotations

import faulthandler
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankcast.errors import SettingsError
from rankcast.runtime import Pulse, ServiceManager
from support.notify import NotifySocket

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture(autouse=True)
def no_fault_handler_left() -> Iterator[None]:
    enabled = faulthandler.is_enabled()
    yield
    if not enabled:
        faulthandler.disable()


@pytest.fixture
def notify(monkeypatch: pytest.MonkeyPatch) -> Iterator[NotifySocket]:
    # The folder of pytest may be too long for the name of a socket.
    with tempfile.TemporaryDirectory() as folder, NotifySocket(Path(folder)) as made:
        monkeypatch.setenv("NOTIFY_SOCKET", made.address)
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield made


def all_of(notify: NotifySocket) -> list[str]:
    while notify.read(0.05) is not None:
        continue
    return notify.messages


def test_start_and_end_are_notified(notify: NotifySocket) -> None:
    with ServiceManager() as manager:
        manager.starting()
        manager.ready()
        manager.show_status("cam live\nREADY=0")
        manager.notify_watchdog([])
    assert all_of(notify) == [
        "EXTEND_TIMEOUT_USEC=300000000", "READY=1", r"STATUS=cam live\nREADY=0", "STOPPING=1",
    ]  # fmt: skip


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    with ServiceManager() as manager:
        assert manager.watchdog_s == 0
        manager.ready()


def test_the_watchdog_is_notified_only_while_no_thread_stalls(
    notify: NotifySocket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "8000000")
    now_s = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    moving, stuck, waiting = Pulse("publish"), Pulse("grab of cam"), Pulse("control")
    stuck.beat()
    with ServiceManager(now_s=lambda: now_s[0]) as manager:
        assert faulthandler.is_enabled()
        for _ in range(100):  # ten a second, as the commands do
            moving.beat()
            manager.notify_watchdog([moving, stuck, waiting])
            now_s[0] += 0.1
    fed = all_of(notify).count("WATCHDOG=1")
    # Every 2 s, for the first 4: then `grab` was silent for half of the interval.
    assert fed in (2, 3)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert 5 <= len(lines) <= 7
    assert "thread grab of cam has stalled for 4." in lines[0]
    assert "publish" not in lines[0]


def test_the_watchdog_of_another_process_is_not_notified(
    notify: NotifySocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "8000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    with ServiceManager() as manager:
        manager.notify_watchdog([])
    assert "WATCHDOG=1" not in all_of(notify)


@pytest.mark.skipif(sys.platform != "linux", reason="names without a file are Linux's")
def test_a_name_without_a_file_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        abstract.bind(f"\0rankcast-{os.getpid()}")
        abstract.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@rankcast-{os.getpid()}")
        with ServiceManager() as manager:
            manager.ready()
        assert abstract.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_logged_once(
    notify: NotifySocket, caplog: pytest.LogCaptureFixture
) -> None:
    with ServiceManager() as manager:
        Path(notify.address).unlink()
        for _ in range(3):
            manager.ready()
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NOTIFY_SOCKET", "vsock:2:1", "want a path or @NAME"),
        ("WATCHDOG_USEC", "soon", "want microseconds"),
        ("WATCHDOG_USEC", "-5", "want microseconds"),
        ("WATCHDOG_USEC", "0", "want microseconds"),
        ("WATCHDOG_USEC", "1000000", "want at least 4: WatchdogSec="),
    ],
)
@pytest.mark.usefixtures("notify")
def test_what_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        ServiceManager()
