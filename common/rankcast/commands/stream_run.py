"""One run of the demo: a sender process, a receiver process, and their reports."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
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

AUDIT_EVERY: Final = 8
"""Only every eighth frame is kept and compared at both ends, because writing PNG takes time."""
STOP_TIMEOUT_S: Final = 0.7
"""A process that has not ended by then is killed, so that the demo stops within 2 s."""
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
        )
        self._reader = threading.Thread(target=self._read, name=f"rankcast-{module}")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def stop(self) -> None:
        """Terminate the process, and kill it if it does not end in time."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

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
        "--audit", str(folder / "originals"), "--audit-every", str(AUDIT_EVERY),
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
        while receiver.process.poll() is None:
            if stopped():
                sender.process.terminate()  # both at once, before each is waited for
                receiver.process.terminate()
                return None
            if sender.process.poll():
                receiver.stop()
                break
            last = next((line for line in reversed(receiver.lines) if "received" in line), "")
            match = _RECEIVED.search(last)
            progress(int(match[1]) if match else 0, last)
            time.sleep(0.1)  # interval of the progress line
        sender.process.wait(60)
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
