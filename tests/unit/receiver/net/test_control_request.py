"""Requests of the user: sent by the receive thread, and always answered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from rankcast.wire import Request
from rankcast_receiver import Subscriber
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.net import ControlRequest, receive_thread, sender_requests
from rankcast_receiver.net.control_link import ControlLink
from rankcast_receiver.net.sender_requests import MAX_OPEN
from rankcast_sender import Publisher
from support.answerer import Answerer, pong
from support.fakes import free_address, picture

WAIT_S = 20.0


@contextmanager
def linked(address: str) -> Iterator[ControlLink]:
    with zmq.Context() as context:
        link = ControlLink(context, address, SenderClock())
        try:
            yield link
        finally:
            link.close()


def run_until(link: ControlLink, *requests: ControlRequest) -> None:
    ends = time.monotonic() + WAIT_S
    while any(request.reply is None for request in requests):
        assert time.monotonic() < ends
        link.sockets[0].poll(10)
        link.read()
        link.tick()


def connect(link: ControlLink) -> None:
    ends = time.monotonic() + WAIT_S
    while not link.answered:
        assert time.monotonic() < ends
        link.sockets[0].poll(10)
        link.read()
        link.tick()


def quality(_: Request) -> Mapping[str, Any]:
    return {"quality": 60}


def a_request(op: str = "get") -> ControlRequest:
    return ControlRequest("cam", op, {"name": "quality"})


def error(request: ControlRequest) -> str:
    assert request.reply is not None
    assert not request.reply.ok
    return request.reply.error


def test_a_reply_is_that_of_the_request() -> None:
    address = free_address()
    with Answerer(address, {"ping": pong, "get": quality}) as sender, linked(address) as link:
        connect(link)
        request = a_request()
        link.request(request)
        assert request.reply is None, "nobody waits"
        run_until(link, request)
        assert request.reply is not None
        assert request.reply.ok
        assert request.reply.result == {"quality": 60}
        (sent,) = sender.of("get")
        assert (sent.camera, sent.args) == ("cam", {"name": "quality"})


def test_a_sender_that_does_not_reply_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_requests, "REQUEST_TIMEOUT_S", 0.1)
    address = free_address()
    with Answerer(address, {"ping": pong}), linked(address) as link:
        connect(link)
        request = a_request()
        link.request(request)
        run_until(link, request)
        assert error(request) == "the sender did not reply within 0.1 s"


def test_a_request_without_a_connection_and_one_too_many_fail_at_once() -> None:
    address = free_address()
    with linked(address) as link:
        request = a_request()
        link.request(request)
        assert "not connected" in error(request)
    with Answerer(address, {"ping": pong}), linked(address) as link:
        connect(link)
        requests = [a_request() for _ in range(MAX_OPEN + 1)]
        for request in requests:
            link.request(request)
        assert [request.reply is None for request in requests] == [True] * MAX_OPEN + [False]
        assert "try again later" in error(requests[-1])
        link.close()
        assert "the connection ended" in error(requests[0])


def test_a_subscriber_finds_the_sender_of_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [free_address(), free_address()]
    with (
        Publisher(addresses[0], codec="jpeg"),
        Publisher(addresses[1], codec="jpeg", quality=41) as publisher,
        Subscriber(addresses) as subscriber,
    ):
        publisher.wait_viewers(1)
        frames = iter(subscriber)
        ends = time.monotonic() + WAIT_S
        request = subscriber.ask("cam-2", "get", {"name": "quality"})
        assert error(request) == "there is no camera cam-2", "nothing has come from it yet"
        while request.reply is None or not request.reply.ok:
            assert time.monotonic() < ends, request.reply
            if request.reply is not None:  # the control channel is connected a little later
                request = subscriber.ask("cam-2", "get", {"name": "quality"})
            publisher.send(picture())
            next(frames)
        assert request.reply.result == {"quality": 41}
        monkeypatch.setattr(receive_thread, "MAX_REQUESTS", 0)
        assert "try again later" in error(subscriber.ask("cam-2", "get", {}))
        subscriber.close()
        assert error(subscriber.ask("cam-2", "get", {})) == "the receiver is closed"
