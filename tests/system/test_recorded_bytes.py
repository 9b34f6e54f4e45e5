"""What stands on the wire: it tells a listener nothing, and sent again it shows nobody anything."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from rankcast.errors import NoStreamError
from rankcast.images import write_image
from rankcast_receiver import Subscriber
from rankcast_receiver.state import State
from support.keyed_station import JPEG, KeyedStation
from support.viewers import Sender, port_of, sending

GREETING_BYTES = 64
"""Of ZMTP 3."""


@pytest.fixture
def station(tmp_path: Path) -> KeyedStation:
    return KeyedStation(tmp_path)


class Listener:
    """Serves every connection in a thread of its own, until it is left.

    Parameters
    ----------
    serve : callable
        Gets the connection; may open others with `open`. An error of a socket ends it.
    """

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def open(self, address: tuple[str, int]) -> socket.socket:
        """Connect to `address`; closed with everything else."""
        self._open.append(socket.create_connection(address))
        return self._open[-1]

    def start(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run `work` in a thread."""
        self._threads.append(threading.Thread(target=self._run, args=(work, *arguments)))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            self.start(self._serve, client)

    @staticmethod
    def _run(work: Callable[..., None], *arguments: Any) -> None:
        with suppress(OSError):
            work(*arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()  # from here on nothing is opened any more
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._open:
            end.close()


class RecordingProxy(Listener):
    """Passes bytes both ways between its clients and a target, and keeps them all."""

    def __init__(self, target: str) -> None:
        self.data = bytearray()
        self.from_target = bytearray()
        self._target = port_of(target)
        super().__init__(self._relay)

    def _relay(self, client: socket.socket) -> None:
        server = self.open(self._target)
        self.start(self._pump, client, server, False)
        self._pump(server, client, True)

    def _pump(self, source: socket.socket, sink: socket.socket, from_target: bool) -> None:
        try:
            while data := source.recv(65536):
                self.data += data
                if from_target:
                    self.from_target += data
                sink.sendall(data)
        finally:
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


@contextmanager
def watched(sender: Sender, options: dict[str, Any]) -> Iterator[RecordingProxy]:
    """What went over the wire while ten frames came."""
    with RecordingProxy(sender.address) as proxy:
        with Subscriber(proxy.address, control=False, timeout_s=30, **options) as subscriber:
            for number, _ in enumerate(subscriber):
                if number == 10:
                    break
        yield proxy


@pytest.mark.slow
def test_no_piece_of_a_frame_stands_on_the_wire(station: KeyedStation, tmp_path: Path) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (64, 64, 3), np.uint8)
    picture = tmp_path / "known.png"
    write_image(picture, pixels)
    station.make("viewer1")
    source = f"replay:{picture}?loop=true&fps=30"
    piece = pixels[20:22].tobytes()
    with sending(tmp_path, "--codec", "raw", source=source) as sender:
        sender.wait_listening()
        with watched(sender, {}) as proxy:
            data = bytes(proxy.data)
            assert piece in data, "without keys it does, so that this test can fail"
            assert b"cam/frames" in data
    with station.sending("--codec", "raw", source=source) as sender:
        sender.wait_listening()
        with watched(sender, {"curves": station.curves("viewer1")}) as proxy:
            data = bytes(proxy.data)
            assert len(data) > 10 * pixels.nbytes
            assert not any(piece[at : at + 8] in data for at in range(0, len(piece), 8))
            assert b"cam/" not in data
            for secret in station.secrets():
                assert secret.encode() not in data


class Replayer(Listener):
    """Says what was recorded to whoever connects, whatever he says."""

    def __init__(self, recorded: bytes) -> None:
        self._recorded = recorded
        super().__init__(self._say)

    def _say(self, client: socket.socket) -> None:
        client.sendall(self._recorded[:GREETING_BYTES])
        heard = 0
        while heard <= GREETING_BYTES and (data := client.recv(4096)):
            heard += len(data)  # its greeting and the first command: READY or HELLO
        client.sendall(self._recorded[GREETING_BYTES:])


def replayed(recorded: bytes, options: dict[str, Any]) -> tuple[list[int], State]:
    """Sequences that a viewer takes from a replay, and what it thinks of it in the end."""
    with (
        Replayer(recorded) as replayer,
        Subscriber(
            replayer.address, control=False, live=False, timeout_s=2, **options
        ) as subscriber,
    ):
        seen: list[int] = []
        with pytest.raises(NoStreamError):
            seen.extend(frame.sequence for frame in subscriber)
        return seen, subscriber.states[0].state


@pytest.mark.slow
def test_recorded_bytes_that_are_sent_again_show_nothing_to_a_viewer_with_keys(
    station: KeyedStation, tmp_path: Path
) -> None:
    station.make("viewer1")
    keys = {"curves": station.curves("viewer1")}
    with sending(tmp_path, *JPEG) as sender:
        sender.wait_listening()
        with watched(sender, {}) as proxy:
            recorded = bytes(proxy.from_target)
    seen, _ = replayed(recorded, {})
    assert len(seen) >= 10, "without keys they are a stream like any other, so this test can fail"
    assert seen == sorted(set(seen)), "each connection gets all of it, and nothing is shown twice"
    with station.sending() as sender:
        sender.wait_listening()
        with watched(sender, keys) as proxy:
            recorded = bytes(proxy.from_target)
    assert len(recorded) > 10_000
    seen, state = replayed(recorded, keys)
    assert (seen, state) == ([], State.KEY_REFUSED)
