"""How long a server may take to answer."""

from __future__ import annotations

from rankcast.nats.client.patience import (
    CLUSTER_STALE_S,
    LITTLE_BYTES,
    LOOK_S,
    MAX_READING_S,
    Patience,
    Traffic,
)

MEGABIT_BYTES_S = 125_000


class Link:
    """A link of a rate behind buffers that acknowledge at once what fits into them."""

    def __init__(self, bytes_s: float, buffer_bytes: int = 0) -> None:
        self.patience = Patience()
        self.bytes_s = bytes_s
        self.buffer_bytes = buffer_bytes
        self.now_s = 100.0
        self.written_bytes = self.read_bytes = 0.0

    @property
    def traffic(self) -> Traffic:
        through = min(self.written_bytes, self.read_bytes + self.buffer_bytes)
        return Traffic(0, int(self.written_bytes), int(through))

    def ask(self, size: int) -> float:
        """Send `size` bytes and a ping; return the longest silence until it is answered."""
        self.written_bytes += size
        self.patience.ask(self.now_s, size, self.traffic)
        longest_s = 0.0
        while self.read_bytes < self.written_bytes and longest_s < 60.0:
            self.now_s += LOOK_S
            self.read_bytes = min(self.written_bytes, self.read_bytes + self.bytes_s * LOOK_S)
            longest_s = max(longest_s, self.patience.silent_s(self.now_s, self.traffic))
        if self.read_bytes >= self.written_bytes:
            self.patience.answered(self.now_s)
        return longest_s


def test_frames_that_a_narrow_link_still_carries_are_no_silence() -> None:
    link = Link(MEGABIT_BYTES_S)
    assert [link.ask(262_144) < CLUSTER_STALE_S for _ in range(20)] == [True] * 20


def test_what_a_tunnel_holds_back_is_no_silence() -> None:
    link = Link(MEGABIT_BYTES_S, buffer_bytes=1 << 20)
    assert [link.ask(262_144) < CLUSTER_STALE_S for _ in range(20)] == [True] * 20


def test_a_link_that_becomes_narrower_behind_a_tunnel_costs_one_connection() -> None:
    link = Link(100 * MEGABIT_BYTES_S, buffer_bytes=1 << 20)
    link.ask(262_144)
    link.bytes_s = MEGABIT_BYTES_S
    assert link.ask(262_144) > CLUSTER_STALE_S
    link.patience.give_up()
    assert [link.ask(262_144) < CLUSTER_STALE_S for _ in range(20)] == [True] * 20


def test_a_server_that_is_cut_off_is_left_in_little_more_than_a_second() -> None:
    patience, now_s = Patience(), 100.0
    for size in (20_000, 300, 20_000):
        patience.ask(now_s, size, Traffic(0, size, 0))
        patience.answered(now_s + 0.01)
        now_s += 0.04
    cut = Traffic(0, 50_000, 10_000)
    patience.ask(now_s, 40_000, cut)
    looks = 0
    while patience.silent_s(now_s + looks * LOOK_S, cut) < CLUSTER_STALE_S:
        looks += 1
    assert looks * LOOK_S < CLUSTER_STALE_S + 0.2


def test_a_server_that_takes_bytes_but_does_not_answer_is_left_as_soon() -> None:
    patience = Patience()
    patience.ask(0.0, LITTLE_BYTES - 1, Traffic(0, 8000, 0))
    looks, silent_s = 0, 0.0
    while silent_s < CLUSTER_STALE_S:
        looks += 1
        # The kernel of its machine takes ever more, which is after the ping.
        taken = Traffic(0, 8000 + 1000 * looks, 8000 + 1000 * looks)
        silent_s = patience.silent_s(looks * LOOK_S, taken)
    assert looks * LOOK_S < CLUSTER_STALE_S + 0.3


def test_bytes_that_arrive_are_a_sign_of_life() -> None:
    patience = Patience()
    patience.ask(0.0, 0, Traffic())
    for look in range(1, 100):
        assert patience.silent_s(look * LOOK_S, Traffic(received_bytes=look)) == 0.0
    assert patience.silent_s(10.3, Traffic(received_bytes=99)) > 0.3


def test_a_process_that_was_held_up_itself_does_not_blame_the_server() -> None:
    patience = Patience()
    patience.ask(0.0, 0, Traffic())
    assert patience.silent_s(5.0, Traffic()) == 0.0


def test_no_rate_makes_it_wait_longer_than_a_bound() -> None:
    patience = Patience()
    patience.ask(0.0, 10_000, Traffic(0, 10_000, 0))
    patience.answered(1000.0)
    patience.ask(1000.0, 1_000_000, Traffic(0, 10_000, 10_000))
    looks = 0
    while patience.silent_s(1000.0 + looks * LOOK_S, Traffic(0, 10_000, 10_000)) < CLUSTER_STALE_S:
        looks += 1
    assert looks * LOOK_S < MAX_READING_S + CLUSTER_STALE_S + 0.2
