"""The format of a clip: what a coder must know before the first frame."""

from __future__ import annotations

from dataclasses import dataclass

from rankcast.frame import Pixels


@dataclass(frozen=True, slots=True)
class ClipFormat:
    """Shape, depth and frame rate that all frames of a clip share."""

    shape: tuple[int, ...]
    """(H, W) or (H, W, 3), both sides even."""
    dtype_bits: int
    """8 or 16."""
    bits: int
    """Bits that carry the picture, 8 to 16, in the low bits of a sample."""
    fps: float
    cfa: str = ""
    """Colour filter array of a mosaic; empty for grey and colour."""

    @classmethod
    def of(cls, pixels: Pixels, fps: float, significant_bits: int = 0, cfa: str = "") -> ClipFormat:
        """Return the format of a frame; 0 significant bits are all bits of its dtype."""
        dtype_bits = 8 * pixels.dtype.itemsize
        return cls(pixels.shape, dtype_bits, significant_bits or dtype_bits, fps, cfa)

    @property
    def colour(self) -> bool:
        """True for three channels."""
        return len(self.shape) == 3

    @property
    def peak(self) -> float:
        """Largest sample of a frame, the peak of PSNR and SSIM."""
        return float((1 << self.bits) - 1)
