"""SocketThread: a thread that owns ZeroMQ sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import zmq

from rankcast.atomic_file import os_reason
from rankcast.errors import TransportError, WorkerError
from rankcast.net.wakeup import Wakeup
from rankcast.runtime import TaskThread

START_TIMEOUT_S: Final = 5.0


class SocketThread(TaskThread):
    """Runs `target` in a thread that opens, uses and closes its own ZeroMQ sockets.

    Parameters
    ----------
    name : str
        Task of the thread; used in its name and that of its pulse.
    target : callable
        Opens the sockets in ``with`` blocks, calls `opened` and serves them until `stopping`. It
        must poll with `poller`, so that `wake` and `stop` take effect at once.
    on_end : callable, optional
        Called in the thread after `target` has returned or failed.

    Notes
    -----
    The constructor opens nothing, so a failure before `start` leaves nothing to close. If the
    thread fails, the first call of `start`, `check` or `join` afterwards raises its exception;
    later calls do not raise it again.
    """

    def __init__(
        self, name: str, target: Callable[[], None], on_end: Callable[[], None] | None = None
    ) -> None:
        super().__init__(name, self._run, self._settle)
        self._target = target
        self._at_end = on_end
        self._wakeup: Wakeup | None = None
        self._settled = threading.Event()
        """Set once the sockets are open, or the thread has ended without opening them."""
        self._is_open = False

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the thread and wait until its sockets are open.

        Raises
        ------
        TransportError
            If an address cannot be bound, or the process may open no more descriptors.
        WorkerError
            If the sockets are not open within `timeout_s`.
        """
        self._start()
        self._settled.wait(timeout_s)
        if self._is_open:
            return
        self.stop()
        if self._settled.is_set():
            self.join(timeout_s)
        raise WorkerError(f"thread {self.name} did not open its sockets within {timeout_s:g} s")

    @property
    def stopping(self) -> bool:
        """True once `stop` was called."""
        return self._stopped

    def stop(self) -> None:
        """Ask the thread to end, without waiting. May be called before `start`, and twice."""
        self._stopped = True
        self.wake()

    def wake(self) -> None:
        """Interrupt the poll of the thread; may be called from any thread at any time."""
        wakeup = self._wakeup
        if wakeup is not None:
            wakeup.ring()

    # The methods below run in the thread itself.

    def opened(self) -> None:
        """Report that the sockets are open, so that `start` returns. Call it in the thread."""
        self._is_open = True
        self._settled.set()

    def poller(self, *sockets: zmq.Socket[Any]) -> zmq.Poller:
        """Return a poller for messages of `sockets` and for `wake`. Call it in the thread."""
        assert self._wakeup is not None, "poller() belongs to the thread"
        poller = zmq.Poller()
        poller.register(self._wakeup.fileno(), zmq.POLLIN)
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        return poller

    def poll(self, poller: zmq.Poller, timeout_s: float) -> set[Any]:
        """Wait for a message or `wake`; return the sockets with messages. Call it in the thread.

        Each call counts as one beat of `pulse`.
        """
        assert self._wakeup is not None, "poll() belongs to the thread"
        self.pulse.beat()
        ready = {socket for socket, _ in poller.poll(round(timeout_s * 1000))}
        self._wakeup.answer()
        return ready

    def _run(self) -> None:
        try:
            wakeup = Wakeup()
        except OSError as exc:
            raise TransportError(f"thread {self.name} has no sockets: {os_reason(exc)}") from None
        with wakeup as self._wakeup:
            self._target()

    def _settle(self) -> None:
        try:
            if self._at_end is not None:
                self._at_end()
        finally:
            self._settled.set()
