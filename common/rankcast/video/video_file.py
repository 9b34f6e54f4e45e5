"""Video files: decoded frame by frame, with timestamps, losses and damage reported."""

from __future__ import annotations

import heapq
import logging
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from rankcast.atomic_file import open_without_waiting, os_reason
from rankcast.errors import SourceError
from rankcast.frame import Pixels
from rankcast.video.frame_converter import FrameConverter
from rankcast.video.sample_layout import layout_of

log = logging.getLogger(__name__)

VIDEO_SUFFIXES: Final = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".3gp", ".mj2", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".vob",
        ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".mxf", ".nut", ".y4m", ".gif",
        ".dv", ".ivf", ".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg",
    }
)  # fmt: skip
"""Suffixes for which folders are searched; `VideoFile` checks the content, not the name."""
MAX_FPS: Final = 1000.0
"""Highest frame rate; a clip that claims more has a broken header."""
MAX_PIXELS: Final = 1 << 28
"""Most pixels of a frame, as in `rankcast.opencv`: a damaged header may claim any size."""
_READ_BYTES: Final = 1 << 18
_MAX_READ_ERRORS: Final = 100
"""A demuxer that fails more often without a packet in between will not recover."""
# Demuxers that read something other than a clip: still images, text, lists of other files.
_NO_CLIPS: Final = ("image2", "tty", "concat", "hls", "dash", "sdp", "lavfi")

VideoPacket: TypeAlias = "av.Packet[VideoStream]"


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One decoded frame of a clip."""

    pixels: Pixels
    """Pixels in the bit depth of the clip; see `rankcast.video.sample_layout`."""
    significant_bits: int = 0
    """Significant bits; 0 if every bit of the dtype is used."""
    cfa: str = ""
    """Colour filter array of a mosaic; empty for grey and colour."""
    time_s: float | None = None
    """Presentation time on the clip's own scale; None if the container has none."""
    duration_s: float | None = None
    """Duration stated by the container; None if it states none."""
    corrupt: bool = False
    """True if the decoder concealed damage in this frame."""
    tainted: bool = False
    """True if predicted from a lost or corrupt frame, traces of which may be visible."""


