"""Audit: saves the originals of some published frames for comparison with received frames."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Final

from rankcast.atomic_file import os_reason
from rankcast.errors import ImageFileError, SinkError
from rankcast.frame import Frame
from rankcast.images import write_image
from rankcast.runtime import Mailbox, Worker

log = logging.getLogger(__name__)

MAX_WAITING: Final = 4
"""Most originals queued for the disk; encoding blocks on a full queue, so none is skipped."""
AUDIT_STOP_S: Final = 30.0
"""Longest wait for a slow disk to take the queued originals."""


class Audit:
    """Write the original of every n-th published frame, named by its sequence number.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    camera : str
        First part of the file names, ``CAMERA_SEQUENCE.png``; frame number and stream are in the
        file. A restarted sender begins at sequence 0 again: where the name is taken, its first 8
        digits of the stream id follow, ``CAMERA_SEQUENCE_STREAM.png``.
    stream_id : bytes
    every : int
        Keep frames whose sequence number is a multiple of this. A viewer with ``--save-every`` of
        the same number keeps the same frames.

    Raises
    ------
    SinkError
        If the folder cannot be created.
    """

    def __init__(self, folder: Path, camera: str, stream_id: bytes, every: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise SinkError(f"{folder}: cannot create the directory: {os_reason(exc)}") from exc
        self._folder = folder
        self._camera = camera
        self._stream = stream_id.hex()
        self._every = every
        self._box: Mailbox[tuple[int, Frame]] = Mailbox(MAX_WAITING, newest_wins=False)
        self._worker = Worker(
            "rankcast-audit",
            self._write_all,
            self._box.close,
            task=f"writing originals in {folder}",
        )
        self._worker.start()

    def offer(self, sequence: int, frame: Frame) -> None:
        """Keep `frame` if its sequence number is due."""
        if sequence % self._every == 0:
            self._box.put((sequence, frame))

    def abandon(self) -> None:
        """Drop the queued originals, because the user wants to quit."""
        if dropped := self._box.discard():
            log.warning("%d originals not kept: the sender was stopped", dropped)

    def close(self, timeout_s: float = AUDIT_STOP_S) -> None:
        """Write the queued originals and stop the thread."""
        self._box.close()
        self._worker.join(timeout_s)

    def _write_all(self) -> None:
        for sequence, frame in self._box:
            name = f"{self._camera}_{sequence:09d}"
            try:
                if not self._write(name, frame):
                    name = f"{name}_{self._stream[:8]}"
                    if not self._write(name, frame):
                        log.warning("original not kept: %s.png exists already", name)
            except ImageFileError as exc:
                log.warning("original not kept: %s", exc)

    def _write(self, name: str, frame: Frame) -> bool:
        """Write one original; return False if the name is taken."""
        text = json.dumps({"frame": frame.frame, "stream_id": self._stream})
        try:
            write_image(self._folder / f"{name}.png", frame.pixels, text=text, exclusive=True)
        except FileExistsError:
            return False
        return True
