"""Options of the codec `svd`."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

import numpy as np
from pydantic import field_validator, model_validator

from rankcast.codec.protocol import CodecOptions

FACTORS: Final = ("coded", "float16", "float32", "float64")
COLOURS: Final = ("bgr", "ycc420")
DEFAULT_RANK: Final = 0.1


class SvdOptions(CodecOptions):
    """Options of the encoder; at most one of `rank`, `energy` and `psnr`."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("rank", "energy", "psnr"),)

    rank: int | float | None = None
    """Singular values kept: int is their number, float in (0, 1] a share of min(H, W)."""
    energy: float | None = None
    """Share of the sum of squared singular values to keep in every plane, in (0, 1]."""
    psnr: float | None = None
    """PSNR to reach in dB, on the full scale of the dtype, over all samples."""
    engine: Literal["exact", "randomized", "warm"] = "warm"
    """How singular vectors are found."""
    factors: Literal["coded", "float16", "float32", "float64"] = "coded"
    """How U and V are stored."""
    colour: Literal["bgr", "ycc420"] = "bgr"
    """Channels as they are, or luma and half-size chroma."""

    @field_validator("rank", "energy", "psnr", mode="before")
    @classmethod
    def _is_number(cls, value: Any) -> Any:  # Any: foreign input, before validation
        if isinstance(value, bool) or (isinstance(value, float) and not np.isfinite(value)):
            raise ValueError(f"got {value}, want a number")
        return value

    @model_validator(mode="after")
    def _in_range(self) -> SvdOptions:
        given = [name for name in self.exclusive[0] if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"got {' and '.join(given)}, want at most one of rank, energy, psnr")
        if isinstance(self.rank, int) and self.rank < 1:
            raise ValueError(f"got rank {self.rank}, want an integer of at least 1")
        if isinstance(self.rank, float) and not 0 < self.rank <= 1:
            raise ValueError(f"got rank {self.rank}, want a share in (0, 1] or an integer")
        if self.energy is not None and not 0 < self.energy <= 1:
            raise ValueError(f"got energy {self.energy}, want a share in (0, 1]")
        if self.psnr is not None and not 0 < self.psnr <= 200:
            raise ValueError(f"got psnr {self.psnr}, want 0 to 200 dB")
        return self
