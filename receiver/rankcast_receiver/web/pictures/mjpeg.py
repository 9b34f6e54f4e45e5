"""MjpegStream: the newest pictures of one camera, one JPEG after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

import anyio.to_thread

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.frame import Frame
from rankcast.images import encode_image
from rankcast_receiver.sinks.overlay import OverlayText, draw_overlay
from rankcast_receiver.sinks.screen_picture import screen_picture
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.web.pictures.jpegs import Jpegs

BOUNDARY: Final = "rankcast"
POLL_S: Final = 0.2
REPEAT_S: Final = 1.0
"""Without a new picture, the last one is sent again with its state over it."""


class MjpegStream:
    """Makes the body of an answer of type ``multipart/x-mixed-replace``.

    What a client does not take in time is skipped.

    Parameters
    ----------
    camera : str
    jpegs : Jpegs
    state : callable
        Returns the state of the camera; None if it is gone.
    stopping : callable
        True once the server ends.
    quality : int
    fps : float or None
        Most pictures a second; None is no limit.
    """

    def __init__(
        self,
        camera: str,
        jpegs: Jpegs,
        state: Callable[[], CameraState | None],
        stopping: Callable[[], bool],
        *,
        quality: int,
        fps: float | None,
    ) -> None:
        self._camera, self._jpegs, self._state = camera, jpegs, state
        self._stopping, self._quality = stopping, quality
        self._interval_s = 0.0 if fps is None else 1 / fps
        self._news = asyncio.Event()
        self._news.set()

    def pictures_of(self) -> Collection[str]:
        """Return the camera that is shown."""
        return (self._camera,)

    def note_picture(self, camera: str) -> None:
        """Note that a camera has a new picture."""
        if camera == self._camera:
            self._news.set()

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the parts until the server ends."""
        sent_s, shown = float("-inf"), None
        while not self._stopping():
            try:
                async with asyncio.timeout(POLL_S):
                    await self._news.wait()
            except TimeoutError:
                if shown is not None and boot_s() - sent_s >= REPEAT_S:
                    sent_s = boot_s()
                    yield _part(await self._marked(shown))
                continue
            if (pause_s := sent_s + self._interval_s - boot_s()) > 0:
                await asyncio.sleep(min(pause_s, POLL_S))
                continue
            self._news.clear()
            jpeg = await self._jpegs.get(self._camera, self._quality)
            if jpeg is None or jpeg.frame is shown:
                continue
            sent_s, shown = boot_s(), jpeg.frame
            yield _part(jpeg.data)

    async def _marked(self, frame: Frame) -> bytes:
        return await anyio.to_thread.run_sync(
            _marked_jpeg, frame, self._state(), self._quality, limiter=self._jpegs.threads
        )


def _part(data: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return b"".join((head.encode("ascii"), data, b"\r\n"))


def _marked_jpeg(frame: Frame, state: CameraState | None, quality: int) -> bytes:
    """Return a picture with what keeps it from being live over it."""
    height, width = frame.pixels.shape[:2]
    shown = screen_picture(frame, (width, height)).pixels
    if (text := _text(frame, state)) is not None:
        draw_overlay(shown, text)
    return encode_image(".jpg", shown, jpeg_quality=quality)


def _text(frame: Frame, state: CameraState | None) -> OverlayText | None:
    if state is None:
        return OverlayText((), "NO SIGNAL: the camera is gone")
    if state.state is State.LIVE:
        return None
    if state.state is State.WAITING_FOR_TRIGGER:
        return OverlayText((), banner=(state.state.words.upper(),))
    captured_ns = frame.t_capture_here_ns
    age = "" if captured_ns is None else f" {max(0, boot_ns() - captured_ns) / 1e9:.0f} s"
    why = state.detail if state.state is State.STALE else str(state)
    return OverlayText((), f"STALE{age}: {why}")
