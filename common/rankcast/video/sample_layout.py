"""Sample layout: the array type for each FFmpeg pixel format.

========================================  ============  ======  ================
pixel format                              shape         dtype   significant bits
========================================  ============  ======  ================
``gray``, ``ya8``, ``monow``, ``monob``   (H, W)        uint8   8
``gray9`` to ``gray16``, ``ya16``         (H, W)        uint16  of the format
``bayer_*8``                              (H, W), cfa   uint8   8
``bayer_*16``                             (H, W), cfa   uint16  16
RGB and YUV of up to 8 bits, ``pal8``     (H, W, 3)     uint8   8
RGB and YUV of 9 to 16 bits, ``p010``     (H, W, 3)     uint16  of the format
========================================  ============  ======  ================

Samples of 9 to 15 bits occupy the low bits, as cameras deliver them: white in ``yuv420p10le`` is
1023. Colour is BGR and alpha is dropped. Floating-point formats and CIE XYZ are rejected.
"""

from __future__ import annotations

from dataclasses import dataclass

from av.video.format import VideoFormat

from rankcast.errors import SourceError


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """Array type for the frames of one pixel format."""

    channels: int
    """Number of channels, 1 or 3."""
    bits: int
    """Significant bits per sample; more than 8 become uint16."""
    cfa: str = ""
    """Colour filter array of a mosaic, such as ``RGGB``."""

    @property
    def significant_bits(self) -> int:
        """As `Frame.significant_bits`: 0 if every bit of the dtype is used."""
        return 0 if self.bits in (8, 16) else self.bits

    @property
    def target(self) -> str:
        """Packed format requested from FFmpeg: one plane in native byte order."""
        if self.cfa:
            return f"bayer_{self.cfa.lower()}" + ("8" if self.bits == 8 else "16le")
        if self.channels == 1:
            return "gray" if self.bits == 8 else f"gray{self.bits}le"
        return "bgr24" if self.bits == 8 else "bgr48le"


def layout_of(pixel_format: VideoFormat) -> SampleLayout:
    """Choose the array type for a pixel format.

    Raises
    ------
    SourceError
        If the samples are neither 8 nor 16 bits unsigned, nor convertible to them without loss.
    """
    name = pixel_format.name
    if pixel_format.is_bayer:
        # Their components count the bits of a 2 x 2 pattern; the name states the bits per sample.
        return SampleLayout(1, 16 if "16" in name else 8, name.removeprefix("bayer_")[:4].upper())
    samples = [one for one in pixel_format.components if not one.is_alpha]
    bits = max(one.bits for one in samples)
    if bits > 16 or "f16" in name or name.startswith("xyz"):
        raise SourceError(
            f"pixel format {name} is not supported: convert the clip to 8 to 16 bits grey, RGB "
            "or YUV"
        )
    if len(samples) == 1 and not pixel_format.has_palette and not pixel_format.is_rgb:
        return SampleLayout(1, max(8, bits))
    return SampleLayout(3, max(8, bits))
