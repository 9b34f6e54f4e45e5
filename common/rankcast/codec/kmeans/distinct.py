"""Facts of a picture that `kmeans` counts exactly: its distinct colours, the error of a palette."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rankcast.core import function
from rankcast.frame import Pixels

_DISTINCT: Final = {
    np.dtype(np.uint8): function("rk_kmeans_distinct_u8"),
    np.dtype(np.uint16): function("rk_kmeans_distinct_u16"),
}
_SQUARED_ERROR: Final = function("rk_kmeans_squared_error")


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
    most = min(most, len(colours))
    places = np.empty(most, np.int64)
    counts = np.zeros(most, np.int64)
    count = _DISTINCT[colours.dtype](
        colours, *colours.shape, slots, len(slots), places, counts, most
    )
    return colours[places[:count]], counts[:count]


def squared_error(
    colours: NDArray[np.uint16], labels: NDArray[np.uint16], palette: NDArray[np.int64]
) -> int:
    """Sum of squared distances of (N, C) colours to the palette colours of their labels."""
    return int(_SQUARED_ERROR(colours, labels, palette, *colours.shape))
