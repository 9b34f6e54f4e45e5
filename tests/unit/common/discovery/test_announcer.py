"""Announcers and searches on the loopback interface of this machine."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_interface

import pytest

from rankcast.discovery import Adapter, Announcement, Announcer, CameraFacts, browse
from rankcast.errors import TransportError
from support.own_loopback import own_loopback

LO = Adapter("lo", 1, (ip_interface("127.0.0.1/8"),))
FIND_S = 10.0


def loopback() -> Sequence[Adapter]:
    return [LO]


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with own_loopback():
        yield


@contextmanager
def announcing(
    cameras: list[CameraFacts], host: str = "127.0.0.1", key: bytes = b""
) -> Iterator[Announcer]:
    announcer = Announcer(host, 5555, lambda: list(cameras), key, known=loopback)
    announcer.start()
    try:
        yield announcer
    finally:
        announcer.close()


def found(camera: str, size: tuple[int, int] | None = None) -> Announcement:
    """Wait until a camera is announced, with a size if one is given."""
    until_s = time.monotonic() + FIND_S
    while time.monotonic() < until_s:
        search = browse(2.0, wanted=lambda each: each.camera == camera, known=loopback)
        for each in search.found:
            if each.camera == camera and size in (None, each.size):
                return each
    raise AssertionError(f"{camera} was never announced")


def names() -> list[str]:
    return [each.camera for each in browse(1.0, known=loopback).found]


def test_all_cameras_of_a_sender_are_found_and_gone_after_its_goodbye() -> None:
    cameras = [CameraFacts("left", "svd-patch", (1280, 720)), CameraFacts("right", "raw", (64, 48))]
    with announcing(cameras):
        left, right = found("left"), found("right")
        assert left.server == right.server
        assert (left.port, left.addresses, left.codec) == (5555, ("127.0.0.1",), "svd-patch")
        assert (left.size, right.size) == ((1280, 720), (64, 48))
    assert names() == []


def test_what_changes_about_a_camera_is_announced_and_one_that_ends_is_not() -> None:
    cameras = [CameraFacts("left", "raw"), CameraFacts("right", "raw")]
    with announcing(cameras):
        assert found("left").size is None
        cameras[:] = [CameraFacts("left", "raw", (64, 48))]
        assert found("left", (64, 48)).size == (64, 48)
        # An answer that waited when the other one ended may still be sent, for half a second.
        assert any(names() == ["left"] for _ in range(5))


@pytest.mark.slow
def test_thirty_two_cameras_are_found() -> None:
    cameras = [CameraFacts(f"cam{n:02}", "svd-patch", (640, 480)) for n in range(32)]
    with announcing(cameras, key=b"0" * 40):
        found("cam00")
        search = browse(3.0, known=loopback)
        assert [each.camera for each in search.found] == [each.name for each in cameras]
        assert (search.refused, search.left_off) == (0, 0)


def test_an_announcer_ends_at_once_while_it_waits_for_a_picture_or_has_just_begun() -> None:
    for pause_s in (0.0, 0.3, 1.3):
        with announcing([CameraFacts("cam", "raw")]) as announcer:
            threading.Event().wait(pause_s)
            began_s = time.monotonic()
            announcer.close()
            assert time.monotonic() - began_s < 1.0


def test_an_address_that_no_interface_has_is_one_line_and_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with announcing([CameraFacts("cam", "raw", (64, 48))], host="10.9.9.9"):
        assert names() == []
    lines = [record.getMessage() for record in caplog.records if "not announced" in record.message]
    assert len(lines) == 1
    assert "no network interface has the address 10.9.9.9" in lines[0]


def test_a_port_that_is_refused_is_one_line_and_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 5353))  # not shared
        with announcing([CameraFacts("cam", "raw", (64, 48))]):
            until_s = time.monotonic() + FIND_S
            while "not announced" not in caplog.text and time.monotonic() < until_s:
                threading.Event().wait(0.05)
        with pytest.raises(TransportError, match="port 5353"):
            browse(1.0, known=loopback)
    lines = [record.getMessage() for record in caplog.records if "not announced" in record.message]
    assert len(lines) == 1
    assert "the stream goes on: port 5353 for mDNS cannot be used: Address" in lines[0]


def test_a_machine_out_of_descriptors_is_one_line_and_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = threading.Event()

    def exhausted() -> Sequence[Adapter]:
        asked.set()
        raise OSError(errno.EMFILE, "Too many open files")

    announcer = Announcer("127.0.0.1", 5555, list, known=exhausted)
    announcer.start()
    assert asked.wait(FIND_S)
    announcer.close()
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["not announced by mDNS, the stream goes on: Too many open files"]


def test_a_search_ends_when_it_is_stopped() -> None:
    began_s = time.monotonic()
    assert not browse(20.0, stopped=lambda: True, known=loopback).found
    assert time.monotonic() - began_s < 5.0
