"""Facts of a picture that `kmeans` counts exactly: its distinct colours, the error of a palette."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rankcast.frame import Pixels
from rankcast.kernels import Integer, kernel


def distinct_colours(colours: Pixels, most: int) -> Pixels:
    """Return the first `most` distinct colours of (N, C), or all of them where there are fewer."""
    return counted_colours(colours, most)[0]


def counted_colours(colours: Pixels, most: int) -> tuple[Pixels, NDArray[np.int64]]:
    """Return distinct colours as `distinct_colours` does, and how many pixels have each.

    The search ends at the last of `most` colours; where there are fewer, the counts are those of
    the whole picture.
    """
    size = 1
    while size < 4 * most:
        size *= 2
    slots = np.full(size, -1, np.int64)
    found = np.empty(min(most, len(colours)), np.int64)
    counts = np.zeros(len(found), np.int64)
    count = _distinct(colours, slots, found, counts)
    return colours[found[:count]], counts[:count]


def squared_error(colours: Pixels, labels: NDArray[np.uint16], palette: NDArray[np.int64]) -> int:
    """Sum of squared distances of (N, C) colours to the palette colours of their labels."""
    return int(_squared_error(colours, labels, palette))


@kernel
def _distinct(
    colours: Pixels, slots: NDArray[np.int64], found: NDArray[np.int64], counts: NDArray[np.int64]
) -> Integer:
    """Fill `found` with the places of distinct colours; `slots` is an open hash table."""
    count = 0
    last = np.int64(0)
    channels = colours.shape[1]
    mask = slots.size - 1
    for i in range(colours.shape[0]):
        new = i == 0
        for c in range(channels):
            if not new and colours[i, c] != colours[i - 1, c]:
                new = True
        if not new:
            counts[last] += 1
            continue
        code = np.int64(0)
        for c in range(channels):
            # Fibonacci hashing, kept within 63 bits.
            code = ((code ^ np.int64(colours[i, c])) * 2654435761) & 0xFFFFFFFF
        slot = (code ^ (code >> 15)) & mask
        while True:
            last = slots[slot]
            if last < 0:
                last = np.int64(count)
                slots[slot] = last
                found[last] = i
                count += 1
                break
            same = True
            for c in range(channels):
                if colours[found[last], c] != colours[i, c]:
                    same = False
            if same:
                break
            slot = (slot + 1) & mask
        counts[last] += 1
        if count == found.size:
            break
    return count


@kernel
def _squared_error(
    colours: Pixels, labels: NDArray[np.uint16], palette: NDArray[np.int64]
) -> Integer:
    total = np.int64(0)
    for i in range(colours.shape[0]):
        for c in range(colours.shape[1]):
            d = np.int64(colours[i, c]) - palette[labels[i], c]
            total += d * d
    return total
