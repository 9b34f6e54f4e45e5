"""Codec `kmeans`: vector quantisation of colours, a palette and an index for every pixel."""

from rankcast.codec.kmeans.decoder import KMeansDecoder, read_palette
from rankcast.codec.kmeans.encoder import KMeansEncoder
from rankcast.codec.kmeans.options import KMeansOptions
from rankcast.codec.protocol import Codec

KMEANS = Codec(6, "kmeans", KMeansOptions, KMeansEncoder, KMeansDecoder)

__all__ = ["KMEANS", "KMeansDecoder", "KMeansEncoder", "KMeansOptions", "read_palette"]
