"""A fake control channel of a sender."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import zmq

from rankcast.wire import Reply, Request, pack_reply, parse_request

WAIT_S = 10.0


def pong(request: Request) -> Mapping[str, Any]:
    """Return the reply of every sender to a ping."""
    now = time.time_ns()
    return {"t0": request.args["t0"], "t1": now, "t2": now}


class Answerer:
    """Answers control requests at `address` and records them.

    `answers` maps operations to functions; other operations get no reply.
    """

    def __init__(
        self, address: str, answers: Mapping[str, Callable[[Request], Mapping[str, Any]]]
    ) -> None:
        self.requests: list[Request] = []
        self._address = address
        self._answers = dict(answers)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def of(self, op: str) -> list[Request]:
        """Return the requests of one operation so far."""
        with self._changed:
            return [request for request in self.requests if request.op == op]

    def wait(self, op: str, count: int = 1) -> list[Request]:
        """Wait for `count` requests of an operation."""
        with self._changed:
            came = self._changed.wait_for(
                lambda: sum(request.op == op for request in self.requests) >= count, WAIT_S
            )
        assert came, f"{len(self.of(op))} requests {op} arrived instead of {count}"
        return self.of(op)

    def __enter__(self) -> Answerer:
        self._thread.start()
        assert self._bound.wait(WAIT_S), "the control port is in use"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)

    def _serve(self) -> None:
        with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
            router.setsockopt(zmq.LINGER, 0)
            router.bind(self._address)
            self._bound.set()
            while not self._stop.is_set():
                if not router.poll(20):
                    continue
                client, message = router.recv_multipart()
                request = parse_request(message)
                with self._changed:
                    self.requests.append(request)
                    self._changed.notify_all()
                answer = self._answers.get(request.op)
                if answer is not None:
                    reply = Reply(request.id, ok=True, result=answer(request))
                    router.send_multipart([client, pack_reply(reply)])
