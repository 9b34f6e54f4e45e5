"""Fakes that stand in for hardware, sockets and peers."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rankcast.errors import SinkError
from rankcast.frame import Frame, Pixels
from rankcast.net import CONTROL_PORT_OFFSET
from rankcast_receiver.sinks import Wants
from rankcast_receiver.stream import CameraPacket

FIRST_PORT = 10_000
PORTS_OF_WORKER = 2_000
WORKERS = 11
"""The highest port is 31,999; Linux gives outgoing connections those from 32,768 on."""


def _ports() -> Iterator[int]:
    """Yield ports below those that Linux gives to outgoing connections, other ones in each worker.

    A port that the system chose is free again before the process under test binds it, and a
    connection of a test beside it can take it meanwhile.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker % WORKERS * PORTS_OF_WORKER
    # The control port of each of ten addresses lies in the ten ports above them.
    ports = [port for port in range(PORTS_OF_WORKER) if port // CONTROL_PORT_OFFSET % 2 == 0]
    start = os.getpid() % len(ports)  # the ports of the run before may still be closing
    for port in itertools.islice(itertools.cycle(ports), start, None):
        yield first + port


_next_ports = _ports()


def free_address() -> str:
    """Return a loopback address whose port and control port, ten above, are free."""
    for port in _next_ports:
        with socket.socket() as frames, socket.socket() as control:
            try:
                frames.bind(("127.0.0.1", port))
                control.bind(("127.0.0.1", port + CONTROL_PORT_OFFSET))
            except OSError:
                continue
            return f"tcp://127.0.0.1:{port}"
    raise AssertionError("unreachable: the ports are endless")


def picture(value: int = 0, shape: tuple[int, ...] = (24, 32), dtype: type = np.uint8) -> Pixels:
    """Return a small picture of one value."""
    return np.full(shape, value, dtype)


class FakeSource:
    """A source of given frames, which can fail, lose frames, or wait at a gate before each."""

    description = "fake"

    def __init__(
        self,
        frames: Sequence[Frame],
        *,
        live: bool = False,
        fps: float | None = 1000.0,
        frame_interval_s: float | None = None,
        gaps_before: Sequence[int] = (),
        fails_with: Exception | None = None,
        gate: Callable[[], object] = lambda: None,
    ) -> None:
        self._frames = frames
        self.live = live
        self.fps = fps
        self.frame_interval_s = frame_interval_s or (None if fps is None else 1.0 / fps)
        self.gaps = 0
        self._gaps_before = gaps_before
        self._fails_with = fails_with
        self._gate = gate
        self.opened_in = threading.current_thread()
        self.closed_in: threading.Thread | None = None

    def __iter__(self) -> Iterator[Frame]:
        for index, frame in enumerate(self._frames):
            self._gate()
            if index < len(self._gaps_before):
                self.gaps += self._gaps_before[index]
            yield frame
        if self._fails_with is not None:
            raise self._fails_with

    def interrupt(self) -> None:
        """Return 0: frames arrive at once."""

    def close(self) -> None:
        self.closed_in = threading.current_thread()


class FakeSink:
    """A sink that keeps frames, and can be slow, fail on some sequences, or quit after some."""

    wants: Wants = "frames"

    def __init__(
        self,
        name: str = "fake",
        *,
        before_put: Callable[[Frame], object] = lambda _: None,
        fails_on: Sequence[int] = (),
        quits_after: int | None = None,
    ) -> None:
        self.name = name
        self.frames: list[Frame] = []
        self.threads: set[threading.Thread] = set()
        self.closed = 0
        self._before_put = before_put
        self._fails_on = fails_on
        self._quits_after = quits_after

    def put(self, frame: Frame) -> bool:
        self.threads.add(threading.current_thread())
        self._before_put(frame)
        if frame.sequence in self._fails_on:
            raise SinkError(f"frame {frame.sequence} does not fit")
        self.frames.append(frame)
        return True

    def idle(self) -> bool:
        self.threads.add(threading.current_thread())
        return self._quits_after is None or len(self.frames) < self._quits_after

    def close(self) -> None:
        self.threads.add(threading.current_thread())
        self.closed += 1


class FakePacketSink:
    """Keeps packets."""

    wants: Wants = "packets"

    def __init__(self, name: str = "record", *, fails_on: Sequence[int] = ()) -> None:
        self.name = name
        self.packets: list[CameraPacket] = []
        self.lost: Counter[tuple[str, str]] = Counter()
        self._fails_on = fails_on

    @property
    def kept(self) -> int:
        return sum(packet.is_picture for packet in self.packets)

    def lose(self, camera: str, cause: str, count: int) -> None:
        self.lost[camera, cause] += count

    def put(self, packet: CameraPacket) -> None:
        if packet.packet.header.sequence in self._fails_on:
            raise SinkError(f"packet {packet.packet.header.sequence} does not fit")
        self.packets.append(packet)

    def idle(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing to finish."""
