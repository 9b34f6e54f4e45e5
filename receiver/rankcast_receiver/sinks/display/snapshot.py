"""Snapshots: saves frames as PNG files in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rankcast.errors import ImageFileError, SinkError, WorkerError
from rankcast.frame import Frame
from rankcast.images import write_image
from rankcast.runtime import Mailbox, Worker, doing
from rankcast_receiver.sinks.description import check_camera, describe, utc_in_name

log = logging.getLogger(__name__)

MAX_FRAMES: Final = 64
"""Most frames that wait for the disk, as many as a sender has cameras."""
MAX_BYTES: Final = 512 * 1024 * 1024
"""Most bytes of frames that wait; one frame may always."""
MAX_NEWS: Final = 64
CLOSE_S: Final = 1.0
"""Longest wait at the end for files that are not written yet."""


def snapshot_name(frame: Frame) -> str:
    """Return the file name of a snapshot: camera, UTC time of capture, sequence.

    Raises
    ------
    SinkError
        If the camera name is not valid.
    """
    return f"{check_camera(frame)}-{utc_in_name(frame)}-{frame.sequence}.png"


class Snapshots:
    """Saves frames without loss, with the description that saved files have.

    The thread starts with the first frame.

    Parameters
    ----------
    folder : Path
    write : callable
        Writes a file, as `write_image`.
    """

    def __init__(self, folder: Path, write: Callable[..., int] = write_image) -> None:
        self.saved = 0
        """Files written."""
        self.failed = 0
        """Frames that could not be written."""
        self.dropped = 0
        """Frames that came while too many were waiting, or were not written before the end."""
        self._folder = folder
        self._write = write
        self._waiting = Mailbox[Frame](MAX_FRAMES, newest_wins=False)
        self._waiting_bytes = 0
        self._news: list[str] = []
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def take(self, frames: Sequence[Frame]) -> None:
        """Save frames, later and in order; `news` says what came of it."""
        if self._worker is None:
            self._worker = Worker("rankcast-snapshots", self._run, task="saving snapshots")
            self._worker.start()
        for frame in frames:
            with self._lock:
                full = self._waiting_bytes and self._waiting_bytes + frame.pixels.nbytes > MAX_BYTES
                if not full:
                    self._waiting_bytes += frame.pixels.nbytes
            # Only this thread adds, so that a place which is free now stays free.
            if full or len(self._waiting) >= MAX_FRAMES or not self._waiting.put(frame):
                if not full:
                    self._forget(frame)
                self.dropped += 1
                self._tell(
                    logging.ERROR,
                    f"{frame.camera} #{frame.sequence} not saved: the disk is too slow, "
                    f"{len(self._waiting)} snapshots are waiting",
                )

    def news(self) -> Sequence[str]:
        """Return what happened since the last call: where a file is, or why there is none."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def close(self) -> None:
        """Finish what waits, for a second at most; may be called twice.

        Raises
        ------
        WorkerError
            If a file is still being written after that.
        """
        self._waiting.close()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        try:
            worker.join(CLOSE_S)
        except WorkerError:
            self.dropped += self._waiting.discard()
            worker.join(CLOSE_S / 2)
        finally:
            log.info(
                "snapshots: %d saved, %d failed, %d dropped", self.saved, self.failed, self.dropped
            )

    def _run(self) -> None:
        for frame in self._waiting:
            try:
                self._save(frame)
            finally:
                self._forget(frame)

    def _save(self, frame: Frame) -> None:
        try:
            path = self._folder / snapshot_name(frame)
            with doing(f"writing {path}"):
                self._write(
                    path, frame.pixels, text=describe(frame, lossy_file=False), exclusive=True
                )
        except FileExistsError:  # s was pressed twice: a name belongs to one frame
            self._tell(logging.INFO, f"saved before: {path.absolute()}")
        except (ImageFileError, SinkError) as exc:
            self.failed += 1
            self._tell(logging.ERROR, f"{frame.camera} #{frame.sequence} not saved: {exc}")
        else:
            self.saved += 1
            self._tell(logging.INFO, f"saved {path.absolute()}")

    def _forget(self, frame: Frame) -> None:
        with self._lock:
            self._waiting_bytes -= frame.pixels.nbytes

    def _tell(self, level: int, line: str) -> None:
        log.log(level, "snapshot: %s", line)
        with self._lock:
            self._news = [*self._news, line][-MAX_NEWS:]
