"""Codec `pca`: principal components of the rows or patches of a channel, or of whole pictures."""

from rankcast.codec.pca.decoder import PcaDecoder
from rankcast.codec.pca.encoder import make_pca_encoder
from rankcast.codec.pca.options import PcaOptions
from rankcast.codec.protocol import Codec

PCA = Codec(5, "pca", PcaOptions, make_pca_encoder, PcaDecoder)

__all__ = ["PCA", "PcaDecoder", "PcaOptions", "make_pca_encoder"]
