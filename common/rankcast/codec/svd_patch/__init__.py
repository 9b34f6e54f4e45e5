"""Codec `svd-patch`: 2D-SVD of the planes' patches, predicted over time, range-coded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rankcast.codec.protocol import Codec, CodecEncoder
from rankcast.codec.svd_patch.decoder import SvdPatchDecoder
from rankcast.codec.sweep import Sweep, linear_steps

if TYPE_CHECKING:
    from rankcast.codec.svd_patch.options import SvdPatchOptions


def _options() -> type[SvdPatchOptions]:
    from rankcast.codec.svd_patch.options import SvdPatchOptions

    return SvdPatchOptions


def _encoder(options: SvdPatchOptions) -> CodecEncoder:
    from rankcast.codec.svd_patch.encoder import SvdPatchEncoder

    return SvdPatchEncoder(options)


SVD_PATCH: Final = Codec(
    3, "svd-patch", _options, _encoder, SvdPatchDecoder,
    # Whoever lost frames, or opens a recording, finds a key frame every 10 s at any frame rate.
    sender_defaults={"keyframe_interval_s": 10.0},
    sweeps=(
        Sweep(
            "svd-patch", "quality", lambda _: linear_steps(range(1, 101)), symbol="q",
            chroma={"4:2:0": {"colour": "ycc420"}, "4:4:4": {"colour": "ycc444"}},
            # From about 32 to 46 dB on clips of fixed cameras.
            clip_settings=(20, 45, 65, 82, 93),
        ),
    ),
    in_pages=True,
)  # fmt: skip
