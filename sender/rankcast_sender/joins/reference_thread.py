"""ReferenceThread: makes references for the viewers of all cameras, beside the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from rankcast.runtime import Mailbox, MailboxClosed, Pulse, Worker, doing

STOP_S: Final = 5.0
"""Longer than the decoding of one picture."""
LOOK_S: Final = 1.0
KEPT_S: Final = 30.0
"""How long a decoder is kept after its latest reference."""


class MakesReferences(Protocol):
    """A camera that somebody has joined."""

    @property
    def name(self) -> str:
        """Name of the camera."""

    def make_reference(self, stopped: Callable[[], bool]) -> None:
        """Make a reference for those who wait for one; `stopped` is called for each packet."""

    def drop_decoder(self) -> None:
        """Free what the next reference would be made from."""


class ReferenceThread:
    """Decodes where somebody has joined in the middle of a group, one camera after the other.

    It rests for as long as it works: encoders need the processors more.
    """

    def __init__(self) -> None:
        self._wanted: Mailbox[MakesReferences] = Mailbox(newest_wins=True)
        self._stopped = threading.Event()
        self._kept: dict[MakesReferences, float] = {}
        """Cameras that have a decoder, and when each had its latest reference."""
        self.pulse = Pulse("references")
        self.worker = Worker("rankcast-references", self._run, task="making references")

    def start(self) -> None:
        """Start the thread."""
        self.worker.start()

    def want(self, camera: MakesReferences) -> None:
        """Queue a camera, at most once; from any thread."""
        self._wanted.put(camera, key=camera.name)

    def stop(self) -> None:
        """Ask the thread to end, without waiting."""
        self._stopped.set()
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
                began_s = time.monotonic()
                if camera is not None:
                    self.pulse.beat()
                    with doing(f"making a reference of {camera.name}"):
                        camera.make_reference(self._is_stopped)
                    self.pulse.rest()
                    self._kept[camera] = time.monotonic()
                    self._stopped.wait(time.monotonic() - began_s)
                for each, made_s in list(self._kept.items()):
                    if began_s > made_s + KEPT_S:
                        del self._kept[each]
                        each.drop_decoder()

    def _is_stopped(self) -> bool:
        self.pulse.beat()
        return self._stopped.is_set()
