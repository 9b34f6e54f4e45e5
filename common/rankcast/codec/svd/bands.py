"""Bands of a body of `svd`: factors in the order of rank, and how a packet is cut between them.

A band holds the planes in order, each with the singular values and columns that the band adds.
Bands refer to those before them only, so that a packet without its last bands is a packet of a
lower rank. docs/wire.md has the bytes.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from rankcast.errors import PayloadError, SettingsError
from rankcast.frame import MAX_CHANNELS
from rankcast.wire import PPB, Header, Packet, pack

MAX_BANDS: Final = 8
SHARES: Final = (8, 4, 2, 1)
"""Bands end at the rank divided by these."""
LEAST_RANK: Final = 8
"""Fewer columns of the largest plane are no band of their own: the bytes that a band takes beside
its columns, 22 to 46 for colour, stay below 1 % of it."""

_HEAD: Final = struct.Struct("<BB")  # number of bands, whether some were dropped


@dataclass(frozen=True, slots=True)
class Band:
    """What a packet holds that ends with this band."""

    rank: tuple[int, ...]
    """Of each plane."""
    squared_error: int | None = None
    """Over all samples, as in the header; None where nobody states it."""
    energy_ppb: int | None = None
    """Kept share of the sum of squared singular values."""


@dataclass(frozen=True, slots=True)
class PackedPlane:
    """One plane in bytes."""

    parts: tuple[bytes, ...]
    """Its share of each band."""
    noise: tuple[float, ...]
    """Squared error that storing adds to a plane that ends with each band."""


@dataclass(frozen=True, slots=True)
class BandedBody:
    """A body, taken apart."""

    bands: tuple[Band, ...]
    parts: tuple[memoryview, ...]
    """The bytes of each band."""
    is_cut: bool = False
    """Whether bands behind the last one were dropped."""

    def ranks_of(self, plane: int) -> list[int]:
        """Ranks of one plane at the end of each band."""
        return [band.rank[plane] for band in self.bands]


class BandReader:
    """Reads a band from its start to its end."""

    def __init__(self, band: memoryview) -> None:
        self._band = band
        self._at = 0

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes.

        Raises
        ------
        PayloadError
            If the band has fewer.
        """
        end = self._at + count
        if end > len(self._band):
            raise PayloadError(f"got a band of {len(self._band)} bytes, its factors take {end}")
        taken = self._band[self._at : end]
        self._at = end
        return taken

    def finish(self) -> None:
        """Refuse bytes that were not read.

        Raises
        ------
        PayloadError
        """
        if self._at != len(self._band):
            raise PayloadError(
                f"got a band of {len(self._band)} bytes, its factors take only {self._at}"
            )


@lru_cache(maxsize=MAX_CHANNELS + 1)
def _entry(planes: int) -> struct.Struct:
    """Rank of each plane, bytes of the band, squared error, energy."""
    return struct.Struct(f"<{planes}HIQI")


