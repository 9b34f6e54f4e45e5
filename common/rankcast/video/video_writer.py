"""VideoWriter: frames of 8 bits into an MP4 file, with their own times."""

from __future__ import annotations

import os
import secrets
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream

from rankcast.atomic_file import os_reason
from rankcast.errors import ImageFileError, UnsupportedImageError
from rankcast.frame import Pixels, channels_of

CRF: Final = 18
"""Quality of x264 at which one hardly sees the loss."""
CLOCK_HZ: Final = 90_000
"""Ticks of the timestamps a second, as in broadcasting."""
_FALLBACK_FPS: Final = 30


class VideoWriter:
    """An MP4 file of H.264 that appears under its name when it is complete.

    Parameters
    ----------
    path : Path
        Replaced if it exists.
    shape : tuple of int
        (H, W) or (H, W, 3), of all frames.

    Raises
    ------
    UnsupportedImageError
        If H.264 in MP4 cannot hold such frames.
    ImageFileError
        If the file cannot be created.

    Notes
    -----
    Colour becomes BT.601 of limited range and 4:2:0, grey its luma. Odd sides get a copy of their
    last row or column, because 4:2:0 needs even ones.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        if channels_of(shape) not in (1, 3):
            raise UnsupportedImageError(
                f"got {channels_of(shape)} channels, mp4 holds 1 or 3: export to tiff"
            )
        self.path = path
        self.frames = 0
        self._shape = shape
        self._ticks = -1
        self._ended = False
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        height, width = (side + side % 2 for side in shape[:2])
        try:
            self._file = self._part.open("xb")
        except OSError as exc:
            raise ImageFileError(f"{path}: cannot be written: {os_reason(exc)}") from exc
        try:
            # Not `faststart`: moving the index to the front writes the file twice.
            self._container = av.open(self._file, "w", format="mp4")
            self._stream: VideoStream = self._container.add_stream("libx264", rate=_FALLBACK_FPS)
            self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, CLOCK_HZ)
            self._stream.codec_context.options = {"crf": str(CRF), "preset": "veryfast"}
        except (FFmpegError, OSError, ValueError) as exc:
            self.abandon()
            raise ImageFileError(f"{path}: cannot be written: {_reason(exc)}") from exc

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def write(self, pixels: Pixels, time_s: float) -> None:
        """Add a frame.

        Parameters
        ----------
        pixels : ndarray, uint8
            Of the shape of the first frame; colour is BGR.
        time_s : float
            From the start of the clip. A time that is not after that of the frame before becomes
            the next tick after it.

        Raises
        ------
        UnsupportedImageError
            If mp4 cannot hold the frame, or its shape differs.
        ImageFileError
            If the file cannot be written.
        """
        if pixels.dtype != np.uint8:
            raise UnsupportedImageError("got 16 bits a sample, mp4 holds 8: export to png or tiff")
        if pixels.shape != self._shape:
            raise UnsupportedImageError(
                f"got a picture of {pixels.shape[1]} x {pixels.shape[0]} after {self._shape[1]} x "
                f"{self._shape[0]}, or of other channels: mp4 holds one size, export to png or tiff"
            )
        self._ticks = max(self._ticks + 1, round(time_s * CLOCK_HZ))
        image = pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels
        odd = [(0, side % 2) for side in image.shape[:2]] + [(0, 0)] * (image.ndim - 2)
        if any(after for _, after in odd):
            image = np.pad(image, odd, mode="edge")
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(image), format="gray" if image.ndim == 2 else "bgr24"
        ).reformat(format="yuv420p")
        frame.pts, frame.time_base = self._ticks, Fraction(1, CLOCK_HZ)
        self._mux(frame)
        self.frames += 1

    def close(self) -> None:
        """Complete the file and give it its name.

        Raises
        ------
        ImageFileError
            If the file cannot be written.
        """
        if self._ended:
            return
        self._ended = True
        try:
            self._mux(None)
            self._container.close()
            self._file.close()
            os.replace(self._part, self.path)
        except (FFmpegError, OSError, ValueError) as exc:
            self.abandon()
            raise ImageFileError(f"{self.path}: cannot be written: {_reason(exc)}") from exc
        except BaseException:
            self.abandon()
            raise

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (FFmpegError, OSError, ValueError) as exc:
            raise ImageFileError(f"{self.path}: cannot be written: {_reason(exc)}") from exc

    def abandon(self) -> None:
        """Remove what was written; `close` then does nothing."""
        self._ended = True
        container = getattr(self, "_container", None)
        for one in (container, self._file):
            try:
                if one is not None:
                    one.close()
            except (FFmpegError, OSError, ValueError):
                continue
        self._part.unlink(missing_ok=True)


def _reason(exc: BaseException) -> str:
    return str(exc.strerror) if isinstance(exc, FFmpegError) else os_reason(exc)
