"""Senders and receivers as separate processes over loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_address() -> str:
    """Return a loopback address whose port is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def child(*arguments: str, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module as a quiet process; terminate it at the end of the block.

    Its messages go to the file `log`, if one is given.
    """
    with open(os.devnull if log is None else log, "wb") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=messages
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(30)


def sender(address: str, source: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a sender."""
    return ("rankcast_sender", "--bind", address, "--source", source, *arguments)


def receiver(address: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a receiver."""
    return ("rankcast_receiver", "--connect", address, *arguments)
