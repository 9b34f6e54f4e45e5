"""The way of messages through a receiver, without its sockets; and sequences of them in files."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable
from pathlib import Path

from rankcast.errors import LimitError, RankcastError, WireError
from rankcast.frame import Frame
from rankcast.runtime import Ledger, LogLimiter
from rankcast.wire import Limits
from rankcast_receiver.stream import CameraStream, StreamOptions, read_message

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
    """Takes messages as a receiver does, without its sockets; never decodes in batches.

    Whatever is raised here would end the receiver.
    """

    def __init__(self, limits: Limits | None = None, models: Path | None = None) -> None:
        self.limits = limits or Limits()
        self.ledger = Ledger()
        self.streams: dict[str, CameraStream] = {}
        self.foreign = 0
        """Messages whose topic is not Rankcast's."""
        # Not live: how long a machine takes to decode must not decide what is shown.
        self._options = StreamOptions(live=False, limits=self.limits, models=models)
        self._log_limiter = LogLimiter(burst=20)

    @property
    def refused(self) -> int:
        """Everything that was counted and not shown."""
        early = sum(stream.refused_packets for stream in self.streams.values())
        return self.foreign + early + sum(self.ledger.balance().lost.values())

    def take(self, message: bytes) -> Frame | None:
        """Take one message; return its frame if it has one to show."""
        try:
            received = read_message(memoryview(message), self.limits, time.monotonic())
            stream = self._stream(received.camera)
        except WireError as exc:
            self.foreign += 1
            check_line(exc)
            return None
        if received.error is not None:
            check_line(received.error)
        decoded = stream.decode([received])
        frame = decoded.frame
        if frame is not None:
            (taken,) = decoded.packets
            header = taken.packet.header
            if header.codec is not None:
                assert frame.pixels.shape == header.shape
                assert frame.pixels.dtype == header.dtype
        return frame

    def check_balance(self) -> None:
        """Check that every frame was shown or lost for a cause."""
        balance = self.ledger.balance()
        assert balance.under_way == 0, balance

    def _stream(self, camera: str) -> CameraStream:
        if camera not in self.streams:
            if len(self.streams) >= MAX_CAMERAS:
                raise LimitError(f"got camera {camera}, the limit is {MAX_CAMERAS} cameras")
            self.streams[camera] = CameraStream(
                camera, self._options, log_limiter=self._log_limiter, ledger=self.ledger
            )
        return self.streams[camera]


def check_line(error: RankcastError) -> None:
    """Check a message for log and terminal: one short line without control characters."""
    assert str(error).isprintable(), repr(str(error))
    assert len(str(error)) < 400, str(error)
