"""One stream of an encoder of PyAV (x264, x265, SVT-AV1, libaom), decoded by FFmpeg."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import av
import numpy as np
from av.codec.codec import Codec, UnknownCodecError
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from rankcast.errors import UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.opencv import cv2
from rankcast.rate_distortion.clip_format import ClipFormat
from rankcast.rate_distortion.coder import PacketBytes

_SEI: Final = 6
_USER_DATA: Final = 5
"""NAL unit type and payload type of the text in which x264 names its settings (H.264, D.1)."""


@dataclass(frozen=True, slots=True)
class AvEncoder:
    """An encoder of FFmpeg and its options, and the decoder for what it writes."""

    encoder: str
    decoder: str
    options: Mapping[str, str]
    setting: str = "crf"
    """Option that trades bytes for quality."""

    def missing(self) -> str | None:
        """Return why the installed PyAV cannot run it; None if it can."""
        name = self.encoder
        try:
            Codec(name, "w")
            name = self.decoder
            Codec(name, "r")
        except UnknownCodecError:
            return f"PyAV {av.__version__} has no {name}"
        return None

    def refusal(self, clip: ClipFormat) -> str | None:
        """Return why it cannot code a clip without converting samples; None if it can."""
        if clip.colour and clip.bits > 8:
            return f"takes colour of 8 bits a sample here; this clip has {clip.bits}"
        if self.pixel_format(clip) is None:
            return f"{self.encoder} takes no grey of {clip.bits} bits a sample"
        return None

    def pixel_format(self, clip: ClipFormat) -> str | None:
        """Return the format of FFmpeg that holds the samples of a clip; None if there is none."""
        known = {one.name for one in Codec(self.encoder, "w").video_formats or ()}
        depth = "" if clip.bits == 8 else f"{clip.bits}le"
        # An encoder without grey takes it as luma, between flat chroma that costs a few bits.
        names = ("yuv420p",) if clip.colour else (f"gray{depth}", f"yuv420p{depth}")
        return next((name for name in names if name in known), None)


class AvCoder:
    """One stream of an encoder of PyAV.

    Parameters
    ----------
    kind : AvEncoder
    clip : ClipFormat
        Of sides that are even.
    setting : float
        Value of the encoder's option `setting`.
    gop : int
        Most frames from one key frame to the next.
    threads : int

    Raises
    ------
    UnsupportedImageError
        If the encoder is missing or refuses the clip.

    Notes
    -----
    Colour is converted to BT.601 of limited range and 4:2:0, which is what cameras and viewers of
    such streams use; grey keeps its samples.
    """

    def __init__(
        self, kind: AvEncoder, clip: ClipFormat, setting: float, gop: int, threads: int = 1
    ) -> None:
        reason = kind.missing() or kind.refusal(clip)
        if reason is not None:
            raise UnsupportedImageError(reason)
        # SVT-AV1 prints its configuration to stderr, below the log of FFmpeg; 1 is errors alone.
        os.environ.setdefault("SVT_LOG", "1")
        self._clip = clip
        self._name = kind.encoder
        self._format = str(kind.pixel_format(clip))
        self._count = 0
        self._encoder = _context(kind.encoder, "w")
        self._encoder.height, self._encoder.width = clip.shape[:2]
        self._encoder.pix_fmt = self._format
        rate = Fraction(clip.fps).limit_denominator(1001)
        self._encoder.time_base, self._encoder.framerate = 1 / rate, rate
        self._encoder.gop_size, self._encoder.thread_count = gop, threads
        self._encoder.options = {**kind.options, kind.setting: f"{setting:g}"}
        self._decoder = _context(kind.decoder, "r")
        self._decoder.thread_count = threads
        self._decoder.thread_type = "SLICE"
        self._decoder.flags |= Flags.low_delay

    def encode(self, pixels: Pixels) -> Sequence[bytes]:
        """Encode a frame; return the packets that are ready.

        Raises
        ------
        UnsupportedImageError
            If the encoder refuses the clip, its size for example.
        """
        frame = self._frame(pixels)
        frame.pts, self._count = self._count, self._count + 1
        packets = self._packets(frame)
        if self._count == 1 and self._name == "libsvtav1":
            _leave_real_time()
        return packets

    def finish(self) -> Sequence[bytes]:
        """Return the packets that the encoder still holds."""
        return self._packets(None)

    def _packets(self, frame: av.VideoFrame | None) -> list[bytes]:
        try:
            return [bytes(packet) for packet in self._encoder.encode(frame)]
        except (FFmpegError, ValueError) as exc:
            height, width = self._clip.shape[:2]
            raise UnsupportedImageError(
                f"{self._name} refuses {width} x {height} as {self._format}: {exc}"
            ) from exc

    def decode(self, packet: bytes) -> Sequence[Pixels]:
        """Decode a packet; return the pictures that are ready."""
        return [self._pixels(frame) for frame in self._decoder.decode(av.Packet(packet))]

    def flush(self) -> Sequence[Pixels]:
        """Return the pictures that the decoder still holds."""
        return [self._pixels(frame) for frame in self._decoder.decode(None)]

    def sizes(self, packet: bytes) -> PacketBytes:
        """Return the bytes of a packet, parameter sets included."""
        if self._name == "libx264":
            return PacketBytes(without_settings_text(packet))
        return PacketBytes(len(packet))

    def _frame(self, pixels: Pixels) -> av.VideoFrame:
        if self._clip.colour:
            planes = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2YUV_I420)
            return av.VideoFrame.from_ndarray(planes, format=self._format)
        frame = av.VideoFrame(self._encoder.width, self._encoder.height, self._format)
        _fill(frame.planes[0], pixels)
        for plane in frame.planes[1:]:
            grey = np.full((plane.height, plane.width), 1 << (self._clip.bits - 1), pixels.dtype)
            _fill(plane, grey)
        return frame

    def _pixels(self, frame: av.VideoFrame) -> Pixels:
        if self._clip.colour:
            colour: Pixels = cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2BGR_I420)
            return colour
        plane = frame.planes[0]
        dtype = np.dtype(np.uint8 if self._clip.dtype_bits == 8 else np.uint16)
        rows = np.frombuffer(memoryview(plane), dtype).reshape(
            -1, plane.line_size // dtype.itemsize
        )
        grey: Pixels = rows[: frame.height, : frame.width].copy()
        return grey


def _context(name: str, mode: Literal["r", "w"]) -> VideoCodecContext:
    context = av.CodecContext.create(name, mode)
    assert isinstance(context, VideoCodecContext), f"{name} codes no video"
    return context


def _leave_real_time() -> None:
    """Give all threads of this process the usual priority.

    Run by root, SVT-AV1 makes its threads, and the one that opens it, real-time ones, which keep
    everything else on the machine waiting.
    """
    tasks = Path("/proc/self/task")
    for task in tasks.iterdir() if tasks.is_dir() else ():
        with suppress(OSError):  # a thread that has ended
            if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))


def _fill(plane: Any, samples: NDArray[Any]) -> None:
    """Copy samples into a plane, whose rows may be padded."""
    row = np.zeros((plane.height, plane.line_size // samples.itemsize), samples.dtype)
    row[:, : samples.shape[1]] = samples
    plane.update(row)


def without_settings_text(packet: bytes) -> int:
    """Return the bytes of an H.264 packet less the text in which x264 prints its settings.

    No decoder needs that text, and it would favour Rankcast on short clips.
    """
    size = len(packet)
    start = packet.find(b"\0\0\1")
    while start >= 0:
        following = packet.find(b"\0\0\1", start + 3)
        end = following if following >= 0 else len(packet)
        if packet[start + 3] & 31 == _SEI and packet[start + 4] == _USER_DATA:
            size -= end - start
        start = following
    return size
