"""Logging of a process: text or JSON on standard error, safe for a terminal.

Log messages contain names and text from peers, files and users. Both formats escape control
characters in the whole line and leave out passwords, so that callers need not.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TextIO, TypeAlias

from rankcast.credentials import without_secrets
from rankcast.printable import printable
from rankcast.runtime.standard_streams import PIECE_BYTES, WRITE_S, is_writable

if TYPE_CHECKING:
    from rich.console import Console

LogFormat: TypeAlias = Literal["text", "json"]

_TRACEBACK_INDENT: Final = "    "
"""Indented, so that no traceback line can be mistaken for a log line."""
DEFAULT_COLUMNS: Final = 80
PIECE_CHARACTERS: Final = PIECE_BYTES // 4
"""A character takes 4 bytes at most, so that a pipe with room accepts so many."""
_SUBJECT_SEPARATOR: Final = "  |  "


class TextFormatter(logging.Formatter):
    """Formats ``10:31:07 WARNING message`` on one line, followed by any indented traceback."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Format the line without a traceback."""
        return printable(without_secrets(super().formatMessage(record)))

    def format(self, record: logging.LogRecord) -> str:
        """Format the line and the traceback, if there is one."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        return "\n".join(
            [
                self.formatMessage(record),
                *(_TRACEBACK_INDENT + printable(line) for line in _traceback_lines(record)),
            ]
        )


class JsonFormatter(logging.Formatter):
    """Formats a JSON object per line: time (UTC, ISO 8601), level, logger, message, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Format `record` as one line of ASCII, in which JSON escapes every control character."""
        time_utc = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "time": time_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if lines := _traceback_lines(record):
            entry["exception"] = "\n".join(lines)
        return json.dumps(entry).replace("\x7f", "\\u007f")


def _traceback_lines(record: logging.LogRecord) -> list[str]:
    lines: list[str] = []
    if record.exc_info and record.exc_info[0] is not None:
        for text in traceback.format_exception(*record.exc_info):
            lines += text.rstrip("\n").split("\n")
    if record.stack_info:
        lines += record.stack_info.split("\n")
    return [without_secrets(line) for line in lines]


class LogHandler(logging.Handler):
    """Writes log lines to standard error, above a status line that is redrawn in place.

    Parameters
    ----------
    log_format : {"text", "json"}
    stream : callable
        Returns the stream to write to, or None.
    """

    def __init__(
        self,
        log_format: LogFormat = "text",
        stream: Callable[[], TextIO | None] = lambda: sys.stderr,
    ) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
        self._stream = stream
        self._status: dict[str, str] = {}
        self._drawn = False
        self._console = _terminal(stream()) if log_format == "text" else None
        self.lost = 0
        """Lines lost since the stream last accepted one."""

    @property
    def has_status_line(self) -> bool:
        """True if the stream is a terminal that can redraw a line."""
        return self._console is not None

    def show_status(self, subject: str, text: str) -> None:
        """Redraw the status line with `text` for `subject`."""
        with self._locked():
            self._status[subject] = printable(text)
            self._redraw()

    def clear_status(self, subject: str) -> None:
        """Remove `subject` from the status line."""
        with self._locked():
            self._status.pop(subject, None)
            self._redraw()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; called with the lock held."""
        stream = self._stream()
        if stream is None:
            return
        try:
            line = self.format(record)
            if not self._has_room(stream):
                self.lost += 1
                return
            if self.lost:
                line, self.lost = f"{self._lost_line()}\n{line}", 0
            self._erase()
            self._write(stream, line + "\n")
            self._draw()
        except (OSError, ValueError):
            # The terminal hung up, the disk is full or the stream is closed. There is nowhere left
            # to report that, and streaming must continue without a log.
            return
        except Exception:
            self.handleError(record)

    def _has_room(self, stream: TextIO) -> bool:
        """Return True if `stream` accepts a line; a full pipe must not stop the frames."""
        descriptor = _descriptor(stream)
        # Once it was full, nothing waits for it any more until it has room again.
        return descriptor is None or is_writable(descriptor, 0.0 if self.lost else WRITE_S)

    def _write(self, stream: TextIO, text: str) -> None:
        for start in range(0, len(text), PIECE_CHARACTERS):
            if start and not self._has_room(stream):
                self.lost += 1
                return
            stream.write(text[start : start + PIECE_CHARACTERS])
            stream.flush()

    def _lost_line(self) -> str:
        text = f"{self.lost} log lines were lost: standard error accepted no data"
        return self.format(
            logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _redraw(self) -> None:
        stream = self._stream()
        if stream is None or not self._has_room(stream):
            return
        try:
            self._erase()
            self._draw()
        except (OSError, ValueError):
            return

    def _erase(self) -> None:
        if self._console is None or not self._drawn:
            return
        from rich.control import Control
        from rich.segment import ControlType

        self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        self._drawn = False

    def _draw(self) -> None:
        if self._console is None or not self._status:
            return
        from rich.text import Text

        line = Text(_SUBJECT_SEPARATOR.join(self._status.values()))
        # Width of this very stream, because rich checks standard input first. A character in the
        # last column would wrap on some terminals.
        columns = os.get_terminal_size(self._console.file.fileno()).columns
        columns = columns or DEFAULT_COLUMNS  # serial consoles and some containers report 0
        line.truncate(max(1, columns - 1), overflow="ellipsis")
        self._console.print(line, end="", no_wrap=True, overflow="ignore", crop=False)
        self._drawn = True


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):  # no file, or a closed one
        return None


def _terminal(stream: TextIO | None) -> Console | None:
    """Return a console for `stream`, or None if it cannot redraw a line."""
    try:
        if stream is None or not stream.isatty():
            return None
    except ValueError:  # closed
        return None
    from rich.console import Console

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False)
    return None if console.is_dumb_terminal else console


def configure_logs(log_format: LogFormat = "text", level: int | str | None = None) -> None:
    """Send all log lines to standard error; a later call changes the format.

    If a program that embeds Rankcast has attached handlers to the root logger, they are kept and
    nothing is added: the program controls its own logs.

    Parameters
    ----------
    log_format : {"text", "json"}
    level : int or str, optional
        Lowest level that is logged; unchanged if omitted.
    """
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if isinstance(handler, LogHandler)]
    if len(ours) < len(root.handlers):
        return
    for handler in ours:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(LogHandler(log_format))
    if level is not None:
        root.setLevel(level)


def log_handler() -> LogHandler | None:
    """Return the handler that `configure_logs` installed, if any."""
    handlers = logging.getLogger().handlers
    return next((handler for handler in handlers if isinstance(handler, LogHandler)), None)
