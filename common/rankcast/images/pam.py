"""PAM, format P7 of Netpbm, which OpenCV reads with red and blue swapped."""

from __future__ import annotations

from typing import Final

import numpy as np

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import MAX_CHANNELS, Pixels
from rankcast.images.decoded import Decoded, bgr_of, check_size

SIGNATURE: Final = b"P7\n"

_HEADER_END: Final = b"ENDHDR\n"
# Far longer than the few lines of a real header.
_MAX_HEADER_BYTES: Final = 65_536
_ALPHA: Final = "_ALPHA"


def decode_pam(data: bytes) -> Decoded:
    """Decode a PAM file; samples are kept as stored, black and white become 0 and 255.

    Raises
    ------
    DamagedImageError
        If the header is broken or samples are missing.
    ImageFileError
        If the picture is too large.
    """
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
    kind = fields.get("TUPLTYPE", "")
    if min(width, height, depth) < 0 or not 1 <= peak <= 65_535:
        raise DamagedImageError("is damaged: the PAM header contains numbers out of range")
    check_size(height, width, depth)
    if depth > MAX_CHANNELS + 1:
        raise ImageFileError(f"has {depth} channels, the limit is {MAX_CHANNELS}")
    dtype = np.dtype(np.uint8) if peak < 256 else np.dtype(">u2")
    count = height * width * depth
    start = len(head) + len(end)
    if len(data) - start < count * dtype.itemsize:
        raise DamagedImageError("is damaged: this PAM file ends early")
    samples = np.frombuffer(data, dtype, count, start).reshape(height, width, depth)
    pixels: Pixels = samples.astype(dtype.newbyteorder("="))
    return _arranged(pixels, kind)


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
        channels, alpha = pixels.shape[2], False  # a custom tuple type: plain channels
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
