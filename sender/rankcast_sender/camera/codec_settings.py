"""CodecSettings: options of a running codec, set by one thread and taken over by another."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rankcast.encoder import check_options, replace_options
from rankcast.frame import Scalar, plain_scalar


class CodecSettings:
    """Options of the codec of one camera.

    Parameters
    ----------
    codec : str
        Its name.
    options : mapping
        As they were given.
    in_force : mapping
        All of them, with their defaults, as the encoder says.
    """

    def __init__(self, codec: str, options: Mapping[str, Any], in_force: Mapping[str, Any]) -> None:
        self._codec = codec
        self._lock = threading.Lock()
        self._options = dict(options)
        self._in_force = _plain(in_force)
        self._changed = self._touched = False

    @property
    def touched(self) -> bool:
        """True once options were set after the start."""
        with self._lock:
            return self._touched

    @property
    def in_force(self) -> Mapping[str, Scalar]:
        """What counts from the next frame on."""
        with self._lock:
            return self._in_force

    def check(self, options: Mapping[str, Scalar]) -> None:
        """Refuse what `set` would refuse.

        Raises
        ------
        SettingsError
        """
        check_options(self._codec, replace_options(self._codec, self._options, options))

    def set(self, options: Mapping[str, Any]) -> None:
        """Change options from the next frame on.

        Raises
        ------
        SettingsError
            If an option is unknown or a value is not allowed; nothing is changed then.
        """
        with self._lock:
            merged = replace_options(self._codec, self._options, options)
            self._in_force = _plain(check_options(self._codec, merged).effective())
            self._options = merged
            self._changed = self._touched = True

    def take(self) -> Mapping[str, Any] | None:
        """Options for the encoder, when they were set since the last call; else None."""
        with self._lock:
            changed, self._changed = self._changed, False
            return self._options if changed else None


def _plain(options: Mapping[str, Any]) -> Mapping[str, Scalar]:
    return {name: plain_scalar(value) for name, value in options.items()}
