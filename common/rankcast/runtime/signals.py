"""SIGINT and SIGTERM as a flag that the main loop checks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """True once a signal asked the command to stop.

    A plain attribute: a handler that takes a lock could wait for the code that it interrupted.
    """

    def __init__(self) -> None:
        self.requested = False


# Signals before a command has a flag of its own.
_held = StopFlag()


def hold_signals() -> None:
    """Keep SIGINT and SIGTERM for the first `stop_flag`, while a command still loads.

    The command then ends on its usual path: it loads its modules, starts nothing and writes its
    report. An exception in the middle of an import could get lost, or leave a module half loaded.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _hold)


_interrupted = StopFlag()


def note_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt as usual, and record it: see `interrupted`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def interrupted() -> bool:
    """Return True once `note_interrupts` recorded one.

    While numba loads a kernel, the KeyboardInterrupt gets lost in a callback from C, and an
    unrelated exception follows.
    """
    return _interrupted.requested


def _note(number: int, frame: FrameType | None) -> None:
    _interrupted.requested = True
    signal.default_int_handler(number, frame)


def _hold(_number: int, _frame: FrameType | None) -> None:
    _held.requested = True


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Turn SIGINT and SIGTERM into a flag while the block runs; only from the main thread.

    Handlers are installed even where a shell started the command in the background with
    SIGINT ignored.
    """
    flag = StopFlag()

    def handle(_number: int, _frame: FrameType | None) -> None:
        flag.requested = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    # After the handlers are installed, so that no signal gets lost in between.
    if _held.requested:
        flag.requested = True
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
