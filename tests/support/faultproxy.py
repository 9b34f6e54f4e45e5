"""A TCP proxy that treats connections as bad networks do; tests/support/faults.py has the plans."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final

from support.faults import Corruption, Event, Faults, Flip

READ_BYTES: Final = 65_536
JITTER_BYTES: Final = 4096
"""Bytes that share one random delay."""
SOCKET_BUFFER_BYTES: Final = 65_536
"""Kernel buffers on either side of the proxy; larger ones would add delay of their own."""
NARROW_QUEUE_BYTES: Final = 16_384
QUEUE_BYTES: Final = 1 << 20
CONNECT_TIMEOUT_S: Final = 3.0
WAIT_S: Final = 30.0


@dataclass(slots=True)
class Counters:
    """Counts of what the proxy has done."""

    connections: int = 0
    refused: int = 0
    """Connections that the target did not accept."""
    resets: int = 0
    bytes_to_client: int = 0
    bytes_to_target: int = 0
    flips: list[Flip] = field(default_factory=list)


class _Connection:
    """Both directions of one connection."""

    def __init__(self, proxy: FaultProxy, number: int, client: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.target: socket.socket | None = None
        self._corruption = Corruption(random.Random(f"{proxy.seed}/{number}/corrupt"), number)
        self._delays = random.Random(f"{proxy.seed}/{number}/delay")
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued_bytes = 0
        self._changed = asyncio.Condition()
        self._ended = False

    async def serve(self) -> None:
        """Carry bytes until one end closes; when cancelled, reset both."""
        loop = asyncio.get_running_loop()
        ways: list[asyncio.Task[None]] = []
        reset = True
        try:
            self.target = plain_socket(self.proxy.buffer_bytes)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await loop.sock_connect(self.target, self.proxy.target)
            except OSError:  # TimeoutError is one
                self.proxy.count(refused=1)
                return
            reading = loop.create_task(self._read_target(self.target))
            writing = loop.create_task(self._to_client())
            sending = loop.create_task(self._to_target(self.target))
            ways = [reading, writing, sending]
            # What the target sent before it closed still arrives: the end of reading ends nothing.
            await asyncio.wait((writing, sending), return_when=asyncio.FIRST_COMPLETED)
            await self.proxy.flowing.wait()  # a dead line does not carry the close either
            reset = False
        finally:
            for way in ways:
                way.cancel()
            try:
                # Only now: asyncio must not watch a closed descriptor.
                await asyncio.gather(*ways, return_exceptions=True)
            finally:  # even if this wait is cancelled as well
                self._close(reset)

    def _close(self, reset: bool) -> None:
        for end in (self.client, self.target):
            if end is not None:
                if reset:
                    # A linger time of zero makes close() send RST.
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.close()

    async def _to_target(self, target: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(self.client, self._up_bytes()):
                await self.proxy.flowing.wait()
                await loop.sock_sendall(target, data)
                self.proxy.count(bytes_to_target=len(data))
                if rate := self.proxy.faults.up_bytes_per_s:
                    await asyncio.sleep(len(data) / rate)

    async def _read_target(self, target: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        offset, block, share, due = 0, -1, 0.0, 0.0
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(target, self._read_bytes()):
                faults = self.proxy.faults
                data, flips = self._corruption.apply(data, offset, faults)
                if flips:
                    self.proxy.count(flips=flips)
                while block < offset // JITTER_BYTES:
                    block += 1
                    share = self._delays.uniform(-1, 1)
                delay_s = faults.latency_s + share * faults.jitter_s
                due = max(due, loop.time() + delay_s)
                offset += len(data)
                # A narrow link with a deep queue would be another fault.
                most = NARROW_QUEUE_BYTES if faults.bytes_per_s else QUEUE_BYTES
                async with self._changed:
                    self._queue.append((due, data))
                    self._queued_bytes += len(data)
                    self._changed.notify_all()
                    while self._queued_bytes >= most:
                        await self._changed.wait()
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def _to_client(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._queue or self._ended)
                    if not self._queue:
                        return
                    due, data = self._queue.popleft()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())  # the latency of the plan
                for piece in self._pieces(data):
                    await self.proxy.flowing.wait()
                    await loop.sock_sendall(self.client, piece)
                    self.proxy.count(bytes_to_client=len(piece))
                    faults = self.proxy.faults
                    pause_s = faults.slice_gap_s if faults.slice_bytes else 0.0
                    if faults.bytes_per_s:
                        pause_s = max(pause_s, len(piece) / faults.bytes_per_s)
                    if pause_s:
                        await asyncio.sleep(pause_s)
                async with self._changed:
                    self._queued_bytes -= len(data)
                    self._changed.notify_all()

    def _read_bytes(self) -> int:
        # One large read would fill the queue of a narrow link several times over.
        return NARROW_QUEUE_BYTES if self.proxy.faults.bytes_per_s else READ_BYTES

    def _up_bytes(self) -> int:
        rate = self.proxy.faults.up_bytes_per_s
        # Twenty pieces a second keep the rate smooth.
        return max(1, int(rate / 20)) if rate else READ_BYTES

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            faults = self.proxy.faults
            most = faults.slice_bytes or len(data)
            if faults.bytes_per_s:
                # Twenty pieces a second keep the rate smooth.
                most = min(most, max(1, int(faults.bytes_per_s / 20)))
            yield data[at : at + most]
            at += most


class FaultProxy:
    """Listens on loopback and passes each connection on to a target, with faults.

    Parameters
    ----------
    target : str
        ``tcp://127.0.0.1:PORT``, where the sender listens.
    faults : Faults
        In force from the start; `set` changes them for bytes that come later.
    seed : int
        Of all draws.
    buffer_bytes : int
        What the kernel holds on either side.

    Notes
    -----
    The proxy runs in a thread of its own; all public methods may be called from any other.
    """

    def __init__(
        self,
        target: str,
        faults: Faults | None = None,
        seed: int = 0,
        buffer_bytes: int = SOCKET_BUFFER_BYTES,
    ) -> None:
        host, _, port = target.removeprefix("tcp://").rpartition(":")
        self.target = (host, int(port))
        self.seed = seed
        self.buffer_bytes = buffer_bytes
        self.faults = faults or Faults()
        self._counters = Counters()
        self._counted = threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = plain_socket(buffer_bytes)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._port = int(self._listener.getsockname()[1])
        self._listener.listen(64)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._thread = threading.Thread(target=self._run, name="faultproxy")
        self._thread.start()

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"tcp://127.0.0.1:{self._port}"

    def set(self, faults: Faults) -> None:
        """Bring `faults` into force."""
        self._do(lambda: setattr(self, "faults", faults))

    def stall(self) -> None:
        """Let nothing through in either direction; connections stay up."""
        self._do(self.flowing.clear)

    def resume(self) -> None:
        """Let everything through again, what waited first."""
        self._do(self.flowing.set)

    def reset(self) -> int:
        """Reset every connection at both ends; return how many there were."""
        return int(self._do(self._reset))

    def apply(self, event: Event) -> None:
        """Do one step of a plan."""
        self.set(event.faults)
        if event.stalled:
            self.stall()
        else:
            self.resume()
        if event.reset:
            self.reset()

    def counters(self) -> Counters:
        """A copy of the counters."""
        with self._counted:
            return replace(self._counters, flips=list(self._counters.flips))

    def wait_for(self, reached: Callable[[Counters], bool], timeout_s: float = WAIT_S) -> Counters:
        """Wait until the counters satisfy `reached`."""
        with self._counted:
            assert self._counted.wait_for(lambda: reached(self._counters), timeout_s), (
                f"the proxy stands at {self._counters}"
            )
        return self.counters()

    def count(self, flips: list[Flip] | None = None, **more: int) -> None:
        """Add to the counters; for the connections."""
        with self._counted:
            for name, value in more.items():
                setattr(self._counters, name, getattr(self._counters, name) + value)
            self._counters.flips += flips or []
            self._counted.notify_all()

    def close(self) -> None:
        """Cut all connections and end the thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _do(self, step: Callable[[], Any]) -> Any:
        done: deque[Any] = deque()
        finished = threading.Event()

        def run() -> None:
            done.append(step())
            finished.set()

        self._loop.call_soon_threadsafe(run)
        assert finished.wait(WAIT_S), "the proxy thread does not respond"
        return done.pop()

    def _reset(self) -> int:
        number = len(self._tasks)
        for task in self._tasks:
            task.cancel()
        self.count(resets=number)
        return number

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        accepting = asyncio.ensure_future(self._accept())
        await self._stopped.wait()
        accepting.cancel()
        self._reset()
        await asyncio.gather(accepting, *self._tasks, return_exceptions=True)
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            configure(client, self.buffer_bytes)
            self.count(connections=1)
            connection = _Connection(self, self._counters.connections, client)
            task = loop.create_task(connection.serve())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            # A task cancelled before its first step does not close its socket.
            task.add_done_callback(lambda _, client=client: client.close())


def plain_socket(buffer_bytes: int) -> socket.socket:
    """Return a socket as both sides of the proxy use it."""
    opened = socket.socket()
    configure(opened, buffer_bytes)
    return opened


def configure(opened: socket.socket, buffer_bytes: int) -> None:
    """Set options that keep the proxy from adding delay of its own."""
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
