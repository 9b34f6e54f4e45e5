"""How soon a connection is made anew, and how much later each time it was in vain."""

from __future__ import annotations

import pytest

from rankcast_receiver.net.reconnect_policy import (
    BROKEN_MAX_S,
    GIVEN_UP_FIRST_S,
    GIVEN_UP_MAX_S,
    SILENCE_S,
    ReconnectPolicy,
)


def pauses_s(renewal: ReconnectPolicy, count: int, *, answered: bool) -> list[float]:
    """What passes each time until a connection that libzmq gives up at once is made anew."""
    now_s, found = 0.0, []
    for _ in range(count):
        began_s = now_s
        if answered:
            renewal.heard(now_s)
        while not renewal.given_up(now_s):
            now_s += 0.01
        renewal.made(now_s)
        found.append(now_s - began_s)
    return found


@pytest.mark.parametrize(("answered", "most_s"), [(False, GIVEN_UP_MAX_S), (True, BROKEN_MAX_S)])
def test_pauses_double_to_their_limit_and_begin_anew_with_a_picture(
    answered: bool, most_s: float
) -> None:
    renewal = ReconnectPolicy(SILENCE_S, 0.0)
    found = pauses_s(renewal, 12, answered=answered)
    for number, pause_s in enumerate(found):
        longest_s = min(most_s, GIVEN_UP_FIRST_S * 2**number)
        assert 0.7 * longest_s - 0.02 <= pause_s <= longest_s + 0.02
    renewal.showed()
    assert pauses_s(renewal, 1, answered=answered)[0] <= GIVEN_UP_FIRST_S + 0.02


def test_silence_is_waited_for_longer_after_each_renewal_until_a_message_comes() -> None:
    renewal = ReconnectPolicy(SILENCE_S, 0.0)
    assert not renewal.silent(SILENCE_S - 0.01)
    assert renewal.silent(SILENCE_S)
    renewal.made(10.0)
    assert not renewal.silent(10.0 + SILENCE_S - 0.01)
    assert renewal.silent(10.0 + 1.5 * SILENCE_S)
    renewal.moved(20.0)
    assert not renewal.silent(20.0 + SILENCE_S - 0.01)
    renewal.heard(30.0)
    assert not renewal.silent(30.0 + SILENCE_S - 0.01)
    assert renewal.silent(30.0 + SILENCE_S)
