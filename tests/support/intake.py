"""The way of messages through a receiver, without its sockets; and sequences of them in files."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from rankcast.errors import LimitError, RankcastError, WireError
from rankcast.frame import Frame
from rankcast.runtime import Ledger, LogLimiter
from rankcast.wire import Limits, split_message, unpack
from rankcast_receiver.stream import CameraStream

MAX_CAMERAS = 64
_LENGTH = struct.Struct("<I")


def join_messages(messages: Iterable[bytes]) -> bytes:
    """Join messages for one file: before each, its length as a little-endian uint32."""
    return b"".join(_LENGTH.pack(len(message)) + message for message in messages)


def split_messages(data: bytes) -> list[bytes]:
    """Invert `join_messages`; a message shorter than its length is the last one."""
    messages = []
    at = 0
    while at + _LENGTH.size <= len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        messages.append(data[at : at + size])
        at += size
    return messages


class Intake:
    """Takes messages as `rankcast_receiver.subscriber.Subscriber` does, but decodes one at a time.

    Whatever is raised here would end the receive thread.
    """

    def __init__(self, limits: Limits | None = None, models: Path | None = None) -> None:
        self.limits = limits or Limits()
        self.models = models
        self.ledger = Ledger()
        self.streams: dict[str, CameraStream] = {}
        self._patience = LogLimiter()
        self.foreign = 0
        """Messages with a topic that is not Rankcast's."""
        self.errors: list[WireError] = []
        """Why packets were refused before they were decoded."""

    @property
    def refused(self) -> int:
        """Return the number of frames that were lost, whatever the cause."""
        return self.foreign + len(self.errors) + sum(self.ledger.balance().lost.values())

    def take(self, message: bytes) -> Frame | None:
        """Take one message; return its frame if it has one to show."""
        try:
            camera, channel, data = split_message(memoryview(message))
            stream = self._stream(camera)
        except WireError as exc:
            self.foreign += 1
            check_line(exc)
            return None
        try:
            packet = unpack(data, self.limits)
            if (channel == "frames") != packet.header.kind.is_picture:
                raise WireError(f"kind {packet.header.kind.name} came on topic {channel}")
            fresh = stream.accept(packet)
        except WireError as exc:
            check_line(exc)
            self.errors.append(exc)
            stream.refuse(exc)
            return None
        frame = stream.decode() if fresh else None
        if frame is not None:
            assert frame.pixels.shape == packet.header.shape
            assert frame.pixels.dtype == packet.header.dtype
        return frame

    def check_balance(self) -> None:
        """Check that every frame was shown or lost for a cause."""
        balance = self.ledger.balance()
        assert balance.under_way == 0, balance

    def _stream(self, camera: str) -> CameraStream:
        if camera not in self.streams:
            if len(self.streams) >= MAX_CAMERAS:
                raise LimitError(f"got camera {camera}, the limit is {MAX_CAMERAS} cameras")
            # Not live: what is shown must not depend on how fast the machine decodes.
            self.streams[camera] = CameraStream(
                camera, self.limits, self.ledger, patience=self._patience, models=self.models,
                live=False,
            )  # fmt: skip
        return self.streams[camera]


def check_line(error: RankcastError) -> None:
    """Check a message for log and terminal: one short line without control characters."""
    assert str(error).isprintable(), repr(str(error))
    assert len(str(error)) < 400, str(error)
