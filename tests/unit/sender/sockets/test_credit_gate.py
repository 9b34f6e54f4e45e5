"""CreditGate: the frames of a lossless camera wait for every keeper that counts."""

from __future__ import annotations

import logging

import pytest

from rankcast_sender.sockets.credit_gate import INITIAL_CREDIT, CreditGate
from support.clock import Clock

ANNA, BERT = b"a" * 16, b"b" * 16
PATIENCE_S = 60.0


class Gate(CreditGate):
    """A gate of one camera, with a clock of its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.woken = 0
        super().__init__("cam", PATIENCE_S, self._wake, self.clock)

    def _wake(self) -> None:
        self.woken += 1

    def allowed(self) -> int:
        """Return the first sequence that it holds back."""
        return next(sequence for sequence in range(1000) if not self.allows(sequence))


def test_without_keepers_nothing_is_held_back() -> None:
    assert Gate().allows(2**63)


def test_a_new_keeper_gets_a_few_frames_from_the_next_one_on() -> None:
    gate = Gate()
    gate.follow({ANNA}, 7)
    assert gate.allowed() == 7 + INITIAL_CREDIT
    gate.follow({ANNA}, 9)
    assert gate.allowed() == 7 + INITIAL_CREDIT, "it was counted already"


def test_the_keeper_with_the_least_credit_sets_the_pace() -> None:
    gate = Gate()
    gate.follow({ANNA, BERT}, 0)
    gate.credit(ANNA, 50)
    assert gate.allowed() == INITIAL_CREDIT
    gate.credit(BERT, 20)
    assert gate.allowed() == 20
    gate.follow({ANNA}, 20)
    assert gate.allowed() == 50, "Bert has left and counts no more"
    assert gate.woken == 2


def test_credit_never_falls_and_strangers_have_none() -> None:
    gate = Gate()
    gate.follow({ANNA}, 0)
    gate.credit(ANNA, 50)
    gate.credit(ANNA, 3)
    gate.credit(BERT, 999)
    assert gate.allowed() == 50


def test_a_keeper_that_holds_the_camera_up_in_silence_stops_counting_until_it_speaks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    gate.follow({ANNA}, 0)
    gate.clock.advance(2 * PATIENCE_S)
    assert not gate.allows(4), "it may be silent for as long as it holds nothing up"
    gate.clock.advance(0.9 * PATIENCE_S)
    gate.credit(ANNA, 4)
    gate.clock.advance(0.9 * PATIENCE_S)
    assert not gate.allows(4), "it spoke, though it raised nothing"
    gate.clock.advance(1.1 * PATIENCE_S)
    with caplog.at_level(logging.WARNING):
        assert gate.allows(4)
        assert gate.allows(5)
    assert [record.getMessage() for record in caplog.records] == [
        "cam: a viewer that keeps every frame has sent no credit for 60 s: the stream no longer "
        "waits for it"
    ]
    gate.credit(ANNA, 10)
    assert gate.allowed() == 10
