"""Streams over Unix sockets, between the processes of one user."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rankcast.errors import SettingsError, TransportError
from rankcast.net import (
    ControlClient,
    check_endpoint,
    control_endpoint,
    is_loopback,
    join_endpoint,
    split_endpoint,
)
from rankcast_receiver import Subscriber
from rankcast_sender import Publisher
from support.fakes import picture

WAIT_S = 20.0


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/cam.sock"


def test_frames_control_and_the_end_come_through_sockets_of_this_user_alone(
    address: str, tmp_path: Path
) -> None:
    with Publisher(address, name="cam", codec="jpeg") as publisher:
        for name in ("cam.sock", "cam.sock.control"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        with Subscriber(address, live=False, timeout_s=WAIT_S) as viewer:
            assert publisher.wait_viewers(1, WAIT_S)
            publisher.send(picture(4))
            assert next(iter(viewer)).camera == "cam"
            with ControlClient(control_endpoint(address)) as client:
                reply = client.call("set", args={"quality": 33}, timeout_s=WAIT_S)
            assert reply.result == {"quality": 33}
            publisher.send(picture(5))
            publisher.close()
            assert len(list(viewer)) == 1
            (stream,) = viewer.streams.values()
            balance = stream.ledger.balance()
    assert (balance.entered, balance.passed) == (2, 2)


def test_a_path_that_another_sender_uses_is_not_taken_from_it(address: str) -> None:
    with Publisher(address, name="cam", codec="raw") as publisher:
        with pytest.raises(TransportError, match="cannot listen at ipc://"):
            Publisher(address, name="other", codec="raw")
        with Subscriber(address, timeout_s=WAIT_S) as viewer:
            assert publisher.wait_viewers(1, WAIT_S)
            publisher.send(picture(1))
            assert next(iter(viewer)).camera == "cam"


def test_a_file_that_a_killed_sender_left_behind_is_replaced(address: str, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "cam.sock"))
    with Publisher(address, name="cam", codec="raw") as publisher:
        assert publisher.name == "cam"


@pytest.mark.parametrize("text", ["ipc://", "ipc://relative", "ipc:///" + "x" * 91, "ipc:///a\0b",
                                  "ipc:/x"])  # fmt: skip
def test_a_path_that_no_socket_can_have_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"ipc:///PATH|tcp://ADDRESS"):
        check_endpoint(text, bind=True)


def test_an_address_of_frames_and_that_of_control_belong_together(address: str) -> None:
    control = control_endpoint(address)
    assert split_endpoint(address) == (address, 0)
    assert split_endpoint(control) == (address, 10)
    assert [join_endpoint(*split_endpoint(each)) for each in (address, control)] == [
        address, control,
    ]  # fmt: skip
    assert is_loopback(address)
