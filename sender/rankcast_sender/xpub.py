"""The one thread that owns the XPUB socket: sends packets, sees viewers come, says status."""

from __future__ import annotations

import logging
import socket as sockets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import zmq

from rankcast.errors import TransportError, WorkerError
from rankcast.mailbox import Mailbox, MailboxClosed
from rankcast.status import Status, pack_status
from rankcast.topic import frames_topic, status_topic
from rankcast.transport import SUBSCRIPTION_BYTES, SocketOptions, configure
from rankcast.wire import Kind
from rankcast.worker import Worker

log = logging.getLogger(__name__)

STATUS_INTERVAL_S = 1.0
RETRY_S = 0.001
"""Lossless mode: libzmq has no event for 'every viewer has room again', so ask at this pace."""
START_TIMEOUT_S = 5.0
HURRIED_LINGER_S = 0.5
"""After a signal: within the two seconds in which a command must end."""


@dataclass(eq=False)
class Channel:
    """One camera on the socket."""

    name: str
    stream_id: bytes
    status: Callable[[int], Status]
    """Called with the number of viewers, in the socket's thread."""
    on_sent: Callable[[], None]
    """Called in the socket's thread for each packet that was handed to libzmq."""
    on_lost: Callable[[int], None]
    """Called with a number of packets that were given up at the end."""
    on_join: Callable[[], None]
    """Called in the socket's thread when somebody subscribes to the frames."""
    packets: Mailbox[bytes] = field(default_factory=lambda: Mailbox(1, newest_wins=False))
    viewers: int = 0


