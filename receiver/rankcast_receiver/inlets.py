"""Inlets: the transports of one receiver, each with its senders."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from rankcast.nats import (
    ANY,
    NatsAddress,
    NatsOptions,
    PastOptions,
    is_nats,
    join_name,
    wanted_camera,
)
from rankcast.net import CurveClient
from rankcast.runtime import Pulse
from rankcast_receiver.inlet import Inlet
from rankcast_receiver.net import (
    ConnectionOptions,
    ControlRequest,
    ReceiveThread,
    SenderAddress,
)
from rankcast_receiver.stream import PacketQueue, SenderStreams


class Inlets:
    """All transports of a receiver as one.

    Parameters
    ----------
    inlets : sequence of Inlet
        For each sender of the queue, by its number, the inlet that brings its packets.
    """

    def __init__(self, inlets: Sequence[Inlet]) -> None:
        self._by_sender = inlets
        self._inlets: Sequence[Inlet] = tuple(dict.fromkeys(inlets))

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Pulses of the threads that take the packets."""
        return tuple(inlet.pulse for inlet in self._inlets)

    @property
    def foreign_messages(self) -> int:
        """Messages that are not Rankcast messages or belong to no camera."""
        return sum(inlet.foreign_messages for inlet in self._inlets)

    @property
    def reconnects(self) -> int:
        """Connections replaced after a failure or silence."""
        return sum(inlet.reconnects for inlet in self._inlets)

    def control_endpoint(self, sender: int) -> str | None:
        """Return where the control requests of a sender go; None while there is no such place."""
        return self._by_sender[sender].control_endpoint(sender)

    def curves(self, sender: int) -> Sequence[CurveClient]:
        """Return the keys for a sender; empty without encryption."""
        return self._by_sender[sender].curves(sender)

    def start(self) -> None:
        """Start all; if one cannot start, none is left running.

        Raises
        ------
        RankcastError
            If nothing can be opened.
        """
        with ExitStack() as started:
            for inlet in self._inlets:
                inlet.start()
                started.callback(inlet.stop)
            started.pop_all()

    def check(self) -> None:
        """Raise if one of them receives nothing any more.

        Raises
        ------
        WorkerError
            See `Inlet.check`.
        """
        for inlet in self._inlets:
            inlet.check()

    def ask(self, sender: int, request: ControlRequest) -> ControlRequest:
        """Send a request to the sender of that number, without waiting; from any thread."""
        return self._by_sender[sender].ask(sender, request)

    def give_up(self, sender: int) -> None:
        """Receive nothing of the sender of that number any more; from any thread."""
        self._by_sender[sender].give_up(sender)

    def stop(self) -> None:
        """End all threads; may be called twice.

        Raises
        ------
        BaseException
            The exception that ended one of them.
        """
        with ExitStack() as ends:
            for inlet in self._inlets:
                ends.callback(inlet.stop)


def wanted_cameras(cameras: Sequence[str], site: str) -> list[str]:
    """Return the names here of wanted cameras at a NATS server, without those of any site."""
    wanted = (wanted_camera(name, site) for name in cameras)
    return list(dict.fromkeys(join_name(*each) for each in wanted if each[0] != ANY))


def open_inlets(
    addresses: Sequence[SenderAddress],
    senders: Sequence[SenderStreams],
    options: ConnectionOptions,
    queue: PacketQueue,
    nats: NatsOptions,
    cameras: Sequence[str],
    past: PastOptions = PastOptions(),  # noqa: B008 - frozen
) -> Inlets:
    """Return the inlets of these senders, not started; ZeroMQ senders come first.

    Raises
    ------
    SettingsError
        If the settings of a NATS server cannot be used.
    """
    over_zmq = [each for each in addresses if not is_nats(each.endpoint)]
    inlets: list[Inlet] = []
    if over_zmq:
        count = len(over_zmq)
        by_endpoint = {each.endpoint: each for each in over_zmq}
        inlets += [ReceiveThread(senders[:count], options, queue, by_endpoint)] * count
    for number in range(len(over_zmq), len(addresses)):
        from rankcast_receiver.nats import NatsInlet

        inlets.append(
            NatsInlet(
                number,
                NatsAddress.of(addresses[number].endpoint),
                nats,
                cameras,
                senders[number],
                options,
                queue,
                past,
            )
        )
    return Inlets(inlets)
