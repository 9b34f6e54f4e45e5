"""Netpbm, P1 to P7: samples as the file stores them, whatever its MAXVAL.

OpenCV rescales plain samples to 255, and swaps red and blue of PAM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import MAX_CHANNELS, Pixels
from rankcast.images.decoded import Decoded, bgr_of, check_size

_MAGIC: Final = re.compile(rb"P[1-7][ \t\n\v\f\r#]")
_NEXT_IMAGE: Final = re.compile(rb"P[1-7][ \t\n\v\f\r]")
_PAM: Final = b"P7"
_PLAIN: Final = (b"P1", b"P2", b"P3")
_BITMAPS: Final = (b"P1", b"P4")
_COLOUR: Final = (b"P3", b"P6")
_WHITE_SPACE: Final = b" \t\n\v\f\r"
_COMMENT: Final = re.compile(rb"#[^\n\r]*+")
# Number of a header and the one white space that ends it; comments stand anywhere in between.
_NUMBER: Final = re.compile(
    rb"(?:[ \t\n\v\f\r]|#[^\n\r]*+[\n\r])*+([0-9]{1,10})(?:#[^\n\r]*+[\n\r]|[ \t\n\v\f\r])"
)
_HEADER_END: Final = b"ENDHDR\n"
# Far above the few lines that a header has.
_MAX_HEADER_BYTES: Final = 65_536
_MAX_PEAK: Final = 65_535
_ALPHA: Final = "_ALPHA"


@dataclass(frozen=True, slots=True)
class _Header:
    height: int
    width: int
    depth: int
    peak: int
    """MAXVAL, the largest sample."""
    raster_start: int
    """Byte at which the samples start."""

    @property
    def samples(self) -> int:
        return self.height * self.width * self.depth

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Type of a binary sample."""
        return np.dtype(np.uint8) if self.peak < 256 else np.dtype(">u2")


def is_netpbm(data: bytes) -> bool:
    """Return whether `data` starts like a Netpbm file."""
    return _MAGIC.match(data) is not None


def decode_netpbm(data: bytes) -> Decoded:
    """Decode a Netpbm file; samples are kept as stored, black and white become 0 and 255.

    Raises
    ------
    DamagedImageError
        If the header is broken, samples are missing or one is above MAXVAL.
    ImageFileError
        If the picture is too large, or the file holds several pictures.
    """
    magic = data[:2]
    if magic == _PAM:
        return _decode_pam(data)
    header = _header(data)
    if magic == b"P1":
        pixels = _plain_bits(data, header)
    elif magic == b"P4":
        pixels = _packed_bits(data, header)
    elif magic in _PLAIN:
        pixels = _plain_samples(data, header)
    else:
        pixels = _binary_samples(data, header)
    if magic in _BITMAPS:
        # A 1 is black.
        return Decoded((1 - pixels[:, :, 0]) * np.uint8(255))
    return Decoded(bgr_of(pixels) if magic in _COLOUR else pixels[:, :, 0])


def _header(data: bytes) -> _Header:
    """Read the numbers in front of the samples of P1 to P6."""
    magic = data[:2]
    numbers: list[int] = []
    end = len(magic)
    for name in ("width", "height") if magic in _BITMAPS else ("width", "height", "MAXVAL"):
        found = _NUMBER.match(data, end, _MAX_HEADER_BYTES)
        if found is None:
            raise DamagedImageError(f"is damaged: the Netpbm header lacks its {name}")
        numbers.append(int(found[1]))
        end = found.end()
    width, height, peak = (*numbers, 1)[:3]
    return _checked(_Header(height, width, 3 if magic in _COLOUR else 1, peak, end))


def _checked(header: _Header) -> _Header:
    if min(header.width, header.height, header.depth) < 0 or not 1 <= header.peak <= _MAX_PEAK:
        raise DamagedImageError("is damaged: the Netpbm header holds numbers out of range")
    check_size(header.height, header.width, header.depth)
    return header


def _plain_raster(data: bytes, header: _Header) -> bytes:
    raster = data[header.raster_start :]
    # Netpbm's own reader takes comments between plain samples, too.
    return _COMMENT.sub(b"", raster) if b"#" in raster else raster


def _plain_bits(data: bytes, header: _Header) -> Pixels:
    # White space between the bits of P1 is optional.
    raster = _plain_raster(data, header).translate(None, _WHITE_SPACE)
    _check_length(len(raster), header.samples)
    bits = np.frombuffer(raster, np.uint8, header.samples) - np.uint8(ord("0"))
    return _shaped(bits, header)


