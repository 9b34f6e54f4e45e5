"""DurableReader: reads a stream as a durable consumer, whose place the server keeps."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from rankcast.errors import SettingsError
from rankcast.nats.client import Message
from rankcast.nats.jetstream.api import ConsumerFacts, JetStream
from rankcast.nats.jetstream.claim import Claim
from rankcast.nats.jetstream.stored import Stored
from rankcast.nats.jetstream.stream_reader import ConsumerLost, StreamReader

log = logging.getLogger(__name__)

ACK_WAIT_S: Final = 30.0
"""The server delivers a message again that was not acknowledged for so long."""
MAX_UNACKNOWLEDGED: Final = 1024
"""Most messages that may be under way: about half a minute of one camera."""


class DurableReader(StreamReader):
    """Reads from where its durable consumer is: behind the last message that was acknowledged.

    The server delivers what was not acknowledged again, but late and behind newer messages. This
    reader therefore takes what had been delivered before from the stream itself, in order; the
    second delivery is for the acknowledgement only.

    Parameters
    ----------
    jetstream, stream, subject
        See `StreamReader`.
    name : str
        Of the durable consumer.
    first_sequence : int
        Where a consumer begins that does not exist yet.
    token, held
        See `Claim`.
    """

    def __init__(
        self,
        jetstream: JetStream,
        stream: str,
        subject: str,
        name: str,
        first_sequence: int,
        token: str,
        *,
        held: bool = False,
    ) -> None:
        super().__init__(jetstream, stream, subject, 0)
        self.name = name
        self._first_sequence = first_sequence
        self._delivered = 0
        self._expected = 0
        self._claim = Claim(jetstream, stream, subject, name, token, held=held)

    @property
    def waits(self) -> str:
        """Which recorder this one waits for, in one line; else empty."""
        return self._claim.waits

    @property
    def held(self) -> bool:
        """True once this recorder holds the name, or has held it."""
        return self._claim.held

    async def read(self) -> AsyncGenerator[Stored]:
        """Yield the messages, for as long as the connection lasts.

        Raises
        ------
        SettingsError
            If another recorder reads under this name.
        NameTakenError
            If another recorder has taken the name while this one was cut off.
        StoreError
            If the stream is gone.
        """
        async with self._claim, aclosing(super().read()) as messages:
            async for stored in messages:
                yield stored

    async def opened(self) -> ConsumerFacts:
        """Return the consumer, made if there is none.

        Raises
        ------
        SettingsError
            If the name is that of a consumer of another kind.
        StoreError, NoStreamError
            See `JetStream`.
        """
        facts = await self._jetstream.consumer(self.stream, self.name)
        wanted = self._config()
        if facts is None:
            if self.next_sequence:
                log.warning(
                    "%s: the durable consumer %s was deleted: it goes on behind the last message",
                    self.stream, self.name,
                )  # fmt: skip
            return await self._jetstream.create_consumer(self.stream, wanted)
        for key in ("filter_subject", "ack_policy", "deliver_subject"):
            if facts.config.get(key) != wanted.get(key):
                raise SettingsError(
                    f"the durable name {self.name} of stream {self.stream} is that of another "
                    f"consumer: its {key} is {facts.config.get(key)!r:.60}, want "
                    f"{wanted.get(key)!r:.60}: take another name, or delete that consumer"
                )
        return facts

    async def open(self) -> None:
        """Find the consumer, and what it had delivered without an acknowledgement."""
        facts = await self.opened()
        self._consumer = self.name
        self._delivered = facts.delivered
        self._expected = 0
        # Before its first acknowledgement, the floor of a consumer is 0, wherever it begins.
        start = int(facts.config.get("opt_start_seq") or 1)
        self.next_sequence = max(self.next_sequence, facts.acknowledged + 1, start)

    async def forget(self) -> None:
        """Leave the consumer at the server."""
        self._consumer = ""

    async def missed(self) -> AsyncGenerator[Stored]:
        """Yield what was delivered before and not acknowledged, from the stream itself."""
        if self.next_sequence > self._delivered:
            return
        again = StreamReader(self._jetstream, self.stream, self._subject, self.next_sequence)
        async with aclosing(again.read()) as messages:
            async for stored in messages:
                if stored.place.stream_sequence > self._delivered:
                    return
                self.next_sequence = stored.place.stream_sequence + 1
                yield stored
                if stored.place.stream_sequence == self._delivered or not stored.place.pending:
                    return
        raise ConsumerLost("the connection ended")

    def accept(self, stored: Stored, expected: int) -> bool:  # noqa: ARG002 - its own count
        """Return True: also for a message that comes again, which is acknowledged.

        Raises
        ------
        ConsumerLost
            If messages before it were lost on the way.
        NameTakenError
            If another recorder has taken the name.
        """
        self._claim.check()
        place = stored.place
        if self._expected and place.consumer_sequence != self._expected:
            raise ConsumerLost("messages were lost on the way")
        self._expected = place.consumer_sequence + 1
        return True

    def _is_over(self, message: Message) -> bool:
        self._claim.check()
        return super()._is_over(message)

    def _config(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "durable_name": self.name,
            "filter_subject": self._subject,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(1, self._first_sequence, self.next_sequence),
            "ack_policy": "explicit",
            "ack_wait": int(ACK_WAIT_S * 1e9),
            "max_ack_pending": MAX_UNACKNOWLEDGED,
            "replay_policy": "instant",
        }
