"""Which requests for a key frame are met, and when: one budget for all viewers of a camera."""

from __future__ import annotations

import threading
from typing import Final

SPACING_S: Final = 0.2
"""Least time from a key frame to the next one on request: five a second; joins and requests
within it share one."""
BITRATE_SHARE: Final = 0.2
"""Of a bit rate that is set: key frames on request take at most that much of it."""
ON_ITS_WAY_S: Final = 1.0
"""A key frame that was published so long ago and has not arrived is lost."""


class KeyframeBudget:
    """Remembers that a key frame is wanted until it may be made.

    Times are seconds of one monotonic clock, given by the caller. Viewers ask in the threads of
    the sockets, the encoding thread grants.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._last_key_s = float("-inf")
        self._not_before_s = float("-inf")
        self._key_sequence: int | None = None

    @property
    def key_sequence(self) -> int | None:
        """Sequence of the newest key frame; None before the first."""
        return self._key_sequence

    def ask(self, now_s: float, seen_sequence: int | None = None) -> bool:
        """Want a key frame after `seen_sequence`; False when one was published just now.

        Parameters
        ----------
        now_s : float
        seen_sequence : int, optional
            Newest frame that the viewer has got; None wants one in any case.
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
        """True when the next frame shall be a key frame because somebody wants one."""
        with self._lock:
            return self._wanted and now_s >= self._not_before_s

    def published(
        self, sequence: int, size_bytes: int, now_s: float, bitrate: float | None, requested: bool
    ) -> None:
        """Note a key frame, whoever wanted it.

        Parameters
        ----------
        sequence : int
        size_bytes : int
        now_s : float
        bitrate : float, optional
            Wanted bits a second of the stream; None where none is set.
        requested : bool
            False for one that the codec made on its own: it meets all requests, for nothing.
        """
        pause_s = SPACING_S
        if requested and bitrate:
            pause_s = max(pause_s, 8 * size_bytes / (BITRATE_SHARE * bitrate))
        with self._lock:
            self._wanted = False
            self._key_sequence, self._last_key_s = sequence, now_s
            self._not_before_s = max(self._not_before_s, now_s + pause_s)
