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
