"""Claim: keeps a durable name for one recorder, until that ends or is gone."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import NameTakenError, NoStreamError, SettingsError, StoreError
from rankcast.nats.client import Message
from rankcast.nats.jetstream.api import PREFIX, ConsumerFacts, JetStream
from rankcast.printable import printable

log = logging.getLogger(__name__)

RENEW_S: Final = 1.0
LOOK_EVERY: Final = 5
"""Renewals after which a holder looks for an older claim."""
LAPSE_S: Final = 4.0
"""The server drops a claim that was not renewed for so long: its recorder is gone or cut off."""
PATIENCE_S: Final = 2 * LAPSE_S
"""How long a recorder waits for the claim of another one, which may be its dead predecessor."""
DRAW_S: Final = LAPSE_S
"""How much longer it waits if its token is the smaller one: each of two recorders that began at
once may hold some cameras, and the one that gives up first leaves them to the other one."""
ASK_S: Final = 0.25
DROP_S: Final = 0.5
"""A recorder that ends does not wait longer for the server, which drops the claim by itself."""
_PREFIX: Final = "rankcast-claim"


class Claim:
    """Holds the durable consumer of a stream: two recorders would share its messages.

    A server gives the messages of a consumer to whoever asks, some to one and some to the other. A
    claim is a consumer of its own without a place: it exists while its recorder asks it for
    something every second, and the oldest one of a durable name holds it. No permission is needed
    that a recorder would not have.

    Parameters
    ----------
    jetstream : JetStream
    stream, subject : str
        Of the durable consumer.
    name : str
        The durable name.
    token : str
        16 hexadecimal digits that no other claim has; the same after a reconnect. The first 8 are
        those of all claims of this recorder.
    held : bool, optional
        This recorder held the name at an earlier connection.

    Attributes
    ----------
    held : bool
        True once this recorder holds the name, or has held it.
    waits : str
        Which recorder is waited for, in one line; else empty.
    """

    def __init__(
        self,
        jetstream: JetStream,
        stream: str,
        subject: str,
        name: str,
        token: str,
        *,
        held: bool = False,
    ) -> None:
        self._jetstream = jetstream
        self.waits = ""
        self.held = held
        self._stream = stream
        self._subject = subject
        self._name = name
        self._own = f"{_PREFIX}-{name}-{token}"
        self._pattern = re.compile(f"{_PREFIX}-{re.escape(name)}-[0-9a-f]{{16}}")
        self._token = token
        self._session = 0
        self._keeping: asyncio.Task[None] | None = None
        self._inbox = ""
        self._replicas = 1
        self._end: Callable[[], Awaitable[None]]

    async def __aenter__(self) -> Claim:
        """Take the claim; wait for that of a recorder that is gone.

        Raises
        ------
        SettingsError
            If another recorder holds the name.
        NameTakenError
            If another recorder has taken it, which was held by this one.
        StoreError, NoStreamError
            See `JetStream`.
        """
        connection = self._jetstream.connection
        facts = await self._jetstream.stream(self._stream)
        if facts is None:
            raise StoreError(f"stream {self._stream} was deleted")
        if not connection.is_up:
            raise NoStreamError("the connection to the NATS server has ended")
        self._replicas = max(1, facts.replicas)
        self._session = connection.state.sessions
        self._inbox = connection.new_inbox()
        end = await connection.subscribe(self._inbox, _ignore)
        try:
            await self._wait_free()
        except BaseException as exc:
            await end()
            await self._leave(exc)
            raise
        finally:
            self.waits = ""
        self.held = True
        self._end = end
        self._keeping = asyncio.ensure_future(self._keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the claim up, so that the next recorder need not wait."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            if not self._keeping.cancelled():
                self._keeping.exception()  # `check` has raised it, or nobody reads any more
        await self._end()
        await self._leave(error)

    def check(self) -> None:
        """Raise if another recorder has taken the name while this one was cut off.

        Raises
        ------
        NameTakenError
        """
        keeping = self._keeping
        if keeping is not None and keeping.done() and not keeping.cancelled():
            keeping.result()

    async def _wait_free(self) -> None:
        began_s, told = boot_s(), False
        while (holder := await self._holder()) is not None:
            patience_s = PATIENCE_S + (DRAW_S if self._token[:8] < _recorder(holder) else 0.0)
            if boot_s() > began_s + patience_s:
                if self.held:
                    raise self._loss(holder)
                raise SettingsError(
                    f"{self._told(holder)}: both would get a part of the frames; give another "
                    "name with --durable, or stop that recorder"
                )
            self.waits = f"{self._told(holder)}: waiting for the case that it is gone"
            if not told:
                log.info("%s; waiting %g s for the case that it is gone", self._told(holder),
                         patience_s)  # fmt: skip
                told = True
            await self._renew()
            await asyncio.sleep(ASK_S)

    async def _keep(self) -> None:
        """Renew the claim; take it again where the server has dropped it, as after a failover."""
        renewals = 0
        while True:
            await asyncio.sleep(RENEW_S)
            renewals += 1
            try:
                # Servers whose clocks differ made the claims: the older one may have come later.
                if await self._renew() and renewals % LOOK_EVERY:
                    continue
                holder = await self._holder()
            except (StoreError, NoStreamError) as exc:
                log.debug("%s: claim of %s: %s", self._stream, self._name, exc)
                continue
            if holder is not None:
                raise self._loss(holder)

    async def _holder(self) -> ConsumerFacts | None:
        """Make the claim if it is gone; return an older one, of another recorder."""
        own = await self._jetstream.create_consumer(self._stream, {
            "name": self._own,
            "description": f"{printable(socket.gethostname())[:64]}, process {os.getpid()}",
            "filter_subject": self._subject,
            "deliver_policy": "new",
            "ack_policy": "none",
            "replay_policy": "instant",
            "headers_only": True,
            "mem_storage": True,
            # On one server of a cluster, nobody could ask for it, or free it, while that is gone.
            "num_replicas": self._replicas,
            "inactive_threshold": int(LAPSE_S * 1e9),
        })  # fmt: skip
        for name in await self._jetstream.consumers(self._stream):
            if name == self._own or not self._pattern.fullmatch(name):
                continue
            other = await self._jetstream.consumer(self._stream, name)
            if other is not None and (other.t_created_ns, name) < (own.t_created_ns, self._own):
                return other
        return None

    async def _renew(self) -> bool:
        """Ask for a message, which is what keeps the claim; return False if the claim is gone."""
        subject = f"{PREFIX}.CONSUMER.MSG.NEXT.{self._stream}.{self._own}"
        asked = json.dumps({"batch": 1, "expires": int(ASK_S * 1e9)}).encode("ascii")
        # The server need not reply to a request that runs out.
        await self._jetstream.connection.publish(subject, asked, self._inbox)
        return await self._jetstream.consumer(self._stream, self._own) is not None

    async def _leave(self, error: BaseException | None) -> None:
        """Drop the claim, unless its recorder goes on: at another connection, or after a pause."""
        connection = self._jetstream.connection
        if connection.state.sessions != self._session or not connection.is_up:
            return
        if isinstance(error, StoreError | NoStreamError):
            return
        try:
            async with asyncio.timeout(DROP_S):
                await self._jetstream.delete_consumer(self._stream, self._own)
        except (StoreError, NoStreamError, TimeoutError) as exc:
            log.debug("%s: claim of %s: %s", self._stream, self._name, exc)

    def _told(self, holder: ConsumerFacts) -> str:
        who = printable(str(holder.config.get("description", "another program")))[:100]
        since = datetime.fromtimestamp(holder.t_created_ns // 10**9, UTC)
        return (
            f"the durable name {self._name} of stream {self._stream} is held by the recorder of "
            f"{who}, since {since:%Y-%m-%d %H:%M:%S} UTC"
        )

    def _loss(self, holder: ConsumerFacts) -> NameTakenError:
        return NameTakenError(
            f"{self._told(holder)}, which has taken it while this recorder was cut off"
        )


def _recorder(holder: ConsumerFacts) -> str:
    """Return the part of a token that all claims of a recorder have."""
    return holder.name[-16:-8]


def _ignore(message: Message) -> None:
    """Discard a message that the consumer delivers: a claim reads none."""
