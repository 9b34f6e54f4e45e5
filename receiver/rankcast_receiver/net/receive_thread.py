"""ReceiveThread: drains the sockets of all senders and never decodes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any, Final

import zmq

from rankcast.errors import WorkerError
from rankcast.net import SocketThread, end_context, new_context
from rankcast_receiver.net.connection import Connection, ConnectionOptions
from rankcast_receiver.net.credit import Credit
from rankcast_receiver.stream import PacketQueue, SenderStreams

POLL_S: Final = 0.1
"""Longest wait for messages: the precision of pings, reconnections and requests."""
HURRIED_POLL_S: Final = 0.01
"""The same while a sender may be flooding with what cannot be read."""
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
    """

    def __init__(
        self,
        senders: Sequence[SenderStreams],
        options: ConnectionOptions,
        queue: PacketQueue,
    ) -> None:
        self._senders = senders
        self._queue = queue
        self._connections: Sequence[Connection] = ()
        self._credits: Sequence[Credit] = ()
        self._sessions = [0] * len(senders)
        self._thread = SocketThread("receive", self._run, queue.close)
        self._options = replace(options, wake=self._thread.wake)
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

    def stop(self) -> None:
        """End the thread, which closes the sockets; may be called twice.

        Raises
        ------
        BaseException
            The exception that ended the thread.
        """
        self._thread.stop()
        self._thread.join()

    def _run(self) -> None:
        with ExitStack() as stack:
            context: zmq.Context[Any] = new_context()
            stack.callback(end_context, context, END_TIMEOUT_S)
            connections = []
            for streams in self._senders:
                connection = Connection(context, streams, self._options)
                connections.append(stack.enter_context(closing(connection)))
            self._connections = connections
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
        changed = [connection.tick() for connection in self._connections]
        for number, connection in enumerate(self._connections):
            if connection.sessions != self._sessions[number]:
                self._sessions[number] = connection.sessions
                self._queue.forget(number, self._senders[number].streams)
            for received in connection.receive():
                self._queue.put(number, received)
        for credit, connection in zip(self._credits, self._connections, strict=False):
            credit.tick(connection)
        self._queue.note_links([connection.facts for connection in self._connections])
        return any(changed)

    def _poller(self) -> zmq.Poller:
        sockets = [socket for connection in self._connections for socket in connection.sockets]
        return self._thread.poller(*sockets)
