"""RecordedTail: where a recording ended, so that a recorder that was killed can go on behind it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from rankcast.decoder import Decoder
from rankcast.errors import NeedKeyframe, RecordingError, WireError
from rankcast.recordings import RecordedMessage, SegmentReader, segments_of
from rankcast.wire import OFFLINE, Header, Kind, unpack

log = logging.getLogger(__name__)

LATEST_FRAMES: Final = 2048
"""What a server may deliver again is in so many of the latest frames ..."""
LATEST_SEGMENTS: Final = 4
"""... or else in so many of the latest segments."""


class RecordedTail:
    """The frames at the end of a recording: which ones are there, and how to go on behind them.

    Parameters
    ----------
    path : Path
        Of the recording; it need not exist.
    models : Path, optional
        Folder of the model files of learned codecs.

    Raises
    ------
    RecordingError
        If the folder cannot be listed.
    """

    def __init__(self, path: Path, models: Path | None = None) -> None:
        self._newest: dict[str, dict[bytes, int]] = {}
        """For each camera and stream the newest sequence."""
        self._groups: dict[str, list[RecordedMessage]] = {}
        """For each camera the frames from its last key frame on."""
        self._models = models
        for segment in self._latest(path):
            self._read(segment)

    def has(self, camera: str, header: Header) -> bool:
        """Return whether a frame of `camera` is in the recording."""
        newest = self._newest.get(camera, {}).get(header.stream_id)
        return newest is not None and header.sequence <= newest

    def reference(self, camera: str) -> bytes | None:
        """Return a packet from which the recording of a camera goes on; once.

        None if its next frame is a beginning by itself, or the frames do not decode.
        """
        group = self._groups.pop(camera, [])
        decoder = Decoder(OFFLINE, models=self._models)
        try:
            for message in group:
                decoder.decode(message.data)
            return decoder.reference_packet() if group else None
        except (NeedKeyframe, WireError) as exc:
            log.debug("%s: %s", camera, exc)
            return None

    def _latest(self, path: Path) -> list[Path]:
        """Return the latest segments that together have enough frames, the oldest first."""
        found: list[Path] = []
        frames = 0
        for _, segment in reversed(segments_of(path)):
            if frames >= LATEST_FRAMES or len(found) == LATEST_SEGMENTS:
                break
            found.insert(0, segment)
            frames += sum(1 for message in _messages(segment) if message.kind == "frames")
        return found

    def _read(self, segment: Path) -> None:
        for message in _messages(segment):
            if message.kind != "frames":
                continue
            header = unpack(message.data).header
            of_camera = self._newest.setdefault(message.camera, {})
            before = of_camera.get(header.stream_id, -1)
            of_camera[header.stream_id] = max(before, header.sequence)
            group = self._groups.setdefault(message.camera, [])
            if header.kind is not Kind.PREDICTED:
                group.clear()
            group.append(message)


def _messages(segment: Path) -> Iterator[RecordedMessage]:
    """Yield the messages of one segment; none of one that was killed in its first moment."""
    with suppress(RecordingError), SegmentReader(segment) as reader:
        yield from reader.messages()
