"""Addresses and socket options."""

from __future__ import annotations

import ctypes
import itertools

import pytest
import zmq

from rankcast.errors import SettingsError
from rankcast.net import (
    CurveClient,
    SocketOptions,
    check_endpoint,
    check_exposure,
    configure,
    is_loopback,
    open_socket,
)
from rankcast.net.transport import CurveServer


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://127.0.0.1:5555",
        "tcp://camera-1.plant:1",
        "tcp://[::1]:65535",
        "tcp://[fe80::1%eth0]:5555",
        "tcp://[fe80::1%2]:5555",
        "tcp://kamera-süd:5555",
    ],
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
     "ipc:/tmp/x", "tcp://host:port", "tcp://:5", "tcp://a!b:1", "tcp://[::zz]:1", "tcp://[:::]:1",
     "tcp://[fe80::1%]:1", "tcp://[fe80::1%a b]:1", "tcp://fe80::1:5555"],
)  # fmt: skip
def test_other_addresses_are_refused_in_one_line(endpoint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_endpoint(endpoint, bind=True)
    assert "\n" not in str(caught.value)


def test_loopback_is_told_from_the_network() -> None:
    assert all(map(is_loopback, ["tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"]))
    assert not any(map(is_loopback, ["tcp://*:1", "tcp://0.0.0.0:1", "tcp://10.1.2.3:1"]))
    # A name may resolve to anything.
    assert not any(map(is_loopback, ["tcp://127.plant.example:1", "tcp://[::]:1"]))


@pytest.mark.parametrize(
    "endpoint", ["tcp://*:1", "tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://cam:1"]
)
def test_what_others_reach_needs_keys_or_the_word(endpoint: str) -> None:
    check_exposure(endpoint, keys=True, insecure=False)
    check_exposure(endpoint, keys=False, insecure=True)
    check_exposure("tcp://127.0.0.1:1", keys=False, insecure=False)
    with pytest.raises(SettingsError, match=r"rankcast keys new.*--insecure"):
        check_exposure(endpoint, keys=False, insecure=False)


def test_a_server_with_keys_enforces_its_authenticator() -> None:
    public, secret = zmq.curve_keypair()
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        configure(socket, SocketOptions(4, 65536, 1024, curve=CurveServer(secret, public)))
        assert socket.getsockopt(zmq.CURVE_SERVER) == 1
        assert socket.getsockopt(zmq.ZAP_DOMAIN).rstrip(b"\0") == b"rankcast"
        assert socket.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) == 1
        # A handshake of CURVE needs messages of 276 bytes.
        assert socket.getsockopt(zmq.MAXMSGSIZE) >= 276


def test_a_client_with_keys_believes_one_server() -> None:
    public, secret = zmq.curve_keypair()
    server, _ = zmq.curve_keypair()
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        configure(socket, SocketOptions(4, 65536, 1024, curve=CurveClient(secret, public, server)))
        assert socket.getsockopt(zmq.CURVE_SERVER) == 0
        assert socket.getsockopt(zmq.MECHANISM) == zmq.CURVE


def test_every_queue_and_buffer_of_a_socket_is_bounded() -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        configure(socket, SocketOptions(4, 65536, 1 << 20))
        assert socket.getsockopt(zmq.SNDHWM) == 4
        # A bounded receive pipe lets a peer abort the process.
        assert socket.getsockopt(zmq.RCVHWM) == 0
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


def first_routing_id(context: zmq.Context[zmq.Socket[bytes]]) -> int:
    """Return the number that the first client of a new ROUTER socket gets."""
    options = SocketOptions(4, 65_536, 1024)
    with (
        open_socket(context, zmq.ROUTER, options) as router,
        open_socket(context, zmq.DEALER, options) as dealer,
    ):
        port = router.bind_to_random_port("tcp://127.0.0.1")
        dealer.connect(f"tcp://127.0.0.1:{port}")
        dealer.send(b"hello")
        assert router.poll(10_000)
        return int.from_bytes(router.recv_multipart()[0][1:], "big")


def test_nobody_can_foresee_the_routing_ids_of_a_socket() -> None:
    ctypes.CDLL(None).srand(1)  # as the C library begins
    with zmq.Context() as context:
        found = sorted(first_routing_id(context) for _ in range(3))
    assert min(b - a for a, b in itertools.pairwise(found)) > 1000
    unseeded = 1_804_289_383
    assert all(abs(number - unseeded) > 1000 for number in found)
