"""Codec `svd-patch`: 2D-SVD of the planes' patches, predicted over time, range-coded."""

from __future__ import annotations

from rankcast.codec.protocol import Codec
from rankcast.codec.svd_patch.decoder import SvdPatchDecoder
from rankcast.codec.svd_patch.encoder import SvdPatchEncoder
from rankcast.codec.svd_patch.options import SvdPatchOptions

SVD_PATCH = Codec(3, "svd-patch", SvdPatchOptions, SvdPatchEncoder, SvdPatchDecoder)
