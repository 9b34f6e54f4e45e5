"""Options of the codec `kmeans`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from rankcast.codec.protocol import CodecOptions

DEFAULT_K: Final = 20
"""As in the article."""
MAX_K: Final = 65_536


class KMeansOptions(CodecOptions):
    """Options of the encoder."""

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("k",),)
    exclusive_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"k": DEFAULT_K})

    k: int | None = Field(default=None, ge=1, le=MAX_K)
    """Colours of the palette; without it 20, or as many as the picture has."""
    max_iter: int = Field(default=10, ge=1, le=1000)
    """Iterations of each fit at most; they end when no pixel changes its cluster. With 1 that is
    all; from 2 to 10 on a first frame gets ever more swaps besides."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Of the random draws of samples and starts."""
    start: Literal["random", "kmeans++"] = "kmeans++"
    """Where the centroids of the first frame begin."""
    fewer_colours: Literal["refuse", "code"] = "refuse"
    """Pictures with fewer colours than a given `k`: refused, or coded exactly with those."""
