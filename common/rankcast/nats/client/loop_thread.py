"""LoopThread: a thread with an event loop, for the client library, which needs one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from rankcast.runtime import TaskThread


class LoopThread(TaskThread):
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
        super().__init__(name, self._run, on_end)
        self.stopping = asyncio.Event()
        """Set once the thread is to end; of the event loop."""
        self._main = main
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        """True once `stop` was called; may be read from any thread."""
        return self._stopped

    def start(self) -> None:
        """Start the thread."""
        with self._lock:
            self._loop = asyncio.new_event_loop()
            if self._stopped:
                self.stopping.set()
        self._start()

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

    def stop(self) -> None:
        """Ask the thread to end, without waiting. May be called before `start`, and twice."""
        self._stopped = True
        self.call(self.stopping.set)

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


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks that the client library left behind, and let them end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
