"""Worker: a thread whose failure is raised in its owner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from rankcast.errors import WorkerError


def join_all(workers: Iterable[Worker], timeout_s: float) -> None:
    """Join all workers, each for at most `timeout_s`; raise the first failure."""
    failure: BaseException | None = None
    for worker in workers:
        try:
            worker.join(timeout_s)
        except BaseException as exc:
            failure = failure or exc
    if failure is not None:
        raise failure


class Worker:
    """Runs `target` in a thread.

    Parameters
    ----------
    name : str
        Name of the thread.
    target : callable
        Returns when its work is done or its owner requests it to stop.
    on_end : callable, optional
        Called in the thread after `target` has returned or failed, to wake the owner.
    """

    def __init__(
        self, name: str, target: Callable[[], None], on_end: Callable[[], None] | None = None
    ) -> None:
        self._target = target
        self._on_end = on_end
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """False once the thread has ended."""
        return self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None unless it failed."""
        return self._error

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end and raise the exception that ended it.

        Raises
        ------
        WorkerError
            If the thread still runs after `timeout_s`.
        """
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise WorkerError(f"thread {self._thread.name} did not stop within {timeout_s:g} s")
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as exc:
            self._error = exc
        finally:
            if self._on_end is not None:
                self._on_end()
