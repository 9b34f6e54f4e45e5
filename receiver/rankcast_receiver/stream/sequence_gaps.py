"""SequenceGaps: detects frames missing from a stream and counts each with its cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rankcast.errors import LimitError
from rankcast.runtime import NETWORK_GAP, Ledger

MAX_GAP: Final = 2**32
"""Most frames missing at once: seven weeks at 1000 fps. A larger gap indicates a forged count."""
KEPT_STREAMS: Final = 64
"""Most streams remembered of a sender that keeps restarting."""


class SequenceGaps:
    """Tracks the sequence numbers of one camera, even across restarts of its sender.

    Parameters
    ----------
    ledgers : sequence of Ledger
        Each counts every published frame as entered and every missing frame as lost.
    """

    def __init__(self, ledgers: Sequence[Ledger]) -> None:
        self.stream_id = b""
        """The current stream; empty before any."""
        self.stream_ids: list[bytes] = []
        self._ledgers = ledgers
        self._next_sequence: int | None = None
        self._reached: dict[bytes, int] = {}
        self._unplaced: Counter[str] = Counter()
        self._away = False

    @property
    def newest_sequence(self) -> int | None:
        """Newest frame that arrived or is known to be lost; None before any."""
        next_sequence = self._next_sequence
        return next_sequence - 1 if next_sequence else None

    def check(self, stream_id: bytes, sequence: int) -> None:
        """Reject a sequence number whose gap is too large to be genuine.

        Raises
        ------
        LimitError
            If more than `MAX_GAP` frames would be missing.
        """
        same = stream_id == self.stream_id
        reached = self._next_sequence if same else self._reached.get(stream_id)
        if reached is not None and sequence - reached > MAX_GAP:
            raise LimitError(f"{sequence - reached} frames are missing, the limit is {MAX_GAP}")

    def is_replay(self, stream_id: bytes, published: int) -> bool:
        """Return True for a repeated message of an earlier stream."""
        return stream_id != self.stream_id and published <= self._reached.get(stream_id, -1)

    def begin(self, stream_id: bytes) -> None:
        """Switch to another stream; an earlier stream resumes where it was left."""
        if self._next_sequence is not None:
            self._reached[self.stream_id] = self._next_sequence
        self.stream_id = stream_id
        if stream_id not in self.stream_ids:
            self.stream_ids.append(stream_id)
        del self.stream_ids[:-KEPT_STREAMS]
        for old in list(self._reached)[:-KEPT_STREAMS]:
            del self._reached[old]
        self._next_sequence = self._reached.pop(stream_id, None)
        self._away = False
        self._unplaced.clear()

    def leave(self) -> None:
        """Count no gap before the next packet: the sender withholds the stream until then."""
        self._away = True

    def note_lost(self, cause: str, count: int = 1) -> None:
        """Record frames lost at this receiver before their sequence numbers were known.

        The next gap is attributed to them first.
        """
        self._unplaced[cause] += count

    def accept(self, sequence: int) -> bool:
        """Count a frame and the gap before it; return False for a duplicate or late frame."""
        if self._next_sequence is not None and sequence < self._next_sequence:
            return False
        self.advance(sequence)
        self._next_sequence = sequence + 1
        for ledger in self._ledgers:
            ledger.enter()
        return True

    def advance(self, published: int) -> None:
        """Count the frames missing among the first `published` ones.

        The first call sets the point where this receiver joined; earlier frames do not count.
        """
        if self._away:
            self._away = False
        elif self._next_sequence is not None and published > self._next_sequence:
            missing = published - self._next_sequence
            for ledger in self._ledgers:
                ledger.enter(missing)
            for cause, count in self._unplaced.items():
                placed = min(missing, count)
                missing -= placed
                self._lose(cause, placed)
            self._lose(NETWORK_GAP, missing)
        self._unplaced.clear()
        self._next_sequence = max(published, self._next_sequence or 0)

    def _lose(self, cause: str, count: int) -> None:
        for ledger in self._ledgers:
            ledger.lose(cause, count)
