"""Options of the codec `pca`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from rankcast.codec.protocol import CodecOptions

LAYOUTS: Final = ("rows", "patches", "frames")
DEFAULT_VARIANCE: Final = 0.98
DEFAULT_PATCH: Final = 8
MAX_PATCH: Final = 64


class PcaOptions(CodecOptions):
    """Options of the encoder; at most one of `variance` and `components`."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("variance", "components"),)
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"variance": DEFAULT_VARIANCE}
    )

    variance: float | None = Field(default=None, gt=0.0, le=1.0)
    """Share of the variance of the standardised variables to keep, in (0, 1]."""
    components: int | None = Field(default=None, ge=1)
    """Number of components to keep."""
    layout: Literal["rows", "patches", "frames"] = "rows"
    """What an observation is: a row of a channel, a patch of one, or the whole picture."""
    patch: int | None = Field(default=None, ge=2, le=MAX_PATCH)
    """Side of the patches, with ``layout=patches``; 8 without it."""
    model: str | None = Field(default=None, min_length=1)
    """Model file of ``rankcast train pca``, for ``layout=frames``."""
    engine: Literal["exact", "warm"] = "warm"
    """How components are found: all eigenvectors of the covariance, or from where the last frame
    ended."""

    @model_validator(mode="after")
    def _options_fit_the_layout(self) -> PcaOptions:
        if (self.layout == "frames") != (self.model is not None):
            raise ValueError(
                "layout=frames wants a model (rankcast train pca makes one), "
                "and no other layout takes one"
            )
        if self.patch is not None and self.layout != "patches":
            raise ValueError(f"got patch with layout={self.layout}, want it with layout=patches")
        return self
