"""Where a durable consumer goes on: at its start, or behind what was acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rankcast.nats.jetstream import DurableReader
from rankcast.nats.jetstream.api import ConsumerFacts

STREAM = "rankcast=default=cam"


class Server:
    """Answers as nats-server 2.9: what a consumer has delivered begins right before its start."""

    connection = None

    def __init__(self) -> None:
        self.config: dict[str, Any] | None = None
        self.delivered = self.acknowledged = 0

    async def consumer(self, _stream: str, name: str) -> ConsumerFacts | None:
        if self.config is None:
            return None
        return ConsumerFacts(name, self.config, 0, self.delivered, self.acknowledged, 0, 0)

    async def create_consumer(self, stream: str, config: dict[str, Any]) -> ConsumerFacts:
        self.config, self.delivered, self.acknowledged = config, config["opt_start_seq"] - 1, 0
        facts = await self.consumer(stream, config["name"])
        assert facts is not None
        return facts


def opened(server: Server, first_sequence: int) -> int:
    reader = DurableReader(
        server,  # type: ignore[arg-type]
        STREAM, "rankcast.default.cam.*", "archive", first_sequence, "0" * 16,
    )  # fmt: skip
    asyncio.run(reader.open())
    return reader.next_sequence


def test_a_new_consumer_begins_where_it_was_told_and_not_at_the_oldest_message() -> None:
    assert opened(Server(), 41) == 41


@pytest.mark.parametrize(("acknowledged", "next_sequence"), [(0, 41), (57, 58)])
def test_one_that_was_made_before_goes_on_behind_what_was_acknowledged(
    acknowledged: int, next_sequence: int
) -> None:
    server = Server()
    opened(server, 41)
    server.delivered, server.acknowledged = 60, acknowledged
    assert opened(server, 0) == next_sequence
