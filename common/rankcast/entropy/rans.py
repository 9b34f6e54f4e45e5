"""Range asymmetric numeral systems (rANS): small integers with contexts, to words and back.

Duda 2013, arXiv:1311.2540, in the interleaved form of Giesen 2014, arXiv:1402.3392: two states
of 31 bits, 12-bit probabilities, renormalised by words of 16 bits. Every value belongs to a
class (its context); every class has one static table of three parameters and a shift, so
that both ends derive the same tables with integers alone.

The decoder is part of the codec that knows the contexts: see core/src/rans_decoder.h.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rankcast.core import function
from rankcast.errors import PayloadError

Ints: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.uint8]
Words: TypeAlias = NDArray[np.uint16]

CLASSES: Final = 64
SYMBOLS: Final = 64
"""Symbol 0 is the value 0, then +1, -1, +2, -2 and so on; the last one in use is the escape."""
PARAMETERS: Final = 4
"""Of a class: frequency of 0, share of +-1 among the rest, decay of what is left, shift."""
MAX_SHIFT: Final = 24
MAX_VALUE: Final = 2**30
"""Magnitudes above it are not coded; 2^30 steps are more than any quantiser here makes."""
WORDS_PER_VALUE: Final = 7
"""A value takes at most one word for its symbol, four for an escape, two for the shift."""
SLOTS: Final = 1 << 12
"""Sum of the frequencies of a class."""
STATE_LIMIT: Final = 1 << 31
STATE_LOW: Final = 1 << 15
"""Both states behind the last value of a stream."""

_frequencies = function("rk_rans_frequencies")
_count = function("rk_rans_count")
_encode = function("rk_rans_encode")
_build_decoder = function("rk_rans_build_decoder")


@dataclass(frozen=True, slots=True, eq=False)
class DecoderTables:
    """What a decoder looks up; the layout is that of core/src/rans.h."""

    parameters: Ints
    """(CLASSES, PARAMETERS)."""
    lookup: Bytes
    """(CLASSES, SLOTS): the symbol of every slot."""
    entries: NDArray[np.uint32]
    """(CLASSES, SYMBOLS): frequency and start, and whether raw bits follow."""


def frequencies(parameters: Ints, used: Bytes) -> Words:
    """Return the frequencies of the symbols of every class in use.

    Parameters
    ----------
    parameters : ndarray, shape (CLASSES, PARAMETERS)
    used : ndarray, shape (CLASSES,)

    Returns
    -------
    ndarray, shape (CLASSES, SYMBOLS)
        Out of SLOTS; 0 for symbols that do not occur.

    Raises
    ------
    PayloadError
        If a parameter of a class in use is outside its range.
    """
    found = np.empty((CLASSES, SYMBOLS), np.uint16)
    if _frequencies(parameters, used, found) < 0:
        raise PayloadError("got parameters of a table of symbols outside their ranges")
    return found


def count(values: NDArray[np.int32], classes: Bytes, shifts: Ints) -> Ints:
    """Return the statistics of every class that `fit` needs.

    Parameters
    ----------
    values, classes : ndarray of the same shape
    shifts : ndarray, shape (CLASSES,)

    Returns
    -------
    ndarray, shape (CLASSES, 4)
        Number of values 0, of +-1 and of larger ones, and the sum of all magnitudes.
    """
    counts = np.zeros((CLASSES, 4), np.int64)
    _count(values, classes, values.size, shifts, counts)
    return counts


def choose_shifts(counts: Ints) -> Ints:
    """Shifts that bring the mean magnitude of every class to 4..8; `counts` is without shifts."""
    mean = counts[:, 3] // np.maximum(counts[:, :3].sum(axis=1), 1)
    shifts = [max(0, int(value).bit_length() - 3) for value in mean]
    return np.minimum(np.array(shifts, np.int64), MAX_SHIFT)


def fit(counts: Ints, shifts: Ints) -> Ints:
    """Parameters of the classes by maximum likelihood, (CLASSES, PARAMETERS).

    A share for 0, one for +-1, and a geometric law for what is larger.
    """
    zeros, ones, more, total = (counts[:, column] for column in range(4))
    number = zeros + ones + more
    parameters = np.zeros((CLASSES, PARAMETERS), np.int64)
    nonzero = np.maximum(ones + more, 1)
    parameters[:, 0] = np.clip((SLOTS * zeros) // np.maximum(number, 1), 1, SLOTS - 1)
    parameters[:, 1] = np.clip((256 * ones) // nonzero, 0, 255)
    # Mean of a geometric law over 2, 3, ...: 2 + decay / (1 - decay).
    excess = total - ones - 2 * more
    parameters[:, 2] = np.clip((256 * excess) // np.maximum(excess + more, 1), 1, 255)
    parameters[:, 3] = shifts
    return parameters


def encode(
    values: NDArray[np.int32], classes: Bytes, ends: Sequence[int], parameters: Ints, table: Words
) -> tuple[list[Words], tuple[int, int]]:
    """Code values as one stream in parts, of which a decoder reads the first ones alone.

    Parameters
    ----------
    values, classes : ndarray, shape (N,)
        Magnitudes at most MAX_VALUE.
    ends : sequence of int
        Where each part ends, rising to N.
    parameters : ndarray, shape (CLASSES, PARAMETERS)
    table : ndarray, from `frequencies`

    Returns
    -------
    list of ndarray
        Words of each part, in the order of the decoder.
    (int, int)
        The two states that the decoder starts with.
    """
    words = np.empty(WORDS_PER_VALUE * values.size, np.uint16)
    states = np.array([STATE_LOW, STATE_LOW], np.int64)
    parts: list[Words] = []
    behind = words.size
    for start, end in reversed(list(itertools.pairwise((0, *ends)))):
        size = end - start
        first = _encode(
            values[start:end], classes[start:end], size, parameters, table, words, behind, states
        )
        if first < 0:
            raise AssertionError("the buffer for coded values was too small")
        parts.append(words[first:behind])
        behind = first
    return parts[::-1], (int(states[0]), int(states[1]))


def decoder_tables(parameters: Ints, table: Words) -> DecoderTables:
    """Return the tables of a decoder; `table` is from `frequencies`."""
    lookup = np.empty((CLASSES, SLOTS), np.uint8)
    entries = np.empty((CLASSES, SYMBOLS), np.uint32)
    _build_decoder(parameters, table, lookup, entries)
    return DecoderTables(parameters, lookup, entries)
