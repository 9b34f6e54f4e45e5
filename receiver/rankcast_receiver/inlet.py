"""Inlet: what brings the packets of some senders to a receiver, whatever carries them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rankcast.net import CurveClient
from rankcast.runtime import Pulse
from rankcast_receiver.net import ControlRequest


class Inlet(Protocol):
    """What a subscriber needs of a transport.

    It puts packets and link facts into the `PacketQueue` that it was made with, and closes the
    queue when it ends. Senders are numbered as in that queue.
    """

    @property
    def pulse(self) -> Pulse:
        """Pulse of the thread that takes the packets."""

    @property
    def foreign_messages(self) -> int:
        """Messages that are not Rankcast messages or belong to no camera; from any thread."""

    @property
    def reconnects(self) -> int:
        """Connections replaced after a failure or silence; from any thread."""

    def control_endpoint(self, sender: int) -> str | None:
        """Return where control requests go; None while there is no such place; from any thread."""

    def curves(self, sender: int) -> Sequence[CurveClient]:
        """Return the keys for a sender; empty without encryption."""

    def start(self) -> None:
        """Start to receive.

        Raises
        ------
        RankcastError
            If nothing can be opened.
        """

    def check(self) -> None:
        """Raise if nothing will be received any more.

        Raises
        ------
        WorkerError
            If the thread was stopped, or has failed.
        """

    def ask(self, sender: int, request: ControlRequest) -> ControlRequest:
        """Send a request to the sender of that number, without waiting; from any thread."""

    def give_up(self, sender: int) -> None:
        """Receive nothing of the sender of that number any more; from any thread."""

    def stop(self) -> None:
        """End the thread; may be called twice.

        Raises
        ------
        BaseException
            The exception that ended the thread.
        """
