"""KeyframeBudget: how often viewers can make the encoder insert a key frame."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from typing import Final

from rankcast_sender.camera.peer_allowance import PeerAllowance
from rankcast_sender.camera.recent_bytes import WINDOW_S, RecentBytes
from rankcast_sender.camera.viewer_backoff import ViewerBackoff
from rankcast_sender.joins import PEER

SPACING_S: Final = 0.2
"""Shortest time from any key frame to the next requested one: at most five a second. All viewers
that join or request one in between share one key frame."""
SHARE: Final = 0.2
"""Requested key frames take at most this share of the bytes of the last 10 s, unless already the
guaranteed ones take more."""
GUARANTEED_S: Final = 2.0
"""One request in this time is met whatever it costs, so that joining never stalls."""
ON_ITS_WAY_S: Final = 1.0
"""A key frame counts as lost if it has not arrived this long after it was published."""
JOINS_AT_ONCE: Final = 3
JOIN_PAUSE_S: Final = 30.0
"""So many requested key frames, and one more each time that this has passed, may be for viewers
that join and could have a catch-up instead, which takes longer to make. They are fewer than those
that an encoder makes by itself: what delays two or three frames each must not become one in 100."""
MAX_VIEWERS: Final = 1000
"""Viewers whose requests are remembered; beyond, the one that was silent longest is forgotten."""


class KeyframeBudget:
    """Merge the key-frame requests of all viewers of a camera and limit their rate.

    The caller passes all times, in monotonic seconds. Socket threads place requests; the encode
    thread fulfils them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewers: OrderedDict[bytes, ViewerBackoff | PeerAllowance] = OrderedDict()
        """In the order of their last requests."""
        self._due_s = math.inf
        """When the first of the open requests may be met, as far as its viewer is concerned."""
        self._recent = RecentBytes()
        """All packets; marked are requested key frames that were not guaranteed."""
        self._of_share = False
        self._last_key_s = self._last_requested_s = -math.inf
        self._for_joins = float(JOINS_AT_ONCE), -math.inf
        """How many key frames could be for viewers that join, and when that was so."""
        self._free = True
        """True until the first key frame for somebody after nobody watched."""
        self._key_bytes = 0
        self._newest_sequence = -1
        self.asked = 0
        """Requests so far."""
        self.made = 0
        """Key frames so far that only requests caused."""
        self._key_sequence: int | None = None

    @property
    def key_sequence(self) -> int | None:
        """Sequence number of the newest key frame; None before the first."""
        return self._key_sequence

    def ask(self, now_s: float, seen_sequence: int | None = None, viewer: bytes = b"") -> bool:
        """Request a key frame newer than `seen_sequence`; False if one was published a moment ago.

        Parameters
        ----------
        now_s : float
        seen_sequence : int, optional
            Newest frame that reached the viewer; None requests a key frame in any case.
        viewer : bytes, optional
            Identity of the viewer, which then has to wait longer each time that a key frame does
            not reach it. Requests without one have only the budget of the camera.
        """
        with self._lock:
            self.asked += 1
            if seen_sequence is not None and seen_sequence > self._newest_sequence:
                seen_sequence = None  # nobody can have seen a frame of the future
            if (
                seen_sequence is not None
                and self._key_sequence is not None
                and self._key_sequence > seen_sequence
                and now_s - self._last_key_s < ON_ITS_WAY_S
            ):
                return False
            due_s = now_s
            if viewer:
                due_s = self._backoff_of(viewer).ask(now_s, seen_sequence)
            self._due_s = min(self._due_s, due_s)
            return True

    def due(self, now_s: float) -> bool:
        """Return True if the next frame must be a key frame to fulfil a request."""
        if self._due_s > now_s:  # nearly every frame: without the lock
            return False
        with self._lock:
            if self._due_s > now_s or now_s < self._last_key_s + SPACING_S:
                return False
            self._of_share = now_s < self._last_requested_s + GUARANTEED_S
            if self._free or not self._of_share:
                return True
            total, spent = self._recent.sums(now_s)
            # Together with the guaranteed key frames it may not exceed the share.
            guaranteed = WINDOW_S / GUARANTEED_S
            return spent + (1 + guaranteed) * self._key_bytes <= SHARE * total

    def suits_joins(self, now_s: float) -> bool:
        """Whether a viewer that joins should wait for a key frame.

        It costs nothing, or it can be made at once and is due anyway, or there were few of late.
        """
        if self._free:
            return True
        soon_s = now_s + SPACING_S
        if soon_s < self._last_requested_s + GUARANTEED_S:
            return False
        return self._due_s <= soon_s or self._left_for_joins(now_s) >= 1

    def _left_for_joins(self, now_s: float) -> float:
        left, at_s = self._for_joins
        return min(JOINS_AT_ONCE, left + (now_s - at_s) / JOIN_PAUSE_S)

    def nobody_watches(self) -> None:
        """Make the next key frame free: all who watch by then have joined since."""
        self._free = True

    def published(
        self, sequence: int, size_bytes: int, now_s: float, *, key: bool, requested: bool
    ) -> None:
        """Record a packet, before it is sent.

        Parameters
        ----------
        sequence : int
        size_bytes : int
        now_s : float
        key : bool
            True for a key frame.
        requested : bool
            False for a key frame that the codec makes in any case: it fulfils all requests at no
            cost.
        """
        with self._lock:
            self.made += key and requested
            if key and requested:
                self._for_joins = max(0.0, self._left_for_joins(now_s) - 1), now_s
            requested = requested and not self._free
            self._newest_sequence = sequence
            self._recent.add(size_bytes, now_s, marked=key and requested and self._of_share)
            if not key:
                return
            for backoff in self._viewers.values():
                if backoff.waiting_from_s is not None:
                    backoff.met(sequence, now_s)
            self._due_s, self._free = math.inf, False
            self._key_sequence, self._last_key_s, self._key_bytes = sequence, now_s, size_bytes
            if requested:
                self._last_requested_s = now_s

    def _backoff_of(self, viewer: bytes) -> ViewerBackoff | PeerAllowance:
        backoff = self._viewers.get(viewer)
        if backoff is None:
            if len(self._viewers) >= MAX_VIEWERS:
                self._viewers.popitem(last=False)
            backoff = PeerAllowance() if viewer.startswith(PEER) else ViewerBackoff()
            self._viewers[viewer] = backoff
        self._viewers.move_to_end(viewer)
        return backoff
