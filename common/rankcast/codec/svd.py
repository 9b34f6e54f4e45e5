"""Codec `svd`: truncated SVD of every whole channel; publishes U, s and Vt."""

from __future__ import annotations

from rankcast.codec.protocol import Codec
from rankcast.codec.raw import RawDecoder, RawEncoder, RawOptions

SVD = Codec(1, "svd", RawOptions, RawEncoder, RawDecoder)
