"""The one thread that owns the XPUB socket: sends packets, sees viewers come, says status."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import zmq

from rankcast.errors import WorkerError
from rankcast.net import SUBSCRIPTION_BYTES, SocketOptions, configure, is_ipv6
from rankcast.runtime import Mailbox, MailboxClosed, Pulse, Worker
from rankcast.wire import Kind, Status, frames_topic, pack_status, status_topic
from rankcast_sender.sockets.audience import Audience
from rankcast_sender.sockets.binding import Context, bind
from rankcast_sender.sockets.peer import address_of, user_of
from rankcast_sender.sockets.wakeup import Wakeup

log = logging.getLogger(__name__)

STATUS_INTERVAL_S = 1.0
REBIND_S = 2.0
"""libzmq releases an address in a thread of its own, some time after its socket was closed."""
RETRY_S = 0.001
"""Lossless mode: libzmq has no event for 'every viewer has room again', so ask at this pace."""
START_TIMEOUT_S = 5.0
LAST_LINGER_S = 0.5
HURRIED_LINGER_S = 0.25
HURRIED_LAST_LINGER_S = 0.15
"""After a signal: a command ends within a second also beside a peer that never reads, and Python
takes a quarter of it for its own end."""
FINISH_POLL_MS = 50
CLOSE_POLL_S = 0.1
MAX_SUBSCRIPTIONS = 1000
"""Read in one turn at most: a viewer that sends nothing else must not hold the frames up."""


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
    ended: bool = False
    """Set in the socket's thread once everything was sent: what it says from then on is the end."""