def ranks_by_band(ranks: Sequence[int]) -> list[tuple[int, ...]]:
    """Where an encoder ends bands, by the ranks of its planes; the last band ends at `ranks`."""
    largest = max(ranks, default=0)
    shares = [share for share in SHARES if share == 1 or -(-largest // share) >= LEAST_RANK]
    return [tuple(-(-rank // share) for rank in ranks) for share in shares]


def join(bands: Sequence[Band], parts: Sequence[bytes | memoryview], *, is_cut: bool) -> bytes:
    """Put a body together.

    Parameters
    ----------
    bands : sequence of Band
        All but the last one state squared error and energy; the last one is in the header.
    parts : sequence of bytes
        The bytes of each band.
    is_cut : bool
        Whether bands behind the last one were dropped.
    """
    out: list[bytes | memoryview] = [_HEAD.pack(len(bands), is_cut)]
    for band, part in zip(bands[:-1], parts, strict=False):
        numbers = (*band.rank, len(part), band.squared_error, band.energy_ppb)
        out.append(_entry(len(band.rank)).pack(*numbers))
    return b"".join([*out, *parts])


def split(body: memoryview, last: Band) -> BandedBody:
    """Take a body apart.

    Parameters
    ----------
    body : memoryview
    last : Band
        What the header says.

    Raises
    ------
    PayloadError
        If bands are none or too many, ranks fall, or lengths exceed the body.
    """
    if len(body) < _HEAD.size:
        raise PayloadError(f"got {len(body)} bytes of factors, want at least {_HEAD.size}")
    count, is_cut = _HEAD.unpack_from(body)
    if not 1 <= count <= MAX_BANDS or is_cut > 1:
        raise PayloadError(
            f"got {count} bands marked {is_cut}, want 1 to {MAX_BANDS} marked 0 (whole) or 1 (cut)"
        )
    planes = len(last.rank)
    entry = _entry(planes)
    at = _HEAD.size + entry.size * (count - 1)
    if at > len(body):
        raise PayloadError(f"got {len(body)} bytes, the head of {count} bands alone takes {at}")
    entries = [entry.unpack_from(body, _HEAD.size + entry.size * b) for b in range(count - 1)]
    bands = [Band(row[:planes], row[-2], row[-1]) for row in entries] + [last]
    _check_bands(bands)
    parts = []
    for row in entries:
        size_bytes = row[planes]
        if at + size_bytes > len(body):
            raise PayloadError(
                f"got {len(body)} bytes, the lengths of bands promise {at + size_bytes} or more"
            )
        parts.append(body[at : at + size_bytes])
        at += size_bytes
    return BandedBody(tuple(bands), (*parts, body[at:]), bool(is_cut))


def _check_bands(bands: Sequence[Band]) -> None:
    """Refuse ranks that fall or stay, planes that begin late, and energies above 1."""
    for band in bands[:-1]:
        if band.energy_ppb is not None and band.energy_ppb > PPB:
            raise PayloadError(
                f"got an energy of {band.energy_ppb} ppb in a band, want at most {PPB}"
            )
    for before, after in itertools.pairwise(bands):
        rises = [later - earlier for earlier, later in zip(before.rank, after.rank, strict=True)]
        if min(rises, default=0) < 0 or not any(rises):
            raise PayloadError(
                f"got bands of ranks {before.rank!r:.60} and {after.rank!r:.60}, want ranks that "
                "rise from band to band"
            )
    if any(not first and k for first, k in zip(bands[0].rank, bands[-1].rank, strict=True)):
        raise PayloadError(
            f"got ranks {bands[0].rank!r:.60} in the first band, want 0 only for planes whose "
            "rank is 0"
        )


def band_of(header: Header) -> Band:
    """Return what a header says of the last band of its body."""
    return Band(header.rank, header.squared_error, header.energy_ppb)


def read_bands(packet: Packet) -> tuple[Band, ...]:
    """Return what a packet of `svd` holds at the end of each of its bands, without decoding it.

    Raises
    ------
    PayloadError
        If the head of the body is not valid.
    """
    return split(packet.body, band_of(packet.header)).bands


def cut(packet: Packet, bands: int) -> Packet:
    """Drop the bands at the end of a packet of `svd`, without decoding it.

    Parameters
    ----------
    packet : Packet
        Of `rankcast.wire.unpack`; its own bytes stay as they are.
    bands : int
        How many are left, 1 to the number of those of `read_bands`.

    Returns
    -------
    Packet
        With rank, squared error and energy of what is left; `packet` itself if that is all.

    Raises
    ------
    PayloadError
        If the head of the body is not valid, or what it says does not fit a header.
    ValueError
        If the packet has not as many bands.
    """
    body = split(packet.body, band_of(packet.header))
    if not 1 <= bands <= len(body.bands):
        raise ValueError(f"got {bands} bands to keep, the packet has 1 to {len(body.bands)}")
    return _cut(packet, body, bands)[0]


def cut_to_rank(packet: Packet, rank: int) -> tuple[Packet, bytes]:
    """Cut a packet of `svd` to the highest of its bands that has at most `rank` in every plane.

    If none has, its first band is left.

    Returns
    -------
    Packet
        See `cut`.
    bytes
        All of it; empty if nothing was cut.

    Raises
    ------
    PayloadError
        If the head of the body is not valid, or what it says does not fit a header.
    """
    body = split(packet.body, band_of(packet.header))
    return _cut(packet, body, max(1, sum(max(band.rank) <= rank for band in body.bands)))


def _cut(packet: Packet, body: BandedBody, bands: int) -> tuple[Packet, bytes]:
    if bands == len(body.bands):
        return packet, b""
    last = body.bands[bands - 1]
    header = replace(
        packet.header,
        rank=last.rank,
        squared_error=last.squared_error,
        energy_ppb=last.energy_ppb,
        checksum=None,  # of other planes
    )
    kept = _kept(packet.body, body, bands)
    try:
        data = pack(header, *kept)
    except (SettingsError, OverflowError) as exc:
        # A squared error of 2^64 - 1, or fields that msgpack writes longer than they came.
        raise PayloadError(f"a packet cut to rank {max(last.rank)} has no header: {exc}") from exc
    if len(data) >= packet.size:
        raise PayloadError(f"got a packet of {packet.size} bytes, cut it takes {len(data)}")
    kept_bytes = sum(map(len, kept))
    return Packet(header, memoryview(data)[len(data) - kept_bytes :], len(data)), data


def _kept(whole: memoryview, body: BandedBody, bands: int) -> tuple[bytes | memoryview, ...]:
    """Return the first bands of a body as parts of it: nothing is copied."""
    entry_bytes = _entry(len(body.bands[0].rank)).size
    first = _HEAD.size + entry_bytes * (len(body.bands) - 1)
    return (
        _HEAD.pack(bands, True),
        whole[_HEAD.size : _HEAD.size + entry_bytes * (bands - 1)],
        whole[first : first + sum(map(len, body.parts[:bands]))],
    )
