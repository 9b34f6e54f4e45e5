"""Screen: what the display draws on, and what a user does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key: a character in lower case, or ``Space``, ``Enter`` or ``Esc``."""

    key: str


@dataclass(frozen=True, slots=True)
class Click:
    """The left button at a pixel of the picture."""

    x: int
    y: int
    double: bool = False


@dataclass(frozen=True, slots=True)
class Drag:
    """A move with the right button held; all moves of one drag name the pixel where it began."""

    x: int
    y: int
    right: int
    """Pixels from the beginning."""
    down: int


Gesture = KeyPress | Click | Drag


class Screen(Protocol):
    """The window that `DisplaySink` draws on."""

    def resize(self, width: int, height: int) -> None:
        """Set the size in pixels; the user may change it afterwards."""

    def area(self) -> tuple[int, int] | None:
        """Return width and height, in pixels, of what `show` fills; None if unknown."""

    def set_full_screen(self, on: bool) -> None:
        """Fill the screen, or return to a window."""

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show a BGR picture."""

    def is_open(self) -> bool:
        """Return False once the window was closed."""

    def gestures(self) -> Sequence[Gesture]:
        """Handle pending events; return what the user did, in order."""

    def close(self) -> None:
        """Close the window; may be called twice."""
