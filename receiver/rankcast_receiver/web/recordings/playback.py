"""Playback: the packets of a recording from any time on, and when each is due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from rankcast.errors import RecordingError, WireError
from rankcast.recordings import RecordedMessage, RecordingReader
from rankcast.wire import Limits, unpack

MOST_PIECES: Final = 32
MOST_BYTES: Final = 1 << 20
"""Of what is read ahead at once."""
LOOK_AHEAD_NS: Final = 10 * 10**9
"""How far behind the wanted time the first picture of each camera is looked for."""


@dataclass(frozen=True, slots=True)
class PlayedPiece:
    """A picture of a recording."""

    camera: str
    message: bytes
    """Topic and packet, as the live WebSocket sends them."""
    sequence: int
    t_ns: int
    """When it was recorded."""


class Playback:
    """Reads a recording in small steps; for one thread at a time.

    Parameters
    ----------
    path : Path
    limits : Limits
        Of a packet.
    stopped : callable
        True ends reading.

    Raises
    ------
    RecordingError
        If the recording cannot be read, or a file of it lies elsewhere.
    """

    def __init__(self, path: Path, limits: Limits, stopped: Callable[[], bool]) -> None:
        self._limits = limits
        self._reader = RecordingReader(path, limits, stopped=stopped)
        for segment in self._reader.segments:
            if segment.is_symlink():
                raise RecordingError(f"{segment.name}: is a link, and not played")
        self._pieces: Iterator[PlayedPiece] = iter(())

    def seek(self, t_ns: int) -> dict[str, int]:
        """Go on from a time, and return the first picture of each camera that is to be shown.

        Those before, back to a key frame, come first.

        Raises
        ------
        RecordingError
            If a file cannot be read.
        """
        shown: dict[str, int] = {}
        before: set[str] = set()
        for piece in self._read(t_ns):
            if piece.t_ns < t_ns:
                before.add(piece.camera)
            elif piece.t_ns > t_ns + LOOK_AHEAD_NS:
                break
            else:
                shown.setdefault(piece.camera, piece.sequence)
                if before <= shown.keys():
                    break
        self._pieces = self._read(t_ns)
        return shown

    def next_pieces(self) -> list[PlayedPiece]:
        """Return the next pictures; none at the end.

        Raises
        ------
        RecordingError
            If a file cannot be read.
        """
        pieces, size = [], 0
        for piece in islice(self._pieces, MOST_PIECES):
            pieces.append(piece)
            size += len(piece.message)
            if size >= MOST_BYTES:
                break
        return pieces

    def close(self) -> None:
        """Close the files; may be called twice."""
        self._reader.close()

    def _read(self, t_ns: int) -> Iterator[PlayedPiece]:
        for message in self._reader.messages(t_ns):
            if message.kind == "frames" and (piece := self._piece(message)) is not None:
                yield piece

    def _piece(self, message: RecordedMessage) -> PlayedPiece | None:
        try:
            sequence = unpack(message.data, self._limits).header.sequence
        except WireError:
            return None  # it would decode nowhere; the next key frame goes on
        topic = f"{message.camera}/frames\0".encode("ascii")
        data = b"".join((topic, message.data))
        return PlayedPiece(message.camera, data, sequence, message.t_recorded_ns)
