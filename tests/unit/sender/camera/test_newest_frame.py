"""NewestFrame: what somebody who asks for an original gets, and what it costs who sends."""

from __future__ import annotations

import threading

from rankcast.frame import Frame
from rankcast_sender.camera import NewestFrame
from support.fakes import picture

WAIT_S = 10.0


def never() -> bool:
    return False


def test_a_frame_is_kept_as_it_is_and_an_array_only_when_it_is_waited_for() -> None:
    newest = NewestFrame()
    frame = Frame(picture(1))
    newest.keep(frame)
    assert newest.wait(WAIT_S, never) is frame
    newest.keep(picture(2))
    assert newest.wait(0.0, never) is None, "its owner may have written over it"


def test_whoever_waits_gets_a_copy_of_the_next_array() -> None:
    newest, got, asked = NewestFrame(), [], threading.Event()

    def stopped() -> bool:
        asked.set()
        return False

    waiter = threading.Thread(target=lambda: got.append(newest.wait(WAIT_S, stopped)))
    waiter.start()
    assert asked.wait(WAIT_S)
    image = picture(3)
    newest.keep(image)
    image[:] = 9
    waiter.join()
    assert (got[0].pixels == 3).all()


def test_nobody_waits_longer_than_the_program_runs() -> None:
    assert NewestFrame().wait(WAIT_S, lambda: True) is None