class XpubThread:
    """Publishes the channels of one sender at one address.

    Parameters
    ----------
    context : zmq.Context
        Stays the caller's.
    endpoint : str
        Address to bind.
    options : SocketOptions
        Its message limit is replaced by that of subscriptions.
    lossless : bool
        True: a full viewer holds the sender back. False: it loses frames, alone.
    linger_s : float
        How long `close` lets viewers take the last messages.
    """

    def __init__(
        self,
        context: Context,
        endpoint: str,
        options: SocketOptions,
        *,
        lossless: bool,
        linger_s: float,
    ) -> None:
        self._context = context
        self._endpoint = endpoint
        self._channels: list[Channel] = []
        self._options = replace(
            options,
            max_message_bytes=SUBSCRIPTION_BYTES,
            ipv6=is_ipv6(endpoint),
        )
        self._lossless = lossless
        self._linger_s = linger_s
        self._closed_at = 0.0
        self._hurried = False
        self._audience = Audience(())
        self._changed = threading.Condition()
        self._bound = threading.Event()
        self._gone = threading.Event()
        self._wakeup = Wakeup()
        self.pulse = Pulse("publish")
        self._rebind_asked = False
        self._worker = Worker("rankcast-xpub", self._run, self._ended)

    def add(self, channel: Channel) -> None:
        """Publish `channel` too; only before `start`."""
        self._channels.append(channel)

    def start(self) -> None:
        """Bind the address and start the thread.

        Raises
        ------
        TransportError
            If the address cannot be bound.
        """
        self._worker.start()
        self._bound.wait(START_TIMEOUT_S)
        if self._worker.error is not None or not self._bound.is_set():
            try:
                self._worker.join(START_TIMEOUT_S)
            finally:
                self._wakeup.close()

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
        self._wakeup.ring()
        return taken

    def end(self, channel: Channel) -> None:
        """Send what waits of `channel`, then its end; the others go on."""
        channel.packets.close()
        self._wakeup.ring()

    def rebind(self) -> None:
        """Drop every connection and listen anew: viewers that may, come back by themselves."""
        self._rebind_asked = True
        self._wakeup.ring()

    @property
    def error(self) -> BaseException | None:
        """What the thread died of, if it did."""
        return self._worker.error

    def hurry(self) -> None:
        """Wait for no viewer any more: the user wants to stop now."""
        self._hurried = True
        since_s = time.monotonic() - self._closed_at if self._closed_at else 0.0
        self._linger_s = min(self._linger_s, since_s + HURRIED_LINGER_S)
        for channel in self._channels:
            channel.packets.close()
        self._wakeup.ring()

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

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Send what waits and the end messages, give viewers the linger time, and stop.

        Parameters
        ----------
        impatient : callable
            Asked ten times a second; once it is true, viewers get 0.4 s more.
        """
        self._closed_at = time.monotonic()
        for channel in self._channels:
            channel.packets.close()
        self._wakeup.ring()
        try:
            while self._worker.running and not self._overdue():
                if not self._hurried and impatient():
                    self.hurry()
                self._gone.wait(CLOSE_POLL_S)
            self._worker.join(LAST_LINGER_S + START_TIMEOUT_S)
        finally:
            self._wakeup.close()

    def _ended(self) -> None:
        self.pulse.rest()
        self._bound.set()
        self._gone.set()
        for channel in self._channels:
            channel.on_lost(channel.packets.discard())
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        waiting: dict[Channel, bytes] = {}
        try:
            first = True
            while not self._run_socket(waiting, patient=not first):
                first = False
        finally:
            for channel in waiting:
                channel.on_lost(1)

    def _run_socket(self, waiting: dict[Channel, bytes], *, patient: bool) -> bool:
        """Serve one socket; True when the end was said, False to bind anew."""
        self._rebind_asked = False
        with self._context.socket(zmq.XPUB) as xpub:
            configure(xpub, self._options)
            xpub.setsockopt(zmq.XPUB_NODROP, int(self._lossless))
            # Each one that joins shall get a key frame, also one without a topic of its own.
            xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
            bind(xpub, self._endpoint, REBIND_S if patient else 0.0)
            self._audience = Audience(channel.name for channel in self._channels)
            self._bound.set()
            if not self._serve(xpub, waiting):
                return False
            self._finish(xpub)
            # The viewers that are left had their time; this is for what is on its way.
            last_s = HURRIED_LAST_LINGER_S if self._hurried else LAST_LINGER_S
            xpub.setsockopt(zmq.LINGER, round(last_s * 1000))
            # Whoever is shut out from now on learned no more than the end.
            return True

    def _serve(self, xpub: zmq.Socket[bytes], waiting: dict[Channel, bytes]) -> bool:
        """Send packets and status until `close`, and then what is left; False to bind anew."""
        poller = zmq.Poller()
        poller.register(xpub, zmq.POLLIN)
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        next_status = time.monotonic()
        while True:
            self.pulse.beat()
            pause_s = RETRY_S if waiting else max(0.0, next_status - time.monotonic())
            poller.poll(0 if self._closed_at and not waiting else round(pause_s * 1000))
            self._wakeup.answer()
            if self._rebind_asked:
                return False
            joined = self._read_subscriptions(xpub)
            open_channels = [c for c in self._channels if self._forward(xpub, c, waiting)]
            now = time.monotonic()
            due = now >= next_status
            for channel in self._channels:
                over = channel not in open_channels
                if due or channel in joined or over != channel.ended:
                    # Who joins a camera that has ended is told so, as those were that watched it.
                    said = self._say(xpub, channel, Kind.END if over else Kind.STATUS)
                    channel.ended = over and said
            if due:
                next_status = max(next_status + STATUS_INTERVAL_S, now)
            if not self._closed_at and not threading.main_thread().is_alive():
                log.warning("the program ended without closing its publisher")
                self._closed_at = time.monotonic()
                for channel in self._channels:
                    channel.packets.close()
            if self._closed_at and (not open_channels or self._overdue()):
                return True

    def _finish(self, xpub: zmq.Socket[bytes]) -> None:
        """Say the end and give viewers time to take it; one that has, leaves."""
        for channel in self._channels:
            while not self._say(xpub, channel, Kind.END) and not self._overdue():
                xpub.poll(1, zmq.POLLIN)
                self._read_subscriptions(xpub)
        while any(channel.viewers for channel in self._channels) and not self._overdue():
            xpub.poll(FINISH_POLL_MS, zmq.POLLIN)
            self._read_subscriptions(xpub)
            for channel in self._channels:
                # In real time a viewer whose queue was full has lost it; twice does no harm.
                self._say(xpub, channel, Kind.END)

    def _overdue(self) -> bool:
        return time.monotonic() > self._closed_at + self._linger_s

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
            self._wakeup.ring()  # another packet may wait behind it
        else:
            waiting[channel] = message
        return True

    def _say(self, xpub: zmq.Socket[bytes], channel: Channel, kind: Kind) -> bool:
        packet = pack_status(
            kind,
            channel.stream_id,
            channel.status(channel.viewers),
            time.monotonic_ns(),
            time.time_ns(),
        )
        return self._offer(xpub, status_topic(channel.name) + packet)

    @staticmethod
    def _offer(xpub: zmq.Socket[bytes], message: bytes) -> bool:
        try:
            # A copy: lending the bytes costs pyzmq a thread of its own and saves 50 us.
            xpub.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _read_subscriptions(self, xpub: zmq.Socket[bytes]) -> set[Channel]:
        """Keep track of who watches; return the channels that somebody joined."""
        joined: set[str] = set()
        # Without keys a peer may call itself what it likes, so that only its address counts.
        who = address_of if self._options.curve is None else user_of
        for _ in range(MAX_SUBSCRIPTIONS):
            try:
                frame = xpub.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            joined |= self._audience.take(frame.bytes, partial(who, frame))
        for channel in self._channels:
            channel.viewers = self._audience.viewers(channel.name)
            if channel.name in joined and channel.viewers:
                channel.on_join()
        with self._changed:
            self._changed.notify_all()
        return {channel for channel in self._channels if channel.name in joined}
