"""Frame converter: FFmpeg frames to arrays, with the clip's own colours and bit depth."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from rankcast.errors import SourceError
from rankcast.frame import Pixels
from rankcast.video.sample_layout import SampleLayout, layout_of

# Matrix coefficients of ITU-T H.273, table 4. 2 is "unspecified", which FFmpeg, OpenCV and files
# written by them use for BT.601; 0 is RGB and has no matrix.
_MATRICES: Final = {
    0: Colorspace.ITU601,
    1: Colorspace.ITU709,
    2: Colorspace.ITU601,
    3: Colorspace.ITU601,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
# Without these flags swscale truncates: colours are up to two levels of 255 off.
_EXACT: Final = (
    Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
# Chroma upsampling. Bicubic takes twice the time, but bilinear upsampling of rows is broken for
# 16-bit output (FFmpeg 8: blue and green of flat areas are off by a quarter of the scale).
_UPSAMPLING: Final = Interpolation.BILINEAR | _EXACT
_DEEP_UPSAMPLING: Final = Interpolation.BICUBIC | _EXACT
# For 16-bit output swscale scales limited range to 255 << 8, not to 65535.
_LIMITED_WHITE: Final = 255 << 8


class FrameConverter:
    """Converts decoded frames to BGR, grey or mosaic arrays of their own bit depth."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: av.VideoFrame) -> tuple[Pixels, SampleLayout]:
        """Convert a frame to a new array, rotated upright.

        Raises
        ------
        SourceError
            If the pixel format or colour matrix cannot be converted exactly.
        """
        layout = layout_of(frame.format)
        limited = self._is_limited(frame)
        if layout.channels == 3:
            matrix = _MATRICES.get(int(frame.colorspace))
            if matrix is None:
                raise SourceError(
                    f"colour matrix {int(frame.colorspace)} (ITU-T H.273) is not supported: "
                    "convert the clip to BT.601, BT.709 or BT.2020 non-constant luminance"
                )
            source_range = ColorRange.MPEG if limited else ColorRange.JPEG
        else:
            # The same range on both sides, so that samples are copied, not scaled.
            matrix, source_range = Colorspace.ITU601, ColorRange.JPEG
        converted = self._reformatter.reformat(
            frame,
            format=layout.target,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=source_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=_UPSAMPLING if layout.bits == 8 else _DEEP_UPSAMPLING,
            threads=1,
        )
        pixels = _samples(converted, layout)
        if layout.channels == 3 and layout.bits > 8:
            white = _LIMITED_WHITE if limited and not frame.format.is_rgb else None
            pixels = _narrowing(layout.bits, white)[pixels]
        elif layout.channels == 1 and limited:
            pixels = _expansion(layout.bits)[pixels]
        # Degrees counterclockwise, as in np.rot90; AVI and most MP4 have no rotation.
        turns = round(frame.rotation / 90) % 4
        return (np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels), layout

    @staticmethod
    def _is_limited(frame: av.VideoFrame) -> bool:
        """Return True if samples range from 16 to 235 (times 2 for each bit above 8)."""
        tagged = int(frame.color_range)
        if tagged != ColorRange.UNSPECIFIED.value:
            return bool(tagged == ColorRange.MPEG.value)
        name = frame.format.name
        grey = name.startswith(("gray", "ya", "mono", "bayer"))
        return not (grey or name.startswith("yuvj"))


def _samples(frame: av.VideoFrame, layout: SampleLayout) -> Pixels:
    """Copy the only plane of a packed frame, without the padding of its rows."""
    dtype = np.dtype(np.uint8 if layout.bits == 8 else np.uint16)
    plane, row = frame.planes[0], frame.width * layout.channels
    rows = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // dtype.itemsize)
    pixels: Pixels = rows[: frame.height, :row].copy()
    return pixels if layout.channels == 1 else pixels.reshape(frame.height, frame.width, 3)


@lru_cache(maxsize=16)
def _narrowing(bits: int, white: int | None) -> NDArray[np.uint16]:
    """Return a table from 16 bits to `bits`: a shift, or a scale that maps `white` to maximum."""
    values: NDArray[Any] = np.arange(1 << 16)
    if white is None:
        return (values >> (16 - bits)).astype(np.uint16)
    top = (1 << bits) - 1
    return np.minimum(np.rint(values * (top / white)), top).astype(np.uint16)


@lru_cache(maxsize=16)
def _expansion(bits: int) -> Pixels:
    """Return a table from limited to full range of grey."""
    scale, top = 1 << (bits - 8), (1 << bits) - 1
    levels = (np.arange(1 << bits) - 16 * scale) * (top / (219 * scale))
    full: Pixels = np.rint(np.clip(levels, 0, top)).astype(np.uint8 if bits == 8 else np.uint16)
    return full
