"""The body of a packet: flags, bases and slices; see docs/wire.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from rankcast.codec.svd_patch.basis import Basis, basis_bits, make_basis, table_basis
from rankcast.codec.svd_patch.geometry import Borders, Geometry
from rankcast.core import function
from rankcast.entropy.rangecoder import OVERRUN, Bytes, Coder, new_coder
from rankcast.errors import PayloadError

_START_ENCODER: Final = function("rk_range_start_encoder")
_FINISH_ENCODER: Final = function("rk_range_finish_encoder")
_START_DECODER: Final = function("rk_range_start_decoder")
_CODE_BASIS: Final = function("rk_svd_patch_code_basis")
_BASIS_MODELS: Final = function("rk_svd_patch_basis_models")()

KEPT: Final = 1
"""The picture is a reference of later ones."""
HAS_BASES: Final = 2
HAS_BORDERS: Final = 4
TABLE_AGAIN: Final = 8
"""A predicted frame, and those predicted from it, have the table in place of their own factors."""
_MAX_BASES_BYTES: Final = 64 * 512


@dataclass(frozen=True, slots=True)
class Payload:
    """A body, taken apart."""

    kept: bool
    borders: Borders
    bases: bytes
    table_again: bool
    slices: tuple[bytes, ...]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def join_payload(payload: Payload, geometry: Geometry) -> bytes:
    """Serialise; the usual borders cost nothing, the last slice needs no length."""
    moved = payload.borders if payload.borders != geometry.borders else ()
    flags = (
        (KEPT if payload.kept else 0)
        | (HAS_BASES if payload.bases else 0)
        | (HAS_BORDERS if moved else 0)
        | (TABLE_AGAIN if payload.table_again else 0)
    )
    parts = [bytes((flags,)), *(_varint(border) for border in moved)]
    if payload.bases:
        parts += [_varint(len(payload.bases)), payload.bases]
    parts += [_varint(len(part)) for part in payload.slices[:-1]]
    return b"".join((*parts, *payload.slices))


def split_payload(body: memoryview, geometry: Geometry) -> Payload:
    """Parse a body of a picture of that geometry.

    Raises
    ------
    PayloadError
        If flags, borders or lengths are not what they must be, or say what is left out.
    """
    if len(body) < 1:
        raise PayloadError("got an empty body")
    flags, position = body[0], 1
    if flags & ~(KEPT | HAS_BASES | HAS_BORDERS | TABLE_AGAIN):
        raise PayloadError(f"got flags {flags:#04x}, want no others than 0x0f")

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            if position >= len(body) or shift > 28:
                raise PayloadError("the body ends within a number, or it has no end")
            byte = body[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def length(limit: int) -> int:
        value = number()
        if value > limit:
            raise PayloadError(f"got a part of {value} bytes, the limit is {limit}")
        return value

    borders = geometry.borders
    if flags & HAS_BORDERS:
        borders = tuple(number() for _ in borders)
        if list(borders) != sorted(borders) or max(borders, default=0) > geometry.bands:
            raise PayloadError(
                f"got slices from {borders}, want them not falling and at most {geometry.bands}"
            )
        if borders == geometry.borders:
            raise PayloadError(f"got borders {borders} in full, want the usual ones left out")
    bases = b""
    if flags & HAS_BASES:
        size = length(min(_MAX_BASES_BYTES, len(body)))
        bases = bytes(body[position : position + size])
        position += size
    sizes = [length(len(body)) for _ in borders]
    # No plane has more rows of units than the first: what is empty there is empty everywhere.
    for size, (top, bottom) in zip(
        (*sizes, len(body) - position - sum(sizes)),
        geometry.planes[0].slices(borders),
        strict=True,
    ):
        if size > 0 and top == bottom:
            raise PayloadError(f"got {size} bytes for a slice without rows, want none")
    parts = []
    for size in sizes:
        parts.append(bytes(body[position : position + size]))
        position += size
    if position > len(body):
        raise PayloadError(f"the parts need {position} bytes, the body has {len(body)}")
    parts.append(bytes(body[position:]))
    again = bool(flags & TABLE_AGAIN)
    return Payload(bool(flags & KEPT), borders, bases, again, tuple(parts))


def write_bases(bases: list[Basis], deep: bool) -> bytes:
    """Code which planes have factors of their own, and these; nothing if none has."""
    if not any(basis.own for basis in bases):
        return b""
    coder = new_coder(_BASIS_MODELS)
    data = np.zeros(len(bases) * 512, np.uint8)
    _START_ENCODER(coder, len(data))
    _code_bases(coder, data, bases, deep)
    return data[: _FINISH_ENCODER(coder, data)].tobytes()


def read_bases(part: bytes, count: int, deep: bool) -> list[Basis]:
    """Inverse of `write_bases`.

    Raises
    ------
    PayloadError
        If the bytes end early.
    """
    if not part:
        return [table_basis(deep)] * count
    coder = new_coder(_BASIS_MODELS)
    data = np.frombuffer(part, np.uint8).copy()
    _START_DECODER(coder, data, 0, len(data))
    bases = _code_bases(coder, data, [table_basis(deep)] * count, deep)
    if coder[OVERRUN]:
        raise PayloadError("the factor matrices end early")
    return bases


def _code_bases(coder: Coder, data: Bytes, bases: list[Basis], deep: bool) -> list[Basis]:
    table = table_basis(deep).factors[0]
    largest = (1 << basis_bits(deep)) - 1
    found = []
    for basis in bases:
        factors = basis.factors
        if _CODE_BASIS(coder, data, basis.own, table, factors, largest):
            found.append(make_basis(factors[0], factors[1], deep))
        else:
            found.append(table_basis(deep))
    return found
