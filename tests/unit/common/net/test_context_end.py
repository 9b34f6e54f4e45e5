"""The end of a context whose library thread hangs."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest
import zmq

from rankcast.errors import WorkerError
from rankcast.net import end_context


def test_a_context_without_sockets_ends() -> None:
    context: zmq.Context[Any] = zmq.Context()
    end_context(context)
    assert context.closed


def test_a_context_that_does_not_end_is_named_and_left_behind() -> None:
    release = threading.Event()

    class Hanging:
        def term(self) -> None:
            release.wait(10)

    with pytest.raises(WorkerError, match=r"rankcast-context did not stop within 0\.05 s: closing"):
        end_context(cast("zmq.Context[Any]", Hanging()), 0.05)
    release.set()
    for thread in threading.enumerate():
        if thread.name == "rankcast-context":
            thread.join(5)
