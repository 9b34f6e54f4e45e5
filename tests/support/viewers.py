"""Viewers that check every frame, and senders for them, for tests of whole streams.

The synthetic source burns the number of each frame into its pixels. Read back after decoding and
compared with the header, it proves that what is shown is the picture that it claims to be.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from rankcast.frame import Frame, Pixels
from rankcast.images import NUMBER_LIMIT, read_image, read_text
from rankcast.images.frame_mark import read_frame_mark
from rankcast.runtime import Balance
from rankcast_receiver import Subscriber
from rankcast_receiver.state import CameraState, State
from support.fakes import free_address
from support.processes import Rankcast, rankcast, read_report

SMALL = "synthetic:conveyor?width=320&height=240&fps=30"
WAIT_S = 30.0
LOOK_S = 0.05
SETTLE_MB = 12.0
"""Growth of memory that the allocator may keep; a queue that grew holds more."""


class WrongPixelsError(AssertionError):
    """A frame has the pixels of another one than its header names."""


def check_mark(pixels: Pixels, frame: int) -> None:
    """Raise unless the number burnt into `pixels` is `frame`."""
    mark = read_frame_mark(pixels)
    if mark != frame % NUMBER_LIMIT:
        raise WrongPixelsError(f"the pixels say frame {mark}, the header says {frame}")


@dataclass(frozen=True, slots=True)
class Seen:
    """Facts about a frame that passed its check."""

    stream_id: bytes
    sequence: int
    frame: int
    age_ms: float
    at: float
    """Monotonic time at which it was delivered."""


class FrameCheck:
    """Checks pixels and order of the frames of one camera."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def add(self, frame: Frame) -> Seen:
        """Check one frame, in the order of arrival."""
        check_mark(frame.pixels, frame.frame)
        now = Seen(
            frame.stream_id,
            frame.sequence,
            frame.frame,
            (time.time_ns() - frame.t_capture_utc_ns) / 1e6,
            time.monotonic(),
        )
        if self.seen and self.seen[-1].stream_id == now.stream_id:
            before = self.seen[-1]
            assert now.sequence > before.sequence, f"{now} came after {before}"
            assert now.frame > before.frame, f"{now} came after {before}"
        self.seen.append(now)
        return now


class Viewer:
    """A subscriber in a thread of this process that checks each frame it gets.

    Parameters
    ----------
    address : str
    on_frame : callable
        Called in the thread with each checked frame; may take its time, as a slow sink does.
    **options
        Of `Subscriber`.
    """

    def __init__(
        self,
        address: str,
        on_frame: Callable[[Frame], object] = lambda _: None,
        **options: Any,
    ) -> None:
        self._address = address
        self._on_frame = on_frame
        self._options = options
        self._check = FrameCheck()
        self._states: list[tuple[float, State]] = []
        self._stop = threading.Event()
        self._ended = False
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._subscriber: Subscriber | None = None
        self._thread = threading.Thread(target=self._run, name="viewer")
        self._thread.start()
        with self._changed:
            assert self._changed.wait_for(lambda: self._subscriber or self._ended, WAIT_S)

    def _run(self) -> None:
        try:
            with Subscriber(
                self._address,
                stopped=self._stop.is_set,
                **{"on_state": self._note_state, **self._options},
            ) as subscriber:
                with self._changed:
                    self._subscriber = subscriber
                    self._changed.notify_all()
                for frame in subscriber:
                    with self._changed:
                        self._check.add(frame)
                        self._changed.notify_all()
                    self._on_frame(frame)
        except BaseException as exc:  # raised again in the thread of the test
            self._error = exc
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    @property
    def seen(self) -> list[Seen]:
        """Return a copy of the frames seen so far."""
        with self._changed:
            return list(self._check.seen)

    @property
    def subscriber(self) -> Subscriber:
        """The subscriber, for counters that any thread may read."""
        assert self._subscriber is not None
        return self._subscriber

    def _note_state(self, states: Sequence[CameraState]) -> None:
        with self._changed:
            self._states.append((time.monotonic(), states[0].state))
            self._changed.notify_all()

    @property
    def states(self) -> list[tuple[float, State]]:
        """Return the states of the first camera and when each began."""
        with self._changed:
            return list(self._states)

    def wait_state(self, state: State, since: float, timeout_s: float = WAIT_S) -> float:
        """Wait until the camera enters `state` after `since`; return the time of that."""

        def found() -> list[float]:
            return [at for at, reached in self._states if at > since and reached is state]

        self.wait_for(lambda _: bool(found()), timeout_s)
        return found()[0]

    def not_live_after_s(self) -> float:
        """Return the seconds from the last frame to the first state that is not live."""
        last = self.seen[-1].at
        self.wait_for(lambda _: any(at > last and s is not State.LIVE for at, s in self._states))
        return next(at for at, state in self.states if at > last and state is not State.LIVE) - last

    def wait_for(self, reached: Callable[[list[Seen]], bool], timeout_s: float = WAIT_S) -> None:
        """Wait until `reached` is true; it may also look at the counters of `subscriber`."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not reached(self._check.seen):
                if self._ended or time.monotonic() > until:
                    break
                self._changed.wait(LOOK_S)  # counters do not notify
            else:
                return
            if self._error is not None:
                raise self._error
            last = self._check.seen[-1:] or "nothing"
            raise AssertionError(
                f"{len(self._check.seen)} frames, then {last}, ended {self._ended}; lost "
                f"{dict(self.subscriber.balance().lost)}"
            )

    def wait_more(self, count: int, timeout_s: float = WAIT_S) -> list[Seen]:
        """Wait for `count` frames from now on and return them."""
        before = len(self.seen)
        self.wait_for(lambda seen: len(seen) >= before + count, timeout_s)
        return self.seen[before : before + count]

    def wait_silence(self, seconds: float, timeout_s: float = WAIT_S) -> None:
        """Wait until the last frame is `seconds` old."""
        until = time.monotonic() + timeout_s + seconds
        with self._changed:
            while (rest := self._check.seen[-1].at + seconds - time.monotonic()) > 0:
                assert time.monotonic() < until, "frames still come"
                self._changed.wait(rest)

    def finish(self, timeout_s: float = WAIT_S) -> Balance:
        """Wait for the end of the stream; return the ledger, which must balance."""
        with self._changed:
            ended = self._changed.wait_for(lambda: self._ended, timeout_s)
        if not ended:
            self.stop()
        assert ended, f"the stream did not end; {len(self.seen)} frames seen"
        return self.stop()

    def stop(self) -> Balance:
        """End the thread; return the ledger, which must balance."""
        self.close()
        if self._error is not None:
            raise self._error
        balance = self.subscriber.balance()
        assert balance.passed == len(self._check.seen), (balance, len(self._check.seen))
        assert balance.under_way == 0, balance
        return balance

    def close(self) -> None:
        """End the thread without checks."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Viewer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if kind is None and self._error is not None:
            raise self._error


