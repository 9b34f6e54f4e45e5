"""Addresses and socket options."""

from __future__ import annotations

import pytest
import zmq

from rankcast.errors import SettingsError
from rankcast.transport import SocketOptions, check_endpoint, configure, is_loopback


@pytest.mark.parametrize(
    "endpoint", ["tcp://127.0.0.1:5555", "tcp://camera-1.plant:1", "tcp://[::1]:65535"]
)
def test_host_and_port_are_accepted(endpoint: str) -> None:
    assert check_endpoint(endpoint, bind=False) == endpoint


def test_the_star_is_for_binding_only() -> None:
    assert check_endpoint("tcp://*:5555", bind=True)
    with pytest.raises(SettingsError, match="want tcp://ADDRESS:PORT"):
        check_endpoint("tcp://*:5555", bind=False)


@pytest.mark.parametrize(
    "endpoint",
    ["", "5555", "udp://h:1", "tcp://host", "tcp://host:0", "tcp://host:65536", "tcp://a b:1",
     "ipc:///tmp/x", "tcp://host:port", "tcp://:5"],
)  # fmt: skip
def test_other_addresses_are_refused_in_one_line(endpoint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_endpoint(endpoint, bind=True)
    assert "\n" not in str(caught.value)


def test_loopback_is_told_from_the_network() -> None:
    assert all(map(is_loopback, ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"]))
    assert not any(map(is_loopback, ["tcp://*:1", "tcp://0.0.0.0:1", "tcp://10.1.2.3:1"]))


def test_every_queue_and_buffer_of_a_socket_is_bounded() -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        configure(socket, SocketOptions(4, 65536, 1 << 20))
        assert socket.getsockopt(zmq.RCVHWM) == socket.getsockopt(zmq.SNDHWM) == 4
        assert socket.getsockopt(zmq.MAXMSGSIZE) == 1 << 20
        assert socket.getsockopt(zmq.RCVBUF) == 65536
        assert socket.getsockopt(zmq.LINGER) == 0
        assert socket.getsockopt(zmq.HEARTBEAT_IVL) == 0


def test_a_dead_link_is_given_up_only_where_that_is_asked_for() -> None:
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        configure(socket, SocketOptions(4, 65536, 1 << 20))
        assert socket.getsockopt(zmq.TCP_MAXRT) == 0
        configure(socket, SocketOptions(4, 65536, 1 << 20, unacknowledged_ms=5000))
        assert socket.getsockopt(zmq.TCP_MAXRT) == 5000
