"""The end of a ZeroMQ context, which waits for libzmq's own thread."""

from __future__ import annotations

from typing import Any, Final

import zmq

from rankcast.runtime import Worker

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
    worker = Worker("rankcast-context", context.term, task="closing ZeroMQ")
    worker.start()
    worker.join(timeout_s)
