"""What a network of codec `gan` looks like: sizes and labels, checked before anything is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rankcast.errors import ModelError, SettingsError
from rankcast.printable import printable

BLOCK: Final = 8
"""One position of the code stands for 8 x 8 pixels."""
VERSION: Final = 1
MAX_WIDTH: Final = 256
MAX_LABELS: Final = 64
MAX_LABEL_LENGTH: Final = 64
MAX_BACKGROUND_SIDE: Final = 8192


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of the networks, and the labels they know."""

    labels: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    """Height and width of each label's background; (0, 0) is one colour, for pictures of any
    size."""
    luma: int = 36
    """Channels of the code that begin as frequencies of Y; 1 to 64."""
    chroma: int = 10
    """The same of each of Cb and Cr."""
    width: int = 32
    """Channels of the hidden layers."""

    @property
    def channels(self) -> int:
        """Channels of the code."""
        return self.luma + 2 * self.chroma

    def described(self) -> dict[str, Any]:
        """Plain JSON for the model file; `architecture_from` reads it."""
        return {
            "network": VERSION,
            "labels": list(self.labels),
            "sizes": [list(size) for size in self.sizes],
            "luma": self.luma,
            "chroma": self.chroma,
            "width": self.width,
        }


def architecture_from(description: Mapping[str, Any]) -> Architecture:
    """Read what `Architecture.described` wrote.

    Raises
    ------
    ModelError
        If it is another version or asks for more than the limits.
    """
    if description.get("network") != VERSION:
        raise ModelError(
            f"the network is of version {description.get('network')!r:.20}, this is version "
            f"{VERSION}: train it again, or update Rankcast"
        )
    luma = _whole(description, "luma", 1, BLOCK * BLOCK)
    chroma = _whole(description, "chroma", 1, BLOCK * BLOCK)
    width = _whole(description, "width", 1, MAX_WIDTH)
    labels, sizes = description.get("labels"), description.get("sizes")
    if (
        not isinstance(labels, list)
        or not isinstance(sizes, list)
        or not 1 <= len(labels) == len(sizes) <= MAX_LABELS
        or not all(_is_label(name) for name in labels)
        or len(set(labels)) != len(labels)
        or not all(_is_size(size) for size in sizes)
    ):
        raise ModelError(
            f"want 1 to {MAX_LABELS} labels of 1 to {MAX_LABEL_LENGTH} printable characters, "
            f"each with a background of at most {MAX_BACKGROUND_SIDE} a side"
        )
    return Architecture(tuple(labels), tuple((h, w) for h, w in sizes), luma, chroma, width)


def check_labels(labels: Sequence[str]) -> None:
    """Refuse names of cameras that no model could keep, before anything is trained for them.

    Raises
    ------
    SettingsError
        If there are none or too many, or one is too long, empty, not printable or there twice.
    """
    if not 1 <= len(labels) <= MAX_LABELS:
        raise SettingsError(f"got {len(labels)} labels, a model knows 1 to {MAX_LABELS}")
    for number, label in enumerate(labels):
        if not _is_label(label):
            raise SettingsError(
                f"got label {printable(label)!r:.80}, want 1 to {MAX_LABEL_LENGTH} printable "
                "characters: --label NAME gives another"
            )
        if label in labels[:number]:
            raise SettingsError(f"got label {label!r} twice")


def _is_label(label: object) -> bool:
    return isinstance(label, str) and 1 <= len(label) <= MAX_LABEL_LENGTH and label.isprintable()


def _is_size(size: object) -> bool:
    if not isinstance(size, list) or len(size) != 2:
        return False
    if any(type(side) is not int or not 0 <= side <= MAX_BACKGROUND_SIDE for side in size):
        return False
    return (size[0] == 0) == (size[1] == 0)


def _whole(description: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = description.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ModelError(f"{name} of the network is {value!r:.40}, want {least} to {most}")
    return value
