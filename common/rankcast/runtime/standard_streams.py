"""Standard streams that were closed before the process started."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def open_standard_streams() -> None:
    """Put something harmless in place of closed standard streams.

    Python leaves a closed stream as None, which libraries write to all the same; and the next
    file or socket would get its descriptor, and with it what C libraries print. Writing to a
    closed standard output still fails, so that the command does not report success; what goes
    to a closed standard error is discarded.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                _open(number, name)


def _open(number: int, name: str) -> None:
    # Standard output is opened for reading: each write fails with EBADF, as it did before.
    flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
    descriptor = os.open(os.devnull, flags)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    mode = "r" if name == "stdin" else "w"
    stream = open(number, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    setattr(sys, name, stream)
