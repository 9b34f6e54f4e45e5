"""How a relay knows a camera that has come through it already."""

from __future__ import annotations

import pytest

from rankcast_relay.relay_path import MAX_HOPS, RelayPath, new_id


def test_a_sender_has_no_path_and_each_relay_adds_itself() -> None:
    path = RelayPath.of({}).through("a").through("b")
    assert path.as_map() == {"hops": 2, "path": "a,b"}
    assert RelayPath.of(path.as_map()) == path


def test_a_relay_refuses_what_has_come_through_it() -> None:
    own = new_id()
    path = RelayPath.of({}).through("other").through(own).through("third")
    assert "this relay itself" in path.refusal(own)
    assert path.refusal(new_id()) == ""


def test_relays_form_chains_of_limited_length() -> None:
    path = RelayPath(tuple(str(k) for k in range(MAX_HOPS - 1)))
    assert path.refusal("me") == ""
    assert "the limit is 8" in path.through("7").refusal("me")


@pytest.mark.parametrize("path", [7, None, "", b"a"])
def test_a_path_that_is_no_text_is_none(path: object) -> None:
    assert RelayPath.of({"path": path}).ids == ()  # type: ignore[dict-item]
