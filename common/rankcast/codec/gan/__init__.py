"""Codec `gan`: learned encoder, generator and entropy statistics, given the label of a camera.

The table of codecs lists it everywhere; torch (extra ``[gan]``) is imported when it is used.
"""

from __future__ import annotations

from rankcast.codec.gan.halves import GanDecoder, GanEncoder
from rankcast.codec.gan.options import GanOptions
from rankcast.codec.protocol import Codec

GAN = Codec(7, "gan", GanOptions, GanEncoder, GanDecoder)

__all__ = ["GAN", "GanDecoder", "GanEncoder", "GanOptions"]
