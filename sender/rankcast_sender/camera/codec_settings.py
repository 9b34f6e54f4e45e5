"""CodecSettings: options of a running codec, set in one thread and applied in another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from rankcast.encoder import TrialEncoder, check_options, replace_options, try_options
from rankcast.errors import RankcastError, SettingsError
from rankcast.frame import Scalar, plain_scalar

CONFIRM_S: Final = 0.5
"""Longest wait for the first frame with changed options; clients wait for 3 s in all."""
MAX_TRIES: Final = 3
"""Attempts of `set` while other threads change options too."""


class CodecChange:
    """Options that the codec has started with, on their way to the encode thread.

    Parameters
    ----------
    trial : TrialEncoder
    before : mapping
        The options that they change.
    settings : CodecSettings
    """

    def __init__(
        self, trial: TrialEncoder, before: Mapping[str, Any], settings: CodecSettings
    ) -> None:
        self.trial = trial
        self.before = before
        self._settings = settings
        self._settled = threading.Event()
        self._refusal = ""

    def apply(self) -> bool:
        """Use the options from the next frame on; False if others have changed meanwhile."""
        return self._settings.apply(self)

    def confirm(self) -> str:
        """Return why the first frame with the options could not be coded; empty if it was.

        Waits for that frame where one is due within `CONFIRM_S`, but not where no frame will be
        coded: the codec has started with the options, and a frame that it refuses later brings
        the previous ones back.
        """
        self._settled.wait(CONFIRM_S if self._settings.expects_frame() else 0.0)
        return self._refusal

    def settle(self, refusal: str) -> None:
        """Record that a frame was coded with the options, or why it could not be."""
        self._refusal = refusal
        self._settled.set()


class CodecSettings:
    """Codec options of one camera.

    A change has three steps: any thread starts the codec with the new options (`prepare`) and
    hands it over (`apply`); the encode thread codes a frame with it (`take`) and keeps it or goes
    back to the options of the frame before (`settle`).

    Parameters
    ----------
    codec : str
        Name of the codec.
    options : mapping
        The options as given.
    expects_frame : callable
        Returns True while frames are being coded.

    Raises
    ------
    SettingsError
        If the codec or an option is unknown, or a value is not allowed.
    """

    def __init__(
        self,
        codec: str,
        options: Mapping[str, Any],
        expects_frame: Callable[[], bool] = lambda: False,
    ) -> None:
        self._codec = codec
        self.expects_frame = expects_frame
        self._lock = threading.Lock()
        self.initial: Mapping[str, Any] = dict(options)
        """The options at the start."""
        self._options: Mapping[str, Any] = self.initial
        self._running: Mapping[str, Any] = self.initial
        self._in_force = _effective(codec, options)
        self._pending: CodecChange | None = None
        self._touched = False
        self._refusal = ""

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

    @property
    def refusal(self) -> str:
        """Why the latest change was undone; empty if it was not."""
        with self._lock:
            return self._refusal

    def check(self, options: Mapping[str, Any]) -> None:
        """Validate the values of options, without trying or changing any.

        Raises
        ------
        SettingsError
        """
        with self._lock:
            before = self._options
        check_options(self._codec, replace_options(self._codec, before, options))

    def prepare(self, options: Mapping[str, Any]) -> CodecChange:
        """Start the codec with other options, beside the running one; may take seconds.

        Raises
        ------
        SettingsError
            If the codec cannot start with these options.
        """
        with self._lock:
            before = self._options
        merged = replace_options(self._codec, before, options)
        try:
            trial = try_options(self._codec, merged)
        except SettingsError:
            raise
        except RankcastError as exc:
            raise SettingsError(f"codec {self._codec}: {exc}") from exc
        return CodecChange(trial, before, self)

    def apply(self, change: CodecChange) -> bool:
        """Use `change` from the next frame on; False if other options have changed meanwhile."""
        effective = _effective(self._codec, change.trial.options)
        with self._lock:
            if change.before is not self._options:
                return False
            if self._pending is not None:
                self._pending.settle("")  # it has become a part of this change
            self._options, self._in_force = change.trial.options, effective
            self._pending, self._touched, self._refusal = change, True, ""
            return True

    def set(self, options: Mapping[str, Any]) -> None:
        """Prepare and apply a change.

        Raises
        ------
        SettingsError
            If the codec cannot start with these options; no option changes in that case.
        """
        for _ in range(MAX_TRIES):
            if self.apply(self.prepare(options)):
                return
        raise SettingsError("another program changes the same options: try again")

    # In the encode thread.

    def take(self) -> CodecChange | None:
        """Return the change to code the next frame with; None without one."""
        if self._pending is None:  # nearly every frame: without the lock
            return None
        with self._lock:
            change, self._pending = self._pending, None
            return change

    def settle(self, change: CodecChange, refusal: str = "") -> None:
        """Keep the options of `change`, or go back to those before for the reason `refusal`."""
        if refusal:
            self._go_back(self._running, refusal)
        else:
            with self._lock:
                self._running = change.trial.options
        change.settle(refusal)

    def reset(self, refusal: str) -> None:
        """Go back to the options at the start for the reason `refusal`."""
        self._go_back(self.initial, refusal)

    def _go_back(self, options: Mapping[str, Any], refusal: str) -> None:
        effective = _effective(self._codec, options)
        with self._lock:
            self._running, self._refusal = options, refusal
            if self._pending is None:  # else newer options are already on their way
                self._options, self._in_force = options, effective


def _effective(codec: str, options: Mapping[str, Any]) -> Mapping[str, Scalar]:
    effective = check_options(codec, options).effective()
    return {name: plain_scalar(value) for name, value in effective.items()}
