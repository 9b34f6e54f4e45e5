"""Parts: packets that exceed what a NATS server takes in one message, split and put together."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import LimitError, WireError

_MAGIC: Final = b"RKP"
_VERSION: Final = 1
_PREFIX: Final = struct.Struct("<3sBQHHI")
"""Magic, version, number of the message, index of the part, count of parts, bytes in total."""
PART_BYTES: Final = _PREFIX.size
"""What a part takes beside its share of the packet."""
MAX_PARTS: Final = 65_535
PATIENCE_S: Final = 10.0
"""Parts of one packet follow each other: one that is incomplete for this long is discarded."""
MAX_IN_PROGRESS: Final = 256
"""Most packets of different subjects that may be incomplete at a time."""


def split_packet(data: bytes, number: int, max_payload: int) -> Sequence[bytes]:
    """Return `data` as messages of at most `max_payload` bytes: itself, or its parts.

    Parameters
    ----------
    data : bytes
    number : int
        Number of the message, different from those of others around it, modulo 2^64.
    max_payload : int
        Most bytes that the server takes in one message.

    Raises
    ------
    LimitError
        If the server takes so little that the parts would be too many.
    """
    if len(data) <= max_payload:
        return (data,)
    share = max_payload - PART_BYTES
    count = -(-len(data) // share) if share > 0 else MAX_PARTS + 1
    if count > MAX_PARTS:
        raise LimitError(
            f"got {len(data)} bytes, but the server takes {max_payload} a message: raise its "
            "max_payload"
        )
    # Of equal size but for the last: a reader knows where each part belongs.
    share = -(-len(data) // count)
    count = -(-len(data) // share)
    view = memoryview(data)
    return [
        _PREFIX.pack(_MAGIC, _VERSION, number % 2**64, index, count, len(data))
        + view[index * share : (index + 1) * share]
        for index in range(count)
    ]


def count_parts(size: int, max_payload: int) -> int:
    """Return how many messages `split_packet` makes of so many bytes."""
    if size <= max_payload or max_payload <= PART_BYTES:
        return 1
    count = -(-size // (max_payload - PART_BYTES))
    return -(-size // -(-size // count))


@dataclass(slots=True)
class _Message:
    """A packet of which some parts have arrived."""

    number: int
    count: int
    total_bytes: int
    began_s: float
    parts: list[memoryview]
    bytes: int = 0


class Assembler:
    """Puts the parts of packets together, one packet of each subject at a time.

    A server keeps the order of the messages of one publisher: a part that is not the next one shows
    that those before it were lost, and what has arrived is discarded.

    Parameters
    ----------
    max_bytes : int
        Largest packet.
    max_waiting_bytes : int
        Most bytes of all incomplete packets together; beyond it, the oldest ones are discarded.
    """

    def __init__(
        self, max_bytes: int, max_waiting_bytes: int, now_s: Callable[[], float] = boot_s
    ) -> None:
        self.incomplete = 0
        """Packets that were discarded because parts of them are missing."""
        self.stray = 0
        """Parts that belong to no packet in progress."""
        self._max_bytes = max_bytes
        self._max_waiting_bytes = max_waiting_bytes
        self._now_s = now_s
        self._waiting: dict[str, _Message] = {}
        """In the order in which they began."""
        self._waiting_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes of all incomplete packets."""
        return self._waiting_bytes

    def take(self, subject: str, payload: bytes) -> memoryview | None:
        """Take one message; return a packet once it is complete.

        Raises
        ------
        WireError
            If the message claims to be a part and is none.
        """
        if payload[:3] != _MAGIC:
            self._drop(subject)
            return memoryview(payload)
        if len(payload) <= PART_BYTES:
            raise WireError(f"got a part of {len(payload)} bytes, want more than {PART_BYTES}")
        _, version, number, index, count, total = _PREFIX.unpack_from(payload)
        _check(version, index, count, total, self._max_bytes, len(payload) - PART_BYTES)
        message = self._waiting.get(subject)
        follows = (
            message is not None
            and message.number == number
            and (message.count, message.total_bytes) == (count, total)
            and len(message.parts) == index
        )
        if message is None or not follows:
            self._drop(subject)
            if index:
                self.stray += 1
                return None
            message = self._waiting[subject] = _Message(number, count, total, self._now_s(), [])
        message.parts.append(memoryview(payload)[PART_BYTES:])
        message.bytes += len(payload)
        self._waiting_bytes += len(payload)
        if len(message.parts) < count:
            self._bound()
            return None
        self._forget(subject)
        return memoryview(b"".join(message.parts))

    def clear(self) -> None:
        """Discard what is incomplete, because the connection ended."""
        for subject in list(self._waiting):
            self._drop(subject)

    def _bound(self) -> None:
        while self._waiting:
            oldest = next(iter(self._waiting))
            if (
                self._waiting_bytes <= self._max_waiting_bytes
                and len(self._waiting) <= MAX_IN_PROGRESS
                and self._now_s() - self._waiting[oldest].began_s <= PATIENCE_S
            ):
                return
            self._drop(oldest)

    def _drop(self, subject: str) -> None:
        if subject in self._waiting:
            self.incomplete += 1
            self._forget(subject)

    def _forget(self, subject: str) -> None:
        self._waiting_bytes -= self._waiting.pop(subject).bytes


def _check(version: int, index: int, count: int, total: int, max_bytes: int, size: int) -> None:
    """Refuse a part whose numbers contradict each other or the limit.

    Raises
    ------
    WireError
    """
    if version != _VERSION:
        raise WireError(f"got a part of version {version}, this is version {_VERSION}")
    if total > max_bytes:
        raise LimitError(f"got a packet of {total} bytes in parts, the limit is {max_bytes}")
    share = -(-total // count) if count else 0
    if count < 2 or index >= count or total <= share * (count - 1):
        raise WireError(f"got part {index} of {count} of {total} bytes, which is impossible")
    wanted = share if index < count - 1 else total - share * (count - 1)
    if size != wanted:
        raise WireError(f"got a part of {size} bytes, want {wanted}")
