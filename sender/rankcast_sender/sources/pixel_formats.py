"""Pixel formats of industrial cameras, by their names in GenICam's PFNC, and how to unpack them.

Names, order of components and layout of bits: GenICam Pixel Format Naming Convention 2.4; the
formats that end in ``Packed``: GigE Vision 1.2, section 24.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.core import function
from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast.opencv import cv2

_unpack_lsb_first = function("rk_unpack_lsb_first")
_unpack_gige = function("rk_unpack_gige")
_Bytes = NDArray[np.uint8]


class Layout(enum.Enum):
    """How the samples of a format lie in memory."""

    WHOLE = "one or two whole bytes for each sample, little-endian"
    LSB_FIRST = "samples without gaps, least significant bits first"
    GIGE = "two samples in three bytes, as in GigE Vision"
    YUYV = "4:2:2 of 8 bits in full range: Y, Cb, Y, Cr"
    UYVY = "4:2:2 of 8 bits in full range: Cb, Y, Cr, Y"


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A pixel format that can be unpacked."""

    name: str
    significant_bits: int
    """Bits of one sample of the unpacked picture."""
    layout: Layout = Layout.WHOLE
    components: str = "M"
    """Samples of one pixel in the order of memory: M (grey or a mosaic), B, G, R, a (not used)."""
    cfa: str = ""
    """Colour filter array of a mosaic, one of ``CFA_PATTERNS``."""

    @property
    def pixel_bits(self) -> int:
        """Bits of one pixel in memory."""
        if self.layout in (Layout.YUYV, Layout.UYVY):
            return 16
        if self.layout is Layout.GIGE:
            return 12
        if self.layout is Layout.LSB_FIRST:
            return self.significant_bits
        return 8 * len(self.components) * self.sample_bytes

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of the unpacked picture."""
        return 1 if self.significant_bits <= 8 else 2

    @property
    def channels(self) -> int:
        """Channels of the unpacked picture: 1, or 3 for blue, green and red."""
        return 1 if self.components == "M" else 3

    def is_plain(self, line_padding: int = 0) -> bool:
        """Return True if a frame has the samples of its picture, in their order, and no gaps."""
        return (
            self.layout is Layout.WHOLE
            and self.components in ("M", "BGR")
            and not line_padding
            and (self.sample_bytes == 1 or sys.byteorder == "little")
        )

    def picture_bytes(self, height: int, width: int) -> int:
        """Return the bytes of the unpacked picture."""
        return height * width * self.channels * self.sample_bytes

    def frame_bytes(self, height: int, width: int, line_padding: int = 0) -> int:
        """Return the least bytes of a frame whose lines are followed by `line_padding` bytes.

        The padding behind the last line is not counted, because some cameras do not send it.
        """
        if not line_padding:
            # Lines of packed formats follow one another without gaps, even within a byte.
            return -(-height * width * self.pixel_bits // 8)
        line_bytes = self._line_bytes(width)
        return height * line_bytes + (height - 1) * line_padding

    def _line_bytes(self, width: int) -> int:
        return -(-width * self.pixel_bits // 8)

    def check_size(self, buffer_bytes: int, height: int, width: int, line_padding: int) -> int:
        """Return the bytes of a frame of this size, after a check that the buffer has them.

        Raises
        ------
        UnsupportedImageError
            If the buffer is too short, or the width is odd in a format that shares chroma.
        """
        wanted = self.frame_bytes(height, width, line_padding)
        if min(height, width) < 1 or line_padding < 0 or buffer_bytes < wanted:
            raise UnsupportedImageError(
                f"the camera delivers {buffer_bytes} bytes for {width}x{height} pixels of "
                f"{self.name}, want {wanted}"
            )
        if self.layout in (Layout.YUYV, Layout.UYVY) and width % 2:
            raise UnsupportedImageError(
                f"got {width} columns of {self.name}, want an even number: set width"
            )
        return wanted

    def unpack(
        self,
        buffer: Any,
        height: int,
        width: int,
        line_padding: int = 0,
        memory: NDArray[np.uint8] | None = None,
    ) -> Pixels:
        """Unpack one frame; the result shares no memory with `buffer`.

        Parameters
        ----------
        buffer : object with the buffer protocol
            The frame as the camera sent it; bytes behind it are ignored.
        height, width : int
            In pixels.
        line_padding : int
            Bytes behind each line that hold no pixels (PaddingX).
        memory : ndarray, shape (picture_bytes,), uint8, optional
            Where the picture goes; by default new memory.

        Returns
        -------
        ndarray, shape (H, W) or (H, W, 3), uint8 or uint16
            Grey, a mosaic, or BGR; samples are right-aligned.

        Raises
        ------
        UnsupportedImageError
            See `check_size`.
        """
        raw: _Bytes = np.frombuffer(buffer, np.uint8)
        raw = raw[: self.check_size(raw.size, height, width, line_padding)]
        if memory is None:
            memory = np.empty(self.picture_bytes(height, width), np.uint8)
        shape = (height, width) if self.channels == 1 else (height, width, 3)
        pixels: Pixels = memory.view(np.uint8 if self.sample_bytes == 1 else np.uint16)
        pixels = pixels.reshape(shape)
        if line_padding:
            raw = _without_padding(raw, height, self._line_bytes(width), line_padding)
        if self.layout in (Layout.LSB_FIRST, Layout.GIGE):
            # Only lines that end within a byte are apart once the padding is gone.
            apart = bool(line_padding) and bool(width * self.pixel_bits % 8)
            self._unpack_bits(raw, pixels.reshape(height if apart else 1, -1))
        elif self.layout is Layout.WHOLE:
            self._unpack_bytes(raw, pixels)
        else:
            self._unpack_shared_chroma(raw, pixels)
        return pixels

    def _unpack_bits(self, raw: _Bytes, lines: Pixels) -> None:
        kernel = _unpack_lsb_first if self.layout is Layout.LSB_FIRST else _unpack_gige
        for packed, line in zip(raw.reshape(len(lines), -1), lines, strict=True):
            code = kernel(packed, packed.size, self.significant_bits, line.size, line)
            if code != 0:
                raise UnsupportedImageError(f"{self.name} does not unpack: error {code}")

    def _unpack_bytes(self, raw: _Bytes, pixels: Pixels) -> None:
        samples: Pixels = raw.view(np.uint8 if self.sample_bytes == 1 else "<u2")
        convert = _TO_BGR.get(self.components)
        if convert is None:
            pixels[:] = samples.reshape(pixels.shape)
        else:
            cv2.cvtColor(samples.reshape(*pixels.shape[:2], -1), convert, dst=pixels)

    def _unpack_shared_chroma(self, raw: _Bytes, pixels: Pixels) -> None:
        # cv2 has 4:2:2 in limited range alone, and the cameras' is in full range.
        first, second = (0, 1) if self.layout is Layout.YUYV else (1, 0)
        pairs = raw.reshape(*pixels.shape[:2], 2)
        planes = [pairs[:, :, first], *(np.repeat(pairs[:, at::2, second], 2, 1) for at in (1, 0))]
        cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2BGR, dst=pixels)


def _without_padding(raw: _Bytes, height: int, line_bytes: int, padding: int) -> _Bytes:
    stride = line_bytes + padding
    lines: _Bytes = np.lib.stride_tricks.as_strided(
        raw, (height, line_bytes), (stride, 1), writeable=False
    )
    return np.ascontiguousarray(lines).reshape(-1)


_TO_BGR: Final[Mapping[str, Any]] = {
    "RGB": cv2.COLOR_RGB2BGR,
    "RGBa": cv2.COLOR_RGBA2BGR,
    "BGRa": cv2.COLOR_BGRA2BGR,
}


def _formats() -> Mapping[str, PixelFormat]:
    found = []
    for kind, cfa in (
        ("Mono", ""), ("BayerRG", "RGGB"), ("BayerGB", "GBRG"), ("BayerGR", "GRBG"),
        ("BayerBG", "BGGR"),
    ):  # fmt: skip
        found += [PixelFormat(f"{kind}{bits}", bits, cfa=cfa) for bits in (8, 10, 12, 14, 16)]
        found += [
            PixelFormat(f"{kind}{bits}p", bits, Layout.LSB_FIRST, cfa=cfa) for bits in (10, 12, 14)
        ]
        found += [
            PixelFormat(f"{kind}{bits}Packed", bits, Layout.GIGE, cfa=cfa) for bits in (10, 12)
        ]
    for components in ("BGR", "RGB", "BGRa", "RGBa"):
        found += [
            PixelFormat(f"{components}{bits}", bits, components=components)
            for bits in (8, 10, 12, 14, 16)
        ]
    for name, layout in (
        ("YCbCr422_8", Layout.YUYV), ("YUV422_8", Layout.YUYV), ("YUV422_8_UYVY", Layout.UYVY),
        ("YCbCr422_8_CbYCrY", Layout.UYVY),
    ):  # fmt: skip
        found.append(PixelFormat(name, 8, layout, components="YUV"))
    return MappingProxyType({found_one.name: found_one for found_one in found})


PIXEL_FORMATS: Final = _formats()
"""Every supported format, by the name that PFNC gives it."""

# Names that GigE Vision 1.x and the cameras of its time use for formats that PFNC has renamed.
_OLD_NAMES: Final[Mapping[str, str]] = {
    **{f"{name}8Packed": f"{name}8" for name in ("BGR", "RGB")},
    **{f"{name}A8Packed": f"{name}a8" for name in ("BGR", "RGB")},
    **{f"{name}{bits}Packed": f"{name}{bits}"
       for name in ("BGR", "RGB") for bits in (10, 12, 16)},
    "YUV422Packed": "YUV422_8_UYVY",
    "YUV422_YUYV_Packed": "YUV422_8",
    "YCbCr422_8_YCbYCr": "YCbCr422_8",
}  # fmt: skip


def pixel_format(name: str) -> PixelFormat:
    """Return the format with that name, which may be the one of GigE Vision 1.x.

    Raises
    ------
    SettingsError
        If the format is not supported.
    """
    found = PIXEL_FORMATS.get(_OLD_NAMES.get(name, name))
    if found is None:
        raise SettingsError(
            f"got pixel format {name!r:.60}, want one of {', '.join(PIXEL_FORMATS)}"
        )
    return found


def supported_names() -> tuple[str, ...]:
    """Return all names that `pixel_format` knows."""
    return (*PIXEL_FORMATS, *_OLD_NAMES)
