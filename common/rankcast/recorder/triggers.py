"""Triggers: what starts or prolongs the recording of an event, from any thread or a signal."""

from __future__ import annotations

import re
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

from rankcast.errors import SettingsError

MAX_WAITING: Final = 64
"""Triggers that wait; of more, the oldest ones are forgotten."""
_CAUSE: Final = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger."""

    cause: str
    """Part of the name of the file."""
    t_s: float
    """Monotonic."""
    t_utc_ns: int


class Triggers:
    """Triggers that wait for the thread of a recorder.

    Without a lock, so that a handler of signals may pull.

    Parameters
    ----------
    now_s : callable
        Monotonic clock.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._waiting: deque[Trigger] = deque(maxlen=MAX_WAITING)

    def pull(self, cause: str) -> None:
        """Start an event, or prolong the one that is being recorded; from any thread.

        Raises
        ------
        SettingsError
            If the cause has other characters than a-z, 0-9 and _.
        """
        self._waiting.append(Trigger(check_cause(cause), self._now_s(), time.time_ns()))

    def take(self) -> Trigger | None:
        """Return the oldest trigger that waits; None without any."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None


def check_cause(cause: str) -> str:
    """Return `cause` if it may be part of a file name.

    Raises
    ------
    SettingsError
    """
    if not _CAUSE.fullmatch(cause):
        raise SettingsError(f"got cause {cause!r:.60}, want 1 to 32 of a-z, 0-9 and _")
    return cause


@contextmanager
def signals_as_triggers(triggers: Triggers | None, cause: str = "signal") -> Iterator[None]:
    """Let SIGUSR1 pull within the block, where the system has it; only in the main thread.

    Without triggers the signal is ignored: sent to a command that records no events, it must not
    end that.
    """
    number = getattr(signal, "SIGUSR1", None)
    if number is None:
        yield
        return

    def pull(_number: int, _frame: FrameType | None) -> None:
        if triggers is not None:
            triggers.pull(cause)

    before = signal.signal(number, pull)
    try:
        yield
    finally:
        signal.signal(number, before)
