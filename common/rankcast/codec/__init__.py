"""The codec table: wire id -> codec, name -> codec.

A codec is a file or a folder here whose last object is its row, a `Codec`: encoder and decoder,
options, and whatever sender, receiver and commands need to know of it. A new codec is added to
`_ROWS` and nowhere else. A row is imported when it is first asked for: who decodes `svd-patch`
waits for no other codec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from rankcast.codec.protocol import Codec
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

Key = TypeVar("Key")


class _Row(NamedTuple):
    """Where a row of the table is."""

    wire_id: int
    name: str
    module: str
    constant: str

    def load(self) -> Codec:
        """Import the row."""
        row: Codec = getattr(import_module(self.module), self.constant)
        return row


_ROWS: Final = (
    _Row(0, "raw", "rankcast.codec.raw", "RAW"),
    _Row(1, "svd", "rankcast.codec.svd", "SVD"),
    _Row(2, "jpeg", "rankcast.codec.jpeg", "JPEG"),
    _Row(3, "svd-patch", "rankcast.codec.svd_patch", "SVD_PATCH"),
    _Row(4, "lossless", "rankcast.codec.lossless", "LOSSLESS"),
    _Row(5, "pca", "rankcast.codec.pca", "PCA"),
    _Row(6, "kmeans", "rankcast.codec.kmeans", "KMEANS"),
    _Row(7, "gan", "rankcast.codec.gan", "GAN"),
)


class _Codecs(Mapping[Key, Codec]):
    """Codecs by a key; a value is imported by the first look at it, keys and `in` import none."""

    def __init__(self, rows: Mapping[Key, _Row]) -> None:
        self._rows: Mapping[Key, _Row] = rows

    def __getitem__(self, key: Key) -> Codec:
        return self._rows[key].load()

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Key]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


CODECS: Final[Mapping[int, Codec]] = _Codecs({row.wire_id: row for row in _ROWS})
CODECS_BY_NAME: Final[Mapping[str, Codec]] = _Codecs({row.name: row for row in _ROWS})
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
