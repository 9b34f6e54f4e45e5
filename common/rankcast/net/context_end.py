"""The end of a ZeroMQ context, which waits for libzmq's own thread."""

from __future__ import annotations

import threading
from typing import Any, Final

import zmq

from rankcast.errors import WorkerError
from rankcast.runtime import describe, doing

END_TIMEOUT_S: Final = 5.0


def end_context(context: zmq.Context[Any], timeout_s: float = END_TIMEOUT_S) -> None:
    """Terminate a context whose sockets are closed.

    libzmq may be stuck, in a name service that does not answer for instance: the caller then goes
    on without it.

    Raises
    ------
    WorkerError
        If it has not ended within `timeout_s`.
    """
    failures: list[BaseException] = []

    def end() -> None:
        try:
            with doing("closing ZeroMQ"):
                context.term()
        except BaseException as exc:
            failures.append(exc)

    # A daemon: the end of the interpreter must not wait for it either.
    thread = threading.Thread(target=end, name="rankcast-context", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise WorkerError(
            f"thread {thread.name} did not stop within {timeout_s:.3g} s: {describe(thread.ident)}"
        )
    if failures:
        raise failures[0]
