"""Standard streams that were closed before the process started, or that accept no data."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Final

WRITE_S: Final = 0.1
"""Longest wait for a stream to accept a line."""
PIECE_BYTES: Final = getattr(select, "PIPE_BUF", 512)
"""A pipe that is ready for writing accepts at least this much without blocking."""


def open_standard_streams() -> None:
    """Replace closed standard streams by harmless ones.

    Python sets a closed stream to None, on which libraries that write to it fail; and the next
    file or socket would get its descriptor, and thereby the output of C libraries. Writing to a
    closed standard output still fails, so that the command does not report success; output to a
    closed standard error is discarded.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                _open(number, name)


def _open(number: int, name: str) -> None:
    # Standard output is opened for reading, so that each write still fails with EBADF.
    flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
    descriptor = os.open(os.devnull, flags)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    mode = "r" if name == "stdin" else "w"
    stream = open(number, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    setattr(sys, name, stream)


def write_line(descriptor: int, line: str, timeout_s: float = WRITE_S) -> bool:
    """Write a line to a descriptor that may accept nothing; return False if it was lost.

    A pipe that nobody reads, or a terminal that was stopped with Ctrl-S, would block the writer.
    """
    rest = (line + "\n").encode(errors="backslashreplace")
    try:
        while rest:
            if not is_writable(descriptor, timeout_s):
                return False
            # A pipe that is writable accepts this much without blocking.
            rest = rest[os.write(descriptor, rest[:PIECE_BYTES]) :]
    except (OSError, ValueError):
        return False
    return True


def is_writable(descriptor: int, timeout_s: float) -> bool:
    """Return True once a descriptor accepts `PIECE_BYTES` without blocking."""
    if not hasattr(select, "poll"):  # Windows selects sockets only
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(round(1000 * timeout_s)))
