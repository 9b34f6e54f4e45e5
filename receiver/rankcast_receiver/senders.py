"""Senders: all senders of one receiver, and which of them has a camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rankcast.boot_clock import boot_s
from rankcast.runtime import Balance
from rankcast.wire import Header, split_stream, stream_name
from rankcast_receiver.choice import ChoiceTotals
from rankcast_receiver.stream import CameraStream, SenderStreams


class CameraPlace(NamedTuple):
    """Where a camera of this receiver comes from."""

    number: int
    """Of its sender, from 0."""
    sender: SenderStreams
    name: str
    """Of the camera at the sender."""


class Senders:
    """The senders in the order of their numbers; for any thread, unless a method says otherwise.

    Parameters
    ----------
    senders : sequence of SenderStreams
    """

    def __init__(self, senders: Sequence[SenderStreams]) -> None:
        self.all = senders

    @property
    def streams(self) -> dict[str, CameraStream]:
        """All known cameras, by their names at this receiver."""
        return {s.camera: s for sender in self.all for s in sender.streams.values()}

    @property
    def choices(self) -> dict[str, ChoiceTotals]:
        """How long each stream was shown, by the names of cameras here; none of main ones alone."""
        now_s = boot_s()
        return {
            stream.camera: choice.totals(now_s)
            for sender in self.all
            for name, choice in sender.choices.items()
            if (stream := sender.streams.get(name)) is not None
        }

    @property
    def clocks(self) -> dict[str, str]:
        """How the clock of each sender, by address, is compared with the local one."""
        return {
            name: clock.known for sender in self.all for name, clock in sender.clocks.known.items()
        }

    @property
    def foreign_packets(self) -> int:
        """Packets that belong to no camera."""
        return sum(sender.foreign_packets for sender in self.all)

    @property
    def frame_s(self) -> float | None:
        """Monotonic time at which the newest frame of any camera was handed out; else None."""
        return max((s.frame_s for s in self.all if s.frame_s is not None), default=None)

    @property
    def ended(self) -> bool:
        """True if all cameras are known and have ended."""
        return all(sender.ended for sender in self.all)

    @property
    def holding(self) -> bool:
        """True while a late frame is held in case a fresh one follows."""
        return any(sender.holding for sender in self.all)

    def balance(self) -> Balance:
        """Return the frames that were published since joining, handed out, and lost by cause."""
        return _sum(stream.ledger.balance() for stream in self.streams.values())

    def packet_balance(self) -> Balance:
        """Return the same for sinks that accept packets: every new packet passes."""
        return _sum(stream.packet_ledger.balance() for stream in self.streams.values())

    def place_of(self, camera: str) -> CameraPlace | None:
        """Return where the camera with this name at this receiver comes from."""
        for number, sender in enumerate(self.all):
            for name, stream in sender.streams.items():
                if stream.camera == camera:
                    return CameraPlace(number, sender, name)
        return None

    def recorded(self, camera: str, header: Header) -> None:
        """Note that a packet of a camera is in a recording."""
        any(sender.recorded(camera, header) for sender in self.all)

    def follow(self, substreams: Mapping[str, bool]) -> None:
        """Follow these substreams; from the thread that decodes. See `Subscriber.follow`."""
        wanted: dict[int, dict[str, bool]] = {}
        for name, frames in substreams.items():
            camera, which = split_stream(name)
            place = self.place_of(camera)
            if place is not None:
                wanted.setdefault(place.number, {})[stream_name(place.name, which)] = frames
        for number, sender in enumerate(self.all):
            sender.follow(wanted.get(number, {}))


def _sum(balances: Iterable[Balance]) -> Balance:
    """Add up the ledgers of several cameras."""
    entered, passed, lost = 0, 0, Counter[str]()
    for balance in balances:
        entered, passed = entered + balance.entered, passed + balance.passed
        lost.update(balance.lost)
    return Balance(entered, passed, dict(lost))
