"""One matrix of coded factors: tables and states first, then the words of each band.

All bands are one stream of rANS, which is decoded forward: what a band takes is a run of words,
and the next one goes on with the states and the contexts of the one before.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.codec.svd.bands import BandReader
from rankcast.codec.svd.contexts import classify, decode
from rankcast.entropy import rans
from rankcast.errors import PayloadError

_MATRIX: Final = struct.Struct("<QII")  # classes in use, two states
_CLASS: Final = struct.Struct("<HBBB")


@dataclass(frozen=True, slots=True)
class CodedMatrix:
    """A matrix (K, L) in bytes."""

    tables: bytes | memoryview
    words: Sequence[bytes | memoryview]
    """Of each band."""


def pack_values(values: NDArray[np.int32], ends: Sequence[int]) -> CodedMatrix:
    """Code a matrix.

    Parameters
    ----------
    values : ndarray, shape (K, L)
        Magnitudes at most `rankcast.entropy.rans.MAX_VALUE`.
    ends : sequence of int
        Columns at the end of each band, rising to K.
    """
    classes = classify(values)
    shifts = np.zeros(rans.CLASSES, np.int64)
    counts = rans.count(values, classes, shifts)
    shifts = rans.choose_shifts(counts)
    if shifts.any():
        counts = rans.count(values, classes, shifts)
    parameters = rans.fit(counts, shifts)
    used = (counts[:, :3].sum(axis=1) > 0).astype(np.uint8)
    words, states = rans.encode(
        values.reshape(-1), classes.reshape(-1), [end * values.shape[1] for end in ends],
        parameters, rans.frequencies(parameters, used),
    )  # fmt: skip
    in_use = np.flatnonzero(used)
    mask = sum(1 << int(c) for c in in_use)
    tables = b"".join(_CLASS.pack(*(int(p) for p in parameters[c])) for c in in_use)
    return CodedMatrix(
        _MATRIX.pack(mask, *states) + tables,
        [part.astype("<u2", copy=False).tobytes() for part in words],
    )


def take_tables(band: BandReader) -> bytes:
    """Read the tables of a matrix, as long as their classes in use say, from the first band."""
    head = bytes(band.take(_MATRIX.size))
    return head + bytes(band.take(_CLASS.size * _MATRIX.unpack(head)[0].bit_count()))


def unpack_values(
    matrix: CodedMatrix, ends: Sequence[int], length: int, *, is_cut: bool = False
) -> NDArray[np.int32]:
    """Decode a matrix of `pack_values`.

    Parameters
    ----------
    matrix : CodedMatrix
        Its tables are from `take_tables`.
    ends : sequence of int
        Columns at the end of each band.
    length : int
        L, of a column.
    is_cut : bool
        Whether bands behind the last one were dropped; else the stream must end there.

    Returns
    -------
    ndarray, shape (K, L)

    Raises
    ------
    PayloadError
        If the bytes are not exactly one such matrix.
    """
    mask, *states = _MATRIX.unpack_from(matrix.tables)
    if max(states) >= rans.STATE_LIMIT or any(len(words) % 2 for words in matrix.words):
        raise PayloadError("got a state above its limit or half a word of coded values")
    used = np.zeros(rans.CLASSES, np.uint8)
    parameters = np.zeros((rans.CLASSES, rans.PARAMETERS), np.int64)
    in_use = [c for c in range(rans.CLASSES) if mask >> c & 1]
    for number, c in enumerate(in_use):
        used[c] = 1
        parameters[c] = _CLASS.unpack_from(matrix.tables, _MATRIX.size + number * _CLASS.size)
    tables = rans.decoder_tables(parameters, rans.frequencies(parameters, used))
    return decode(matrix.words, ends, (states[0], states[1]), tables, length, is_cut=is_cut)
