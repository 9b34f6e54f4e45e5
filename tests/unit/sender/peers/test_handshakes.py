"""Handshakes: a descriptor that was closed and used again is not that of the older connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rankcast_sender.peers import Handshakes, handshakes


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.socket())


def test_a_connection_is_there_from_its_handshake_until_it_is_closed(stack: ExitStack) -> None:
    known, connection = Handshakes(), opened(stack)
    first = known.begin()
    second = known.begin()
    assert second == first + 1
    assert known.is_connected(first, connection.fileno())
    assert known.is_connected(second, connection.fileno())
    descriptor = connection.fileno()
    connection.close()
    assert not known.is_connected(first, descriptor)


def test_another_connection_with_its_descriptor_is_not_it(stack: ExitStack) -> None:
    known, connection, other = Handshakes(), opened(stack), opened(stack)
    handshake, descriptor = known.begin(), connection.fileno()
    # As if closed, and the number given to the next connection.
    os.dup2(other.fileno(), descriptor)
    assert not known.is_connected(handshake, descriptor)
    later = known.begin()
    assert not known.is_connected(handshake, descriptor)
    assert known.is_connected(later, descriptor)


def test_what_was_opened_after_a_handshake_is_not_its_connection(stack: ExitStack) -> None:
    known = Handshakes()
    handshake = known.begin()
    connection = opened(stack)
    assert not known.is_connected(handshake, connection.fileno())
    known.begin()
    assert not known.is_connected(handshake, connection.fileno())


def test_no_handshake_and_no_descriptor_are_no_connection(stack: ExitStack) -> None:
    known, connection = Handshakes(), opened(stack)
    assert not known.is_connected(0, connection.fileno())
    known.begin()
    assert not known.is_connected(0, connection.fileno())
    assert not known.is_connected(1, -1)


def test_where_the_system_cannot_tell_nothing_is_connected(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "CAN_TELL", False)
    known, connection = Handshakes(), opened(stack)
    assert not known.is_connected(known.begin(), connection.fileno())
