"""Triggers: from any thread, from a signal, in their order, and never too many."""

from __future__ import annotations

import os
import signal

import pytest

from rankcast.recorder import Triggers, signals_as_triggers
from rankcast.recorder.triggers import MAX_WAITING


def causes(triggers: Triggers) -> list[str]:
    found = []
    while (trigger := triggers.take()) is not None:
        found.append(trigger.cause)
    return found


def test_triggers_are_taken_in_their_order() -> None:
    triggers = Triggers()
    for cause in ("one", "two"):
        triggers.pull(cause)
    assert causes(triggers) == ["one", "two"]
    assert triggers.take() is None


def test_of_too_many_triggers_the_oldest_are_forgotten() -> None:
    triggers = Triggers()
    for number in range(MAX_WAITING + 2):
        triggers.pull(f"c{number}")
    assert causes(triggers) == [f"c{number}" for number in range(2, MAX_WAITING + 2)]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_a_signal_pulls_and_is_ignored_where_no_events_are_recorded() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    triggers = Triggers()
    with signals_as_triggers(triggers):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert causes(triggers) == ["signal"]
    with signals_as_triggers(None):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert causes(triggers) == []
    assert signal.getsignal(signal.SIGUSR1) == before
