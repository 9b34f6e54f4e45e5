"""Guard: a second process that does what this one cannot do any more.

A driver may hang in a call that keeps the lock of the interpreter. Then no Python code of this
process runs any more, neither signal handlers nor other threads. The guard sees the signal and ends
this process from outside; docs/adr/0018-stopping.md explains how. It also says so if this process
ends without having said anything itself, because a library has aborted it, for instance.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Final

from rankcast.printable import printable
from rankcast.runtime.activity import Place, copy_changes_to, place_of_work
from rankcast.runtime.last_words import LastWords
from rankcast.runtime.signals import SAME_S, STOP_SIGNALS
from rankcast.runtime.standard_streams import write_line

FIRE_S: Final = 2.8
"""After the first signal, unless the interpreter works: then `StopWatch` ends the process."""
SILENT_S: Final = 0.6
"""Longest time without a beat while `StopWatch` ends the process."""
SECOND_S: Final = 0.15
"""After a second signal, which an interpreter that works obeys at once."""
POLL_S: Final = 0.02
DUMP_S: Final = 0.2
_STACK: Final = re.compile(r"Thread 0x([0-9a-f]+)[^\n]*\n((?:  File [^\n]*\n?)*)")
_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in (.*)')


def stop_signals(data: bytes) -> list[int]:
    """Return the stop signals among the bytes of `signal.set_wakeup_fd`."""
    return [number for number in data if number in STOP_SIGNALS]


class Guard:
    """A child process that watches the signals of this one.

    Parameters
    ----------
    wakeup : socket
        Where the interpreter writes the number of each signal. Neither end is read: whoever
        watches it only peeks, so that all watchers see every signal.
    command : str
        Name of the command, for the line that says what is stuck.
    """

    def __init__(self, wakeup: socket.socket, command: str) -> None:
        self._wakeup = wakeup
        self._command = command
        self.words = LastWords()

    @staticmethod
    def possible() -> bool:
        """Return True on POSIX, while this is the only thread: a fork copies no other."""
        return hasattr(os, "fork") and threading.active_count() == 1

    def start(self) -> bool:
        """Start the child and arm the exit; False if the system allows no further process.

        From then on the process must end with `os._exit`: the interpreter's own end would wait
        for the armed exit.
        """
        try:
            read, write = os.pipe()
        except OSError:
            return False
        try:
            _fill(write)
            self._fork(read, write)
        except OSError:
            os.close(read)
            os.close(write)
            return False
        # Its thread needs no interpreter. It blocks in writing to the full pipe; once the guard
        # reads, it writes the stack of every thread and then exits with code 1. `read` stays open
        # here: otherwise the end of the guard would end this process too.
        faulthandler.dump_traceback_later(0.001, exit=True, file=write)
        copy_changes_to(self.words.note_thread)
        return True

    def _fork(self, read: int, write: int) -> None:
        # A signal to the group between fork and SIG_IGN would count twice.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            parent = os.getpid()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # native threads, which the child never needs
                child = os.fork()
            if child == 0:
                try:
                    os.close(write)
                    self._watch(read, parent)
                finally:
                    os._exit(0)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    # The methods below run in the child.

    def _watch(self, dump: int, parent: int) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        _name_process("rankcast-guard")
        _keep_only(self._wakeup.fileno(), dump)
        number = self._first_signal()
        ended = not number or not self._outlives(SAME_S)
        if not ended and self._second_signal():
            ended = not self._outlives(SECOND_S)
        if not ended:
            self._end(dump, parent, number)
        elif not self.words.goodbye and len(self._signals()) < 2:  # at a second one it ends at once
            self._tell_end()

    def _tell_end(self) -> None:
        """Say that the process has ended without saying why."""
        state, restarts = self.words.state, ""
        if state:
            state = f"; last state: {printable(state)}"
        if os.environ.get("NOTIFY_SOCKET"):
            restarts = "; the service manager restarts it if it is configured to"
        write_line(
            2,
            f"{self._command}: ended without a report: a library may have aborted, "
            f"or the process was killed{state}{restarts}",
        )

    def _signals(self) -> list[int]:
        with suppress(ConnectionError):
            return stop_signals(self._wakeup.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return []

    def _first_signal(self) -> int:
        """Wait for a signal and return its number; 0 if the process ends without one."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        while not poll.poll()[0][1] & (select.POLLHUP | select.POLLERR):
            if received := self._signals():
                return received[0]
            time.sleep(POLL_S)  # until the process has read a signal that does not stop it
        return 0

    def _second_signal(self) -> bool:
        """Wait for another signal; return False if time is up, True too if the process ends."""
        now_s = beaten_s = time.monotonic()
        deadline_s = now_s + FIRE_S - SAME_S
        first, beats = len(self._signals()), self.words.beats
        while now_s < deadline_s or now_s - beaten_s < SILENT_S:
            now_s = time.monotonic()
            if self.words.beats != beats:
                beats, beaten_s = self.words.beats, now_s
            if not self._outlives(POLL_S) or len(self._signals()) > first:
                return True
        return False

    def _outlives(self, duration_s: float) -> bool:
        """Return True if the process still exists after `duration_s`."""
        poll = select.poll()
        poll.register(self._wakeup, 0)
        return not poll.poll(round(1000 * duration_s))

    def _end(self, dump: int, parent: int, number: int) -> None:
        threads = self.words.threads()
        with suppress(OSError, ValueError):
            kept = self.words.report()
        text = _drain(dump)
        if self._outlives(DUMP_S):
            os.kill(parent, signal.SIGKILL)
        stuck = stuck_in_dump(text, threads)
        if kept is not None:
            path, values = kept
            values["stuck"] = stuck
            with suppress(OSError):
                _write_report(Path(path), json.dumps(values, indent=2).encode() + b"\n")
        name = signal.Signals(number).name
        write_line(2, f"{self._command}: stuck after {name}: {printable('; '.join(stuck))}")


def stuck_in_dump(text: str, threads: dict[int, str]) -> list[str]:
    """Name the threads of a dump of all stacks that do not wait.

    Parameters
    ----------
    text : str
        Output of `faulthandler.dump_traceback_later`.
    threads : dict
        What each thread does.
    """
    found = []
    for ident, frames in _STACK.findall(text):
        places = [
            Place(path, int(line), function) for path, line, function in _FRAME.findall(frames)
        ]
        place = place_of_work(places)
        task = threads.get(int(ident, 16))
        if place is not None and task is not None:
            found.append(f"{task}, in {place}")
    return found or ["a library that keeps Python from running"]


def _fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(1))
    os.set_blocking(pipe, True)


def _drain(pipe: int) -> str:
    """Read the pipe until the process has ended, or nothing arrives for a while."""
    data = b""
    while select.select([pipe], [], [], DUMP_S)[0]:
        part = os.read(pipe, 65536)
        if not part:
            break
        data += part.lstrip(b"\0") if not data else part
    return data.decode(errors="replace")


def _name_process(name: str) -> None:
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)


def _keep_only(*descriptors: int) -> None:
    """Close all descriptors but standard error and these: others may be waiting for their end."""
    low = 3
    for descriptor in sorted(descriptors):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 4096)
    for stream in (sys.stdin, sys.stdout):
        with suppress(OSError, ValueError):
            os.close(stream.fileno())


def _write_report(path: Path, data: bytes) -> None:
    # Plain, because the disk may be what hangs: this process has nothing to lose.
    if path.exists() and not path.is_file():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_bytes(data)
    os.replace(temporary, path)
