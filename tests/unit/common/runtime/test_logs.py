"""Logs: both formats, escaped for a terminal, and one status line below them."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from rankcast.runtime import configure_logs
from rankcast.runtime.logs import JsonFormatter, LogHandler, TextFormatter, log_handler

HOSTILE = "evil\x1b[2J\r\n10:00:00 INFO    forged\u202e\x9b31m\x7f"


def record_of(message: str, *, error: Exception | None = None) -> logging.LogRecord:
    info = None
    if error is not None:
        try:
            raise error
        except Exception:
            info = sys.exc_info()
    return logging.LogRecord("rankcast.x", logging.WARNING, "x.py", 1, message, (), info)


def test_a_message_is_one_line_without_control_characters() -> None:
    line = TextFormatter().format(record_of(HOSTILE))
    assert line.isprintable()
    assert r"evil\x1b[2J\r\n10:00:00 INFO    forged\u202e\x9b31m\x7f" in line


def test_a_traceback_keeps_its_lines_and_none_of_them_can_pass_for_a_line_of_the_log() -> None:
    first, *rest = TextFormatter().format(
        record_of("it failed", error=ValueError(HOSTILE))
    ).split("\n")  # fmt: skip
    assert first.endswith("WARNING it failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert r"ValueError: evil\x1b[2J\r" in rest[-2]


def test_json_is_one_object_per_line_with_the_time_in_utc() -> None:
    line = JsonFormatter().format(record_of(HOSTILE, error=ValueError(HOSTILE)))
    assert line.isascii()
    assert line.isprintable()
    entry = json.loads(line)
    assert list(entry) == ["time", "level", "logger", "message", "exception"]
    assert (entry["level"], entry["logger"], entry["message"]) == ("WARNING", "rankcast.x", HOSTILE)
    time = datetime.fromisoformat(entry["time"])
    assert time.utcoffset() == timedelta(0)
    assert entry["time"].endswith("Z")
    assert "Traceback" in entry["exception"]


def test_neither_format_shows_a_password() -> None:
    text = "cam: camera:anna:s3cret@h: no device; pwd=s3cret"
    record = record_of(text, error=ValueError("nats://anna:s3cret@h"))
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record)
        assert "s3cret" not in line
        assert "nats://***@h" in line
        assert "no device; pwd=***" in line


def test_json_without_an_exception_has_no_key_for_it() -> None:
    assert "exception" not in json.loads(JsonFormatter().format(record_of("plain")))


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """Take pytest's own handlers off: it attaches them only once the fixtures are made."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    root.handlers = []
    try:
        yield root
    finally:
        root.handlers = handlers
        root.setLevel(level)


