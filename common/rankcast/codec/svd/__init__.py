"""Codec `svd`: truncated SVD of every whole channel; publishes U, s and Vt.

The formula, its sources and what each option does stand in docs/methods.md, the bytes in
docs/wire.md. `options`, `encoder` and `decoder` are the codec; `ranks` says how many singular
values are kept, `factoriser` finds them, `coded` and `floats` store them, `bands`
orders what they store by rank, `matrix` and `contexts` are how `coded` does it, `product`
multiplies them, `samples` moves planes in and out of pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rankcast.codec.protocol import Codec, CodecEncoder
from rankcast.codec.svd.bands import Band, cut, cut_to_rank, read_bands
from rankcast.codec.svd.decoder import SvdDecoder, read_factors
from rankcast.codec.svd.product import rebuild
from rankcast.codec.sweep import Sweep, rank_steps

if TYPE_CHECKING:
    from rankcast.codec.svd.options import SvdOptions

_EXACT: Final = {"engine": "exact"}


def _options() -> type[SvdOptions]:
    from rankcast.codec.svd.options import SvdOptions

    return SvdOptions


def _encoder(options: SvdOptions) -> CodecEncoder:
    from rankcast.codec.svd.encoder import SvdEncoder

    return SvdEncoder(options)


SVD: Final = Codec(
    1, "svd", _options, _encoder, SvdDecoder,
    still_defaults=_EXACT,
    sweeps=(
        Sweep(
            "svd", "rank", lambda pixels: rank_steps(min(pixels.shape[:2])),
            options=_EXACT, counts_kept=True,
        ),
    ),
    in_pages=True,
    read_bands=read_bands,
    cut=cut_to_rank,
)  # fmt: skip

__all__ = ["SVD", "Band", "cut", "read_bands", "read_factors", "rebuild"]
