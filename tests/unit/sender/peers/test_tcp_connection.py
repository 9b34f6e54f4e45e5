"""Connections of libzmq, and the scissors: only connections of a port are ever ended."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from rankcast_sender.peers.tcp_connection import Scissors, connection_of


def test_only_connections_of_the_port_are_ever_closed(tmp_path: Path) -> None:
    with (
        closing(Scissors()) as scissors,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
        listener.accept()[0] as theirs,
        (tmp_path / "file").open("wb") as file,
        socket.socket(socket.AF_UNIX) as local,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        port = listener.getsockname()[1]
        peer = ours.getsockname()
        datagrams.bind(("127.0.0.1", port))
        others = (file, local, datagrams, ours, listener)
        assert not any(scissors.cut(other.fileno(), port) for other in others)
        assert not scissors.cut(10_000, port)
        assert not scissors.cut(theirs.fileno(), port + 1)
        assert not scissors.cut(theirs.fileno(), port, ("127.0.0.1", 1)), "it is another's by now"
        ours.sendall(b"x" * 100)
        theirs.recv(100)
        assert connection_of(theirs.fileno(), port) == (peer, 100)
        assert [connection_of(other.fileno(), port) for other in others] == [None] * 5
        assert connection_of(10_000, port) is None
        before = len(os.listdir("/proc/self/fd"))
        assert scissors.cut(theirs.fileno(), port, peer)
        assert ours.recv(1) == b""
        assert len(os.listdir("/proc/self/fd")) == before
        os.write(file.fileno(), b"still open")


def test_the_scissors_let_go_of_what_they_cut_and_cut_nothing_once_closed() -> None:
    with (
        closing(Scissors()) as scissors,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as theirs,
    ):
        inode = os.fstat(theirs.fileno()).st_ino
        port = listener.getsockname()[1]
        assert scissors.cut(theirs.fileno(), port)
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
        assert [fd for fd in descriptors if inode_of(fd) == inode] == [theirs.fileno()]
        scissors.close()
        assert not scissors.cut(theirs.fileno(), port)


def inode_of(descriptor: int) -> int:
    """Return the inode of an open descriptor; 0 if it is closed."""
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return 0


def test_a_system_that_cannot_tell_is_no_end_of_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: socket.socket) -> int:
        raise OSError(105, "no buffer space")

    monkeypatch.setattr("rankcast_sender.peers.tcp_connection.received_bytes", fail)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as theirs,
        pytest.raises(OSError, match="no buffer space"),
    ):
        connection_of(theirs.fileno(), listener.getsockname()[1])
