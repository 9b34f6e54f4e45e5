"""LoopThread: a thread with an event loop, for the client library, which needs one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from rankcast.errors import WorkerError
from rankcast.runtime import Pulse, Worker

STOP_TIMEOUT_S: Final = 5.0


class LoopThread:
    """Runs `main` in an event loop in a thread of its own, until it returns.

    Parameters
    ----------
    name : str
        Task of the thread; used in its name and that of its pulse.
    main : callable
        Returns the coroutine to run. It must end soon after `stopping` is set.
    on_end : callable, optional
        Called in the thread after `main` has returned or failed.

    Notes
    -----
    If the thread fails, the first call of `check` or `join` afterwards raises its exception; later
    calls do not raise it again.
    """

    def __init__(
        self,
        name: str,
        main: Callable[[], Coroutine[Any, Any, None]],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.pulse = Pulse(name)
        self.stopping = asyncio.Event()
        """Set once the thread is to end; of the event loop."""
        self._main = main
        self._on_end = on_end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self._raised = False
        self._worker = Worker(f"rankcast-{name}", self._run, self._ended, task=f"the {name} thread")

    @property
    def running(self) -> bool:
        """False before `start`, and once the thread has ended."""
        return self._worker.running

    @property
    def stopped(self) -> bool:
        """True once `stop` was called; may be read from any thread."""
        return self._stopped

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the thread; None unless it failed."""
        return self._worker.error

    def start(self) -> None:
        """Start the thread."""
        with self._lock:
            self._loop = asyncio.new_event_loop()
            if self._stopped:
                self.stopping.set()
        self._worker.start()

    def call(self, function: Callable[..., object], *args: object) -> bool:
        """Call `function` in the event loop, soon; False if the loop has ended; from any thread."""
        with self._lock:
            loop = self._loop
            if loop is None or loop.is_closed():
                return False
            with suppress(RuntimeError):  # closed between the two lines, by a program that ends
                loop.call_soon_threadsafe(function, *args)
                return True
        return False

    def check(self) -> None:
        """Raise an error if the thread has ended without being stopped.

        Raises
        ------
        WorkerError
            With the exception that ended the thread as its cause.
        """
        if self._loop is not None and not self._worker.running and not self._stopped:
            self._raised = True
            reason = self._worker.error or "it returned"
            raise WorkerError(f"thread {self.name} has ended: {reason}") from self._worker.error

    def stop(self) -> None:
        """Ask the thread to end, without waiting. May be called before `start`, and twice."""
        self._stopped = True
        self.call(self.stopping.set)

    def join(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
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

    def _run(self) -> None:
        loop = self._loop
        assert loop is not None
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._guarded())
        finally:
            with suppress(RuntimeError):
                _cancel_all(loop)
            asyncio.set_event_loop(None)
            with self._lock:
                loop.close()

    async def _guarded(self) -> None:
        """Run `main`; a program that ends without closing its owner must not hang on it."""
        main = asyncio.ensure_future(self._main())
        while not main.done():
            self.pulse.beat()
            if not threading.main_thread().is_alive():
                self.stopping.set()
            await asyncio.wait([main], timeout=0.25)
        main.result()

    def _ended(self) -> None:
        self.pulse.rest()
        self._on_end()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks that the client library left behind, and let them end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
