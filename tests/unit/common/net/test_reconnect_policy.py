"""How soon a connection is replaced, and how much later each time that did not help."""

from __future__ import annotations

import pytest

from rankcast.net.reconnect_policy import (
    BROKEN_MAX_S,
    GIVEN_UP_FIRST_S,
    GIVEN_UP_MAX_S,
    ReconnectPolicy,
)

SILENCE_S = 3.0


def pauses_s(policy: ReconnectPolicy, count: int, *, answered: bool) -> list[float]:
    """Pauses before each new connection, where libzmq gives up every one at once."""
    now_s, found = 0.0, []
    for _ in range(count):
        began_s = now_s
        if answered:
            policy.heard(now_s)
        while not policy.given_up(now_s):
            now_s += 0.01
        policy.made(now_s)
        found.append(now_s - began_s)
    return found


@pytest.mark.parametrize(("answered", "most_s"), [(False, GIVEN_UP_MAX_S), (True, BROKEN_MAX_S)])
def test_pauses_double_to_their_limit_and_are_short_again_once_it_worked(
    answered: bool, most_s: float
) -> None:
    policy = ReconnectPolicy(SILENCE_S, SILENCE_S, 0.0)
    found = pauses_s(policy, 12, answered=answered)
    for number, pause_s in enumerate(found):
        longest_s = min(most_s, GIVEN_UP_FIRST_S * 2**number)
        assert 0.7 * longest_s - 0.02 <= pause_s <= longest_s + 0.02
    assert policy.pause_s == most_s
    policy.worked()
    assert pauses_s(policy, 1, answered=answered)[0] <= GIVEN_UP_FIRST_S + 0.02


def test_silence_is_tolerated_for_longer_after_a_reconnection_until_a_message_arrives() -> None:
    policy = ReconnectPolicy(SILENCE_S, SILENCE_S, 0.0)
    assert not policy.silent(SILENCE_S - 0.01)
    assert policy.silent(SILENCE_S)
    policy.made(10.0)
    assert not policy.silent(10.0 + SILENCE_S - 0.01)
    assert policy.silent(10.0 + 1.5 * SILENCE_S)
    policy.moved(20.0)
    assert not policy.silent(20.0 + SILENCE_S - 0.01)
    policy.heard(30.0)
    assert not policy.silent(30.0 + SILENCE_S - 0.01)
    assert policy.silent(30.0 + SILENCE_S)


def test_where_new_connections_stay_silent_too_they_are_given_more_and_more_time() -> None:
    policy, now_s, waits = ReconnectPolicy(5.0, 20.0, 0.0), 0.0, []
    for _ in range(5):
        made_s = now_s
        while not policy.silent(now_s):
            now_s += 0.1
        waits.append(now_s - made_s)
        policy.made(now_s)
    for wait_s, least_s in zip(waits, (5, 10, 20, 20, 20), strict=True):
        assert least_s - 0.1 <= wait_s <= 1.5 * least_s + 0.1
    policy.heard(now_s)
    assert policy.silent(now_s + 5.1)
