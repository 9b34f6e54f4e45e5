"""RankCut: cuts the packets of one camera to a lower rank, without decoding them.

Whole-channel `svd` keeps its factors in bands of rising rank (docs/wire.md), so that a relay or a
receiver drops the last ones and sends, decodes or records less.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rankcast.codec import CODECS, codec_with_id
from rankcast.runtime import LogLimiter
from rankcast.wire import OFFLINE, Limits, Packet, unpack

log = logging.getLogger(__name__)

MAX_RANK: Final = 65_535
"""Ranks in the head of a body have two bytes."""


@dataclass(slots=True)
class CutCounts:
    """What became of the packets that were to have at most some rank; one thread writes."""

    cut: int = 0
    """Packets that lost bands."""
    uncut: int = 0
    """Packets of a codec without bands, or whose only band has a higher rank; they stay whole."""
    bytes_before: int = 0
    """Size of all packets as they came, also of those that had no higher rank."""
    bytes_after: int = 0

    def __add__(self, other: CutCounts) -> CutCounts:
        """Return the counts of both."""
        mine, others = asdict(self), asdict(other)
        return CutCounts(**{name: count + others[name] for name, count in mine.items()})

    def values(self) -> Mapping[str, int]:
        """Return the counts under their names in reports."""
        return asdict(self)


class RankCut:
    """Cuts the packets of one camera.

    Parameters
    ----------
    rank : int
        Highest rank of a plane that packets keep, 1 to 65,535. A packet is cut to the highest of
        its bands that has no more, or to its first one if all have more.
    camera : str
        For the log.
    log_limiter : LogLimiter, optional
        Shared by cameras of one peer, which can begin a stream with every packet.

    Notes
    -----
    For one thread, except for `counts`, which any thread may read. The cost is that of a copy and
    of a CRC-32 of what is left: see `make bench-rank-cut`.
    """

    def __init__(self, rank: int, camera: str, log_limiter: LogLimiter | None = None) -> None:
        if not 1 <= rank <= MAX_RANK:
            raise ValueError(f"got rank {rank}, want 1 to {MAX_RANK}")
        self.rank = rank
        self.counts = CutCounts()
        self._camera = camera
        self._log_limiter = log_limiter or LogLimiter()
        self._told_of = b""

    def cut_bytes(self, data: bytes, limits: Limits = OFFLINE) -> bytes:
        """Cut a packet that nobody has parsed yet.

        Parameters
        ----------
        data : bytes
            The whole packet, without a topic.
        limits : Limits

        Returns
        -------
        bytes
            `data` itself if there is nothing to cut.

        Raises
        ------
        WireError
            If it is not a valid packet, or its bands contradict each other: refuse it, and count it
            as lost. No packet raises anything else.
        """
        left = self.cut(unpack(data, limits), memoryview(data))[1].obj
        assert isinstance(left, bytes)
        return left

    def cut(self, packet: Packet, data: memoryview) -> tuple[Packet, memoryview]:
        """Cut a parsed packet.

        Parameters
        ----------
        packet : Packet
            Of any kind and codec.
        data : memoryview
            Its bytes.

        Returns
        -------
        Packet
            With rank, squared error and energy of what is left.
        memoryview
            Its bytes. Both are the arguments themselves if there is nothing to cut.

        Raises
        ------
        WireError
            If the bands of the packet contradict each other.
        """
        header = packet.header
        if not header.kind.is_picture:
            return packet, data
        left, left_data = self._cut(packet, data)
        self.counts.bytes_before += len(data)
        self.counts.bytes_after += len(left_data)
        return left, left_data

    def _cut(self, packet: Packet, data: memoryview) -> tuple[Packet, memoryview]:
        header = packet.header
        # Predicted frames leave their codec out; those that know it have no bands.
        codec = None if header.codec is None else CODECS.get(header.codec)
        if codec is None or codec.cut is None:
            self._leave(header.stream_id, "only packets of codec svd have bands")
            return packet, data
        if max(header.rank, default=0) <= self.rank:
            return packet, data
        left, left_bytes = codec.cut(packet, self.rank)
        lowest = max(left.header.rank)
        if left is packet:
            self._leave(header.stream_id, f"packets have one band, of rank {lowest}")
            return packet, data
        if lowest > self.rank:
            self._tell(
                header.stream_id,
                f"cut to rank {lowest} instead of {self.rank}: no band has less",
            )
        self.counts.cut += 1
        return left, memoryview(left_bytes)

    def _leave(self, stream_id: bytes, why: str) -> None:
        self.counts.uncut += 1
        self._tell(stream_id, f"not cut to rank {self.rank}: {why}")

    def _tell(self, stream_id: bytes, text: str) -> None:
        """Log a line once per stream; the limiter holds back a peer that begins many."""
        if stream_id != self._told_of and self._log_limiter.may_log():
            self._told_of = stream_id
            log.warning("%s: %s", self._camera, text)


def ranks_of(packet: Packet) -> Sequence[tuple[int, ...]]:
    """Return the ranks of all planes that a packet can be cut to, its own the last.

    Empty if its codec has no bands.

    Raises
    ------
    PayloadError
        If its bands contradict each other.
    """
    wire_id = packet.header.codec
    codec = None if wire_id is None else CODECS.get(wire_id)
    if codec is None or codec.read_bands is None:
        return ()
    return [band.rank for band in codec.read_bands(packet)]


def cut_to_rank(packet: Packet, rank: int) -> Packet:
    """Return a packet, which has bands, cut to at most `rank`, or to the lowest that it has.

    Raises
    ------
    PayloadError
        If its bands contradict each other.
    """
    cut = codec_with_id(packet.header.codec).cut
    if cut is None:
        raise ValueError("got a packet without bands")
    return cut(packet, rank)[0]


def report_values(rank: int, counts: CutCounts) -> dict[str, Any] | None:
    """Return the object `rank_cut` of reports; None if nothing was to be cut."""
    return {"rank": rank, **counts.values()} if rank else None
