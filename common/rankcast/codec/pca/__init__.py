"""Codec `pca`: principal components of the rows or patches of a channel, or of whole pictures."""

from typing import Final

from rankcast.codec.pca.decoder import PcaDecoder
from rankcast.codec.pca.encoder import make_pca_encoder
from rankcast.codec.pca.frames import KIND, frame_model_facts
from rankcast.codec.pca.options import PcaOptions
from rankcast.codec.pca.sweeps import PATCHES, ROWS
from rankcast.codec.protocol import Codec

PCA: Final = Codec(
    5, "pca", PcaOptions, make_pca_encoder, PcaDecoder,
    still_defaults={"engine": "exact"},
    sweeps=(ROWS, PATCHES),
    model_facts={KIND: frame_model_facts},
)  # fmt: skip

__all__ = ["PCA", "PcaDecoder", "PcaOptions", "make_pca_encoder"]
