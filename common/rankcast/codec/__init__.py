"""The one table of all codecs: wire id -> codec, name -> codec.

A codec is one file with its encoder and decoder halves side by side. Both are
stateful: one pair a stream. This is the only place that knows them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rankcast.codec.gan import GAN
from rankcast.codec.jpeg import JPEG
from rankcast.codec.kmeans import KMEANS
from rankcast.codec.lossless import LOSSLESS
from rankcast.codec.pca import PCA
from rankcast.codec.protocol import Codec
from rankcast.codec.raw import RAW
from rankcast.codec.svd import SVD
from rankcast.codec.svd_patch import SVD_PATCH
from rankcast.errors import SettingsError, UnknownCodecError

CODECS: Mapping[int, Codec] = MappingProxyType(
    {0: RAW, 1: SVD, 2: JPEG, 3: SVD_PATCH, 4: LOSSLESS, 5: PCA, 6: KMEANS, 7: GAN}
)
CODECS_BY_NAME: Mapping[str, Codec] = MappingProxyType(
    {codec.name: codec for codec in CODECS.values()}
)
DEFAULT_CODEC = "svd-patch"
"""Of `rankcast send` and `Encoder()`; the offline commands begin with `svd`, the articles' job."""


def codec_named(name: str) -> Codec:
    """Look a codec up for encoding.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    try:
        return CODECS_BY_NAME[name]
    except KeyError:
        raise SettingsError(
            f"got codec {name!r:.60}, want one of {', '.join(CODECS_BY_NAME)}"
        ) from None


def codec_with_id(wire_id: int | None) -> Codec:
    """Look a codec up for decoding.

    Raises
    ------
    UnknownCodecError
        If this installation has none of that id.
    """
    try:
        return CODECS[-1 if wire_id is None else wire_id]
    except KeyError:
        raise UnknownCodecError(
            f"got codec id {wire_id}, this installation has {', '.join(map(str, CODECS))}: "
            "update the receiver"
        ) from None
