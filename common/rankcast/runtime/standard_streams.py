"""Replacement of standard streams that were closed before the process started."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


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