def test_a_second_call_changes_the_format_and_keeps_the_level(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with bare_root() as root:
        configure_logs("text", "WARNING")
        configure_logs("json")
        log = logging.getLogger("rankcast.here")
        log.info("unheard")
        log.warning("heard")
        assert len(root.handlers) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "heard"


def test_the_handlers_of_an_embedding_program_are_left_alone() -> None:
    with bare_root() as root:
        theirs = logging.NullHandler()
        root.addHandler(theirs)
        configure_logs("json", "DEBUG")
        assert root.handlers == [theirs]
        assert log_handler() is None


@pytest.mark.parametrize("stream", [None, "closed", "full"])
def test_a_log_that_cannot_be_written_stops_nobody(
    stream: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    target: io.TextIOBase | None = None
    if stream == "closed":
        target = io.StringIO()
        target.close()
    elif stream == "full":
        if not os.path.exists("/dev/full"):
            pytest.skip("no /dev/full here")
        target = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115 - closed below
    handler = LogHandler(stream=lambda: target)  # type: ignore[arg-type,return-value]
    handler.handle(record_of("lost"))
    assert capsys.readouterr().err == ""
    if stream == "full":
        assert target is not None
        with pytest.raises(OSError, match="No space"):
            target.close()


END = "<end of what was written>"


class Terminal:
    """A pseudo-terminal of 40 columns, and what a user would see on it."""

    def __init__(self, columns: int = 40) -> None:
        fcntl = pytest.importorskip("fcntl")
        termios = pytest.importorskip("termios")
        import pty
        import struct

        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = os.fdopen(slave, "w", encoding="utf-8")

    def screen(self) -> list[str]:
        """Lines on the screen, the last one unfinished."""
        self.stream.write(END)
        self.stream.flush()
        text = ""
        while not text.endswith(END):
            text += os.read(self._master, 65536).decode(errors="replace")
        text = text.removesuffix(END)
        lines = [""]
        for part in text.replace("\r\n", "\n").split("\n"):
            shown = ""
            for piece in part.split("\r"):
                shown = piece.removeprefix("\x1b[2K") if piece.startswith("\x1b[2K") else (
                    piece + shown[len(piece):]
                )  # fmt: skip
            lines.append(shown)
        return lines[1:]

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    made = Terminal()
    yield made
    made.close()


def test_the_status_line_is_replaced_in_place_and_log_lines_stand_above_it(
    terminal: Terminal,
) -> None:
    handler = LogHandler(stream=lambda: terminal.stream)
    assert handler.has_status_line
    handler.show_status("cam", "cam: 10 fps")
    handler.show_status("cam", "cam: 9 fps")
    handler.handle(record_of("something happened"))
    handler.show_status("cam", "cam: 8 fps")
    *above, status = terminal.screen()
    assert [line.endswith("WARNING something happened") for line in above] == [True]
    assert status == "cam: 8 fps"


def test_cameras_share_the_line_and_it_never_wraps(terminal: Terminal) -> None:
    handler = LogHandler(stream=lambda: terminal.stream)
    handler.show_status("a", "a: 10 fps")
    handler.show_status("b", "b: \x1b[2J" + "x" * 100)
    (status,) = terminal.screen()
    assert status.startswith("a: 10 fps  |  b: " + r"\x1b[2J")
    assert len(status) == 39
    assert status.endswith("…")


def test_a_terminal_that_reports_no_width_shows_80_columns(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pseudo-terminal of 0 columns, as serial consoles and some containers have.
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    handler = LogHandler(stream=lambda: terminal.stream)
    handler.show_status("cam", "cam: " + "x" * 100)
    (status,) = terminal.screen()
    assert len(status) == 79
    assert status.startswith("cam: xxx")


def test_a_cleared_status_line_leaves_nothing_behind(terminal: Terminal) -> None:
    handler = LogHandler(stream=lambda: terminal.stream)
    handler.show_status("cam", "cam: 10 fps")
    handler.clear_status("cam")
    handler.handle(record_of("the end"))
    lines = terminal.screen()
    assert lines[0].endswith("the end")
    assert lines[1:] == [""]


@pytest.mark.parametrize(
    "make",
    [
        lambda _terminal: LogHandler(stream=io.StringIO),
        lambda _terminal: LogHandler(stream=lambda: None),
        lambda terminal: LogHandler("json", lambda: terminal.stream),
    ],
    ids=["file", "nothing", "json"],
)
def test_without_a_terminal_or_in_json_there_is_no_status_line(
    terminal: Terminal, make: Callable[[Terminal], LogHandler]
) -> None:
    assert not make(terminal).has_status_line


def test_a_terminal_that_cannot_redraw_gets_log_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not LogHandler(stream=lambda: terminal.stream).has_status_line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot tell")
def test_a_stream_that_accepts_nothing_costs_lines_that_are_counted_and_no_time() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    filled = 0
    for piece in (4096, 1):
        try:
            while True:
                filled += os.write(write, bytes(piece))
        except BlockingIOError:
            continue
    os.set_blocking(write, True)
    with open(write, "w") as stream:
        handler = LogHandler("text", lambda: stream)
        started_s = time.monotonic()
        for number in range(50):
            handler.handle(record_of(f"lost {number}"))
        assert time.monotonic() - started_s < 1
        while filled:
            filled -= len(os.read(read, filled))
        handler.handle(record_of("x" * 20_000 if not filled else ""))
        handler.handle(record_of("the last one"))
    with open(read) as reader:
        lines = reader.read().splitlines()
    assert lines[0].endswith("50 log lines were lost: standard error accepted no data")
    assert "xxxx" in lines[1]
    assert lines[2].endswith("the last one")
    assert len(lines) == 3
