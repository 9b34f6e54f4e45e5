"""Inbox: what the event loop is too slow for is dropped, the oldest first, and counted."""

from __future__ import annotations

import asyncio

import pytest

from rankcast_receiver.web.live import Inbox
from rankcast_receiver.web.live.inbox import MOST_BYTES, MOST_PACKETS
from support.web_packets import PacketMaker


@pytest.mark.parametrize(
    ("message_bytes", "kept"), [(1, MOST_PACKETS), (8 << 20, MOST_BYTES // (8 << 20))]
)
def test_packets_that_nobody_takes_are_bounded(message_bytes: int, kept: int) -> None:
    async def overflow() -> None:
        inbox, make, message = Inbox(), PacketMaker(), bytes(message_bytes)
        inbox.open()
        for _ in range(kept + 5):
            inbox.put_packet(make.key(), message)
        packets, _ = await inbox.take()
        sequences = [packet.packet.header.sequence for packet, _ in packets]
        assert sequences == list(range(5, kept + 5))
        assert inbox.dropped == 5
        inbox.put_packet(make.key(), bytes(MOST_BYTES + 1))  # one of any size is taken
        packets, _ = await inbox.take()
        assert len(packets) == 1

    asyncio.run(overflow())
