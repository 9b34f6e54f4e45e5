"""TaskThread: a thread with one task, which its owner starts, checks, stops and joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rankcast.errors import WorkerError
from rankcast.runtime.pulse import Pulse
from rankcast.runtime.worker import Worker

JOIN_TIMEOUT_S: Final = 5.0


class TaskThread:
    """A `Worker` with a pulse, whose failure is raised once.

    Parameters
    ----------
    name : str
        Task of the thread; used in its name and that of its pulse.
    target : callable
        See `Worker`.
    on_end : callable
        See `Worker`; called once the pulse rests.

    Notes
    -----
    If the thread fails, the first call of `check` or `join` afterwards raises its exception; later
    calls do not raise it again.
    """

    def __init__(self, name: str, target: Callable[[], None], on_end: Callable[[], None]) -> None:
        self.name = name
        self.pulse = Pulse(name)
        self._on_end = on_end
        self._started = False
        self._stopped = False
        self._raised = False
        self._worker = Worker(f"rankcast-{name}", target, self._ended, task=f"the {name} thread")

    @property
    def running(self) -> bool:
        """False before the start, and once the thread has ended."""
        return self._worker.running

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None unless it failed."""
        return self._worker.error

    def check(self) -> None:
        """Raise an error if the thread has ended without being stopped.

        Raises
        ------
        WorkerError
            With the exception that ended the thread as its cause.
        """
        if self._started and not self._worker.running and not self._stopped:
            self._raised = True
            reason = self._worker.error or "it returned"
            raise WorkerError(f"thread {self.name} has ended: {reason}") from self._worker.error

    def join(self, timeout_s: float = JOIN_TIMEOUT_S) -> None:
        """Wait for the thread to end, and raise the exception that ended it.

        Raises
        ------
        WorkerError
            If the thread still runs after `timeout_s`.
        """
        try:
            self._worker.join(timeout_s)
        except BaseException as exc:
            if exc is not self._worker.error:
                raise
            if not self._raised:
                self._raised = True
                raise

    def _start(self) -> None:
        self._worker.start()
        self._started = True

    def _ended(self) -> None:
        self.pulse.rest()
        self._on_end()
