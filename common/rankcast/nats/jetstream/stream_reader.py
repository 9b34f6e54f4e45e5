"""StreamReader: the messages of one subject filter of a stream, in order, each once."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from rankcast.errors import NoStreamError, StoreError, WireError
from rankcast.nats.client import Message
from rankcast.nats.jetstream.api import PREFIX, JetStream
from rankcast.nats.jetstream.stored import Stored, stored_of

log = logging.getLogger(__name__)

BATCH: Final = 64
"""Messages asked for at a time, which wait in memory."""
EXPIRES_S: Final = 20.0
BEAT_S: Final = 0.5
LOST_S: Final = 1.6
"""After three missing beats, the consumer, its leader or a server is gone."""
IDLE_S: Final = 60.0
"""A consumer that nobody reads from is deleted by the server after this time."""
RETRY_S: Final = 0.25
_OVER: Final = frozenset({"404", "408", "409"})
"""Notices after which nothing more comes of a request."""


class ConsumerLost(Exception):  # noqa: N818 - not an error: the reader makes another one
    """The consumer, or the leader of its stream, has gone."""


class StreamReader:
    """Reads a stream from a given message on, and goes on after the last one whatever happens.

    The server's consumer stores nothing but a position; the reader creates it again if it is gone.

    Parameters
    ----------
    jetstream : JetStream
    stream : str
    subject : str
        Filter of the subjects.
    next_sequence : int
        First message of the stream that is wanted.
    """

    def __init__(self, jetstream: JetStream, stream: str, subject: str, next_sequence: int) -> None:
        self.stream = stream
        self.next_sequence = next_sequence
        """The message from which reading goes on."""
        self.remade = 0
        """Consumers that were made after the first one."""
        self._jetstream = jetstream
        self._connection = jetstream.connection
        self._subject = subject
        self._consumer = ""

    async def read(self) -> AsyncGenerator[Stored]:
        """Yield the messages, for as long as the connection lasts.

        Raises
        ------
        StoreError
            If the stream is gone.
        NoStreamError
            If there is no connection to begin with.
        """
        waiting: asyncio.Queue[Message] = asyncio.Queue()
        inbox = self._new_inbox()
        end = await self._connection.subscribe(inbox, waiting.put_nowait)
        try:
            while True:
                try:
                    await self.open()
                    async with aclosing(self.missed()) as missed:
                        async for stored in missed:
                            yield stored
                    async for stored in self._pull(inbox, waiting):
                        yield stored
                except (ConsumerLost, NoStreamError) as exc:
                    if not self._connection.is_up:
                        return
                    log.debug("%s: %s", self.stream, exc)
                    self.remade += 1
                    await asyncio.sleep(RETRY_S)
        finally:
            await end()
            await self.forget()

    def _new_inbox(self) -> str:
        if not self._connection.is_up:
            raise NoStreamError("the connection to the NATS server has ended")
        return self._connection.new_inbox()

    async def open(self) -> None:
        """Make the consumer from which messages are pulled."""
        facts = await self._jetstream.create_consumer(self.stream, self._config())
        self._consumer = facts.name

    async def missed(self) -> AsyncGenerator[Stored]:
        """Yield the messages that the consumer does not deliver itself: here none."""
        nothing: tuple[Stored, ...] = ()
        for stored in nothing:
            yield stored

    async def forget(self) -> None:
        """Delete the consumer, unless the connection is gone: the server then does."""
        if self._consumer and self._connection.is_up:
            try:
                await self._jetstream.delete_consumer(self.stream, self._consumer)
            except (StoreError, NoStreamError) as exc:
                log.debug("%s: %s", self.stream, exc)
        self._consumer = ""

    def _config(self) -> Mapping[str, Any]:
        return {
            "name": f"rankcast-{secrets.token_hex(8)}",
            "filter_subject": self._subject,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(1, self.next_sequence),
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(IDLE_S * 1e9),
        }

    def accept(self, stored: Stored, expected: int) -> bool:
        """Return True for a message that is to be used.

        Raises
        ------
        ConsumerLost
            If messages before it were lost on the way.
        """
        if stored.place.consumer_sequence != expected:
            raise ConsumerLost("messages were lost on the way")
        return True

    async def _pull(self, inbox: str, waiting: asyncio.Queue[Message]) -> AsyncGenerator[Stored]:
        subject = f"{PREFIX}.CONSUMER.MSG.NEXT.{self.stream}.{self._consumer}"
        # More than two messages of the largest size at a time would be memory without a purpose.
        most_bytes = max(2 * self._connection.max_payload, 4 * 2**20)
        asked = json.dumps({
            "batch": BATCH, "max_bytes": most_bytes, "expires": int(EXPIRES_S * 1e9),
            "idle_heartbeat": int(BEAT_S * 1e9),
        }).encode("ascii")  # fmt: skip
        expected = 1
        while True:
            while not waiting.empty():
                waiting.get_nowait()  # of a request that was given up
            if not await self._connection.publish(subject, asked, inbox):
                raise ConsumerLost("there is no connection")
            wanted = BATCH
            while wanted:
                try:
                    async with asyncio.timeout(LOST_S):
                        message = await waiting.get()
                except TimeoutError:
                    raise ConsumerLost("the consumer is silent") from None
                if message.status:
                    if self._is_over(message):
                        break
                    continue
                try:
                    stored = stored_of(message)
                except WireError as exc:
                    log.debug("%s: %s", self.stream, exc)
                    continue
                wanted -= 1
                if not self.accept(stored, expected):
                    continue
                expected += 1
                self.next_sequence = max(self.next_sequence, stored.place.stream_sequence + 1)
                yield stored

    def _is_over(self, message: Message) -> bool:
        """Return True if a notice ends the request; raise if it ends the consumer."""
        notice = message.notice.lower()
        if message.status == "503" or "deleted" in notice or "leadership" in notice:
            raise ConsumerLost(message.notice or "the consumer is gone")
        return message.status in _OVER
