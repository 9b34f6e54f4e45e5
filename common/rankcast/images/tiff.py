"""TIFF through tifffile: photometrics that convert exactly to grey, BGR or plain channels."""

from __future__ import annotations

import io
import logging
from typing import Any, Final

import numpy as np

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import MAX_CHANNELS, Pixels, channels_of
from rankcast.images.decoded import Decoded, bgr_of, check_size
from rankcast.images.orientation import UPRIGHT, upright

# A damaged file makes tifffile log hundreds of lines; DamagedImageError needs only one.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

SIGNATURES: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Values of TIFF 6.0; mosaics are of TIFF/EP.
_WHITE_IS_ZERO: Final = 0
_BLACK_IS_ZERO: Final = 1
_RGB: Final = 2
_PALETTE: Final = 3
_YCBCR: Final = 6
_CFA: Final = 32803
_BASE_CHANNELS: Final = {
    _WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _YCBCR: 3, _CFA: 1,
}  # fmt: skip
_NAMES: Final = {4: "mask", 5: "CMYK", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*",
                 32844: "LogL", 32845: "LogLuv", 34892: "linear raw"}  # fmt: skip
_UNSIGNED: Final = (1, 4)
_FORMATS: Final = {2: "signed", 3: "floating-point", 5: "complex integer", 6: "complex"}
_ALPHA: Final = (1, 2)
"""Kinds of extra samples that are alpha: associated and unassociated; 0 is unspecified."""
_REDUCED_OR_MASK: Final = 1 | 4
"""Bits of NewSubfileType: a thumbnail, a transparency mask."""
_JPEG: Final = 7
_EXPANDED_BITS: Final = (1, 2, 4)
_ORIENTATION_TAG: Final = 274
# More pages than a file with one picture, its thumbnails and its masks contains.
_EXAMINED_PAGES: Final = 64


def decode_tiff(data: bytes) -> Decoded:
    """Decode the picture of a TIFF file.

    Colour becomes BGR, palettes are resolved, WhiteIsZero is inverted. Alpha is dropped; colour
    premultiplied by associated alpha is returned as stored, which is the picture over black.
    Unspecified extra samples become additional channels. 1, 2 and 4 bits are expanded to the full
    scale of 8; 9 to 15 bits occupy the upper bits of 16.

    Raises
    ------
    DamagedImageError
        If the structure is broken or the data do not decode.
    ImageFileError
        If the samples cannot be represented exactly in 8 or 16 unsigned bits, or the file contains
        several pictures.
    """
    import tifffile  # loaded at the first file, as in png.py

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return _decode(file)
    except (ImageFileError, MemoryError):
        raise
    except Exception as exc:
        # tifffile passes on any exception of its parser and its decompressors.
        reason = " ".join(str(exc).split()) or type(exc).__name__
        raise DamagedImageError(f"is damaged: tifffile reports {reason}") from exc


def _decode(file: Any) -> Decoded:
    page = _first_page(file)
    extras = _check_page(page)
    _check_single(file.pages)
    _check_compression(page)
    try:
        samples: Pixels = page.asarray(maxworkers=1)
    except NotImplementedError as exc:
        raise ImageFileError(f"is a TIFF that tifffile cannot decode: {exc}") from exc
    if page.axes == "SYX":
        samples = np.moveaxis(samples, 0, 2)
    samples = samples.reshape(page.imagelength, page.imagewidth, -1)
    bits: int = page.bitspersample
    if page.photometric == _PALETTE:
        pixels = _through_palette(samples[:, :, 0], np.asarray(page.colormap))
    else:
        pixels = _arranged(samples, page.photometric, bits, extras)
    tag = page.tags.get(_ORIENTATION_TAG)
    turned = upright(pixels, UPRIGHT if tag is None else int(tag.value))
    alpha = any(extra in _ALPHA for extra in extras)
    return Decoded(turned, "its alpha channel" if alpha else "")


def _first_page(file: Any) -> Any:
    # tifffile is only partly typed: the contents of a page are not.
    return file.pages[0]


