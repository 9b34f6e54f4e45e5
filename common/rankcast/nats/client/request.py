"""One request to a sender through a NATS server, and its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import NoStreamError, RequestRefusedError, WireError
from rankcast.frame import Scalar
from rankcast.nats.address import NatsAddress
from rankcast.nats.client.connection import NatsConnection
from rankcast.nats.client.loop_thread import LoopThread
from rankcast.nats.client.message import Message
from rankcast.nats.options import NatsOptions
from rankcast.nats.parts import Assembler
from rankcast.nats.subjects import control_subject, join_name
from rankcast.net import LinkState
from rankcast.wire import (
    Limits,
    Reply,
    Request,
    max_reply_bytes,
    pack_request,
    parse_reply,
    split_stream,
)

POLL_S: Final = 0.05
_NOTHING: Final[Mapping[str, Scalar]] = MappingProxyType({})


class _Call:
    """Sends one request once there is a connection, and waits."""

    def __init__(
        self,
        address: NatsAddress,
        options: NatsOptions,
        subject: str,
        request: Request,
        timeout_s: float,
        stopped: Callable[[], bool],
    ) -> None:
        self.reply: Reply | None = None
        self.unanswered = False
        self.last_refusal = ""
        self.denied = ""
        self._subject = subject
        self._request = request
        self._timeout_s = timeout_s
        self._stopped = stopped
        self._limits = Limits()
        most_bytes = max_reply_bytes(self._limits)
        self._assembler = Assembler(most_bytes, 2 * most_bytes)
        self._done = asyncio.Event()
        self.thread = LoopThread("nats", self._main)
        self.connection = NatsConnection(
            address, options, "rankcast control", self._ask, on_denied=self._deny, speaks=False
        )

    async def _main(self) -> None:
        stop, until_s = asyncio.Event(), boot_s() + self._timeout_s
        run = asyncio.ensure_future(self.connection.run(stop))
        done = asyncio.ensure_future(self._done.wait())
        try:
            while not (run.done() or done.done() or self.thread.stopping.is_set()):
                if boot_s() > until_s or self._stopped() or self._is_refused():
                    break
                await asyncio.wait([run, done], timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
            stop.set()
            await run

    def _is_refused(self) -> bool:
        state = self.connection.state
        refused = state.link in (LinkState.KEY_REFUSED, LinkState.PROTOCOL_REFUSED)
        return refused or bool(self.denied)

    async def _ask(self) -> None:
        if self.connection.state.sessions > 1:
            return  # the sender may have carried it out already
        inbox = f"{self.connection.inbox}.reply"
        await self.connection.subscribe(inbox, self._take)
        await self.connection.publish(self._subject, pack_request(self._request), inbox)

    def _deny(self, _subject: str, text: str) -> None:
        self.denied = text

    def _take(self, message: Message) -> None:
        if message.unanswered:
            self.unanswered = True
            self._done.set()
            return
        try:
            data = self._assembler.take("", message.data)
            if data is None:
                return
            reply = parse_reply(data, self._limits)
        except WireError as exc:
            self.last_refusal = str(exc)
            return
        if reply.id == self._request.id:
            self.reply = reply
            self._done.set()


def request_once(
    address: NatsAddress,
    options: NatsOptions,
    camera: tuple[str, str],
    op: str,
    args: Mapping[str, Scalar] = _NOTHING,
    *,
    timeout_s: float,
    stopped: Callable[[], bool] = lambda: False,
) -> Reply:
    """Send one request to the sender of a camera, and wait for its reply.

    Parameters
    ----------
    address : NatsAddress
    options : NatsOptions
    camera : tuple of str
        Site, and name of the camera or of a substream, ``CAMERA.SUB``.
    op, args
        See `Request`.
    timeout_s : float
    stopped : callable
        Called twenty times a second; True ends the wait.

    Raises
    ------
    NoStreamError
        If no reply arrived, and why.
    RequestRefusedError
        If the sender refused it.
    SettingsError
        As `NatsOptions.check`, or if the request holds values that cannot be sent.
    """
    options.check(address)
    request = Request(1, op, camera[1], args)
    pack_request(request)  # before anything is opened
    subject = control_subject(camera[0], split_stream(camera[1])[0], op)
    call = _Call(address, options, subject, request, timeout_s, stopped)
    call.thread.start()
    try:
        call.thread.join(timeout_s + 5.0)
    except BaseException:
        call.thread.stop()
        call.thread.join()
        raise
    reply, name = call.reply, join_name(*camera)
    if reply is not None and reply.ok:
        return reply
    if reply is not None:
        raise RequestRefusedError(reply.error or f"the sender refused {op}")
    if call.denied:
        raise RequestRefusedError(call.denied)
    if call.unanswered:
        raise NoStreamError(
            f"no sender at {address} has camera {name}: `rankcast find --nats {address}` lists them"
        )
    why = call.connection.state.detail or call.last_refusal
    raise NoStreamError(
        f"nothing answered for {name} at {address} within {timeout_s:g} s"
        + (f": {why}" if why else "")
    )
