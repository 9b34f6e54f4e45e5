"""Options of the codec `svd`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from pydantic import field_validator

from rankcast.codec.options import CodecOptions

DEFAULT_RANK: Final = 0.1


class SvdOptions(CodecOptions):
    """Options of the encoder; `rank`, `energy` and `psnr` exclude each other."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("rank", "energy", "psnr"),)
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"rank": DEFAULT_RANK})

    rank: int | float | None = None
    """Singular values to keep: an int is their number, a float in (0, 1] a share of min(H, W)."""
    energy: float | None = None
    """Share of the sum of squared singular values to keep in every plane, in (0, 1]."""
    psnr: float | None = None
    """PSNR to reach, in dB, on the full scale of the dtype, over all samples."""
    engine: Literal["exact", "randomized", "warm"] = "warm"
    """Algorithm that finds the singular vectors."""
    factors: Literal["coded", "float16", "float32", "float64"] = "coded"
    """How U and V are stored."""
    colour: Literal["bgr", "ycc420"] = "bgr"
    """The channels as they are, or luma and half-size chroma."""

    @field_validator("rank", "energy", "psnr", mode="before")
    @classmethod
    def _is_number(cls, value: Any) -> Any:  # Any: foreign input, before validation
        # Checked here because the error of a union names only the first of its types.
        wrong = isinstance(value, bool) or not isinstance(value, int | float | None)
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError("want a finite number")
        return value

    @field_validator("rank")
    @classmethod
    def _rank_in_range(cls, rank: int | float | None) -> int | float | None:
        if isinstance(rank, int) and rank < 1:
            raise ValueError("want an integer of at least 1, or a share in (0, 1]")
        if isinstance(rank, float) and not 0 < rank <= 1:
            raise ValueError("want a share in (0, 1], or an integer of at least 1")
        return rank

    @field_validator("energy")
    @classmethod
    def _energy_in_range(cls, energy: float | None) -> float | None:
        if energy is not None and not 0 < energy <= 1:
            raise ValueError("want a share in (0, 1]")
        return energy

    @field_validator("psnr")
    @classmethod
    def _psnr_in_range(cls, psnr: float | None) -> float | None:
        if psnr is not None and not 0 < psnr <= 200:
            raise ValueError("want more than 0 and at most 200 dB")
        return psnr
