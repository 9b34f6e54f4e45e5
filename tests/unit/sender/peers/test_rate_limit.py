"""RateLimit: a burst, then a steady rate, for each peer on its own."""

from __future__ import annotations

import pytest

from rankcast_sender.peers import RateLimit, rate_limit
from support.clock import Clock


def test_a_peer_may_send_a_burst_and_then_keep_to_the_rate() -> None:
    clock = Clock()
    limit = RateLimit[str](10, 50, clock)
    assert [limit.take("anna") for _ in range(60)] == [True] * 50 + [False] * 10
    assert limit.take("bert"), "who has a budget of his own"
    clock.advance(1.0)
    assert [limit.take("anna") for _ in range(12)] == [True] * 10 + [False] * 2
    clock.advance(1000.0)
    assert sum(limit.take("anna") for _ in range(100)) == 50


def test_peers_that_were_quiet_for_longest_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limit, "MAX_PEERS", 3)
    limit = RateLimit[int](1, 1, Clock())
    for peer in (1, 2, 3):
        assert limit.take(peer)
    assert not limit.take(1)
    assert limit.take(4)
    assert not limit.take(1), "who spoke later than 2"
    assert limit.take(2)


def test_what_turns_out_to_be_more_is_owed() -> None:
    clock = Clock()
    limit = RateLimit[str](10, 20, clock)
    assert limit.take("anna")
    limit.charge("anna", 39)  # 20 more than there were
    assert not limit.take("anna")
    clock.advance(2.05)
    assert not limit.take("anna")
    clock.advance(0.1)
    assert limit.take("anna")
    assert limit.take("bert")
