"""DroppedMessages: the log names the peer and counts what was dropped of its connection."""

from __future__ import annotations

import pytest

from rankcast_sender.peers import DroppedMessages
from support.clock import Clock


def test_a_line_every_ten_seconds_names_the_peer_and_means_its_own_messages(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    dropped = DroppedMessages(5565, clock)
    for _ in range(100):
        dropped.add(7, "10.0.0.7", "ping")
        dropped.add(8, "10.0.0.8", "status")
        clock.advance(0.11)
    assert dropped.count == 200
    assert caplog.messages == [
        "10.0.0.7 exceeds the budget of ping of a connection to port 5565: 1 dropped since the "
        "last such line",
        "10.0.0.7 exceeds the budget of ping of a connection to port 5565: 91 dropped since the "
        "last such line, and messages of 1 other connections",
    ]