class XpubThread:
    """Publishes the channels of one sender at one address.

    Parameters
    ----------
    endpoint : str
        Address to bind.
    channels : list of Channel
    options : SocketOptions
        Its message limit is replaced by that of subscriptions.
    lossless : bool
        True: a full viewer holds the sender back. False: it loses frames, alone.
    linger_s : float
        How long `close` lets viewers take the last messages.

    Raises
    ------
    TransportError
        If the address cannot be bound.
    """

    def __init__(
        self,
        endpoint: str,
        channels: list[Channel],
        options: SocketOptions,
        *,
        lossless: bool,
        linger_s: float,
    ) -> None:
        self._endpoint = endpoint
        self._channels = channels
        self._options = SocketOptions(
            options.queue_messages,
            options.buffer_bytes,
            SUBSCRIPTION_BYTES,
            heartbeats=not lossless,
        )
        self._lossless = lossless
        self._linger_s = linger_s
        self._stopping = False
        self._hurried = False
        self._changed = threading.Condition()
        self._bound = threading.Event()
        self._wake_read, self._wake_write = sockets.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._worker = Worker("rankcast-xpub", self._run, self._ended)
        self._worker.start()
        self._bound.wait(START_TIMEOUT_S)
        if self._worker.error is not None or not self._bound.is_set():
            try:
                self._worker.join(START_TIMEOUT_S)
            finally:
                self._wake_write.close()

    def send(self, channel: Channel, packet: bytes) -> bool:
        """Hand over one packet; blocks while the one before still waits.

        Returns
        -------
        bool
            False when `hurry` was called meanwhile, and the packet will not be sent.

        Raises
        ------
        WorkerError
            If the thread has ended.
        """
        taken = channel.packets.put(packet)
        if not taken and not self._hurried:
            raise WorkerError("the publisher has ended") from self._worker.error
        self._wake()
        return taken

    def hurry(self) -> None:
        """Wait for no viewer any more: the user wants to stop now."""
        self._hurried = True
        self._linger_s = min(self._linger_s, HURRIED_LINGER_S)
        for channel in self._channels:
            channel.packets.close()
        self._wake()

    def wait_viewers(
        self, channel: Channel, count: int, stopped: Callable[[], bool], timeout_s: float | None
    ) -> bool:
        """Wait until `count` viewers subscribed; False when stopped or out of time."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while channel.viewers < count:
                if stopped() or not self._worker.running:
                    return False
                remaining = 0.1
                if deadline is not None:
                    remaining = min(remaining, deadline - time.monotonic())
                    if remaining <= 0:
                        return False
                self._changed.wait(remaining)
        return True

    def close(self) -> None:
        """Send what waits and the end messages, give viewers the linger time, and stop."""
        self._stopping = True
        for channel in self._channels:
            channel.packets.close()
        self._wake()
        try:
            # In lossless mode the last packet may wait for a slow viewer before lingering.
            self._worker.join(2 * self._linger_s + START_TIMEOUT_S)
        finally:
            self._wake_write.close()

    def _wake(self) -> None:
        try:
            self._wake_write.send(b"\0")
        except (BlockingIOError, OSError):
            return  # full: the thread wakes anyway; closed: it has ended

    def _ended(self) -> None:
        self._bound.set()
        for channel in self._channels:
            channel.on_lost(channel.packets.discard())
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        with self._wake_read, zmq.Context() as context, context.socket(zmq.XPUB) as xpub:
            configure(xpub, self._options)
            xpub.setsockopt(zmq.XPUB_VERBOSER, 1)  # each viewer counts, not each topic
            xpub.setsockopt(zmq.XPUB_NODROP, int(self._lossless))
            try:
                xpub.bind(self._endpoint)
            except zmq.ZMQError as exc:
                raise TransportError(f"cannot listen at {self._endpoint}: {exc.strerror}") from exc
            self._bound.set()
            try:
                self._serve(xpub)
            finally:
                xpub.setsockopt(zmq.LINGER, round(self._linger_s * 1000))

    def _serve(self, xpub: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(xpub, zmq.POLLIN)
        poller.register(self._wake_read.fileno(), zmq.POLLIN)
        waiting: dict[Channel, bytes] = {}
        next_status = time.monotonic()
        give_up = None
        while True:
            if self._stopping and give_up is None:
                give_up = time.monotonic() + self._linger_s
            pause_s = RETRY_S if waiting else max(0.0, next_status - time.monotonic())
            poller.poll(0 if self._stopping and not waiting else round(pause_s * 1000))
            self._drain_wake()
            joined = self._read_subscriptions(xpub)
            open_channels = [c for c in self._channels if self._forward(xpub, c, waiting)]
            now = time.monotonic()
            due = now >= next_status
            for channel in self._channels:
                if due or channel in joined:
                    self._say(xpub, channel, Kind.STATUS)
            if due:
                next_status = max(next_status + STATUS_INTERVAL_S, now)
            if give_up is not None and (not open_channels or now > give_up):
                break
        for channel in waiting:
            channel.on_lost(1)
        for channel in self._channels:
            self._say(xpub, channel, Kind.END)

    def _forward(
        self, xpub: zmq.Socket[bytes], channel: Channel, waiting: dict[Channel, bytes]
    ) -> bool:
        """Send what `channel` has; False when it is closed and empty."""
        message = waiting.pop(channel, None)
        if message is None:
            try:
                packet = channel.packets.get(0)
            except MailboxClosed:
                return False
            if packet is None:
                return True
            message = frames_topic(channel.name) + packet
        if self._offer(xpub, message):
            channel.on_sent()
            self._wake()  # another packet may wait behind it
        else:
            waiting[channel] = message
        return True

    def _say(self, xpub: zmq.Socket[bytes], channel: Channel, kind: Kind) -> None:
        packet = pack_status(
            kind,
            channel.stream_id,
            channel.status(channel.viewers),
            time.monotonic_ns(),
            time.time_ns(),
        )
        message = status_topic(channel.name) + packet
        deadline = time.monotonic() + self._linger_s
        while not self._offer(xpub, message):
            # Only in lossless mode: a late status is worth nothing, the end message is waited for.
            if kind is Kind.STATUS or time.monotonic() > deadline:
                return
            xpub.poll(1, zmq.POLLIN)

    @staticmethod
    def _offer(xpub: zmq.Socket[bytes], message: bytes) -> bool:
        try:
            # A copy: lending the bytes costs pyzmq a thread of its own and saves 50 us.
            xpub.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _drain_wake(self) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            return

    def _read_subscriptions(self, xpub: zmq.Socket[bytes]) -> set[Channel]:
        joined: set[Channel] = set()
        while True:
            try:
                message = xpub.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if message[:1] not in (b"\0", b"\1"):
                continue  # viewers may send anything; only subscriptions mean something
            step = 1 if message[:1] == b"\1" else -1
            for channel in self._channels:
                # libzmq subscriptions are prefixes: the empty one takes every camera.
                if frames_topic(channel.name).startswith(message[1:]):
                    channel.viewers = max(0, channel.viewers + step)
                    if step > 0:
                        channel.on_join()
                if step > 0 and status_topic(channel.name).startswith(message[1:]):
                    joined.add(channel)
        with self._changed:
            self._changed.notify_all()
        return joined
