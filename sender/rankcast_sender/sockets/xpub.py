"""XpubThread: the thread that publishes packets and status, and reads subscriptions."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import zmq

from rankcast.errors import WorkerError
from rankcast.net import (
    SUBSCRIPTION_BYTES,
    SocketOptions,
    SocketThread,
    ipc_path,
    is_ipv6,
    split_endpoint,
)
from rankcast.runtime import Pulse
from rankcast.wire import Kind
from rankcast_sender.peers import Ban, ConnectionGuard
from rankcast_sender.sockets.admission import Rights, rights_to_enforce
from rankcast_sender.sockets.binding import REBIND_S, Context, bind
from rankcast_sender.sockets.catch_ups import CatchUps
from rankcast_sender.sockets.channel import Channel, Outgoing, frames_in
from rankcast_sender.sockets.credit_gate import CreditGate
from rankcast_sender.sockets.frames_socket import frames_socket, sized
from rankcast_sender.sockets.outbox import Outbox
from rankcast_sender.sockets.rebinding import Rebinding
from rankcast_sender.sockets.sending import publish_status
from rankcast_sender.sockets.status_schedule import STATUS_INTERVAL_S, StatusSchedule
from rankcast_sender.sockets.subscriptions import (
    CONNECTION_BYTES,
    KEEP_ALIVE_BYTES_S,
    Subscriptions,
)

log = logging.getLogger(__name__)

RETRY_S: Final = 0.001
"""Retry interval in lossless mode: libzmq has no event for "every viewer has room again"."""
CREDIT_POLL_S: Final = 0.05
"""New credit wakes the thread; this is how late it notices a keeper that has stopped counting."""
LAST_LINGER_S: Final = 0.5
HURRIED_LINGER_S: Final = 0.25
HURRIED_LAST_LINGER_S: Final = 0.15
"""After a signal a command must end within a second, even if a viewer never reads; Python's own
shutdown takes a quarter of that."""
FINISH_POLL_S: Final = 0.05
CLOSE_POLL_S: Final = 0.1
STOP_TIMEOUT_S: Final = 5.0


class XpubThread:
    """Publishes the channels of one sender at one address.

    Parameters
    ----------
    context : zmq.Context
        Owned by the caller.
    endpoint : str
        Address to bind.
    options : SocketOptions
        The message limit is replaced by that for subscriptions.
    lossless : bool
        True: a viewer whose queue is full blocks the sender. False: only that viewer loses frames.
    linger_s : float
        How long `close` lets viewers receive the last messages.
    guard : ConnectionGuard
        Ends connections that flood the socket.
    max_messages_s : int
        Most messages a second that one peer may send.
    ban : callable or None
        Refuses the key of a peer that sends more; None without keys.

    Notes
    -----
    All cameras share one queue for each viewer. Its length is that of the options for each camera,
    and one status for each (docs/adr/0015).
    """

    def __init__(
        self,
        context: Context,
        endpoint: str,
        options: SocketOptions,
        *,
        lossless: bool,
        linger_s: float,
        guard: ConnectionGuard,
        max_messages_s: int,
        ban: Ban | None,
    ) -> None:
        self._context = context
        self._endpoint = endpoint
        self._guard = guard
        self._port = split_endpoint(endpoint)[1]
        self._ban = ban
        self.rights: Rights | None = None
        """Which streams each viewer may see; None: all of them. Set it before `start`, or before a
        substream is added."""
        self._channels: list[Channel] = []
        self._added: deque[Channel] = deque()
        """Channels that the thread has not seen yet."""
        self._unbound: list[Channel] = []
        """Channels that viewers can join once the socket is bound again."""
        self._catch_ups = CatchUps()
        self._outbox = Outbox()
        self._rebinding = Rebinding()
        self._options = replace(
            options,
            max_message_bytes=SUBSCRIPTION_BYTES,
            ipv6=is_ipv6(endpoint),
        )
        self._lossless = lossless
        self._linger_s = linger_s
        self._closed_s = 0.0
        """When `close` was called, or the program ended without it; 0 before."""
        self._hurried = False
        self._viewers_changed = threading.Condition()
        self._gone = threading.Event()
        self._subscriptions = Subscriptions((), self._port, max_messages_s, ban, self.rebind)
        self._thread = SocketThread("publish", self._run, self._ended)

    def add(self, channel: Channel) -> None:
        """Add a channel to publish, from any thread; viewers of its topics have joined it.

        Nothing of a substream is published before the socket withholds it from other viewers.
        """
        channel.withheld = channel.is_substream
        channel.topic_of = partial(self._topic_of, channel.name)
        if self._lossless:
            patience_s = self._options.unacknowledged_ms / 1000
            channel.gate = CreditGate(channel.name, patience_s, self._thread.wake)
        self._channels.append(channel)
        self._added.append(channel)
        self._thread.wake()

    def _topic_of(self, camera: str, token: bytes) -> bytes:
        """Return an individual topic of the viewer with this token, from any thread."""
        return next(iter(self._subscriptions.audience.individual_topics(camera, token)), b"")

    def catch_up(self, channel: Channel, token: bytes) -> None:
        """Send the viewer with this token a catch-up of `channel`, from any thread."""
        self._catch_ups.ask(channel, token)
        self._thread.wake()

    def start(self) -> None:
        """Start the thread and bind the address.

        Raises
        ------
        TransportError
            If the address cannot be bound.
        """
        self._thread.start()

    @property
    def pulse(self) -> Pulse:
        """Pulse of the thread."""
        return self._thread.pulse

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None unless it failed."""
        return self._thread.error

    def send(self, channel: Channel, packet: Outgoing) -> bool:
        """Queue one packet; block while the previous one is still queued.

        Returns
        -------
        bool
            False when `hurry` was called meanwhile and the packet will not be sent.

        Raises
        ------
        WorkerError
            If the thread has ended.
        """
        accepted = channel.packets.put(packet)
        if not accepted and not self._hurried:
            raise WorkerError("the publisher has ended") from self._thread.error
        self._outbox.note(channel)
        self._thread.wake()
        return accepted

    def end(self, channel: Channel) -> None:
        """Send the last packet of `channel`, then its end; the other channels continue."""
        self._close(channel)
        self._thread.wake()

    def rebind(self) -> None:
        """Close all connections and bind again; viewers that are still allowed reconnect."""
        self._rebinding.request()
        self._thread.wake()

    def hurry(self) -> None:
        """Stop waiting for viewers, because the user wants to quit."""
        self._hurried = True
        since_s = time.monotonic() - self._closed_s if self._closed_s else 0.0
        self._linger_s = min(self._linger_s, since_s + HURRIED_LINGER_S)
        for channel in self._channels:
            self._close(channel)
        self._thread.wake()

    def wait_viewers(
        self, channel: Channel, count: int, stopped: Callable[[], bool], timeout_s: float | None
    ) -> bool:
        """Wait until `count` viewers subscribed; False when stopped or out of time."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._viewers_changed:
            while channel.viewers < count:
                if stopped() or not self._thread.running:
                    return False
                remaining_s = 0.1
                if deadline_s is not None:
                    remaining_s = min(remaining_s, deadline_s - time.monotonic())
                    if remaining_s <= 0:
                        return False
                self._viewers_changed.wait(remaining_s)
        return True

    def close(self, impatient: Callable[[], bool] = lambda: False) -> None:
        """Send queued packets and the end messages, let viewers receive them, and stop.

        Raises the exception that ended the thread, unless `start` did. May precede `start`.

        Parameters
        ----------
        impatient : callable
            Called ten times a second; once it returns true, viewers get 0.4 s more.
        """
        self._closed_s = time.monotonic()
        for channel in self._channels:
            self._close(channel)
        self._thread.stop()
        while self._thread.running and not self._is_overdue():
            if not self._hurried and impatient():
                self.hurry()
            self._gone.wait(CLOSE_POLL_S)
        self._thread.join(LAST_LINGER_S + STOP_TIMEOUT_S)

    def _close(self, channel: Channel) -> None:
        channel.closing = True
        channel.packets.close()
        self._outbox.note(channel)

    # The methods below run in the socket thread.

    def _ended(self) -> None:
        self._gone.set()
        for channel in self._channels:
            channel.on_lost(sum(map(frames_in, channel.packets.drain())))
        with self._viewers_changed:
            self._viewers_changed.notify_all()

    def _run(self) -> None:
        try:
            bind_timeout_s = 0.0
            while not self._run_socket(bind_timeout_s):
                bind_timeout_s = REBIND_S
        finally:
            self._outbox.lose()

    def _run_socket(self, bind_timeout_s: float) -> bool:
        """Serve one socket; return True once the end was sent, False to bind again."""
        self._rebinding.bound()
        names = [channel.name for channel in tuple(self._channels)]
        self._bound_for = max(1, len(names))
        rights = rights_to_enforce(self.rights, names)
        options = sized(self._options, names)
        with frames_socket(
            self._context, options, lossless=self._lossless, manual=rights is not None
        ) as xpub:
            with self._guard.guarding(
                xpub,
                self._port,
                CONNECTION_BYTES,
                "subscriptions",
                self._ban,
                KEEP_ALIVE_BYTES_S,
                tcp=not ipc_path(self._endpoint),
            ) as self._watch:
                self._watch.topics_bytes = self._subscriptions.topics_bytes
                bind(xpub, self._endpoint, bind_timeout_s)
                self._bind_channels(withholds=rights is not None)
                self._subscriptions.restart(rights)
                self._count_viewers()
                self._thread.opened()
                if not self._serve(xpub):
                    return False
                self._finish(xpub)
            # The linger time is over; this flushes messages in transit. A viewer whose key is
            # revoked from here on receives nothing but the end message.
            last_s = HURRIED_LAST_LINGER_S if self._hurried else LAST_LINGER_S
            xpub.setsockopt(zmq.LINGER, round(last_s * 1000))
            return True

    def _serve(self, xpub: zmq.Socket[bytes]) -> bool:
        """Send packets and status until `close`, then the rest; return False to bind again."""
        poller = self._thread.poller(xpub)
        schedule = StatusSchedule(self._channels, time.monotonic())
        while True:
            self._thread.poll(poller, self._pause_s(schedule))
            now_s = time.monotonic()
            self._take_added(xpub, schedule, now_s)
            # For a longer queue, too. To change that of a socket with connections crashes libzmq
            # 4.3.5 when one of them is just ending: it uses the freed end of its pipe.
            waits = bool(self._unbound) or len(self._channels) > self._bound_for
            if self._rebinding.due(now_s, waits=waits):
                return False
            for channel in self._read_subscriptions(xpub):
                schedule.joined(channel, now_s)
                if channel.replay is not None:
                    # What the packets mean stands in the status, which comes first.
                    publish_status(xpub, channel, Kind.STATUS)
            for name, peer in self._subscriptions.plain_joins(now_s):
                self._catch_ups.join_plainly(self._channels, name, peer)
            self._outbox.forward(xpub)
            self._catch_ups.send(xpub, self._subscriptions.audience)
            due = schedule.take_due(now_s)
            just_over = [c for c in self._outbox.over if not c.ended and c not in due]
            for channel in due + just_over:
                # A viewer that joins after the end also gets the end message.
                is_over = channel in self._outbox.over
                kind = Kind.END if is_over or channel.paused else Kind.STATUS
                channel.ended = publish_status(xpub, channel, kind) and is_over
            if not self._closed_s and not threading.main_thread().is_alive():
                log.warning("the program ended without closing its publisher")
                self._closed_s = time.monotonic()
                for channel in self._channels:
                    self._close(channel)
            if self._closed_s and (
                len(self._outbox.over) == len(self._channels) or self._is_overdue()
            ):
                return True

    def _bind_channels(self, *, withholds: bool) -> None:
        """Let viewers that connect from now on join all channels that were added."""
        while self._added:
            self._unbound.append(self._added.popleft())
        channels, self._unbound = self._unbound, []
        for channel in channels:
            if channel.is_substream and not withholds:  # it came since the socket was made
                self._unbound.append(channel)
                continue
            self._subscriptions.add(channel.name)
            channel.withheld = False

    def _take_added(self, xpub: zmq.Socket[bytes], schedule: StatusSchedule, now_s: float) -> None:
        """Begin to publish channels that were added meanwhile."""
        while self._added:
            channel = self._added.popleft()
            schedule.add(channel, now_s)
            self._rebinding.added(now_s)
            if channel.is_substream or self._subscriptions.manual:
                # In manual mode libzmq takes no subscription later than when it came.
                self._unbound.append(channel)
                continue
            joined = self._subscriptions.add(channel.name)
            self._count_viewers()
            for topic in joined:
                audience = self._subscriptions.audience
                peer = audience.peer_of(topic) or ""
                self._catch_ups.join(xpub, channel, topic, peer, audience)

    def _pause_s(self, schedule: StatusSchedule) -> float:
        """Return how long the thread may wait for a message or a packet."""
        if self._outbox.ready or self._catch_ups.waits:
            return 0.0
        pause_s = min(STATUS_INTERVAL_S, schedule.pause_s(time.monotonic()))
        if self._outbox.waits:
            pause_s = min(pause_s, CREDIT_POLL_S if self._outbox.held_by_credit else RETRY_S)
        return 0.0 if self._closed_s and not self._outbox.waits else pause_s

    def _finish(self, xpub: zmq.Socket[bytes]) -> None:
        """Send the end message and give viewers time to receive it; each then disconnects."""
        for channel in self._channels:
            while not publish_status(xpub, channel, Kind.END) and not self._is_overdue():
                xpub.poll(1, zmq.POLLIN)
                self._read_subscriptions(xpub)
        while any(channel.viewers for channel in self._channels) and not self._is_overdue():
            xpub.poll(round(FINISH_POLL_S * 1000), zmq.POLLIN)
            self._read_subscriptions(xpub)
            for channel in self._channels:
                # A live viewer with a full queue missed it; a second end message is harmless.
                publish_status(xpub, channel, Kind.END)

    @property
    def overdue_s(self) -> float:
        """When viewers have had their time, after `close`; monotonic."""
        return self._closed_s + self._linger_s + LAST_LINGER_S

    def _is_overdue(self) -> bool:
        return time.monotonic() > self._closed_s + self._linger_s

    def _read_subscriptions(self, xpub: zmq.Socket[bytes]) -> set[Channel]:
        """Update the viewer counts; return the channels that gained a viewer."""
        joined = self._subscriptions.read(xpub, self._watch)
        if joined is None:
            return set()
        self._count_viewers()
        channels = {channel for channel in self._channels if channel.name in joined}
        for channel in channels:
            for topic, peer in joined[channel.name].items() if channel.viewers else ():
                audience = self._subscriptions.audience
                self._catch_ups.join(xpub, channel, topic, peer, audience)
        return channels

    def _count_viewers(self) -> None:
        audience = self._subscriptions.audience
        for channel in tuple(self._channels):
            channel.viewers = audience.viewers(channel.name)
            if channel.gate is not None:
                channel.gate.follow(audience.keepers(channel.name), channel.sent)
        with self._viewers_changed:
            self._viewers_changed.notify_all()
