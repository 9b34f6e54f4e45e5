"""Real Rankcast processes for system tests."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.starvation import Starvation

REPOSITORY = Path(__file__).resolve().parents[2]
WAIT_S = 45.0
"""Less than a test's own limit, so that a failure shows what the process said."""
STOP_S = 2.0
"""Time within which a signal ends a command, on a machine with idle processors."""


class Rankcast:
    """One `rankcast` process; its stderr can be waited on line by line.

    `launcher` is a command to start it with, such as one that enters another namespace.
    """

    def __init__(
        self,
        *arguments: str,
        launcher: Sequence[str] = (),
        module: str = "rankcast",
        **environment: str,
    ) -> None:
        self.process = subprocess.Popen(
            [*launcher, sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=rankcast_environment(**environment),
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_line(self, text: str, timeout_s: float = WAIT_S) -> str:
        """Wait until a line of stderr contains `text`."""
        return self.wait_match(re.escape(text), timeout_s)

    def wait_frames(self) -> str:
        """Wait until a receiver logs at least one frame."""
        return self.wait_match("received [1-9]")

    def wait_match(self, pattern: str, timeout_s: float = WAIT_S) -> str:
        """Wait until a line of stderr matches a regular expression."""
        return self._wait(pattern, 0, timeout_s)

    def wait_new_line(self, text: str, after: int, timeout_s: float = WAIT_S) -> str:
        """Wait until a line of stderr after the first `after` contains `text`."""
        return self._wait(re.escape(text), after, timeout_s)

    def _wait(self, pattern: str, after: int, timeout_s: float) -> str:
        def matching() -> str | None:
            return next((x for x in self.lines[after:] if re.search(pattern, x)), None)

        with self._changed:
            self._changed.wait_for(lambda: matching() is not None or self._ended, timeout_s)
            line = matching()
        assert line is not None, (
            f"{pattern!r} never came, exit code {self.process.poll()}; "
            f"the process said: {self.lines[after:]}"
        )
        return line

    def wait_lines(self, text: str, count: int) -> None:
        """Wait for `count` more lines of stderr that contain `text`."""
        for _ in range(count):
            self.wait_new_line(text, len(self.lines))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: signal.Signals, within_s: float = STOP_S) -> int:
        """Send a signal, hold the process to `within_s`, and return its exit code.

        The longest time in which one of its threads was ready and waited for a processor is the
        machine's and not the command's: it is taken off. On an idle machine that is nothing.
        """
        started = time.monotonic()
        self.process.send_signal(number)
        code, held_up_s = self.wait_measured()
        took_s = time.monotonic() - started
        assert took_s - held_up_s < within_s, (
            f"stopped after {took_s:.2f} s, {held_up_s:.2f} s of them without a "
            f"processor; the process said: {self.lines}"
        )
        return code

    def wait_measured(self) -> tuple[int, float]:
        """Return the exit code and the seconds that a thread waited for a processor meanwhile."""
        starved = Starvation(self.process.pid)
        ends = time.monotonic() + WAIT_S
        while True:
            try:
                return self.process.wait(0.02), starved.seconds()
            except subprocess.TimeoutExpired:
                assert time.monotonic() < ends, self.lines
                starved.look()

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(timeout_s)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def rankcast_environment(**changes: str) -> dict[str, str]:
    """Return the environment of a child: these sources first.

    Senders are announced only where a test says so: hundreds of them share one loopback. Compiled
    modules are kept, as by `make test`: compiling them takes as long as the rest of a start.
    """
    folders = (str(REPOSITORY / name) for name in ("common", "sender", "receiver", "relay"))
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(folders),
        "RANKCAST_SEND__DISCOVERY__ENABLED": "false",
        **changes,
    }


@contextmanager
def rankcast(
    *arguments: str, launcher: Sequence[str] = (), module: str = "rankcast", **environment: str
) -> Iterator[Rankcast]:
    """Start a process; end it with the block, whatever happens."""
    process = Rankcast(*arguments, launcher=launcher, module=module, **environment)
    try:
        yield process
    finally:
        process.close()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "rankcast", *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=rankcast_environment(**environment),
    )


def run_script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code that uses the library in its own process."""
    return subprocess.run(
        [sys.executable, "-c", text, *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=rankcast_environment(),
    )


def read_report(path: Path) -> dict[str, Any]:
    """Read a report."""
    report = json.loads(path.read_text())
    assert isinstance(report, dict)
    return report


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]
