"""One sender with many cameras at a NATS server, and a viewer of all of them."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from rankcast_receiver import Subscriber
from rankcast_sender import Publisher
from rankcast_sender.nats import EXPIRES_S, NatsOutlet
from rankcast_sender.outlets import open_outlet
from rankcast_sender.sender_sockets import SenderOptions
from support.fakes import picture
from support.kept_camera import wait
from support.nats_server import nats_server

CAMERAS = 32


@pytest.mark.slow
def test_a_viewer_of_32_cameras_of_one_sender_has_all_of_them_all_the_time(tmp_path: Path) -> None:
    stop, seen = threading.Event(), set()
    with ExitStack() as stack:
        server = stack.enter_context(nats_server(tmp_path))
        outlet = open_outlet(SenderOptions(bind=server.address))
        assert isinstance(outlet, NatsOutlet)
        stack.callback(outlet.close)
        publishers = [
            stack.enter_context(Publisher(name=f"cam{number}", codec="jpeg", outlet=outlet))
            for number in range(CAMERAS)
        ]
        outlet.start()
        viewer = stack.enter_context(Subscriber(server.address, stopped=stop.is_set))

        def receive() -> None:
            seen.update(frame.camera for frame in viewer)

        def watched() -> int:
            for publisher in publishers:
                publisher.send(picture(7))
            return sum(publisher.viewers for publisher in publishers)

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            wait(lambda: watched() == CAMERAS, "a viewer of each camera")
            # Longer than a viewer counts that is not heard.
            until_s = time.monotonic() + 1.5 * EXPIRES_S
            while time.monotonic() < until_s:
                assert watched() == CAMERAS
                time.sleep(0.1)  # ten pictures a second
        finally:
            stop.set()
            thread.join()
        assert len(seen) == CAMERAS
        assert outlet.requests_dropped == 0
