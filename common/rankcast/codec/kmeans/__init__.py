"""Codec `kmeans`: vector quantisation of colours, a palette and an index for every pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rankcast.codec.kmeans.decoder import KMeansDecoder, read_palette
from rankcast.codec.kmeans.sweep import COLOURS
from rankcast.codec.protocol import Codec, CodecEncoder

if TYPE_CHECKING:
    from rankcast.codec.kmeans.options import KMeansOptions


def _options() -> type[KMeansOptions]:
    from rankcast.codec.kmeans.options import KMeansOptions

    return KMeansOptions


def _encoder(options: KMeansOptions) -> CodecEncoder:
    from rankcast.codec.kmeans.encoder import KMeansEncoder

    return KMeansEncoder(options)


KMEANS: Final = Codec(
    6, "kmeans", _options, _encoder, KMeansDecoder,
    sender_defaults={"fewer_colours": "code"},  # a dark frame is no wrong setting
    sweeps=(COLOURS,),
)  # fmt: skip

__all__ = ["KMEANS", "KMeansDecoder", "read_palette"]
