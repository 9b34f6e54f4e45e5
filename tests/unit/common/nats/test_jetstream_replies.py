"""A server whose replies are JSON of the wrong kind costs one line, whatever is wrong with them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import StoreError
from rankcast.nats.client import Message
from rankcast.nats.jetstream import JetStream
from rankcast.nats.jetstream.api import parse_time_ns

CONSUMER = {"name": "me", "filter_subject": "a.b"}
CALLS = {
    "names": ("a.b",), "subjects": ("line", "a.*"), "stream": ("line",), "consumer": ("line", "me"),
    "consumers": ("line",), "create_consumer": ("line", CONSUMER), "message": ("line", 1),
    "create": ({"name": "line"},), "delete_consumer": ("line", "me"),
}  # fmt: skip
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.just({}) | st.just([]) | st.just({"name": 1, "first_ts": 5, "messages": "x"})
)  # fmt: skip
KEYS = (
    "streams", "state", "config", "consumers", "total", "name", "created", "delivered", "ack_floor",
    "num_pending", "num_ack_pending", "message", "data", "error", "err_code", "subjects",
    "stream_seq", "messages", "bytes", "first_seq", "last_seq", "first_ts", "num_replicas",
)  # fmt: skip
REPLIES = st.recursive(
    VALUES, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=8), max_leaves=20
)


class Server:
    """Replies the same to every request."""

    def __init__(self, reply: Any) -> None:
        self._data = json.dumps(reply).encode()

    async def request(self, subject: str, _data: bytes, _timeout_s: float) -> Message:
        return Message(subject, self._data)


def ask(reply: Any, call: str) -> Any:
    jetstream = JetStream(Server(reply))  # type: ignore[arg-type]
    return asyncio.run(getattr(jetstream, call)(*CALLS[call]))


@given(REPLIES, st.sampled_from(sorted(CALLS)))
def test_no_reply_raises_anything_but_a_store_error(reply: Any, call: str) -> None:
    with suppress(StoreError):
        ask(reply, call)


@pytest.mark.parametrize(
    ("reply", "call", "text"),
    [
        ({"consumers": ["a"], "total": "many"}, "consumers", "total of consumers 'many'"),
        ({"consumers": 7}, "consumers", "got names as 7"),
        ({"streams": True}, "names", "got names as True"),
        ({"state": 3}, "subjects", "without 'state'"),
        ({"error": "no"}, "stream", "an error of JetStream as 'no'"),
        ({"error": {"err_code": "x"}}, "stream", "number of an error 'x'"),
        ({"message": {"data": 5}}, "message", "did not encode"),
    ],
)
def test_a_faulty_reply_is_named(reply: Any, call: str, text: str) -> None:
    with pytest.raises(StoreError, match=text):
        ask(reply, call)


@pytest.mark.parametrize("time", [5, None, {}, "soon", "2026-11-30T01:00:00.xZ"])
def test_a_time_that_is_none_is_a_value_error(time: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time_ns(time)
