"""One run of the demo: a sender process, a receiver process, and their reports."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rankcast.errors import RankcastError, SettingsError, TransportError
from rankcast.frame import Pixels
from rankcast.images import read_image, read_text
from rankcast.python_process import python_command
from rankcast.runtime import Worker

AUDIT_EVERY: Final = 8
"""Only every eighth frame is kept and compared at both ends, because writing PNG takes time."""
STOP_TIMEOUT_S: Final = 1.9
"""A process that has not ended by then is killed. One with a part that is stuck needs 1.6 s to say
which, and the demo itself must end within 3 s."""
READ_TIMEOUT_S: Final = 1.0
PORT_TRIES: Final = 5
"""Number of attempts, because another process may take a free port before the sender binds it."""
_RECEIVED: Final = re.compile(r"received (\d+)")


@dataclass(frozen=True, slots=True)
class StreamRun:
    """Reports of a sender and a receiver, and the pictures kept by both."""

    codec: str
    sent: Mapping[str, Any]
    received: Mapping[str, Any]
    kept: Mapping[int, tuple[Pixels, Pixels]]
    """Maps the number of each frame kept at both ends to (original, received)."""

    @property
    def pairs(self) -> list[tuple[Pixels, Pixels]]:
        """Pairs of original and received picture, in order."""
        return list(self.kept.values())


_children: set[_Child] = set()


class _Child:
    """A child process, with the last lines of its stderr."""

    def __init__(self, module: str, arguments: list[str]) -> None:
        self.module = module
        self.lines: deque[str] = deque(maxlen=50)
        self.process = subprocess.Popen(
            python_command("-m", module, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Otherwise Ctrl-C at a terminal would reach it beside the signal of `terminate`, and
            # a second signal ends a process without its report.
            process_group=0 if os.name == "posix" else None,
        )
        _children.add(self)
        self._stop_s = 0.0
        """When it was asked to stop; 0 before."""
        self._reader = Worker(f"rankcast-{module}", self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def terminate(self) -> None:
        """Ask the process to stop, without waiting."""
        if not self._stop_s and self.process.poll() is None:
            self._stop_s = time.monotonic()
            self.process.terminate()

    def stop(self) -> None:
        """Stop the process, and kill it if it does not end in time."""
        self.terminate()
        if self._stop_s:
            try:
                self.process.wait(max(0.0, self._stop_s + STOP_TIMEOUT_S - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        _children.discard(self)
        self._reader.join(READ_TIMEOUT_S)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def check_stopped(self) -> None:
        """Raise an error if the process was stopped and a part of it was stuck."""
        if self.process.returncode < 0 and self._stop_s:
            raise RankcastError(f"{self.module} did not stop within {STOP_TIMEOUT_S:g} s")
        if self._stop_s:
            self.check()

    def check(self) -> None:
        """If the process failed, raise the last line of stderr as an error."""
        code = self.process.returncode
        if code:
            line = self.lines[-1] if self.lines else f"{self.module} ended with exit code {code}"
            # Without the child's command name; its exit code for wrong usage is kept.
            reason = line.partition(": ")[2] or line
            if code == SettingsError.exit_code:
                raise SettingsError(reason)
            raise (TransportError if "cannot listen at" in reason else RankcastError)(reason)


def kill_children() -> None:
    """Kill the processes of a run, because this process ends at once."""
    for child in list(_children):
        child.process.kill()


@contextmanager
def _child(module: str, arguments: list[str]) -> Iterator[_Child]:
    child = _Child(module, arguments)
    try:
        yield child
    finally:
        child.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_stream(
    source: str,
    codec: str,
    options: Mapping[str, Any],
    frames: int,
    folder: Path,
    progress: Callable[[int, str], None],
    stopped: Callable[[], bool],
) -> StreamRun | None:
    """Stream `frames` frames of `source` over loopback, and collect both reports.

    Parameters
    ----------
    source : str
        Source URI.
    codec : str
    options : mapping
        Options of the codec.
    frames : int
        Frames to grab.
    folder : Path
        Folder for reports and kept pictures.
    progress : callable
        Called with the number of received frames and the receiver's last status line.
    stopped : callable
        Polled ten times a second; True ends the run early.

    Returns
    -------
    StreamRun or None
        None if it was stopped.

    Raises
    ------
    RankcastError
        If one of the processes fails.
    """
    folder.mkdir(parents=True, exist_ok=True)

    send = [
        "--source", source, "--codec", codec, "--frames", str(frames), "--wait-viewers", "1",
        "--audit", str(folder / "originals"), "--audit-every", str(AUDIT_EVERY), "--no-announce",
    ]  # fmt: skip
    for name, value in options.items():
        send += ["--set", f"codec.{name}={value}"]

    def run_once() -> StreamRun | None:
        return _run_at(f"tcp://127.0.0.1:{_free_port()}", send, codec, folder, progress, stopped)

    for _ in range(PORT_TRIES - 1):
        with suppress(TransportError):
            return run_once()
    return run_once()


def _run_at(
    address: str,
    send: list[str],
    codec: str,
    folder: Path,
    progress: Callable[[int, str], None],
    stopped: Callable[[], bool],
) -> StreamRun | None:
    sent, received = folder / "sent.json", folder / "received.json"
    control = f"tcp://127.0.0.1:{_free_port()}"
    send = [*send, "--bind", address, "--control", control, "--report", str(sent)]
    receive = [
        "--connect", address, "--set", "stream.mode=keep", "--timeout", "60",
        "--save", str(folder / "received"), "--save-every", str(AUDIT_EVERY),
        "--report", str(received),
        "--verbose",  # its status lines are the progress shown here
    ]  # fmt: skip
    if stopped():
        return None
    with (
        _child("rankcast_receiver", receive) as receiver,
        _child("rankcast_sender", send) as sender,
    ):
        # The receiver ends with the stream; if the sender fails, it would wait forever.
        while receiver.process.poll() is None or sender.process.poll() is None:
            if stopped():
                sender.terminate()  # both at once, before each is waited for
                receiver.terminate()
                break
            if sender.process.poll():
                receiver.terminate()
                break
            last = next((line for line in reversed(receiver.lines) if "received" in line), "")
            match = _RECEIVED.search(last)
            progress(int(match[1]) if match else 0, last)
            time.sleep(0.1)  # interval of the progress line
    if stopped():
        sender.check_stopped()
        receiver.check_stopped()
        return None
    sender.check()  # checked first, because a receiver whose sender failed is not at fault
    receiver.check()
    return StreamRun(
        codec,
        json.loads(sent.read_text()),
        json.loads(received.read_text()),
        dict(_pairs(folder / "originals", folder / "received")),
    )


def _pairs(originals: Path, received: Path) -> Iterator[tuple[int, tuple[Pixels, Pixels]]]:
    """Pair pictures by the sequence in their names, and number them by grabbed frame."""
    by_sequence = {path.stem.split("_")[-2]: path for path in received.glob("*.png")}
    for path in sorted(originals.glob("*.png")):
        match = by_sequence.get(path.stem.split("_")[-1])
        if match is not None:
            frame = json.loads(read_text(path) or "{}")["frame"]
            yield frame, (read_image(path), read_image(match))
