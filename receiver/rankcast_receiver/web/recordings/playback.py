"""Playback: the packets of a recording from any time on, and when each is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from rankcast.codec import codec_with_id
from rankcast.errors import RecordingError, WireError
from rankcast.recordings import RecordedMessage, RecordingReader
from rankcast.wire import Kind, Limits, unpack

MOST_PIECES: Final = 32
MOST_BYTES: Final = 1 << 20
"""Most pictures and bytes that one step reads."""
LOOK_AHEAD_NS: Final = 10 * 10**9
"""How far after the wanted time the first picture of each camera is looked for."""


@dataclass(frozen=True, slots=True)
class PlayedPiece:
    """A picture of a recording."""

    camera: str
    message: bytes
    """Topic and packet, as the live WebSocket sends them."""
    packet_at: int
    """Where the packet begins in it."""
    codec: str
    """Empty while no packet has named it."""
    starts: bool
    """True if it decodes without those before."""
    stream_id: bytes
    sequence: int
    t_ns: int
    """When it was recorded."""


@dataclass(frozen=True, slots=True)
class Seek:
    """What is to be shown from a time on."""

    starts: Mapping[tuple[str, bytes], int]
    """First sequence to show, by camera and stream; pictures before it are decoded only."""
    due: frozenset[str]
    """Cameras whose first picture from that time on is near: it is shown at once."""


class Playback:
    """Reads a recording in small steps; for one thread at a time.

    Parameters
    ----------
    path : Path
    limits : Limits
        Of a packet.
    stopped : callable
        True ends reading.
    cameras : iterable of str, optional
        Cameras of the recording, as far as they are known.

    Raises
    ------
    RecordingError
        If the recording cannot be read, or a file of it lies elsewhere.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        stopped: Callable[[], bool],
        cameras: Iterable[str] = (),
    ) -> None:
        self._limits, self._cameras = limits, frozenset(cameras)
        self._reader = RecordingReader(path, limits, stopped=stopped)
        for segment in self._reader.segments:
            if segment.is_symlink():
                raise RecordingError(f"{segment.name} is a link: links are not played")
        self._codecs: dict[str, str] = {}
        """Latest codec of each camera."""
        self._pieces: Iterator[PlayedPiece] = iter(())

    def seek(self, t_ns: int) -> Seek:
        """Go on from a time; the pictures before, back to a key frame, come first.

        Of a camera without a picture near that time, the last one before it is to be shown.

        Raises
        ------
        RecordingError
            If a file cannot be read.
        """
        first: dict[str, PlayedPiece] = {}
        before: dict[str, PlayedPiece] = {}
        starts: dict[tuple[str, bytes], int] = {}
        for piece in self._read(t_ns):
            if piece.t_ns < t_ns:
                before[piece.camera] = piece
                starts[piece.camera, piece.stream_id] = piece.sequence + 1  # none of them, so far
            elif piece.t_ns > t_ns + LOOK_AHEAD_NS:
                break
            else:
                first.setdefault(piece.camera, piece)
                if before.keys() | self._cameras <= first.keys():
                    break
        for piece in {**before, **first}.values():
            starts[piece.camera, piece.stream_id] = piece.sequence
        self._pieces = self._read(t_ns)
        return Seek(starts, frozenset(first))

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
            header = unpack(message.data, self._limits).header
            if header.codec is not None:  # of packets that decode by themselves
                self._codecs[message.camera] = codec_with_id(header.codec).name
        except WireError:
            return None  # it would decode nowhere; the next key frame goes on
        topic = f"{message.camera}/frames\0".encode("ascii")
        return PlayedPiece(
            message.camera,
            b"".join((topic, message.data)),
            len(topic),
            self._codecs.get(message.camera, ""),
            header.kind is not Kind.PREDICTED,
            header.stream_id,
            header.sequence,
            message.t_recorded_ns,
        )