class VideoFile:
    """A video file, played once from its start.

    Parameters
    ----------
    path : Path
        Opened by this process and passed to FFmpeg as a byte stream, so that FFmpeg never
        interprets a name as a protocol and opens nothing that the file refers to.

    Raises
    ------
    SourceError
        If the file cannot be opened or contains no video that FFmpeg can decode.

    Notes
    -----
    A loss is counted if the decoder rejects a packet, or if the container lists frames whose bytes
    are missing. Frame counts and durations in headers are ignored, because many are estimates.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        """Frames lost so far; updated before the frame that follows the loss is yielded."""
        self.fault = ""
        """Reason for the latest loss."""
        self._converter = FrameConverter()
        self._pending: list[int] = []
        """Heap of timestamps of packets whose frames are not decoded yet."""
        self._refused = 0
        """Packets that the decoder has rejected since the last loss was counted."""
        self._refused_untimed = 0
        """Rejected packets without a timestamp."""
        self._taint: float | None = None
        """Timestamp of the last lost or corrupt frame since the last key frame."""
        try:
            self._file = open(path, "rb", opener=open_without_waiting)  # noqa: SIM115
        except (OSError, ValueError) as exc:
            reason = os_reason(exc) if isinstance(exc, OSError) else str(exc)
            raise SourceError(f"{path}: cannot be read: {reason}") from exc
        try:
            if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                raise SourceError(f"{path}: is not a regular file")
            self._container = self._open_container()
        except BaseException:
            self._file.close()
            raise
        try:
            self._stream = self._choose_stream()
        except BaseException:
            self.close()
            raise

    def _open_container(self) -> av.container.InputContainer:
        try:
            return av.open(
                self._file,
                "r",
                # Names no protocol, so that playlists cannot open other files or addresses.
                options={"protocol_whitelist": "none", "max_pixels": str(MAX_PIXELS)},
                metadata_errors="replace",
                buffer_size=_READ_BYTES,
            )
        except (FFmpegError, OSError, ValueError, MemoryError) as exc:
            raise SourceError(f"{self.path}: not a video file: {_reason(exc)}") from exc

    def _choose_stream(self) -> VideoStream:
        name = self._container.format.name
        if name in _NO_CLIPS or name.endswith("_pipe"):
            raise SourceError(f"{self.path}: not a video file: FFmpeg reads it as {name}")
        stream = self._container.streams.best("video")
        # A music file contains its cover as a video of one picture.
        if not isinstance(stream, VideoStream) or (
            stream.disposition & av.stream.Disposition.attached_pic
        ):
            raise SourceError(f"{self.path}: contains no video stream")
        if stream.codec_context is None:
            raise SourceError(f"{self.path}: FFmpeg has no decoder for its video stream")
        # "explode": report errors in a packet instead of concealing them.
        stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(MAX_PIXELS)}
        return stream

    @property
    def fps(self) -> float | None:
        """Average frame rate; None if the container states none."""
        for rate in (self._stream.average_rate, self._stream.guessed_rate):
            if rate and math.isfinite(float(rate)) and 0 < float(rate) <= MAX_FPS:
                return float(rate)
        return None

    @property
    def channels(self) -> int | None:
        """1 for grey and mosaics, 3 for colour; None while unknown to FFmpeg.

        Raises
        ------
        SourceError
            If the pixel format is not supported.
        """
        pixel_format = self._stream.codec_context.format
        return None if pixel_format is None else layout_of(pixel_format).channels

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._container.close()
        self._file.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        """Decode the frames in presentation order.

        Raises
        ------
        SourceError
            If the pixel format or colour matrix of a frame cannot be converted exactly.
        """
        last_dts: int | None = None
        for packet in self._packets():
            if packet is not None and packet.dts is not None:
                last_dts = packet.dts
            for frame in self._decode(packet):
                self._count_skipped(frame.pts)
                yield self._video_frame(frame)
        self._count_skipped(None)
        missing = self._missing_behind(last_dts)
        if missing:
            self.lost += missing
            self.fault = "the file is cut off"

    def undamaged(self) -> Iterator[VideoFrame]:
        """Decode only undamaged frames, for training; log the number of damaged ones.

        Raises
        ------
        SourceError
            If there is no such frame, or none can be converted.
        """
        kept = left_out = 0
        for frame in self:
            if frame.corrupt or frame.tainted:
                left_out += 1
            else:
                kept += 1
                yield frame
        if not kept:
            reason = self.fault or "the file ends before the first frame"
            raise SourceError(f"{self.path}: no frame can be decoded: {reason}")
        if left_out or self.lost:
            log.warning(
                "%s: %d frames lost and %d omitted as damaged: %s",
                self.path, self.lost, left_out, self.fault or "the decoder reports damage",
            )  # fmt: skip

    def _packets(self) -> Iterator[VideoPacket | None]:
        """Yield the packets of the stream, then None, which flushes the decoder."""
        errors, ended = 0, False
        while not ended and errors <= _MAX_READ_ERRORS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        errors = 0
                        yield packet
                ended = True
            except (FFmpegError, OSError) as exc:
                # A demuxer continues after most errors; each call resumes where the last one ended.
                self.fault = _reason(exc)
                errors += 1
        yield None

    def _decode(self, packet: VideoPacket | None) -> list[av.VideoFrame]:
        pts = None if packet is None else packet.pts
        if packet is not None and pts is not None and not packet.is_discard:
            heapq.heappush(self._pending, pts)
        try:
            return self._stream.codec_context.decode(packet)
        except (FFmpegError, OSError, ValueError, MemoryError) as exc:
            self.fault = _reason(exc)
            self._set_taint(pts)
            if pts is not None:
                self._refused += 1
            elif packet is not None:
                self._refused_untimed += 1
            return []

    def _count_skipped(self, pts: int | None) -> None:
        """Count the losses before the frame of `pts`, or before the end.

        A packet without a decoded frame is a loss only if the decoder rejected a packet: two
        packets may contain the fields of one frame.
        """
        skipped = 0
        while self._pending and (pts is None or self._pending[0] < pts):
            heapq.heappop(self._pending)
            skipped += 1
        if self._pending and self._pending[0] == pts:
            heapq.heappop(self._pending)
        skipped = min(skipped, self._refused)
        self._refused -= skipped
        self.lost += skipped + self._refused_untimed
        self._refused_untimed = 0

    def _video_frame(self, frame: av.VideoFrame) -> VideoFrame:
        if frame.is_corrupt:
            self._set_taint(frame.pts)
        elif (
            self._taint is not None
            and frame.key_frame
            and (frame.pts is None or frame.pts > self._taint)
        ):
            self._taint = None
        try:
            pixels, layout = self._converter.convert(frame)
        except SourceError as exc:
            raise SourceError(f"{self.path}: {exc}") from exc
        # Time base of the stream, because a frame from flushing has none.
        unit = self._stream.time_base or Fraction(0)
        return VideoFrame(
            pixels,
            layout.significant_bits,
            layout.cfa,
            float(frame.pts * unit) if unit and frame.pts is not None else None,
            float(frame.duration * unit) or None,
            frame.is_corrupt,
            self._taint is not None and not frame.is_corrupt,
        )

    def _set_taint(self, pts: int | None) -> None:
        at = -math.inf if pts is None else pts
        self._taint = at if self._taint is None else max(at, self._taint)

    def _missing_behind(self, last_dts: int | None) -> int:
        """Return the number of frames listed by the container after the last packet in the file."""
        container, stream = self._container.format.name, self._stream
        if last_dts is None:
            last_dts = -1 if container == "avi" else -(1 << 62)
        if "mp4" in container:
            entries = stream.index_entries
            return sum(not one.is_discard and one.timestamp > last_dts for one in entries)
        if container == "avi" and self._shorter_than_riff():
            # AVI timestamps count frames, including empty ones, like the count in its header.
            return max(0, stream.frames - last_dts - 1)
        return 0

    def _shorter_than_riff(self) -> bool:
        """Return True if bytes are missing at the end: RIFF states the length of its only chunk."""
        self._file.seek(0)
        head = self._file.read(8)
        size = os.fstat(self._file.fileno()).st_size
        return head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") + 8 > size


def _reason(exc: BaseException) -> str:
    if isinstance(exc, FFmpegError):
        return str(exc.strerror)
    return " ".join(str(exc).split()) or type(exc).__name__
