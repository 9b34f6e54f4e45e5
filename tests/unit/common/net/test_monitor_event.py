"""Events of libzmq: those that a monitor socket delivers, and none."""

from __future__ import annotations

import os
import stat

import pytest
import zmq

from rankcast.net import next_event


def test_an_event_names_what_happened_and_its_value() -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as bound:
        monitor = bound.get_monitor_socket(zmq.EVENT_LISTENING)
        try:
            with pytest.raises(zmq.Again):
                next_event(monitor)
            bound.bind_to_random_port("tcp://127.0.0.1")
            assert monitor.poll(10_000)
            event, descriptor = next_event(monitor)
            assert event == zmq.EVENT_LISTENING
            assert stat.S_ISSOCK(os.fstat(descriptor).st_mode), "the value is the listening socket"
        finally:
            bound.disable_monitor()
            monitor.close(0)
