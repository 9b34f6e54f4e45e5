"""Codec `pca`: principal components of the rows or patches of a channel, or of whole pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rankcast.codec.pca.decoder import PcaDecoder
from rankcast.codec.pca.frames import KIND, frame_model_facts
from rankcast.codec.pca.sweeps import PATCHES, ROWS
from rankcast.codec.protocol import Codec, CodecEncoder

if TYPE_CHECKING:
    from rankcast.codec.pca.options import PcaOptions


def _options() -> type[PcaOptions]:
    from rankcast.codec.pca.options import PcaOptions

    return PcaOptions


def _encoder(options: PcaOptions) -> CodecEncoder:
    from rankcast.codec.pca.encoder import make_pca_encoder

    return make_pca_encoder(options)


PCA: Final = Codec(
    5, "pca", _options, _encoder, PcaDecoder,
    still_defaults={"engine": "exact"},
    sweeps=(ROWS, PATCHES),
    model_facts={KIND: frame_model_facts},
)  # fmt: skip

__all__ = ["PCA", "PcaDecoder"]
