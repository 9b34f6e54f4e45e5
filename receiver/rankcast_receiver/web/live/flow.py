"""CameraFlow: what of one camera is on the way to one page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from rankcast_receiver.web.live.feed import CameraFeed, Piece

MOST_PICTURES: Final = 16
MOST_S: Final = 1.0
"""Pictures of a camera on the way to a page that it has not acknowledged, and their time."""
BEGIN_S: Final = 3.0
"""The same time while the page decodes what it joined with."""
RESUME_PICTURES: Final = 4
"""A page that was too slow goes on once so few are on the way."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""Most bytes that wait for one page, beyond a single packet."""


class Load:
    """Bytes of all cameras that wait for one page."""

    def __init__(self) -> None:
        self.bytes = 0

    def fits(self, size: int) -> bool:
        """Return whether `size` more bytes may wait; one message of any size may."""
        return not self.bytes or self.bytes + size <= MOST_BYTES


class CameraFlow:
    """Decides what of a camera is sent to a page: the newest that it can keep up with.

    Parameters
    ----------
    feed : CameraFeed
    load : Load
        Shared by the cameras of the page.
    wish : callable
        Asks for a beginning; its argument is True if the sender may be asked for a key frame.
    """

    form: Final = "packets"

    def __init__(self, feed: CameraFeed, load: Load, wish: Callable[[bool], object]) -> None:
        self.camera = feed.camera
        self.in_step = False
        """True while the next piece follows what was sent."""
        self.skipped = 0
        """Pictures that were not sent, since the page was told."""
        self._feed, self._load, self._wish = feed, load, wish
        self._waiting: deque[tuple[Piece, float]] = deque()
        self._on_way: deque[tuple[int, float]] = deque()
        self._begun = 0
        """Pieces on the way that the page joined with."""
        self._joins = True
        self._sent = feed.number
        """Number of the last piece that was sent or waits."""

    @property
    def waits(self) -> bool:
        """True while something waits for the socket."""
        return bool(self._waiting)

    def offer(self, piece: Piece, now_s: float) -> None:
        """Queue the next piece of the camera, or fall out of step."""
        if self.in_step and not piece.made_here:
            if self._has_room(piece, now_s):
                self._queue(piece, now_s)
                return
            self.fall_out()
        if not self.in_step and piece.starts and self._has_room(piece, now_s):
            self._begin((piece,), now_s)

    def fall_out(self) -> None:
        """Drop what waits: the page goes on from a later beginning."""
        if self._waiting:
            self._sent = self._waiting[0][0].number - 1
        self._load.bytes -= sum(len(piece.message) for piece, _ in self._waiting)
        self._waiting.clear()
        self.in_step = False

    def restart(self, now_s: float) -> None:
        """Restart the stream for a page whose decoder has lost it."""
        self.fall_out()
        self._on_way.clear()
        self._begun = 0
        self.resume(now_s)

    def acknowledge(self, sequence: int, now_s: float) -> None:
        """Note that the page has decoded a picture, and with it all that were sent before."""
        for place in range(len(self._on_way) - 1, -1, -1):
            if self._on_way[place][0] == sequence:
                for _ in range(place + 1):
                    self._on_way.popleft()
                self._begun = max(0, self._begun - place - 1)
                self.resume(now_s)
                return

    def resume(self, now_s: float) -> None:
        """Get in step again, if the page has room."""
        if self.in_step or len(self._on_way) > RESUME_PICTURES:
            return
        group = self._feed.group
        if group and (self._joins or group[0].number > self._sent):
            if self._load.fits(self._feed.group_bytes):
                self._begin(group, now_s)
            return
        if self._feed.number:
            self._wish(self._joins)

    def take(self) -> Piece:
        """Return the next piece for the socket."""
        piece, since_s = self._waiting.popleft()
        self._on_way.append((piece.sequence, since_s))
        return piece

    def _begin(self, pieces: Sequence[Piece], now_s: float) -> None:
        self.skipped += max(0, pieces[0].number - self._sent - 1)
        for piece in pieces:
            self._queue(piece, now_s)
        self._begun = len(pieces)
        self._joins = False
        self.in_step = True

    def _queue(self, piece: Piece, now_s: float) -> None:
        self._waiting.append((piece, now_s))
        self._load.bytes += len(piece.message)
        self._sent = piece.number

    def _has_room(self, piece: Piece, now_s: float) -> bool:
        if len(self._on_way) + len(self._waiting) >= MOST_PICTURES + self._begun:
            return False
        if self._on_way:
            since_s = self._on_way[0][1]
        else:
            since_s = self._waiting[0][1] if self._waiting else now_s
        if now_s - since_s > (BEGIN_S if self._begun else MOST_S):
            return False
        return self._load.fits(len(piece.message))
