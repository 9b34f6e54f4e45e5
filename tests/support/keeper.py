"""Keeper: a viewer that keeps every frame, made of pyzmq alone, with credit of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import zmq

from rankcast.net import CONTROL_PORT_OFFSET, ControlClient
from rankcast.wire import (
    TOKEN_BYTES,
    Kind,
    frames_topic,
    keeper_topic,
    split_message,
    status_topic,
    unpack,
)
from support.viewers import port_of

WAIT_MS = 20_000


class Keeper:
    """Takes frames only when it is told to, and gives credit only when it is told to.

    Parameters
    ----------
    address : str
        Of the frames.
    cameras : sequence of str
    """

    def __init__(self, address: str, cameras: Sequence[str] = ("cam",)) -> None:
        self.sequences: dict[str, list[int]] = {name: [] for name in cameras}
        self.published: dict[str, int] = {}
        """The next sequence of each camera, as its latest status has it."""
        self.ended = False
        self.streams: dict[str, bytes] = {}
        self.token = os.urandom(TOKEN_BYTES)
        host, port = port_of(address)
        self.control = ControlClient(f"tcp://{host}:{port + CONTROL_PORT_OFFSET}")
        self._context = zmq.Context()
        self._socket: zmq.Socket[Any] = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        for name in cameras:
            self._socket.setsockopt(zmq.SUBSCRIBE, frames_topic(name))
            self._socket.setsockopt(zmq.SUBSCRIBE, status_topic(name))
        for name in cameras:
            self._socket.setsockopt(zmq.SUBSCRIBE, keeper_topic(self.token, name))
        self._socket.connect(address)

    def read(self, timeout_ms: int = WAIT_MS) -> bool:
        """Take one message; return False if none came in time."""
        if not self._socket.poll(timeout_ms):
            return False
        name, _, data = split_message(memoryview(self._socket.recv()))
        header = unpack(data).header
        self.streams[name] = header.stream_id
        if header.kind.is_picture:
            self.sequences[name].append(header.sequence)
        else:
            self.published[name] = header.sequence
            self.ended |= header.kind is Kind.END
        return True

    def read_until(self, camera: str, sequence: int) -> None:
        """Take messages until the frame `sequence` of `camera` has come."""
        while self.sequences[camera][-1:] != [sequence]:
            assert self.read(), f"{camera}: got {self.sequences[camera][-3:]}, want {sequence}"

    def read_statuses(self, camera: str, count: int) -> list[int]:
        """Take messages until so many statuses of `camera` have come; return their sequences."""
        found: list[int] = []
        while len(found) < count:
            self.published.pop(camera, None)
            assert self.read(), f"{camera}: {len(found)} statuses, want {count}"
            if camera in self.published:
                found.append(self.published[camera])
        return found

    def credit(self, camera: str, until: int) -> None:
        """Let the sender go as far as `until`."""
        args = {"token": self.token, "stream": self.streams[camera], "until": until}
        self.control.call("credit", camera, args=args, timeout_s=WAIT_MS / 1000)

    def close(self) -> None:
        """Leave."""
        self._socket.close()
        self._context.term()
        self.control.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
