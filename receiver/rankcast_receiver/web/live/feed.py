"""CameraFeed: the packets of one camera since the last one that decodes by itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from rankcast.wire import Kind
from rankcast_receiver.stream import CameraPacket

MOST_PIECES: Final = 90
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of the packets that a viewer who joins gets at once."""
RATE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A packet as it goes to all viewers."""

    number: int
    """Count of the pictures that came; a reference that was made here has that of its picture."""
    message: bytes
    """Topic and packet."""
    sequence: int
    starts: bool
    """True if it decodes without those before."""
    made_here: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """What came within the last second."""

    fps: float
    bits_s: float
    frame_bytes: float | None


class CameraFeed:
    """Follows the packets of one camera, for viewers that join.

    Parameters
    ----------
    camera : str
        Name of the camera at this receiver.
    """

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self.number = 0
        """Pictures so far."""
        self.intact = False
        """True while the next predicted frame follows the one that it needs."""
        self.group: list[Piece] = []
        """All pieces since the last beginning; empty if they are too many or not intact."""
        self.group_bytes = 0
        self._stream_id = b""
        self._held: set[int] = set()
        """Sequences that the next frame may be predicted from."""
        self._arrivals: deque[tuple[float, int]] = deque()

    def add(self, packet: CameraPacket, message: bytes, now_s: float) -> Piece | None:
        """Take the next packet.

        Returns
        -------
        Piece or None
            None if it is predicted from a packet that never came: nobody can decode it.
        """
        header = packet.packet.header
        if packet.made_here:
            if self.intact and header.sequence not in self._held:
                # Of a picture that never came here: a beginning for those in step, too.
                self.number += 1
                self._held = {header.sequence}
                return self._begin(Piece(self.number, message, header.sequence, starts=True))
            self._held.add(header.sequence)
            return self._begin(Piece(self.number, message, header.sequence, True, True))
        self.number += 1
        self._arrivals.append((now_s, len(packet.data)))
        self._forget_arrivals(now_s)  # also while nobody asks for rates
        if header.stream_id != self._stream_id:
            self._stream_id = header.stream_id
            self._held = set()
        starts = header.kind is not Kind.PREDICTED
        piece = Piece(self.number, message, header.sequence, starts)
        if starts:
            self._held = {header.sequence}
            return self._begin(piece)
        if not self.intact or header.ref_sequence not in self._held:
            self.intact = False
            self.group = []
            return None
        self._held = {header.ref_sequence, header.sequence}
        if self.group:
            self.group.append(piece)
            self.group_bytes += len(message)
            if len(self.group) > MOST_PIECES or self.group_bytes > MOST_BYTES:
                self.group = []
        return piece

    def rates(self, now_s: float) -> Rates:
        """Return what came within the last second."""
        self._forget_arrivals(now_s)
        count = len(self._arrivals)
        size = sum(size for _, size in self._arrivals)
        return Rates(count / RATE_S, 8 * size / RATE_S, size / count if count else None)

    def _forget_arrivals(self, now_s: float) -> None:
        while self._arrivals and now_s - self._arrivals[0][0] > RATE_S:
            self._arrivals.popleft()

    def _begin(self, piece: Piece) -> Piece:
        self.intact = True
        self.group, self.group_bytes = [piece], len(piece.message)
        return piece
