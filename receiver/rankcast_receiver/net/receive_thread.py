"""ReceiveThread: drains the sockets of all senders and never decodes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Final

import zmq

from rankcast.errors import WorkerError
from rankcast.net import CurveClient, SocketThread, end_context, new_context
from rankcast_receiver.net.connection import Connection, ConnectionOptions
from rankcast_receiver.net.control_request import ControlRequest
from rankcast_receiver.net.credit import Credit
from rankcast_receiver.net.endpoints import SenderAddress
from rankcast_receiver.stream import PacketQueue, SenderStreams

POLL_S: Final = 0.1
"""Longest wait for messages: the precision of pings, reconnections and requests."""
HURRIED_POLL_S: Final = 0.01
"""The same while a sender may be flooding with what cannot be read."""
MAX_REQUESTS: Final = 64
"""Most requests of the user that wait to be sent."""
END_TIMEOUT_S: Final = 2.0
"""Less than `stop` waits for the thread, so that libzmq is named if it is what is stuck."""


class ReceiveThread:
    """Owns and reads all sockets of a receiver.

    Parameters
    ----------
    senders : sequence of SenderStreams
    options : ConnectionOptions
    queue : PacketQueue
        Receives the packets. It drops what does not fit: the sockets are read without a pause,
        because nothing else bounds the queues of libzmq.
    addresses : mapping, optional
        By endpoint: senders with client keys or a look-up of their own.
    """

    def __init__(
        self,
        senders: Sequence[SenderStreams],
        options: ConnectionOptions,
        queue: PacketQueue,
        addresses: Mapping[str, SenderAddress] | None = None,
    ) -> None:
        self._senders = senders
        self._queue = queue
        self._connections: Sequence[Connection] = ()
        self._credits: Sequence[Credit] = ()
        self._sessions = [0] * len(senders)
        self._requests: deque[tuple[int, ControlRequest]] = deque()
        self._given_up: frozenset[int] = frozenset()
        self._thread = SocketThread("receive", self._run, queue.close)
        self._options = replace(options, wake=self._thread.wake)
        self._addresses = addresses or {}
        queue.wake = self._thread.wake
        self.pulse = self._thread.pulse

    @property
    def foreign_messages(self) -> int:
        """Number of messages that are not Rankcast messages; may be read from any thread."""
        return sum(connection.foreign_messages for connection in self._connections)

    @property
    def reconnects(self) -> int:
        """Connections replaced after silence or a refusal; may be read from any thread."""
        return sum(connection.reconnects for connection in self._connections)

    def control_endpoint(self, sender: int) -> str | None:
        """Return the numeric address of a control channel; None while there is none; any thread."""
        connections = self._connections
        control = connections[sender].control if connections else None
        return None if control is None else control.endpoint

    def curves(self, sender: int) -> Sequence[CurveClient]:
        """Return the keys for a sender; empty without encryption."""
        return self._options_for(self._senders[sender].endpoint).curves

    def start(self) -> None:
        """Open the sockets and start draining them.

        Raises
        ------
        SettingsError
            If libzmq refuses an address.
        TransportError
            If the process has too few free file descriptors.
        """
        self._thread.start()

    def check(self) -> None:
        """Raise if nothing will be received any more.

        Raises
        ------
        WorkerError
            If the thread was stopped, or has failed: then with the exception that ended it as the
            cause.
        """
        if self._thread.stopping:
            raise WorkerError("the receiver is closed: no further packets arrive")
        self._thread.check()

    def ask(self, sender: int, request: ControlRequest) -> ControlRequest:
        """Send a request to the sender of that number, without waiting; from any thread."""
        if self._thread.stopping or not self._thread.running:
            return request.fail("the receiver is closed")
        if len(self._requests) >= MAX_REQUESTS:
            return request.fail(f"{MAX_REQUESTS} requests are waiting already: try again later")
        self._requests.append((sender, request))
        self._thread.wake()
        return request

    def give_up(self, sender: int) -> None:
        """Disconnect from the sender of that number for good; from any thread."""
        self._given_up |= {sender}
        self._thread.wake()

    def stop(self) -> None:
        """End the thread, which closes the sockets; may be called twice.

        Raises
        ------
        BaseException
            The exception that ended the thread.
        """
        self._thread.stop()
        self._thread.join()

    def _options_for(self, endpoint: str) -> ConnectionOptions:
        address = self._addresses.get(endpoint)
        if address is None:
            return self._options
        return replace(
            self._options,
            curves=address.curves or self._options.curves,
            look_up=address.look_up or self._options.look_up,
        )

    def _run(self) -> None:
        with ExitStack() as stack:
            context: zmq.Context[Any] = new_context()
            stack.callback(end_context, context, END_TIMEOUT_S)
            connections = []
            for streams in self._senders:
                connection = Connection(context, streams, self._options_for(streams.endpoint))
                connections.append(stack.enter_context(closing(connection)))
            self._connections = connections
            stack.callback(self._refuse_requests)
            if not self._options.live:
                self._credits = [
                    Credit(self._queue, number, connection.token)
                    for number, connection in enumerate(connections)
                ]
            self._thread.opened()
            poller = self._poller()
            # A program that ends without closing its receiver must not hang on this thread.
            while not self._thread.stopping and threading.main_thread().is_alive():
                hurried = any(connection.waits for connection in self._connections)
                self._thread.poll(poller, HURRIED_POLL_S if hurried else POLL_S)
                if self._turn():
                    poller = self._poller()

    def _turn(self) -> bool:
        """Read waiting messages and do periodic work; return True if the sockets have changed."""
        # First: time that a ping's reply spends waiting here would count as transit time.
        for number in self._given_up:
            self._connections[number].close()
        changed = [connection.tick() for connection in self._connected]
        for number, connection in enumerate(self._connections):
            if number in self._given_up:
                continue
            if connection.sessions != self._sessions[number]:
                self._sessions[number] = connection.sessions
                self._queue.forget(number, self._senders[number].streams)
            for received in connection.receive():
                self._queue.put(number, received)
        self._send_requests()
        for credit, connection in zip(self._credits, self._connections, strict=False):
            if connection in self._connected:
                credit.tick(connection)
        self._queue.note_links([connection.facts for connection in self._connections])
        return any(changed) or bool(self._given_up)

    def _send_requests(self) -> None:
        while self._requests:
            number, request = self._requests.popleft()
            control = self._connections[number].control
            if control is None or number in self._given_up:
                request.fail("there is no control channel to the sender")
            else:
                control.request(request)

    def _refuse_requests(self) -> None:
        while self._requests:
            self._requests.popleft()[1].fail("the receiver is closed")

    @property
    def _connected(self) -> Sequence[Connection]:
        return [c for n, c in enumerate(self._connections) if n not in self._given_up]

    def _poller(self) -> zmq.Poller:
        sockets = [socket for connection in self._connected for socket in connection.sockets]
        return self._thread.poller(*sockets)
