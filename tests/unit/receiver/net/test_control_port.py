"""Which port the control channel uses: the usual one, or the one that the status announces."""

from __future__ import annotations

from rankcast_receiver.net.control_port import MAX_S, NEVER_ANSWERED_S, SILENT_S, ControlPort

USUAL, OTHER = 5565, 7000


def choose(
    port: ControlPort, current: int | None, silent_s: float = 0.0, *,
    answered: bool = False, refused: bool = False,
) -> int | None:  # fmt: skip
    return port.choose(current, silent_s, answered=answered, refused=refused)


def test_the_usual_port_is_first_and_kept_while_it_answers_whatever_is_announced() -> None:
    port = ControlPort(USUAL)
    assert choose(port, None) == USUAL
    port.announce(OTHER)  # behind a forwarded port the sender knows only its own side
    assert choose(port, USUAL, NEVER_ANSWERED_S - 0.1) == USUAL
    assert choose(port, USUAL, SILENT_S - 0.1, answered=True) == USUAL


def test_the_announced_port_is_tried_once_the_usual_one_does_not_answer() -> None:
    port = ControlPort(USUAL)
    port.announce(OTHER)
    assert choose(port, USUAL, NEVER_ANSWERED_S) == OTHER


def test_a_refusal_is_reason_enough_to_try_the_other_one_at_once_but_only_once() -> None:
    port = ControlPort(USUAL)
    assert choose(port, USUAL, 0.1, refused=True) == USUAL, "there is no other one yet"
    port.announce(OTHER)
    assert choose(port, USUAL, 0.1, refused=True) == OTHER
    assert choose(port, OTHER, 0.1, refused=True) == OTHER


def test_where_neither_answers_they_are_tried_in_turn_with_pauses_that_double_to_their_limit() -> (
    None
):
    port, current, pauses = ControlPort(USUAL), USUAL, []
    port.announce(OTHER)
    for _ in range(7):
        silent_s = 0.0
        while choose(port, current, silent_s) == current:
            silent_s += 0.1
        pauses.append(silent_s)
        current = OTHER if current == USUAL else USUAL
    assert all(
        abs(pause_s - min(MAX_S, NEVER_ANSWERED_S * 2**number)) < 0.2
        for number, pause_s in enumerate(pauses)
    )


def test_a_channel_that_answered_and_fell_silent_moves_with_the_announcement() -> None:
    port = ControlPort(USUAL)
    port.announce(USUAL)
    assert choose(port, USUAL, 60.0, answered=True) == USUAL, "there is no other one"
    port.announce(OTHER)
    assert choose(port, USUAL, SILENT_S, answered=True) == OTHER
    port.announce(OTHER + 1)
    assert choose(port, OTHER, NEVER_ANSWERED_S, answered=True, refused=True) == OTHER + 1
    assert choose(port, OTHER + 1, 2 * NEVER_ANSWERED_S) == USUAL


def test_a_channel_that_was_off_is_opened_when_a_port_is_announced() -> None:
    port = ControlPort(USUAL)
    port.announce(0)
    assert choose(port, USUAL, NEVER_ANSWERED_S - 0.1, refused=True) == USUAL
    assert choose(port, USUAL, NEVER_ANSWERED_S, refused=True) is None
    assert choose(port, None) is None
    port.announce(OTHER)
    assert choose(port, None) == USUAL


def test_without_a_usual_port_the_announced_one_is_used() -> None:
    port = ControlPort(None)
    assert choose(port, None) is None
    port.announce(OTHER)
    assert choose(port, None) == OTHER
