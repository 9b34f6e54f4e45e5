"""Inbox: what other threads hand to the event loop of the web address."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from typing import Final

from rankcast.runtime import LogLimiter
from rankcast_receiver.stream import CameraPacket

log = logging.getLogger(__name__)

MOST_PACKETS: Final = 1024
MOST_BYTES: Final = 64 << 20
"""Of the packets that wait for the event loop; the oldest are dropped."""


class Inbox:
    """Takes packets, and the names of cameras with a new picture, without ever waiting.

    One call wakes the loop for all that came since it last looked.
    """

    def __init__(self) -> None:
        self._packets: deque[tuple[CameraPacket, bytes]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        """Guards the packets and their size."""
        self.dropped = 0
        """Packets that the event loop was too slow for; written in the thread of the sink."""
        self._log_limiter = LogLimiter()
        self._pictures: dict[str, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._filled: asyncio.Event | None = None
        self._woken = False

    def open(self) -> None:
        """Begin to wake the running loop."""
        self._filled = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def put_packet(self, packet: CameraPacket, message: bytes) -> None:
        """Hand over a packet; called in the thread of the sink."""
        with self._lock:
            self._packets.append((packet, message))
            self._bytes += len(message)
            too_many = 0
            while len(self._packets) - 1 and (
                len(self._packets) > MOST_PACKETS or self._bytes > MOST_BYTES
            ):
                self._bytes -= len(self._packets.popleft()[1])
                too_many += 1
        if too_many:
            self.dropped += too_many
            if self._log_limiter.may_log():
                log.warning("the web address is too slow: %d packets dropped", self.dropped)
        self._wake()

    def put_picture(self, camera: str) -> None:
        """Say that a camera has a new picture; called in the thread of the sink."""
        self._pictures[camera] = None
        self._wake()

    async def take(self) -> tuple[list[tuple[CameraPacket, bytes]], list[str]]:
        """Wait for something, and return all packets and cameras so far."""
        assert self._filled is not None
        await self._filled.wait()
        self._filled.clear()
        self._woken = False  # before reading: what comes from now on wakes again
        with self._lock:
            packets = list(self._packets)
            self._packets.clear()
            self._bytes = 0
        pictures = list(self._pictures)
        for camera in pictures:
            self._pictures.pop(camera, None)
        return packets, pictures

    def _wake(self) -> None:
        if self._woken or self._loop is None or self._filled is None:
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._filled.set)
        except RuntimeError:
            # The loop has ended, and its owner raises why.
            self._loop = None
