"""Rankcast: camera images as truncated SVD factors, coded, sent and rebuilt.

The public face of the library that both ends share::

    enc, dec = rankcast.Encoder("svd", rank=0.1), rankcast.Decoder()
    pixels = dec.decode(enc.encode(pixels))
"""

from rankcast.decoder import Decoder
from rankcast.encoder import Encoder
from rankcast.errors import (
    ImageFileError,
    LimitError,
    NeedKeyframe,
    NoStreamError,
    PayloadError,
    RankcastError,
    SettingsError,
    SinkError,
    SourceError,
    TransportError,
    UnknownCodecError,
    UnknownVersionError,
    UnsupportedImageError,
    WireError,
    WorkerError,
)
from rankcast.frame import Coding, Frame
from rankcast.pool import set_threads

__version__ = "0.1.0"

__all__ = [
    "Coding",
    "Decoder",
    "Encoder",
    "Frame",
    "ImageFileError",
    "LimitError",
    "NeedKeyframe",
    "NoStreamError",
    "PayloadError",
    "RankcastError",
    "SettingsError",
    "SinkError",
    "SourceError",
    "TransportError",
    "UnknownCodecError",
    "UnknownVersionError",
    "UnsupportedImageError",
    "WireError",
    "WorkerError",
    "__version__",
    "set_threads",
]
