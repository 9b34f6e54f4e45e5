"""KeyframeBudget: how often viewers can make the encoder insert a key frame."""

from __future__ import annotations

import threading
from typing import Final

SPACING_S: Final = 0.2
"""Shortest time from any key frame to the next requested one: at most five a second. All viewers
that join or request one in between share one key frame."""
BITRATE_SHARE: Final = 0.2
"""Requested key frames take at most this share of the bit rate, where one is set."""
ON_ITS_WAY_S: Final = 1.0
"""A key frame counts as lost if it has not arrived this long after it was published."""


class KeyframeBudget:
    """Merge the key-frame requests of all viewers of a camera and limit their rate.

    The caller passes all times, in monotonic seconds. Socket threads place requests; the encode
    thread fulfils them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._last_key_s = float("-inf")
        self._not_before_s = float("-inf")
        self._key_sequence: int | None = None

    @property
    def key_sequence(self) -> int | None:
        """Sequence number of the newest key frame; None before the first."""
        return self._key_sequence

    def ask(self, now_s: float, seen_sequence: int | None = None) -> bool:
        """Request a key frame newer than `seen_sequence`; False if one was published a moment ago.

        Parameters
        ----------
        now_s : float
        seen_sequence : int, optional
            Newest frame that reached the viewer; None requests a key frame in any case.
        """
        with self._lock:
            answered = (
                seen_sequence is not None
                and self._key_sequence is not None
                and self._key_sequence > seen_sequence
                and now_s - self._last_key_s < ON_ITS_WAY_S
            )
            self._wanted = self._wanted or not answered
            return not answered

    def due(self, now_s: float) -> bool:
        """Return True if the next frame must be a key frame to fulfil a request."""
        with self._lock:
            return self._wanted and now_s >= self._not_before_s

    def published(
        self, sequence: int, size_bytes: int, now_s: float, bitrate: float | None, requested: bool
    ) -> None:
        """Record a published key frame, requested or not.

        Parameters
        ----------
        sequence : int
        size_bytes : int
        now_s : float
        bitrate : float, optional
            Target rate of the stream in bits per second; None if none is set.
        requested : bool
            False for a key frame scheduled by the codec: it fulfils all requests at no cost.
        """
        pause_s = SPACING_S
        if requested and bitrate:
            pause_s = max(pause_s, 8 * size_bytes / (BITRATE_SHARE * bitrate))
        with self._lock:
            self._wanted = False
            self._key_sequence, self._last_key_s = sequence, now_s
            self._not_before_s = max(self._not_before_s, now_s + pause_s)
