"""ReferenceThread: makes references for the viewers of all cameras, beside the stream."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from rankcast.runtime import Mailbox, MailboxClosed, Pulse, Worker, doing

STOP_S: Final = 5.0
"""Longer than the decoding of one picture."""
LOOK_S: Final = 1.0


class MakesReferences(Protocol):
    """A camera that somebody has joined."""

    @property
    def name(self) -> str:
        """Name of the camera."""

    def make_reference(self, stopped: Callable[[], bool]) -> None:
        """Make a reference for those who wait for one; `stopped` is called for each packet."""


class ReferenceThread:
    """Decodes where somebody has joined in the middle of a group, one camera after the other.

    Parameters
    ----------
    on_end : callable, optional
        Called in the thread once it ends.
    """

    def __init__(self, on_end: Callable[[], None] | None = None) -> None:
        self._wanted: Mailbox[MakesReferences] = Mailbox(newest_wins=True)
        self._stopped = False
        self.pulse = Pulse("references")
        self.worker = Worker("rankcast-references", self._run, on_end, task="making references")

    def start(self) -> None:
        """Start the thread."""
        self.worker.start()

    def want(self, camera: MakesReferences) -> None:
        """Queue a camera, at most once; from any thread."""
        self._wanted.put(camera, key=camera.name)

    def stop(self) -> None:
        """Ask the thread to end, without waiting."""
        self._stopped = True
        self._wanted.discard()

    def close(self, timeout_s: float = STOP_S) -> None:
        """Stop the thread and wait for it; may precede `start`.

        Raises
        ------
        WorkerError
            If it is stuck in a picture.
        """
        self.stop()
        self.worker.join(timeout_s)

    def _run(self) -> None:
        with suppress(MailboxClosed):
            # A program may end without closing what started this thread.
            while threading.main_thread().is_alive():
                camera = self._wanted.get(LOOK_S)
                if camera is None:
                    continue
                self.pulse.beat()
                with doing(f"making a reference of {camera.name}"):
                    camera.make_reference(self._is_stopped)
                self.pulse.rest()

    def _is_stopped(self) -> bool:
        self.pulse.beat()
        return self._stopped