def _check_page(page: Any) -> tuple[int, ...]:
    """Reject pages that cannot be represented exactly; return the kinds of the extra samples."""
    photometric, channels = int(page.photometric), page.samplesperpixel
    check_size(page.imagelength, page.imagewidth, channels)
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ImageFileError(f"contains data of axes {page.axes}, want one picture")
    if page.sampleformat not in _UNSIGNED:
        kind = _FORMATS.get(page.sampleformat, "unknown")
        raise ImageFileError(f"contains {kind} samples, want 8 or 16 bits unsigned")
    bits = page.bitspersample
    if not isinstance(bits, int) or (bits not in _EXPANDED_BITS and not 8 <= bits <= 16):
        raise ImageFileError(
            f"contains samples of {bits} bits, want 1, 2, 4 or 8 to 16 bits unsigned"
        )
    base = _BASE_CHANNELS.get(photometric)
    if base is None or (photometric == _YCBCR and page.compression != _JPEG):
        name = "YCbCr" if photometric == _YCBCR else _NAMES.get(photometric, str(photometric))
        raise ImageFileError(
            f"is a TIFF of photometric {name}, which has no exact RGB equivalent: "
            "convert it to RGB or grey"
        )
    if channels < base or (channels > 1 and photometric in (_PALETTE, _CFA)):
        raise DamagedImageError(f"is damaged: photometric {photometric} with {channels} channels")
    if bits < 8 and channels > base:
        raise ImageFileError(f"contains extra samples of {bits} bits, want 8 or 16")
    extras: tuple[int, ...] = tuple(int(extra) for extra in page.extrasamples)[: channels - base]
    extras = (0,) * (channels - base - len(extras)) + extras
    kept = base + sum(extra not in _ALPHA for extra in extras)
    if kept > MAX_CHANNELS:
        raise ImageFileError(f"has {kept} channels, the limit is {MAX_CHANNELS}")
    return extras


def _check_single(pages: Any) -> None:
    for index in range(1, min(len(pages), _EXAMINED_PAGES)):
        if not int(pages[index].subfiletype) & _REDUCED_OR_MASK:
            raise ImageFileError(
                f"contains {len(pages)} pages, want one picture per file: split it first"
            )


def _check_compression(page: Any) -> None:
    import tifffile

    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression]
    except KeyError as exc:
        compression = getattr(page.compression, "name", page.compression)
        raise ImageFileError(
            f"is a TIFF of compression {compression}, which cannot be decoded: save it with LZW"
        ) from exc


def _arranged(samples: Pixels, photometric: int, bits: int, extras: tuple[int, ...]) -> Pixels:
    """Scale the samples to their dtype, drop alpha and order colour as BGR."""
    base = samples.shape[2] - len(extras)
    kept = [*range(base), *(base + i for i, extra in enumerate(extras) if extra not in _ALPHA)]
    pixels: Pixels = samples[:, :, kept].astype(np.uint8 if bits <= 8 else np.uint16)
    peak = (1 << bits) - 1
    if photometric == _WHITE_IS_ZERO:
        pixels[:, :, 0] = peak - pixels[:, :, 0]
    if bits < 8:
        pixels = pixels * np.uint8(255 // peak)
    elif 8 < bits < 16:
        pixels = pixels << np.uint16(16 - bits)
    if base == 3:
        pixels[:, :, :3] = pixels[:, :, 2::-1].copy()
    return np.ascontiguousarray(pixels[:, :, 0] if len(kept) == 1 else pixels)


def _through_palette(indices: Pixels, palette: Pixels) -> Pixels:
    """Resolve a 16-bit colour map, to 8 bits if they represent it exactly."""
    if palette.max(initial=0) < 256:  # some writers store 8-bit values unscaled
        colours = palette.astype(np.uint8)
    elif not (palette % 257).any() or not (palette % 256).any():
        colours = (palette >> 8).astype(np.uint8)
    else:
        colours = palette.astype(np.uint16)
    if int(indices.max(initial=0)) >= colours.shape[1]:
        raise DamagedImageError("is damaged: a pixel is not in the colour map")
    resolved: Pixels = np.ascontiguousarray(colours[::-1].T[indices])
    return resolved


def encode_tiff(pixels: Pixels, tag: bytes | None) -> bytes:
    """Encode a picture of any number of channels as uncompressed TIFF.

    Parameters
    ----------
    pixels : ndarray
    tag : bytes, optional
        Written as ImageDescription.
    """
    colour = channels_of(pixels.shape) == 3
    import tifffile  # loaded at the first file, as in png.py

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        bgr_of(pixels) if colour else pixels,
        photometric="rgb" if colour else "minisblack",
        planarconfig="contig" if pixels.ndim == 3 else None,
        description=tag,
        metadata=None,
        software=False,
    )
    return buffer.getvalue()


def tiff_text(data: bytes) -> bytes | None:
    """Read the ImageDescription of a TIFF file as UTF-8; None if it has none."""
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            text: object = _first_page(file).description
    except MemoryError:
        raise
    except Exception:  # see decode_tiff; a file without a readable page has no text
        return None
    return text.encode("utf-8", "replace") or None if isinstance(text, str) else None
