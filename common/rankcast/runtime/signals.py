"""Signals that stop a command: a flag that its main loop checks, and the end at the second one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rankcast.runtime.last_words import LastWords

STOP_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
JOIN_S: Final = 1.2
"""Time that threads get to stop after a signal; closing sockets and the report need the rest."""
SAME_S: Final = 0.2
"""Signals within this time are one request: `timeout` signals the process and then its group."""
SHORTEST_JOIN_S: Final = 0.01


class StopFlag:
    """True once a signal has requested the command to stop.

    Plain attributes, because a handler that acquires a lock could deadlock with interrupted code.
    """

    def __init__(self) -> None:
        self.requested = False
        self.number = 0
        """The signal."""
        self._handled = False
        # Not `requested`: a `StopWatch` may have seen the same signal before this thread.
        self.requested_s = 0.0
        """When it was received, in monotonic seconds."""
        self.counted_s = 0.0
        """From when its time counts: `requested_s`, or later if the command was still loading."""
        self.last_report: Callable[[Sequence[str]], None] | None = None
        """Writes the report with what is known, naming what is stuck; called in another thread if
        the command does not end by itself."""
        self.on_abort: Callable[[], None] | None = None
        """Called just before a second signal ends the process; it must not wait."""
        self.words: LastWords | None = None
        """Memory of the guard process; None without one."""

    def request(self, number: int) -> None:
        """Record a signal; only the first one counts."""
        if not self.requested:
            self.number = number
            self.requested_s = self.counted_s = time.monotonic()
            self.requested = True

    def begin(self) -> None:
        """Let a signal that came while the command was loading count from now on.

        Otherwise a machine that loads slowly would leave its threads no time to stop.
        """
        if self.requested:
            self.counted_s = time.monotonic()

    def left_s(self, limit_s: float) -> float:
        """Return how long threads may take to stop: `limit_s`, or less after a signal."""
        if not self.requested:
            return limit_s
        left_s = self.counted_s + JOIN_S - time.monotonic()
        return min(limit_s, max(SHORTEST_JOIN_S, left_s))

    def stuck_line(self, found: Sequence[str]) -> str:
        """Return the line that names what is stuck."""
        when = f"after {signal.Signals(self.number).name}" if self.requested else "at the end"
        return f"stuck {when}: {'; '.join(found)}"

    def keep_report(self, path: Path, values: Mapping[str, Any]) -> None:
        """Let the guard process write this report at `path` if no Python code runs any more."""
        if self.words is not None:
            self.words.keep_report(os.path.abspath(path), values)

    def keep_state(self, text: str) -> None:
        """Let the guard process tell this state if the process ends unexpectedly."""
        if self.words is not None:
            self.words.keep_state(text)

    def say_goodbye(self) -> None:
        """Tell the guard process that this one is about to end in a way of its own."""
        if self.words is not None:
            self.words.say_goodbye()

    def drop_report(self) -> None:
        """Keep no report, because the final one is written now."""
        self.last_report = None
        if self.words is not None:
            self.words.drop_report()

    def is_second(self) -> bool:
        """Return True if a signal received now is another one than the first."""
        return time.monotonic() - self.requested_s > SAME_S

    def abort(self, number: int) -> None:
        """End the process at once, with the exit code that a shell expects of a signal."""
        if self.on_abort is not None:
            with suppress(Exception):
                self.on_abort()
        self.say_goodbye()
        os._exit(128 + number)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal: the first one requests a stop, the second one ends the process."""
        if self._handled and self.is_second():
            self.abort(number)
        self._handled = True
        self.request(number)


# The flag of a process that runs one streaming command.
_held: StopFlag | None = None


def hold_signals() -> StopFlag:
    """Take signals while a command still loads; `stop_flag` then hands out the same flag.

    The command then ends normally: it loads its modules, starts nothing and writes its report. An
    exception during an import could get lost, or leave a module half loaded.
    """
    global _held
    _held = StopFlag()
    _install(_held)
    return _held


_interrupted = StopFlag()


def note_interrupts() -> StopFlag:
    """Let Ctrl-C raise KeyboardInterrupt as usual, and record it: see `interrupted`.

    A second one ends the process, even if a library is busy and Python cannot react.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)
    return _interrupted


def interrupted() -> bool:
    """Return True once `note_interrupts` has recorded an interrupt.

    A KeyboardInterrupt may be lost in a callback from C of a library that is loading, and an
    unrelated exception follow.
    """
    return _interrupted.requested


def release_signals() -> None:
    """Forget the flag of `hold_signals`, in a program that goes on after its command."""
    global _held
    _held = None
    for number in STOP_SIGNALS:
        if getattr(signal.getsignal(number), "__func__", None) is StopFlag.handle:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


def _note(number: int, frame: FrameType | None) -> None:
    _interrupted.request(number)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.default_int_handler(number, frame)


def _install(flag: StopFlag) -> dict[int, object]:
    """Install the handlers of `flag`; return those they replace.

    Handlers are installed even if a shell has started the command in the background with SIGINT
    ignored. SIGHUP stays ignored where it was: that is what nohup is for.
    """
    before: dict[int, object] = {}
    for number in STOP_SIGNALS:
        if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, flag.handle)
    return before


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """Turn SIGINT, SIGTERM and SIGHUP into a flag within the block; only in the main thread.

    In a process whose command was started with `hold_signals`, the flag is that of the process:
    its handlers stay, so that the end of the process obeys signals too.
    """
    if _held is not None:
        _held.begin()
        yield _held
        return
    flag = StopFlag()
    before = _install(flag)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was returned
