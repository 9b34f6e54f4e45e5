"""ControlDesk: carries requests of pages to the senders, without blocking the event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio
import anyio.to_thread

from rankcast.errors import LimitError, NoStreamError, RequestRefusedError, SettingsError
from rankcast.frame import Scalar
from rankcast.net import ControlClient
from rankcast.wire import Limits, Reply
from rankcast_receiver.web.receiver_view import ReceiverView

DEADLINE_S: Final = 5.0
MOST_THREADS: Final = 4
MOST_WAITING: Final = 16
"""Requests of all pages and programs that are not answered yet."""
_NO_PACKETS: Final = Limits(max_packet_bytes=0)


class ControlDesk:
    """Sends each request through a connection of its own.

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
        reply = await self._call(camera, "original", {}, self._view.limits)
        if not reply.packet:
            raise RequestRefusedError("the reply of the sender contains no picture")
        return bytes(reply.packet)

    async def _result(self, camera: str, op: str, args: Mapping[str, Scalar]) -> dict[str, Any]:
        return dict((await self._call(camera, op, args, _NO_PACKETS)).result)

    async def _call(
        self, camera: str, op: str, args: Mapping[str, Scalar], limits: Limits
    ) -> Reply:
        if self._waiting >= MOST_WAITING:
            raise LimitError(f"{self._waiting} requests are not answered yet, ask again later")
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MOST_THREADS)
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(
                self._call_here, camera, op, args, limits, limiter=self._limiter
            )
        finally:
            self._waiting -= 1

    def _call_here(self, camera: str, op: str, args: Mapping[str, Scalar], limits: Limits) -> Reply:
        address = self._view.control_address(camera)
        if address is None:
            raise NoStreamError(f"camera {camera!a:.80} has no control channel at present")
        for name in args:
            if not isinstance(name, str):
                raise SettingsError(f"got the name {name!r:.40}, want text")
        with ControlClient(address.endpoint, self._view.curves, limits=limits) as client:
            return client.call(
                op, address.camera, args, timeout_s=DEADLINE_S, stopped=self._stopping
            )
