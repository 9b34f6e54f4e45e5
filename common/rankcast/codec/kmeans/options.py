"""Options of the codec `kmeans`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from rankcast.codec.kmeans.indices import MAX_K
from rankcast.codec.options import CodecOptions

DEFAULT_K: Final = 20
"""As in the article."""


class KMeansOptions(CodecOptions):
    """Options of the encoder."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("k",),)
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"k": DEFAULT_K})

    k: int | None = Field(default=None, ge=1, le=MAX_K)
    """Colours of the palette; if not given 20, or as many as the picture has."""
    max_iter: int = Field(default=10, ge=1, le=1000)
    """Most iterations of a fit, which ends early once no pixel changes its cluster. From 2 to 10
    the first frame also gets more and more swaps of centroids; with 1 it gets none."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Seed of the random samples and starts."""
    start: Literal["random", "kmeans++"] = "kmeans++"
    """How the first frame's centroids are chosen."""
    fewer_colours: Literal["refuse", "code"] = "refuse"
    """What to do with a picture that has fewer colours than a given `k`: refuse it, or code it
    exactly with the colours that it has."""
