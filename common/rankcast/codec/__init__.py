"""The codec table: wire id -> codec, name -> codec.

A codec is a file or a folder here whose last object is its row, a `Codec`: encoder and decoder,
options, and whatever sender, receiver and commands need to know of it. A new codec is added to
`CODECS` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rankcast.codec.gan import GAN
from rankcast.codec.jpeg import JPEG
from rankcast.codec.kmeans import KMEANS
from rankcast.codec.lossless import LOSSLESS
from rankcast.codec.pca import PCA
from rankcast.codec.protocol import Codec
from rankcast.codec.raw import RAW
from rankcast.codec.svd import SVD
from rankcast.codec.svd_patch import SVD_PATCH
from rankcast.codec.sweep import ScreeSource, Setting, Steps, Sweep, linear_steps
from rankcast.errors import SettingsError, UnknownCodecError

__all__ = [
    "CODECS",
    "CODECS_BY_NAME",
    "DEFAULT_CODEC",
    "Codec",
    "ScreeSource",
    "Setting",
    "Steps",
    "Sweep",
    "codec_named",
    "codec_with_id",
    "linear_steps",
    "preload_models",
]

CODECS: Final[Mapping[int, Codec]] = MappingProxyType(
    {0: RAW, 1: SVD, 2: JPEG, 3: SVD_PATCH, 4: LOSSLESS, 5: PCA, 6: KMEANS, 7: GAN}
)
CODECS_BY_NAME: Final[Mapping[str, Codec]] = MappingProxyType(
    {codec.name: codec for codec in CODECS.values()}
)
DEFAULT_CODEC: Final = "svd-patch"
"""Default of `rankcast send` and `Encoder()`."""


def codec_named(name: str) -> Codec:
    """Return the codec of that name.

    Raises
    ------
    SettingsError
        If no codec has that name.
    """
    try:
        return CODECS_BY_NAME[name]
    except KeyError:
        raise SettingsError(
            f"got codec {name!r:.60}, want one of {', '.join(CODECS_BY_NAME)}"
        ) from None


def codec_with_id(wire_id: int | None) -> Codec:
    """Return the codec with that id in the packet header.

    Raises
    ------
    UnknownCodecError
        If this installation does not have it.
    """
    try:
        return CODECS[-1 if wire_id is None else wire_id]
    except KeyError:
        raise UnknownCodecError(
            f"got codec id {wire_id}, this installation has {', '.join(map(str, CODECS))}: "
            "update the receiver"
        ) from None


def preload_models(folder: Path, stopped: Callable[[], bool]) -> bool:
    """Load the models in `folder` that would otherwise delay the first packet that needs them.

    Parameters
    ----------
    folder : Path
        Folder of model files (.rkm).
    stopped : callable
        Polled between models; True ends the loading.

    Returns
    -------
    bool
        False if it was stopped.
    """
    loaders = (codec.preload_models for codec in CODECS.values())
    return all(load(folder, stopped) for load in loaders if load is not None)
