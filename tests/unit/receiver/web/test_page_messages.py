"""Messages of pages: what docs/web.md allows is parsed, everything else is one WireError."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import WireError
from rankcast_receiver.web.json_text import json_text
from rankcast_receiver.web.live.message_rate import MOST_S, MessageRate
from rankcast_receiver.web.live.page_messages import (
    Ack,
    Ask,
    Ping,
    Play,
    Restart,
    Watch,
    parse_page_message,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("message", "parsed"),
    [
        ({"type": "watch", "cameras": {"a": "packets", "b": "jpeg"}},
         Watch({"a": "packets", "b": "jpeg"})),
        ({"type": "ack", "cameras": {"a": 5, "b": "9007199254740993"}},
         Ack({"a": 5, "b": 9007199254740993})),
        ({"type": "ping", "t0": 1.5}, Ping(1.5)),
        ({"type": "restart", "camera": "a"}, Restart("a")),
        ({"type": "request", "id": 1, "op": "get", "camera": "a"}, Ask(1, "get", "a", {})),
        ({"type": "play", "from_s": None, "speed": 2, "paused": True}, Play(None, 2, paused=True)),
        ({"type": "play", "from_s": 1.5}, Play(1.5, 1.0, paused=False)),
        ({"type": "play", "from_s": 0, "form": "jpeg"}, Play(0, 1.0, paused=False, form="jpeg")),
    ],
)  # fmt: skip
def test_a_message_of_the_protocol_is_parsed(message: object, parsed: object) -> None:
    assert parse_page_message(json.dumps(message)) == parsed


@given(st.text() | json_values.map(json.dumps))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse_page_message(text)


@given(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["watch", "ack", "ping", "restart", "request", "play"])},
        optional=dict.fromkeys(
            ("cameras", "t0", "camera", "id", "op", "args", "from_s", "speed", "paused", "form"),
            json_values,
        ),
    )
)
def test_wrong_values_are_refused_with_one_line(message: dict[str, object]) -> None:
    refusal = ""
    try:
        parse_page_message(json.dumps(message))
    except WireError as exc:
        refusal = str(exc)
    assert "\n" not in refusal


def test_two_hundred_messages_a_second_are_allowed() -> None:
    rate = MessageRate()
    assert all(rate.allows(0.0) for _ in range(MOST_S))
    assert not rate.allows(0.0)
    assert rate.allows(1.0)
    steady = MessageRate()
    assert all(steady.allows(number / MOST_S) for number in range(10 * MOST_S))


def test_integers_that_javascript_cannot_hold_are_text_and_no_number_is_null() -> None:
    value = {"t": 2**53 + 1, "n": 2**53, "x": float("inf"), "b": b"\1\2", "s": (1, True)}
    assert json.loads(json_text(value)) == {
        "t": "9007199254740993", "n": 2**53, "x": None, "b": "0102", "s": [1, True],
    }  # fmt: skip
