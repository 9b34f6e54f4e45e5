"""SIGINT and SIGTERM as a flag that the main loop looks at."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """True once a signal asked for the end.

    A plain attribute: a handler that took a lock could wait for the very code it interrupted.
    """

    def __init__(self) -> None:
        self.requested = False


# What came before a command was ready to look at a flag of its own.
_held = StopFlag()


def hold_signals() -> None:
    """Keep SIGINT and SIGTERM for the first `stop_flag`, while a command still loads.

    The command then ends by its usual path: its modules are loaded, nothing is started, the
    report is written. An exception in the middle of an import could be lost or leave half a
    module behind.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _hold)


_interrupted = StopFlag()


def note_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt as ever, and note it: see `interrupted`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def interrupted() -> bool:
    """True once `note_interrupts` saw one.

    While numba loads a kernel, the exception of a signal is lost in a callback from C, and another
    one that nobody understands follows.
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
    # After the change of handlers, so that none falls between them.
    if _held.requested:
        flag.requested = True
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
