"""Worker: a thread whose failure is raised in its owner."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from rankcast.errors import RankcastError, WorkerError
from rankcast.runtime.activity import describe, doing

log = logging.getLogger(__name__)

_running: set[Worker] = set()


def workers_running() -> bool:
    """Return True if any worker of this process still runs: Python's own end waits for it."""
    return bool(_running)


def join_all(workers: Iterable[Worker], timeout_s: float) -> None:
    """Join all workers within `timeout_s` altogether; raise the first failure."""
    failure: BaseException | None = None
    deadline_s = time.monotonic() + timeout_s
    for worker in workers:
        try:
            worker.join(max(0.0, deadline_s - time.monotonic()), timeout_s)
        except BaseException as exc:
            failure = failure or exc
    if failure is not None:
        raise failure


def log_unexpected_ends() -> None:
    """Log an exception that ends a thread which is no `Worker`, such as one of a library."""
    threading.excepthook = _log_end


def _log_end(ended: threading.ExceptHookArgs) -> None:
    name = "unknown" if ended.thread is None else ended.thread.name
    _log_failure(name, ended.exc_type, ended.exc_value, ended.exc_traceback)


def _log_failure(
    name: str,
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    shown = error if error is not None else kind()
    log.error(
        "thread %s ended unexpectedly: %s: %s", name, kind.__name__, shown,
        exc_info=(kind, shown, trace),
    )  # fmt: skip


class Worker:
    """Runs `target` in a thread.

    An exception that is not a RankcastError is logged at once, because its owner may look for it
    only when it joins the thread.

    Parameters
    ----------
    name : str
        Name of the thread.
    target : callable
        Returns when its work is done or its owner requests it to stop.
    on_end : callable, optional
        Called in the thread after `target` has returned or failed, to wake the owner.
    task : str, optional
        What the thread does, for the message that names it if it is stuck; by default its name.
    """

    def __init__(
        self,
        name: str,
        target: Callable[[], None],
        on_end: Callable[[], None] | None = None,
        *,
        task: str = "",
    ) -> None:
        self._target = target
        self._on_end = on_end
        self._task = task or f"thread {name}"
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

    def join(self, timeout_s: float, limit_s: float | None = None) -> None:
        """Wait for the thread to end and raise the exception that ended it.

        Parameters
        ----------
        timeout_s : float
        limit_s : float, optional
            Limit that the message states, if `timeout_s` is what is left of it.

        Raises
        ------
        WorkerError
            If the thread still runs after `timeout_s`; the message says where it is.
        """
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            limit_s = timeout_s if limit_s is None else limit_s
            raise WorkerError(
                f"thread {self._thread.name} did not stop within {limit_s:.3g} s: "
                f"{describe(self._thread.ident)}"
            )
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            _running.add(self)
            with doing(self._task):
                self._target()
        except BaseException as exc:
            self._error = exc
            if not isinstance(exc, RankcastError):
                _log_failure(self._thread.name, type(exc), exc, exc.__traceback__)
        finally:
            try:
                if self._on_end is not None:
                    self._on_end()
            finally:
                _running.discard(self)
