"""Features: the settings of a GenICam camera by their names, whichever library reaches them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rankcast_sender.devices.device import Value


@dataclass(frozen=True)
class Limits:
    """What a number of the camera may be now; other settings change it."""

    least: float
    most: float
    step: float = 0
    """Distance of two values from `least` on; 0: any value."""


class Features(Protocol):
    """The features of one open camera, by the names of GenICam's SFNC.

    Methods raise `DeviceError` if the camera is gone, and `RefusedValueError` with the camera's own
    reason if it does not accept a value.
    """

    def readable(self, name: str) -> bool:
        """Return True if the camera has the feature and it can be read now."""

    def writable(self, name: str) -> bool:
        """Return True if the camera has the feature and it can be changed now."""

    def value(self, name: str) -> Value:
        """Return the value: a number, a truth value or the name of a choice."""

    def set_value(self, name: str, value: Value) -> None:
        """Change the value."""

    def limits(self, name: str) -> Limits:
        """Return the limits of a number."""

    def choices(self, name: str) -> Sequence[str]:
        """Return the names that can be chosen now."""

    def execute(self, name: str) -> None:
        """Execute a command."""
