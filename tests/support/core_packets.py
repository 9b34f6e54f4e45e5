"""Packets for the decoders of whole packets in the native core: in Python, and as files of cases.

A case is one packet in numbers: int64 little-endian, 1 if it begins a stream, the fields of
`struct rk_packet`, and the bytes of the body; then the body, filled up to a multiple of 8. The
programs that read such files print a line a case: result and CRC-32 of the pixels.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from ctypes import Structure
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rankcast.codec import codec_with_id
from rankcast.codec.protocol import CodecDecoder
from rankcast.core import function
from rankcast.core import struct as core_struct
from rankcast.errors import NeedKeyframe, RankcastError, WireError
from rankcast.frame import Pixels
from rankcast.wire import Chain, Header, Kind, Limits, Packet, unpack

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CORPUS = Path(__file__).resolve().parents[1] / "corpus"
CODECS = (0, 1, 3, 4)
"""Ids of raw, svd, svd-patch and lossless: those that the core decodes alone."""
SVD_PATCH = 3
MOST_NUMBERS = 64
MOST_MEMORY_BYTES = 1 << 30
"""What a program grants a stream; hostile headers ask for more."""
ERROR_SPACE = -2
_memory_bytes = function("rk_packet_memory_bytes")
_decode = function("rk_packet_decode")


@dataclass(frozen=True, slots=True)
class Case:
    """A packet as the core takes it."""

    begins: bool
    """Whether its stream begins here."""
    header: Header
    body: bytes

    def numbers(self) -> Structure:
        """Return the struct of the core."""
        header = self.header
        made = core_struct("rk_packet")()
        made.codec = header.codec
        made.kind = int(header.kind)
        made.sequence = header.sequence
        made.ref_sequence = header.ref_sequence or 0
        made.checksum = -1 if header.checksum is None else header.checksum
        shape = header.shape or ()
        made.height, made.width = shape[:2]
        made.channels = shape[2] if len(shape) == 3 else 1
        made.sample_bytes = header.dtype_bytes
        made.param_count, made.rank_count = len(header.params), len(header.rank)
        made.params[: len(header.params)] = [int(value) for value in header.params]
        made.ranks[: len(header.rank)] = header.rank
        return made

    def to_bytes(self) -> bytes:
        """Return the case as programs read it."""
        head = struct.pack("<q", self.begins) + bytes(self.numbers())
        filler = b"\0" * (-len(self.body) % 8)
        return head + struct.pack("<q", len(self.body)) + self.body + filler


class CoreDecoder:
    """One stream through the core; `decode` returns pixels, or the error of the core."""

    def __init__(self) -> None:
        self._memory = np.zeros(0, np.uint8)

    def decode(self, case: Case) -> Pixels | int:
        numbers, shape = case.numbers(), case.header.shape or ()
        wanted = _memory_bytes(numbers)
        if wanted < 0:
            return int(wanted)
        if wanted > MOST_MEMORY_BYTES:
            return ERROR_SPACE
        if wanted > self._memory.size:
            self._memory = np.zeros(wanted, np.uint8)
        body = np.frombuffer(case.body or b"\0", np.uint8)
        pixels: Pixels = np.empty(shape, case.header.dtype)
        samples = pixels.reshape(-1).view(np.uint8)
        result = _decode(numbers, body, len(case.body), self._memory, self._memory.size, samples)
        return pixels if result == 0 else int(result)


def python_results(cases: Iterable[Case]) -> Iterator[Pixels | RankcastError]:
    """Decode cases by the codecs in Python."""
    decoders: dict[int | None, CodecDecoder] = {}
    for case in cases:
        if case.begins:
            decoders = {}
        codec = case.header.codec
        if codec not in decoders:
            decoders[codec] = codec_with_id(codec).make_decoder(Limits())
        try:
            yield decoders[codec].decode(case.header, memoryview(case.body))
        except (WireError, NeedKeyframe) as exc:
            yield exc


def core_results(cases: Iterable[Case]) -> Iterator[Pixels | int]:
    """Decode cases by the core."""
    decoders: dict[int | None, CoreDecoder] = {}
    for case in cases:
        if case.begins:
            decoders = {}
        codec = case.header.codec
        yield decoders.setdefault(codec, CoreDecoder()).decode(case)


def cases_of(packets: Iterable[Packet]) -> list[Case]:
    """Return the packets of one stream that the core is asked about.

    Completing headers, params that are no integers and references of codecs without any stay with
    the caller of the core.
    """
    found: list[Case] = []
    chain = Chain()
    for packet in packets:
        try:
            header = chain.complete(packet.header)
        except NeedKeyframe:
            continue
        chain.add(header)
        numbers = (*header.params, *header.rank)
        if (
            header.kind.is_picture
            and (header.kind is not Kind.REFERENCE or header.codec == SVD_PATCH)
            and header.codec in CODECS
            and max(len(header.params), len(header.rank)) <= MOST_NUMBERS
            and all(type(number) is int and abs(number) < 1 << 63 for number in numbers)
        ):
            found.append(Case(not found, header, bytes(packet.body)))
    return found


def parsed(messages: Iterable[bytes], limits: Limits | None = None) -> list[Packet]:
    """Parse packets; what is refused before its body is left out."""
    packets = []
    for message in messages:
        try:
            packets.append(unpack(message, limits or Limits()))
        except WireError:
            continue
    return packets


def write_cases(path: Path, cases: Iterable[Case]) -> Path:
    """Write cases to a file for programs."""
    path.write_bytes(b"".join(case.to_bytes() for case in cases))
    return path


def line_of(result: Pixels | int | RankcastError) -> str:
    """Return the line that a program prints; of an error its sign alone."""
    if isinstance(result, np.ndarray):
        return f"0 {zlib.crc32(_bytes_of(result)):08x}"
    return "error"


def program_lines(output: str) -> list[str]:
    """Return the lines of a program, with all errors alike."""
    return [line if line.startswith("0 ") else "error" for line in output.splitlines()]


def _bytes_of(pixels: NDArray[np.unsignedinteger]) -> bytes:
    return np.ascontiguousarray(pixels).tobytes()


def pixel_bytes(header: Header) -> int:
    """Bytes of a decoded picture."""
    return math.prod(header.shape or ()) * header.dtype_bytes
