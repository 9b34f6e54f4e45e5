"""ControlledCamera: the part of a camera that the control channel uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from rankcast.frame import Frame, Scalar
from rankcast.wire import Status
from rankcast_sender.sources import Adjustments


class TriedSettings(Protocol):
    """Codec options that the codec has started with, and does not use yet."""

    def apply(self) -> bool:
        """Use the options from the next frame on; False if others have changed meanwhile."""

    def confirm(self) -> str:
        """Return why the first frame with the options could not be coded; empty if it was.

        Waits for a moment at most, and only while frames are coded.
        """


class WatchedCamera(Protocol):
    """A camera as viewers ask about it; every method may be called from any thread."""

    @property
    def name(self) -> str:
        """Name that viewers see."""

    @property
    def stream_id(self) -> bytes:
        """Random id of this run, or of this loop of a recording."""

    @property
    def state(self) -> str:
        """The state in one word; see docs/wire.md."""

    def status(self) -> Status:
        """Return the current status message."""

    @property
    def key_sequence(self) -> int | None:
        """Sequence number of the newest key frame; None before the first."""

    def request_keyframe(
        self, stream_id: bytes = b"", seen_sequence: int | None = None, viewer: bytes = b""
    ) -> bool:
        """Request a key frame for a viewer; False if a newer one was published a moment ago."""

    def topic_of(self, token: bytes) -> bytes:
        """Return the individual topic of the viewer with this token; empty if there is none."""

    def catch_up(self, token: bytes) -> bool:
        """Return whether the viewer with this token gets what it lacks without a key frame."""

    def credit(self, token: bytes, stream_id: bytes, until: int) -> None:
        """Let a viewer that keeps every frame have those before sequence `until`."""

    def report(
        self,
        viewer: bytes,
        delivered: int,
        lost: int,
        latency_p99_ms: float | None,
        latency_error_ms: float | None,
        network_lost: int = 0,
        late_ms: float | None = None,
        key: str = "",
    ) -> bool:
        """Store the report of one viewer; return False if too many viewers report."""


class ControlledCamera(WatchedCamera, Protocol):
    """A camera of this station as control requests see it."""

    @property
    def codec(self) -> str:
        """Name of the codec."""

    @property
    def option_names(self) -> Collection[str]:
        """Names of the codec options that can be set."""

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Codec options in effect from the next frame on."""

    def check_settings(self, options: Mapping[str, Scalar]) -> None:
        """Validate the values of codec options, at once, without trying or changing any.

        Raises
        ------
        SettingsError
        """

    def try_settings(self, options: Mapping[str, Scalar]) -> TriedSettings:
        """Start the codec with other options, beside the running one; may take seconds.

        Raises
        ------
        SettingsError
            If the codec cannot start with these options.
        """

    @property
    def adjustments(self) -> Adjustments | None:
        """Setting changes for the open source; None if it is closed or not adjustable."""

    def newest_frame(self, timeout_s: float, stopped: Callable[[], bool]) -> Frame | None:
        """Return the newest grabbed frame; None on timeout or once `stopped` returns true."""
