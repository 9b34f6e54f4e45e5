"""Rankcast: camera images encoded as truncated SVD factors, streamed and decoded.

The public API that sender and receiver share::

    enc, dec = rankcast.Encoder("svd", rank=0.1), rankcast.Decoder()
    pixels = dec.decode(enc.encode(pixels))
"""

from importlib import import_module

# Defined here: `python -m` would import `typing` from the current folder at this point.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from rankcast.decoder import Decoder
    from rankcast.encoder import Encoder
    from rankcast.errors import (
        DamagedImageError,
        ImageFileError,
        LimitError,
        NeedKeyframe,
        NoStreamError,
        PayloadError,
        RankcastError,
        RecordingError,
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
    from rankcast.recordings import Recording

__version__ = "0.1.0"

__all__ = [
    "Coding",
    "DamagedImageError",
    "Decoder",
    "Encoder",
    "Frame",
    "ImageFileError",
    "LimitError",
    "NeedKeyframe",
    "NoStreamError",
    "PayloadError",
    "RankcastError",
    "Recording",
    "RecordingError",
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

_HOMES = {
    "Coding": "rankcast.frame",
    "Decoder": "rankcast.decoder",
    "Encoder": "rankcast.encoder",
    "Frame": "rankcast.frame",
    "DamagedImageError": "rankcast.errors",
    "ImageFileError": "rankcast.errors",
    "LimitError": "rankcast.errors",
    "NeedKeyframe": "rankcast.errors",
    "NoStreamError": "rankcast.errors",
    "PayloadError": "rankcast.errors",
    "RankcastError": "rankcast.errors",
    "Recording": "rankcast.recordings",
    "RecordingError": "rankcast.errors",
    "SettingsError": "rankcast.errors",
    "SinkError": "rankcast.errors",
    "SourceError": "rankcast.errors",
    "TransportError": "rankcast.errors",
    "UnknownCodecError": "rankcast.errors",
    "UnknownVersionError": "rankcast.errors",
    "UnsupportedImageError": "rankcast.errors",
    "WireError": "rankcast.errors",
    "WorkerError": "rankcast.errors",
    "set_threads": "rankcast.pool",
}

if not TYPE_CHECKING:  # type checkers know the names from the imports above

    def __getattr__(name: str) -> object:
        """Import on first use: the commands handle signals before numpy and OpenCV are imported."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOMES.keys())
