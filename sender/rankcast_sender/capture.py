"""Frames of a camera for commands that look at some seconds of it, such as `rankcast compare`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from rankcast.boot_clock import boot_ns
from rankcast.errors import SettingsError
from rankcast.frame import Frame
from rankcast_sender.app import source_opener
from rankcast_sender.settings import CameraTable
from rankcast_sender.sources import Remote


def capture(source: str, seconds: float) -> Iterator[Frame]:
    """Open a camera, yield its frames for a while, and close it.

    Parameters
    ----------
    source : str
        A source URI, such as ``camera:0?width=1920``.
    seconds : float
        Time from the first frame to the last.

    Yields
    ------
    Frame
        With both capture times.

    Raises
    ------
    SettingsError
        If the source is none of a camera, or an option of it is wrong.
    SourceError
        If the camera cannot be opened, or fails.
    """
    opened = source_opener(CameraTable(source=source))()
    try:
        if not opened.live:
            raise SettingsError(f"got source {source!r:.200}, want one of a camera")
        if isinstance(opened, Remote):
            opened.open()
        ends_s = None
        for frame in opened:
            now_s = time.monotonic()
            ends_s = now_s + seconds if ends_s is None else ends_s
            if now_s > ends_s:
                return
            yield frame if frame.t_capture_mono_ns else _stamped(frame)
    finally:
        opened.close()


def _stamped(frame: Frame) -> Frame:
    return replace(frame, t_capture_mono_ns=boot_ns(), t_capture_utc_ns=time.time_ns())
