"""SIGINT and SIGTERM as a flag that the main loop checks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """True once a signal has requested the command to stop.

    A plain attribute, because a handler that acquires a lock could deadlock with interrupted code.
    """

    def __init__(self) -> None:
        self.requested = False


# Signals received before a command has its own flag.
_held = StopFlag()


def hold_signals() -> None:
    """Hold SIGINT and SIGTERM for the first `stop_flag` while a command still loads.

    The command then ends normally: it loads its modules, starts nothing and writes its report. An
    exception during an import could get lost, or leave a module half loaded.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _hold)


_interrupted = StopFlag()


def note_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt as usual, and record it: see `interrupted`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def interrupted() -> bool:
    """Return True once `note_interrupts` has recorded an interrupt.

    While numba loads a kernel, a KeyboardInterrupt is lost in a callback from C, and an unrelated
    exception follows.
    """
    return _interrupted.requested


def _note(number: int, frame: FrameType | None) -> None:
    _interrupted.requested = True
    signal.default_int_handler(number, frame)


def _hold(_number: int, _frame: FrameType | None) -> None:
    _held.requested = True


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Turn SIGINT and SIGTERM into a flag within the block; use it only in the main thread.

    Handlers are installed even if a shell has started the command in the background with SIGINT
    ignored.
    """
    flag = StopFlag()

    def handle(_number: int, _frame: FrameType | None) -> None:
        flag.requested = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    # Read after the handlers are installed, so that no signal is lost in between.
    if _held.requested:
        flag.requested = True
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
