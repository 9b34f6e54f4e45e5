"""NewestPictures: latency is that of pictures that still come."""

from __future__ import annotations

from rankcast.boot_clock import boot_ns
from rankcast.frame import Frame
from rankcast_receiver.web.pictures import NewestPictures
from support.clock import Clock
from support.fakes import picture


def test_the_latency_of_a_camera_ends_with_its_pictures() -> None:
    clock = Clock()
    newest = NewestPictures(lambda _: None, now_s=clock)
    assert newest.latency("cam", 5.0) is None
    newest.put(
        Frame(picture(), camera="cam", t_capture_here_ns=boot_ns() - 10**7, clock_error_ns=0)
    )
    latency = newest.latency("cam", 5.0)
    assert latency is not None
    assert latency.p50 >= 10
    clock.now_s += 5.1
    assert newest.latency("cam", 5.0) is None
    assert newest.latency("cam", 6.0) is not None
