"""Audit: keeps some originals at the camera station, to compare with what viewers received."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from rankcast.errors import ImageFileError, SinkError
from rankcast.frame import Frame
from rankcast.images import write_image
from rankcast.runtime import Mailbox, MailboxClosed, Worker

log = logging.getLogger(__name__)

_WAITING = 4
"""Originals that may wait for the disk; encoding waits beyond that, so that none is missed."""


class Audit:
    """Writes the original of every n-th published frame, named by its sequence.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    camera : str
        First part of the file names, ``CAMERA_SEQUENCE.png``; the frame number is in the file.
    every : int
        Keep frames whose sequence is a multiple of this; viewers with ``--save-every`` of the
        same number keep the same frames.

    Raises
    ------
    SinkError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path, camera: str, every: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise SinkError(f"{folder}: cannot be made: {exc.strerror}") from exc
        self._folder = folder
        self._camera = camera
        self._every = every
        self._box: Mailbox[tuple[int, Frame]] = Mailbox(_WAITING, newest_wins=False)
        self._worker = Worker("rankcast-audit", self._write_all, self._box.close)
        self._worker.start()

    def offer(self, sequence: int, frame: Frame) -> None:
        """Keep `frame` if its sequence is due."""
        if sequence % self._every == 0:
            self._box.put((sequence, frame))

    def close(self) -> None:
        """Write what waits and stop."""
        self._box.close()
        self._worker.join(30.0)

    def _write_all(self) -> None:
        while True:
            try:
                item = self._box.get()
            except MailboxClosed:
                return
            if item is None:
                continue
            sequence, frame = item
            path = self._folder / f"{self._camera}_{sequence:09d}.png"
            try:
                write_image(path, frame.pixels, text=json.dumps({"frame": frame.frame}))
            except ImageFileError as exc:
                log.warning("original not kept: %s", exc)
