"""Codec `kmeans`: vector quantisation of colours, a palette and an index for every pixel."""

from typing import Final

from rankcast.codec.kmeans.decoder import KMeansDecoder, read_palette
from rankcast.codec.kmeans.encoder import KMeansEncoder
from rankcast.codec.kmeans.options import KMeansOptions
from rankcast.codec.kmeans.sweep import COLOURS
from rankcast.codec.protocol import Codec

KMEANS: Final = Codec(
    6, "kmeans", KMeansOptions, KMeansEncoder, KMeansDecoder,
    sender_defaults={"fewer_colours": "code"},  # a dark frame is no wrong setting
    sweeps=(COLOURS,),
)  # fmt: skip

__all__ = ["KMEANS", "KMeansDecoder", "KMeansEncoder", "KMeansOptions", "read_palette"]
