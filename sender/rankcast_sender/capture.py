"""Frames of a camera for commands that look at some seconds of it, such as `rankcast compare`."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Final

from rankcast.boot_clock import boot_ns
from rankcast.errors import SettingsError
from rankcast.frame import Frame
from rankcast.runtime import Worker
from rankcast_sender.settings import CameraTable
from rankcast_sender.source_opener import source_opener
from rankcast_sender.sources import Remote, Source, parse_source

log = logging.getLogger(__name__)

GRACE_S: Final = 10.0
"""Time beyond the seconds for the first frame, and for whoever takes the frames."""
STOP_S: Final = 2.0


def capture(source: str, seconds: float) -> Iterator[Frame]:
    """Open a camera, yield its frames for a while, and close it.

    Parameters
    ----------
    source : str
        A source URI, such as ``camera:0?width=1920``.
    seconds : float
        Time from the first frame to the last; after ten more the camera is left, whatever came.

    Yields
    ------
    Frame
        With both capture times.

    Raises
    ------
    SettingsError
        If the source is none of a camera, waits for a trigger, or an option of it is wrong.
    SourceError
        If the camera cannot be opened, or fails.
    """
    if parse_source(source).query.get("trigger") == "on":
        raise SettingsError(
            "got trigger=on, but nothing triggers frames here: leave it out, or give trigger=off"
        )
    opened = source_opener(CameraTable(source=source))()
    try:
        if not opened.live:
            raise SettingsError(f"got source {source!r:.200}, want one of a camera")
        if isinstance(opened, Remote):
            opened.open()
        with _interrupted_after(opened, seconds + GRACE_S):
            yield from _frames(opened, seconds)
        _tell_losses(opened)
    finally:
        opened.close()


def _frames(opened: Source, seconds: float) -> Iterator[Frame]:
    ends_s = None
    for frame in opened:
        now_s = time.monotonic()
        ends_s = now_s + seconds if ends_s is None else ends_s
        if now_s > ends_s:
            return
        yield frame if frame.t_capture_mono_ns else _stamped(frame)


@contextmanager
def _interrupted_after(opened: Source, limit_s: float) -> Iterator[None]:
    """Interrupt the source after a while: one that waits for a trigger never ends."""
    done = Event()

    def interrupt() -> None:
        if done.wait(limit_s):
            return
        log.warning("%s: was ended after %g s; it may wait for a trigger", opened.description,
                    limit_s)  # fmt: skip
        opened.interrupt()

    worker = Worker("rankcast-capture", interrupt)
    worker.start()
    try:
        yield
    finally:
        done.set()
        worker.join(STOP_S)


def _tell_losses(opened: Source) -> None:
    replaced = opened.replaced if isinstance(opened, Remote) else 0
    if opened.gaps or replaced:
        log.warning("%s: %d frames were lost and %d replaced by newer ones before they were taken",
                    opened.description, opened.gaps, replaced)  # fmt: skip


def _stamped(frame: Frame) -> Frame:
    return replace(frame, t_capture_mono_ns=boot_ns(), t_capture_utc_ns=time.time_ns())
