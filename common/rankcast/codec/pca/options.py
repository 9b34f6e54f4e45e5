"""Options of the codec `pca`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from rankcast.codec.options import CodecOptions, PathOption
from rankcast.codec.pca.layout import DEFAULT_VARIANCE, MAX_PATCH


class PcaOptions(CodecOptions):
    """Options of the encoder; `variance` and `components` exclude each other."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("variance", "components"),)
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"variance": DEFAULT_VARIANCE}
    )

    variance: float | None = Field(default=None, gt=0.0, le=1.0)
    """Share of the variance of the standardised variables to keep, in (0, 1]."""
    components: int | None = Field(default=None, ge=1)
    """Number of components to keep."""
    layout: Literal["rows", "patches", "frames"] = "rows"
    """What one observation is: a row of a channel, a patch of it, or the whole picture."""
    patch: int | None = Field(default=None, ge=2, le=MAX_PATCH)
    """Side of the patches with ``layout=patches``; 8 if not given."""
    model: PathOption | None = None
    """Model file of ``rankcast train pca``, for ``layout=frames``."""
    engine: Literal["exact", "warm"] = "warm"
    """How components are found: all eigenvectors of the covariance, or starting from those of the
    last frame."""

    @model_validator(mode="after")
    def _options_fit_the_layout(self) -> PcaOptions:
        if (self.layout == "frames") != (self.model is not None):
            raise ValueError(
                f"got layout={self.layout} {'without' if self.model is None else 'with'} model, "
                "want layout=frames and a model together (rankcast train pca makes one)"
            )
        if self.patch is not None and self.layout != "patches":
            raise ValueError(f"got patch with layout={self.layout}, want it with layout=patches")
        return self
