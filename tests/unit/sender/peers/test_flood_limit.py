"""FloodLimit: what happens to a peer that sends too many messages."""

from __future__ import annotations

import time
from typing import Any

import pytest
import zmq

from rankcast_sender.peers import FloodLimit, Watch, flood_limit
from rankcast_sender.peers.watch import Ending
from support.clock import Clock

RATE, BURST = 100, 500


class Message:
    """A message of a connection, as far as its limits go."""

    def __init__(self, descriptor: int, user: str = "") -> None:
        self.descriptor = descriptor
        self._facts: dict[Any, Any] = {
            "User-Id": user, "Peer-Address": "10.0.0.9", zmq.SRCFD: descriptor
        }  # fmt: skip

    def get(self, name: Any) -> Any:
        return self._facts[name]


class Limited:
    """A limit, and what it did."""

    def __init__(self, *, keys: bool, can_cut: bool = True) -> None:
        self.clock = Clock()
        self.ended: list[int] = []
        self.bans: list[tuple[str, str]] = []
        self.rebound = 0
        scissors: Any = self if can_cut else None
        self.watch = Watch(5555, 1000, "requests", scissors=scissors)
        ban = (lambda user, why: self.bans.append((user, why))) if keys else None
        self.limit = FloodLimit(5555, RATE, ban, self._rebind, self.clock)

    def cut(self, descriptor: int, port: int, peer: object) -> tuple[str, int]:
        assert (port, peer) == (5555, None)
        self.ended.append(descriptor)
        return "10.0.0.9", 40_000

    def _rebind(self) -> None:
        self.rebound += 1

    def send(self, count: int, descriptor: int, user: str = "") -> int:
        """Return how many of so many messages are admitted."""
        message: Any = Message(descriptor, user)
        return sum(self.limit.admits(message, descriptor, self.watch) for _ in range(count))


def test_without_keys_each_connection_has_its_own_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited = Limited(keys=False)
    assert limited.send(1000, 7, "says it is anna") == BURST
    assert limited.send(10, 8, "says it is anna") == 10
    assert (limited.ended, limited.rebound) == ([7], 0)
    assert [record.getMessage() for record in caplog.records] == [
        "10.0.0.9 sent more than 100 messages a second to port 5555: its connection was closed"
    ]


def test_with_keys_the_connections_of_a_key_share_one_and_the_key_is_refused() -> None:
    limited = Limited(keys=True)
    assert limited.send(300, 7, "anna") + limited.send(300, 8, "anna") == BURST
    assert limited.send(300, 9, "bert") == 300
    assert limited.ended == [8]
    assert limited.bans == [("anna", "it sent more than 100 messages a second to port 5555")]


@pytest.mark.parametrize("reason", ["it sent port 5555 more requests than can be read", ""])
def test_messages_of_a_connection_that_the_guard_has_ended_have_the_key_refused_if_it_was_sudden(
    reason: str,
) -> None:
    limited = Limited(keys=True)
    # Nobody has the descriptor by now.
    limited.watch.endings[10_000] = Ending(time.monotonic(), ("10.0.0.9", 40_000), reason)
    assert limited.send(3, 10_000, "anna") == 0
    assert limited.bans[:1] == ([("anna", reason)] if reason else [])
    assert limited.send(3, 8, "bert") == 3


def test_a_new_connection_does_not_pay_for_an_older_one_with_its_descriptor() -> None:
    limited = Limited(keys=False)
    limited.watch.accepted_s[7] = limited.clock()
    assert limited.send(1000, 7) == BURST
    assert limited.ended == [], "the messages may be the older one's"
    limited.clock.advance(flood_limit.SETTLED_S)
    limited.send(1000, 7)
    assert limited.ended == [7]


def test_where_no_single_connection_can_be_closed_all_are_but_not_all_the_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limited = Limited(keys=False, can_cut=False)
    for _ in range(100):
        limited.send(1000, 7)
        limited.clock.advance(0.1)
    assert limited.ended == []
    assert limited.rebound == 2, "in 10 s"
    assert "all connections were closed" in caplog.records[0].getMessage()
