"""CodecSettings: options of a running codec, set in one thread and applied in another."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rankcast.encoder import check_options, replace_options
from rankcast.frame import Scalar, plain_scalar


class CodecSettings:
    """Codec options of one camera.

    Parameters
    ----------
    codec : str
        Name of the codec.
    options : mapping
        The options as given.

    Raises
    ------
    SettingsError
        If the codec or an option is unknown, or a value is not allowed.
    """

    def __init__(self, codec: str, options: Mapping[str, Any]) -> None:
        self._codec = codec
        self._lock = threading.Lock()
        self._options = dict(options)
        self._in_force = _effective(codec, options)
        self._changed = self._touched = False

    @property
    def touched(self) -> bool:
        """True once an option has been changed at run time."""
        with self._lock:
            return self._touched

    @property
    def in_force(self) -> Mapping[str, Scalar]:
        """Options in effect from the next frame on, defaults included."""
        with self._lock:
            return self._in_force

    def check(self, options: Mapping[str, Scalar]) -> None:
        """Validate options for `set` without changing any.

        Raises
        ------
        SettingsError
        """
        with self._lock:
            merged = replace_options(self._codec, self._options, options)
        check_options(self._codec, merged)

    def set(self, options: Mapping[str, Any]) -> None:
        """Change options from the next frame on.

        Raises
        ------
        SettingsError
            If an option is unknown or a value is not allowed; no option changes in that case.
        """
        with self._lock:
            merged = replace_options(self._codec, self._options, options)
            self._in_force = _effective(self._codec, merged)
            self._options = merged
            self._changed = self._touched = True

    def take(self) -> Mapping[str, Any] | None:
        """Return the options for the encoder if they changed since the last call, else None."""
        with self._lock:
            changed, self._changed = self._changed, False
            return self._options if changed else None


def _effective(codec: str, options: Mapping[str, Any]) -> Mapping[str, Scalar]:
    effective = check_options(codec, options).effective()
    return {name: plain_scalar(value) for name, value in effective.items()}
