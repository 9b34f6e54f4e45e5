"""StopWatch: ends a process within 3 s of a signal, whatever its threads do."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from rankcast.printable import printable
from rankcast.runtime.activity import stuck
from rankcast.runtime.guard import Guard, stop_signals
from rankcast.runtime.signals import StopFlag
from rankcast.runtime.standard_streams import write_line
from rankcast.runtime.worker import workers_running

LIMIT_S: Final = 2.1
"""Time that a command gets to end by itself after a signal."""
MAX_LIMIT_S: Final = 10.0
REPORT_S: Final = 0.25
"""Time that the last report may take: the disk may be what is stuck."""
POLL_S: Final = 0.02


def _starved_s() -> float:
    """Return how long the main thread was ready to run and had no processor; 0 if unknown."""
    try:
        # The process has the number of its main thread. Fields: time on a processor, waiting, ...
        text = Path(f"/proc/self/task/{os.getpid()}/schedstat").read_text("ascii")
        return int(text.split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


class StopWatch:
    """Watches the signals of this process in a thread of its own.

    Python runs signal handlers in the main thread, which may be the one that is stuck: in a
    window, a write, or a library that waits. This thread then requests the stop, ends the process
    at a second signal and, `LIMIT_S` after the first, names what is stuck, lets the command write
    its report, and exits with code 1.

    Parameters
    ----------
    command : str
        Name of the command, for the line that says what is stuck.
    guarded : bool
        Start a `Guard` too. The process must then end with `os._exit`.
    """

    def __init__(self, command: str, *, guarded: bool) -> None:
        self._command = command
        self._flag = StopFlag()
        self._seen, self._wakeup = socket.socketpair()
        self._closer, self._close = socket.socketpair()
        self._wakeup.setblocking(False)
        self._before = signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        self._guard = Guard(self._seen, command) if guarded and Guard.possible() else None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="rankcast-stop")

    def start(self, flag: StopFlag) -> None:
        """Start watching; `flag` has taken the signals since before this object was made."""
        self._flag = flag
        if self._guard is not None and not self._guard.start():
            self._guard = None
        if self._guard is not None:
            flag.words = self._guard.words
        self._thread.start()

    @property
    def guarded(self) -> bool:
        """True if the process must end with `os._exit`."""
        return self._guard is not None

    def close(self) -> None:
        """Stop watching, unless the process is being ended already."""
        signal.set_wakeup_fd(self._before)
        self._close.send(b"\0")
        self._thread.join()
        for end in (self._seen, self._wakeup, self._closer, self._close):
            end.close()

    def _run(self) -> None:
        flag, number = self._flag, 0
        while not number:
            ready, _, _ = select.select([self._seen, self._closer], [], [])
            if self._closer in ready:
                return
            received = self._signals()
            number = received[0] if received else 0
        flag.request(number)
        first = 0
        began_s = _starved_s()
        while time.monotonic() < flag.counted_s + self._limit_s(began_s):
            if flag.words is not None:
                flag.words.beat()
            if select.select([self._closer], [], [], POLL_S)[0]:
                return
            received = self._signals()
            if not flag.is_second():
                first = len(received)
            elif len(received) > first:
                flag.abort(received[-1])
        self._end()

    def _limit_s(self, starved_before_s: float) -> float:
        """Return the time from the signal to the forced end.

        A command that still loads has nothing to stop: where the machine is too busy to let it
        run, it gets that time back, and ends by itself with its report.
        """
        if workers_running():
            return LIMIT_S
        return min(LIMIT_S + _starved_s() - starved_before_s, MAX_LIMIT_S)

    def _signals(self) -> list[int]:
        data = self._seen.recv(4096, socket.MSG_PEEK)
        received = stop_signals(data)
        if not received:
            self._seen.recv(len(data))  # of signals that do not stop a command
        return received

    def _end(self) -> None:
        found = stuck()
        line = f"{self._command}: {printable(self._flag.stuck_line(found))}"
        if self._flag.last_report is not None:
            reporting = threading.Thread(
                target=self._report, args=(found,), name="rankcast-report", daemon=True
            )
            with suppress(RuntimeError):  # no further thread
                reporting.start()
                reporting.join(REPORT_S)
            if reporting.is_alive():
                line += "; the report could not be written in time"
        write_line(2, line)
        self._flag.say_goodbye()
        os._exit(1)

    def _report(self, found: list[str]) -> None:
        report = self._flag.last_report
        if report is not None:
            with suppress(Exception):
                report(found)
