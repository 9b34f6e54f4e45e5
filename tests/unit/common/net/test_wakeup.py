"""Wakeup: a ring ends the poll of another thread, once, whenever it comes."""

from __future__ import annotations

import zmq

from rankcast.net import Wakeup


def rings(poller: zmq.Poller, timeout_ms: int) -> bool:
    return bool(poller.poll(timeout_ms))


def test_any_number_of_rings_wakes_once() -> None:
    with Wakeup() as wakeup:
        poller = zmq.Poller()
        poller.register(wakeup.fileno(), zmq.POLLIN)
        assert not rings(poller, 0)
        for _ in range(100_000):  # far more than the socket holds: none of them blocks
            wakeup.ring()
        assert rings(poller, 10_000)
        wakeup.answer()
        assert not rings(poller, 0)
        wakeup.ring()
        assert rings(poller, 10_000)


def test_a_ring_after_the_end_does_nothing() -> None:
    wakeup = Wakeup()
    wakeup.close()
    wakeup.close()
    wakeup.ring()
    assert wakeup.fileno() == -1
