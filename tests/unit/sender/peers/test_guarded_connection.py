"""GuardedConnection: what is unread of a connection, and that nothing can be saved up."""

from __future__ import annotations

from rankcast_sender.peers.guarded_connection import SUDDEN_S, UNKNOWN_S, GuardedConnection
from rankcast_sender.peers.tcp_connection import TcpConnection
from rankcast_sender.peers.watch import Watch

PEER = ("10.0.0.9", 40_000)
ALLOWANCE = 10_000
HOUR_S = 3600.0


class Guarded(GuardedConnection):
    """A connection with counters of its own."""

    def __init__(self, keep_alive_bytes_s: int = 0, **options: object) -> None:
        ban = (lambda _user, _why: None) if options.get("keys") else None
        watch = Watch(5555, ALLOWANCE, "requests", ban, keep_alive_bytes_s)
        super().__init__(watch, 7, TcpConnection(PEER, 0), 0.0)
        self.received = self.taken = 0
        self.now_s = 0.0

    def go(self, seconds: float, sent: int, taken: int = 0) -> int:
        """Let time pass; return what is unread."""
        self.now_s += seconds
        self.received += sent
        self.taken += taken
        self.update(self.taken, TcpConnection(PEER, self.received), self.now_s)
        return self.unread


def test_what_was_taken_is_read_and_the_rest_is_not() -> None:
    guarded = Guarded()
    assert guarded.go(1.0, 5000, 2000) == 3000
    assert guarded.go(1.0, 100, 3100) == 0


def test_what_was_read_before_the_guard_knew_of_the_connection_is_read() -> None:
    first = Guarded()
    first.go(1.0, 7000, 7000)
    second = GuardedConnection(first.watch, 7, TcpConnection(PEER, 0), 2.0)
    # 5000 bytes of its own were read by now, and 600 that the first one had sent.
    second.update(7000 + 5600, TcpConnection(PEER, 5000), 3.0)
    assert second.unread == 0
    second.update(7000 + 5600, TcpConnection(PEER, 6000), 4.0)
    assert second.unread == 1000


def test_what_was_read_of_the_connection_before_makes_none_heard_that_was_not() -> None:
    first = Guarded()
    first.watch.took(7, 100)  # and it ends before the guard has looked
    assert not first.is_mute
    first.leave()
    second = GuardedConnection(first.watch, 7, TcpConnection(PEER, 0), 2.0)
    assert second.is_mute
    first.watch.took(7, 100)
    assert not second.is_mute


def test_messages_that_count_for_more_than_they_have_save_nothing_up() -> None:
    guarded = Guarded()
    for _ in range(1000):
        assert guarded.go(HOUR_S, 100, 2000) == 0
    assert guarded.go(0.01, ALLOWANCE + 1) == ALLOWANCE + 1


def test_hours_of_silence_save_nothing_up() -> None:
    guarded = Guarded(keep_alive_bytes_s=64)
    for _ in range(100):
        assert guarded.go(HOUR_S, 3600 * 50) == 0, "heartbeats"
    guarded.go(1000 * HOUR_S, 0)
    assert guarded.go(1.0, ALLOWANCE) == ALLOWANCE - 64


def test_only_what_came_within_ten_seconds_is_sudden() -> None:
    slow = Guarded()
    while slow.unread <= ALLOWANCE:
        slow.go(1.0, 500)
    assert not slow.is_sudden
    quick = Guarded()
    quick.go(HOUR_S, 5000, 5000)
    while quick.unread <= ALLOWANCE:
        quick.go(1.0, ALLOWANCE // 4)
    assert quick.is_sudden
    for _ in range(3):
        quick.go(SUDDEN_S / 2, 0)
    assert not quick.is_sudden


def test_a_connection_counts_for_its_key_or_else_for_its_address() -> None:
    assert Guarded().owner(0.0) == "10.0.0.9"
    keyed = Guarded(keys=True)
    assert keyed.owner(0.0) == "", "it may still say whose it is"
    assert keyed.owner(UNKNOWN_S + 1.0) == "10.0.0.9"
    keyed.watch.users[7] = "anna"
    assert keyed.owner(0.0) == "anna"
