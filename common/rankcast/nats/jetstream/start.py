"""Start: where reading a stream begins, so that the first picture can be decoded."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

from rankcast.nats.jetstream.api import JetStream, time_text
from rankcast.nats.parts import PART_BYTES
from rankcast.wire import Kind

MAX_BACK: Final = 20_000
"""Most messages before the wanted time that are looked at for a key frame."""
AT_ONCE: Final = 16
_PART: Final = b"RKP"
_PACKET: Final = b"RKC"
_KIND_AT: Final = 8


@dataclass(frozen=True, slots=True)
class Start:
    """The first message to read."""

    stream_sequence: int
    t_server_ns: int
    """UTC at the server when this was found out."""


async def place_of(jetstream: JetStream, stream: str, subject: str, t_ns: int | None) -> Start:
    """Return the first message of `subject` that the server took at `t_ns` or later.

    None for the next one to come.
    """
    policy = (
        {"deliver_policy": "new"}
        if t_ns is None
        else {"deliver_policy": "by_start_time", "opt_start_time": time_text(t_ns)}
    )
    # A consumer knows where it begins; a stream has no other index of times.
    probe = await jetstream.create_consumer(
        stream,
        {"name": f"rankcast-{secrets.token_hex(8)}", "filter_subject": subject,
         "ack_policy": "none", "replay_policy": "instant", "mem_storage": True, "num_replicas": 1,
         "inactive_threshold": 5 * 10**9, **policy},
    )  # fmt: skip
    await jetstream.delete_consumer(stream, probe.name)
    return Start(probe.delivered + 1, probe.t_created_ns)


async def key_frame_before(jetstream: JetStream, stream: str, sequence: int, first: int) -> int:
    """Return the newest message up to `sequence` with which decoding can begin.

    Parameters
    ----------
    jetstream : JetStream
    stream : str
    sequence : int
        Message of the stream from which on pictures are wanted.
    first : int
        Oldest message that the stream has: the result if there is no key frame before.
    """
    lowest = max(1, first, sequence - MAX_BACK)
    for newest in range(sequence, lowest - 1, -AT_ONCE):
        numbers = range(newest, max(lowest, newest - AT_ONCE + 1) - 1, -1)
        found = await asyncio.gather(*(jetstream.message(stream, number) for number in numbers))
        for number, data in zip(numbers, found, strict=True):
            if data is not None and begins_picture(data):
                return number
    return lowest


def begins_picture(data: bytes) -> bool:
    """Return whether a message is a key frame, or the first part of one."""
    if data[:3] == _PART:
        # The index of the part follows its number.
        if data[12:14] != b"\0\0":
            return False
        data = data[PART_BYTES : PART_BYTES + _KIND_AT + 1]
    return data[:3] == _PACKET and len(data) > _KIND_AT and data[_KIND_AT] == Kind.KEY