class Sender:
    """A real `rankcast send` with a report."""

    def __init__(self, process: Rankcast, address: str, report: Path) -> None:
        self.process = process
        self.address = address
        self.report_file = report
        self.pid = process.process.pid

    def wait_listening(self) -> None:
        """Wait until viewers can connect."""
        self.process.wait_line("listening")

    def memory_mb(self) -> float:
        """Return the resident memory."""
        return float(psutil.Process(self.pid).memory_info().rss / 1e6)

    def descriptors(self) -> int:
        """Return the number of open files and sockets."""
        return int(psutil.Process(self.pid).num_fds())

    def threads(self) -> int:
        """Return the number of threads."""
        return int(psutil.Process(self.pid).num_threads())

    def stop(self) -> None:
        """Send SIGTERM; the process must exit with 0."""
        self.process.signal(signal.SIGTERM)
        assert self.process.wait(15) == 0, self.process.lines

    def report(self) -> dict[str, Any]:
        """Return the report of the ended process, whose ledger must balance."""
        report = read_report(self.report_file)
        assert report["balanced"], report
        assert report["grabbed"] == report["published"] + sum(report["lost"].values())
        return report


@contextmanager
def sending(
    folder: Path,
    *arguments: str,
    source: str = SMALL,
    address: str | None = None,
    launcher: Sequence[str] = (),
    **environment: str,
) -> Iterator[Sender]:
    """Start a sender; end it with the block, whatever happens."""
    address = address or free_address()
    report = folder / f"sent-{len(list(folder.glob('sent-*')))}.json"
    report.touch()
    with rankcast("send", "--source", source, "--bind", address, "--report", str(report),
                  *arguments, launcher=launcher, **environment) as process:  # fmt: skip
        yield Sender(process, address, report)


def check_all_arrived_or_counted(balance: Balance, report: dict[str, Any]) -> None:
    """Compare both ends of a stream whose viewer joined before the first frame and saw the end."""
    assert balance.entered == report["published"], (balance, report)
    assert balance.passed + sum(balance.lost.values()) == report["published"]


def check_saved(folder: Path) -> list[int]:
    """Check the pixels of saved frames against their tags; return their sequences in order."""
    sequences: dict[int, int] = {}
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        tag = json.loads(read_text(path) or "")
        check_mark(read_image(path), tag["frame"])
        sequence = tag["sequence"]
        assert int(path.stem.split("_")[-2]) == sequence
        assert sequence not in sequences
        sequences[sequence] = tag["frame"]
    ordered = sorted(sequences)
    frames = [sequences[sequence] for sequence in ordered]
    assert frames == sorted(set(frames)), "sequence and frame number are not in the same order"
    return ordered


def check_received(file: Path) -> dict[str, Any]:
    """Return the report of a receiver, whose ledger must balance."""
    report = read_report(file)
    assert report["balanced"], report
    assert report["published"] == report["delivered"] + sum(report["lost"].values()), report
    return report


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def joined(address: str, **options: object) -> Viewer:
    """Return a viewer that has received a frame."""
    viewer = Viewer(address, **options)
    viewer.wait_more(1)
    return viewer


def finish(sender: Sender, *viewers: Viewer) -> None:
    """Stop the sender and compare what both ends counted."""
    sender.stop()
    report = sender.report()
    for viewer in viewers:
        check_all_arrived_or_counted(viewer.finish(), report)


def port_of(address: str) -> tuple[str, int]:
    """Return host and port of a ``tcp://`` address, for plain sockets."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host, int(port)
