"""Recording: the pictures of a recording, for Python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Final

from rankcast.decoder import Decoder, frame_of
from rankcast.errors import (
    NeedKeyframe,
    RecordingError,
    SettingsError,
    UnknownCodecError,
    UnknownModelError,
    WireError,
)
from rankcast.frame import Frame
from rankcast.recordings.reader import RecordingReader
from rankcast.recordings.segment import RecordedMessage
from rankcast.user_path import expand_path
from rankcast.wire import OFFLINE, Kind, Limits, unpack

RATE_FRAMES: Final = 100
"""Frames from whose capture times the frame rate follows."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Recording:
    """The pictures that ``rankcast receive --record FILE.mcap`` recorded, of all its segments.

    ::

        with rankcast.Recording("line3.mcap") as recording:
            for frame in recording.frames("cam1", start=60.0, end=90.0):
                frame.pixels, frame.t_capture_utc_ns, frame.meta

    Parameters
    ----------
    path : str or Path
        Of the first segment, which need not exist any more. A later segment is read alone.
    models : Path, optional
        Folder of the model files of learned codecs.
    writable : bool
        True: the pixels of every frame are a copy that may be modified in place.
    limits : Limits, optional
        Limits of a packet; the default is that of files, 128 MiB.

    Raises
    ------
    RecordingError
        If there is no such file.

    Notes
    -----
    Holds one packet and one decoder a camera, however long the recording is. For one thread.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        models: Path | None = None,
        writable: bool = False,
        limits: Limits = OFFLINE,
    ) -> None:
        self.path = path if isinstance(path, Path) else Path(expand_path(path))
        self.lost = 0
        """Frames of the latest iteration that are in the recording and could not be decoded,
        because one that they build on is damaged or was never recorded."""
        self._models, self._writable, self._limits = models, writable, limits
        self._reader = RecordingReader(self.path, limits)
        self._lookup = RecordingReader(self.path, limits)
        """Answers single questions, which may come up within an iteration of the other one."""
        self._cameras: tuple[str, ...] | None = None

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; may be called twice."""
        self._reader.close()
        self._lookup.close()

    @property
    def segments(self) -> list[Path]:
        """The files of the recording when it was opened."""
        return list(self._reader.segments)

    @property
    def damaged_places(self) -> int:
        """Damaged places in the segments that the latest iteration read to their end.

        What they held is missing; `rankcast repair` says more.
        """
        return sum(segment.damage.count for segment in self._reader.finished)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras that have frames, in the order of their first; reads all files.

        Raises
        ------
        RecordingError
            If a segment cannot be read or is of another program.
        """
        if self._cameras is None:
            found = dict.fromkeys(
                message.camera for message in self._lookup if message.kind == "frames"
            )
            self._cameras = tuple(found)
        return self._cameras

    @property
    def start(self) -> datetime | None:
        """When the first message was recorded; None if nothing was."""
        first = self._reader.first()
        return None if first is None else time_of(first.t_recorded_ns)

    def __iter__(self) -> Iterator[Frame]:
        """Decode the frames of all cameras; see `frames`."""
        return self.frames()

    def frames(
        self,
        camera: str | None = None,
        *,
        start: float | datetime | None = None,
        end: float | datetime | None = None,
    ) -> Iterator[Frame]:
        """Decode the frames in the order of recording; a new iteration ends the one before.

        Parameters
        ----------
        camera : str, optional
            Only those of this camera.
        start : float or datetime, optional
            Only those recorded from then on: seconds from the start of the recording, or a time
            with a time zone. Decoding begins at the key frame before.
        end : float or datetime, optional
            Only those recorded before.

        Yields
        ------
        Frame
            With pixels, clocks and metadata as they were captured, and the camera's name.

        Raises
        ------
        SettingsError
            If a time has no time zone.
        RecordingError
            If a segment cannot be read or is of another program, or if another iteration has
            begun.
        UnknownCodecError, UnknownModelError
            If this installation lacks what the frames need.
        """
        self.lost = 0
        for frame in self._decoded(self._reader, camera, self._ns(start), self._ns(end)):
            if frame is None:
                self.lost += 1
            else:
                yield frame

    def _decoded(
        self,
        reader: RecordingReader,
        camera: str | None,
        start_ns: int | None,
        end_ns: int | None = None,
    ) -> Iterator[Frame | None]:
        """Yield the frames; None for one that cannot be decoded."""
        streams: dict[str, _Stream] = {}
        for message in reader.messages(start_ns, end_ns):
            if message.kind != "frames" or camera not in (None, message.camera):
                continue
            stream = streams.get(message.camera)
            if stream is None or stream.id != message.stream_id:
                decoder = Decoder(self._limits, models=self._models, writable=self._writable)
                stream = streams[message.camera] = _Stream(message.stream_id, decoder)
            try:
                frame = stream.decode(message, self._limits, writable=self._writable)
            except (UnknownCodecError, UnknownModelError) as exc:
                raise type(exc)(f"{self.path}: {exc}") from exc
            except (NeedKeyframe, WireError):
                if start_ns is None or message.t_recorded_ns >= start_ns:
                    yield None
                continue
            if frame is not None and (start_ns is None or message.t_recorded_ns >= start_ns):
                yield frame

    def frame_at(self, time: float | datetime, camera: str | None = None) -> Frame:
        """Decode the first frame that was recorded at a time or later.

        Parameters
        ----------
        time : float or datetime
            Seconds from the start of the recording, or a time with a time zone.
        camera : str, optional
            Of this camera; by default of any.

        Raises
        ------
        RecordingError
            If there is none.
        """
        for frame in self._decoded(self._lookup, camera, self._ns(time)):
            if frame is not None:
                self._lookup.close()
                return frame
        of = "" if camera is None else f" of camera {camera}"
        raise RecordingError(f"{self.path}: holds no frame{of} at {time} or later")

    def frame_rate(self, camera: str | None = None) -> float | None:
        """Return the frames a second, by the capture times of the first 100; None if unknown.

        Parameters
        ----------
        camera : str, optional
            Needed if there are several.
        """
        times = islice(
            (
                message.t_capture_ns
                for message in self._lookup.messages()
                if message.kind == "frames" and camera in (None, message.camera)
            ),
            RATE_FRAMES,
        )
        before: int | None = None
        steps = []
        for t_ns in times:
            if before is not None and t_ns > before:
                steps.append(t_ns - before)
            before = t_ns
        return 1e9 / median(steps) if steps else None

    def _ns(self, time: float | datetime | None) -> int | None:
        """Return a time of the caller as UTC at the recorder, in ns since 1970."""
        if time is None:
            return None
        if isinstance(time, datetime):
            if time.tzinfo is None:
                raise SettingsError(
                    f"got {time} without a time zone, want datetime(..., tzinfo=UTC) or seconds "
                    "from the start of the recording"
                )
            return (time - _EPOCH) // timedelta(microseconds=1) * 1000
        first = self._reader.first()
        return 0 if first is None else first.t_recorded_ns + round(time * 1e9)


class _Stream:
    """The decoder of one stream, and the frame that it decoded last."""

    def __init__(self, stream_id: bytes, decoder: Decoder) -> None:
        self.id = stream_id
        self._decoder = decoder
        self._sequence = -1

    def decode(self, message: RecordedMessage, limits: Limits, *, writable: bool) -> Frame | None:
        """Return the frame of a message; None for a reference that repeats the one before."""
        packet = unpack(message.data, limits)
        header = packet.header
        if header.kind is Kind.REFERENCE and header.sequence == self._sequence:
            return None
        packet = self._decoder.complete(packet)
        pixels = self._decoder.decode_packet(packet)
        self._sequence = header.sequence
        return frame_of(packet, pixels, message.camera, writable=writable)


def time_of(t_ns: int) -> datetime:
    """Return a time in ns since 1970 as UTC, to the microsecond."""
    return _EPOCH + timedelta(microseconds=t_ns // 1000)