def _packed_bits(data: bytes, header: _Header) -> Pixels:
    row_bytes = (header.width + 7) // 8
    raster_bytes = header.height * row_bytes
    packed = _raster(data, header, np.dtype(np.uint8), raster_bytes)
    rows = packed.reshape(header.height, row_bytes)
    return np.unpackbits(rows, axis=1, count=header.width)[:, :, np.newaxis]


def _plain_samples(data: bytes, header: _Header) -> Pixels:
    raster = _plain_raster(data, header)
    if raster.translate(None, b"0123456789" + _WHITE_SPACE):
        raise DamagedImageError("is damaged: a sample of this plain Netpbm file is not a number")
    # NumPy returns memory as it is for numbers that are missing.
    digits = np.frombuffer(raster, np.uint8) >= ord("0")
    _check_length(int(np.count_nonzero(digits[1:] > digits[:-1])) + any(digits[:1]), header.samples)
    # A number too long for int64 becomes its maximum, which no MAXVAL allows.
    samples = np.fromstring(raster, np.int64, header.samples, sep=" ")
    return _shaped(samples, header)


def _binary_samples(data: bytes, header: _Header) -> Pixels:
    return _shaped(_raster(data, header, header.dtype, header.samples), header)


def _raster(
    data: bytes, header: _Header, dtype: np.dtype[np.unsignedinteger[Any]], count: int
) -> Pixels:
    end = header.raster_start + count * dtype.itemsize
    _check_length(len(data), end)
    if _NEXT_IMAGE.match(data, end):
        raise ImageFileError("holds several pictures, want one picture a file: split it first")
    samples: Pixels = np.frombuffer(data, dtype, count, header.raster_start)
    return samples


def _check_length(got: int, want: int) -> None:
    if got < want:
        raise DamagedImageError("is damaged: this Netpbm file ends early")


def _shaped(samples: NDArray[np.integer[Any]], header: _Header) -> Pixels:
    if samples.max() > header.peak:
        raise DamagedImageError(
            f"is damaged: a sample of this Netpbm file is above its MAXVAL of {header.peak}"
        )
    native: Pixels = samples.astype(header.dtype.newbyteorder("="))
    return native.reshape(header.height, header.width, header.depth)


def _decode_pam(data: bytes) -> Decoded:
    head, end, _ = data[:_MAX_HEADER_BYTES].partition(_HEADER_END)
    if not end:
        raise DamagedImageError("is damaged: this PAM file has no ENDHDR")
    fields = _fields(head)
    try:
        width, height, depth, peak = (
            int(fields[name]) for name in ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL")
        )
    except (KeyError, ValueError) as exc:
        raise DamagedImageError(f"is damaged: the PAM header lacks a number ({exc})") from exc
    header = _checked(_Header(height, width, depth, peak, len(head) + len(end)))
    if depth > MAX_CHANNELS + 1:
        raise ImageFileError(f"has {depth} channels, the limit is {MAX_CHANNELS}")
    return _arranged(_binary_samples(data, header), fields.get("TUPLTYPE", ""))


def _fields(head: bytes) -> dict[str, str]:
    lines = (line for line in head.decode("ascii", "replace").splitlines()[1:] if line[:1] != "#")
    pairs = (line.strip().partition(" ") for line in lines)
    return {name: value.strip() for name, _, value in pairs}


def _arranged(pixels: Pixels, kind: str) -> Decoded:
    alpha = kind.endswith(_ALPHA)
    colour = kind.removesuffix(_ALPHA)
    wanted = {"BLACKANDWHITE": 1, "GRAYSCALE": 1, "RGB": 3}.get(colour)
    channels = pixels.shape[2] - alpha
    if wanted is not None and channels != wanted:
        raise DamagedImageError(f"is damaged: {kind} with a DEPTH of {pixels.shape[2]}")
    if wanted is None and alpha:
        channels, alpha = pixels.shape[2], False  # a type of somebody's own: plain channels
    if channels > MAX_CHANNELS:
        raise ImageFileError(f"has {channels} channels, the limit is {MAX_CHANNELS}")
    pixels = np.ascontiguousarray(pixels[:, :, :channels])
    if colour == "BLACKANDWHITE":
        pixels = pixels * pixels.dtype.type(255)
    if channels == 1:
        pixels = pixels[:, :, 0]
    elif colour == "RGB" or (not colour and channels == 3):
        pixels = bgr_of(pixels)
    return Decoded(pixels, "its alpha channel" if alpha else "")
