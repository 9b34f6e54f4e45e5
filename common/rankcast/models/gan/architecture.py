"""Architecture of the networks of codec `gan`: sizes and labels, checked before allocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rankcast.errors import ModelError, SettingsError

BLOCK: Final = 8
"""Each position of the code covers 8 x 8 pixels."""
VERSION: Final = 1
MAX_WIDTH: Final = 256
MAX_LABELS: Final = 64
MAX_LABEL_LENGTH: Final = 64
MAX_BACKGROUND_SIDE: Final = 8192


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of the networks, and the labels they were trained for."""

    labels: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    """Height and width of each label's background; (0, 0) is a single colour for any size."""
    luma: int = 36
    """Channels of the code initialised as frequencies of Y, 1 to 64."""
    chroma: int = 10
    """The same for each of Cb and Cr."""
    width: int = 32
    """Channels of the hidden layers."""

    @property
    def channels(self) -> int:
        """Channels of the code."""
        return self.luma + 2 * self.chroma

    def described(self) -> dict[str, Any]:
        """Return plain JSON for the model file, which `architecture_from` reads."""
        return {
            "network": VERSION,
            "labels": list(self.labels),
            "sizes": [list(size) for size in self.sizes],
            "luma": self.luma,
            "chroma": self.chroma,
            "width": self.width,
        }


def architecture_from(description: Mapping[str, Any]) -> Architecture:
    """Read an architecture that `Architecture.described` wrote.

    Raises
    ------
    ModelError
        If its version differs or it exceeds a limit.
    """
    if description.get("network") != VERSION:
        raise ModelError(
            f"got network version {description.get('network')!r:.20}, want {VERSION}: retrain the "
            "model, or update Rankcast"
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
    """Check before training that a model file can store the labels.

    Raises
    ------
    SettingsError
        If there are none or too many, or one is too long, empty, not printable or a duplicate.
    """
    if not 1 <= len(labels) <= MAX_LABELS:
        raise SettingsError(f"got {len(labels)} labels, want 1 to {MAX_LABELS}")
    for number, label in enumerate(labels):
        if not _is_label(label):
            raise SettingsError(
                f"got label {label!r:.80}, want 1 to {MAX_LABEL_LENGTH} printable characters: "
                "choose another with --label NAME"
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
