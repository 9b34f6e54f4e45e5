"""Selection: which of the cameras is selected, and whether it is shown alone."""

from __future__ import annotations

from collections.abc import Sequence


class Selection:
    """The cameras of a window by name, and the one that keys act on.

    Sorted by name, so that no camera moves when another one is faster.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self.selected: str | None = None
        self.alone = False
        """True while the window shows the selected camera only."""

    @property
    def names(self) -> Sequence[str]:
        """All cameras."""
        return self._names

    @property
    def shown(self) -> Sequence[str]:
        """The cameras that the window shows."""
        return [self.selected] if self.alone and self.selected is not None else self._names

    @property
    def only(self) -> str | None:
        """The selected camera, or the only one there is; else None."""
        return self._names[0] if len(self._names) == 1 else self.selected

    @property
    def acted_on(self) -> Sequence[str]:
        """The selected camera, or all."""
        return self._names if self.selected is None else [self.selected]

    def add(self, name: str) -> None:
        """Add a camera."""
        self._names = sorted({*self._names, name})

    def number(self, name: str) -> int:
        """Return the number of a camera, from 1."""
        return self._names.index(name) + 1

    def select_number(self, number: int) -> bool:
        """Select a camera by its number; return False if there is none."""
        if not 1 <= number <= len(self._names):
            return False
        self.select(self._names[number - 1])
        return True

    def select(self, name: str) -> None:
        """Select a camera; with one camera there is nothing to select."""
        if len(self._names) > 1:
            self.selected = name

    def switch_alone(self) -> bool:
        """Show the selected camera alone, or all; return False if none is selected."""
        if self.selected is None:
            return False
        self.alone = not self.alone
        return True

    def back(self) -> bool:
        """Go from one camera to all, then to none selected; return False if neither is left."""
        if self.alone:
            self.alone = False
        elif self.selected is not None:
            self.selected = None
        else:
            return False
        return True
