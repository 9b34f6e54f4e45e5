"""ControlDesk: carries requests of pages to the senders, without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import anyio
import anyio.to_thread

from rankcast.boot_clock import boot_s
from rankcast.errors import LimitError, NoStreamError, RequestRefusedError, SettingsError
from rankcast.frame import Scalar
from rankcast.nats import is_nats
from rankcast.net import ControlClient
from rankcast.wire import Reply, Request, pack_request
from rankcast_receiver.web.receiver_view import ReceiverView

DEADLINE_S: Final = 5.0
MOST_THREADS: Final = 4
MOST_WAITING: Final = 16
"""Requests of all pages and programs that are not answered yet."""
POLL_S: Final = 0.02
"""How often a reply is looked for: it comes to another thread."""


class ControlDesk:
    """Sends requests through the connections of the receiver, originals through one of their own.

    Parameters
    ----------
    view : ReceiverView
    allowed : bool
        False: only `get` is carried out.
    stopping : callable
        True once the server ends: requests in progress end too.
    """

    def __init__(self, view: ReceiverView, *, allowed: bool, stopping: Callable[[], bool]) -> None:
        self._view, self._allowed, self._stopping = view, allowed, stopping
        self._limiter: anyio.CapacityLimiter | None = None
        self._waiting = 0

    async def ask(self, camera: str, op: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out a request of a page and return its result.

        Raises
        ------
        RequestRefusedError
            If it is not allowed, or the sender refuses it.
        NoStreamError
            If nothing answers in time.
        SettingsError
            If the arguments cannot be sent.
        """
        match op:
            case "get":
                name = args.get("name")
                return await self._result(camera, "get", {} if name is None else {"name": name})
            case "set" | "keyframe" | "trigger" | "record.trigger" if not self._allowed:
                raise RequestRefusedError(
                    f"{op} is not allowed: start the receiver with --web-control"
                )
            case "set":
                return await self._result(camera, "set", args)
            case "keyframe":
                return await self._result(camera, "keyframe", {})
            case "trigger":
                return await self._result(camera, "set", {"trigger": "once"})
            case "record.trigger":
                cause = args.get("cause")
                return await self._result(
                    camera, "record", {} if cause is None else {"cause": cause}
                )
        raise RequestRefusedError(f"there is no operation {op!a:.40}")

    async def original(self, camera: str) -> bytes:
        """Return the newest picture of the sender, losslessly coded, as a packet.

        Raises
        ------
        RequestRefusedError, NoStreamError
            As `ask`.
        """
        address = self._view.control_address(camera)
        if address is not None and is_nats(address.endpoint):
            reply = await self._reply(camera, "original", {})
            return self._picture_of(reply)
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MOST_THREADS)
        with self._counted():
            reply = await anyio.to_thread.run_sync(self._original, camera, limiter=self._limiter)
        return self._picture_of(reply)

    @staticmethod
    def _picture_of(reply: Reply) -> bytes:
        if not reply.packet:
            raise RequestRefusedError("the reply of the sender contains no picture")
        return bytes(reply.packet)

    async def _result(self, camera: str, op: str, args: Mapping[str, Scalar]) -> dict[str, Any]:
        return dict((await self._reply(camera, op, args)).result)

    async def _reply(self, camera: str, op: str, args: Mapping[str, Scalar]) -> Reply:
        with self._counted():
            if self._view.control_address(camera) is None:
                raise NoStreamError(f"camera {camera!a:.80} has no control channel at present")
            _check_sendable(op, args)
            request = self._view.ask(camera, op, args)
            until_s = boot_s() + DEADLINE_S
            while (reply := request.reply) is None:
                if boot_s() > until_s or self._stopping():
                    raise NoStreamError(f"the sender did not answer within {DEADLINE_S:g} s")
                await asyncio.sleep(POLL_S)
        if not reply.ok:
            raise RequestRefusedError(reply.error or f"the sender refused {op}")
        return reply

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Bound what is not answered yet."""
        if self._waiting >= MOST_WAITING:
            raise LimitError(f"{self._waiting} requests are not answered yet, ask again later")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _original(self, camera: str) -> Reply:
        """Ask through a connection of its own, which takes packets."""
        address = self._view.control_address(camera)
        if address is None:
            raise NoStreamError(f"camera {camera!a:.80} has no control channel at present")
        with ControlClient(address.endpoint, address.curves, limits=self._view.limits) as client:
            return client.call(
                "original", address.camera, timeout_s=DEADLINE_S, stopped=self._stopping
            )


def _check_sendable(op: str, args: Mapping[str, Scalar]) -> None:
    """Refuse here what cannot be packed: the thread that sends it serves all cameras."""
    try:
        pack_request(Request(0, op, "", args))
    except (ValueError, TypeError, OverflowError) as exc:  # text that is no Unicode, say
        raise SettingsError(f"the arguments of {op} cannot be sent: {exc!s:.200}") from exc
