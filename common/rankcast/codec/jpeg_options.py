"""Options of the encoder of `jpeg`."""

from __future__ import annotations

from pydantic import Field

from rankcast.codec.options import CodecOptions


class JpegOptions(CodecOptions):
    """Options of the encoder."""

    quality: int = Field(default=75, ge=1, le=100)
    """libjpeg's quality, 1..100."""
