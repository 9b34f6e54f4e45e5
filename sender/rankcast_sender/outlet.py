"""Outlet: where the cameras of a sender publish, whatever carries it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from rankcast.frame import Scalar
from rankcast.recorder import Triggers
from rankcast.runtime import Pulse
from rankcast_sender.camera import Camera
from rankcast_sender.published import RelayedCamera
from rankcast_sender.sockets import Channel, Outgoing


class Outlet(Protocol):
    """What a sender needs of its transport; shared by all of its cameras.

    Add the cameras first, then call `start`.
    """

    @property
    def control(self) -> str:
        """Address of control requests; empty if they are off."""

    @property
    def control_port(self) -> int:
        """Port of the control channel; 0 without one."""

    @property
    def key_state(self) -> Mapping[str, Scalar]:
        """State of the authorised keys; empty without keys."""

    @property
    def records_events(self) -> bool:
        """True if a `record` request starts the recording of an event."""

    @property
    def connections_closed(self) -> int:
        """Connections closed so far because of what their peers sent."""

    @property
    def requests_dropped(self) -> int:
        """Control messages so far that went beyond a budget."""

    @property
    def frames_unsent(self) -> int:
        """Frames so far that were coded and that a server in between did not take."""

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """Pulses of the running threads; `check` reports those that have ended."""

    def add(self, camera: Camera) -> None:
        """Add a camera to publish; call it before `start`.

        Raises
        ------
        SettingsError
            If another camera has its name.
        """

    def add_relayed(self, camera: RelayedCamera) -> None:
        """Add a camera of another sender, from any thread, also while others are published.

        Raises
        ------
        SettingsError
            If another camera has its name.
        """

    def record_on(self, triggers: Triggers | None) -> None:
        """Let clients with the role of an operator pull these triggers; None: no longer."""

    def start(self) -> None:
        """Open what the outlet publishes through.

        Raises
        ------
        RankcastError
            If that is impossible.
        """

    def check(self) -> None:
        """Raise the exception that ended one of the threads, if any."""

    def send(self, channel: Channel, packet: Outgoing) -> bool:
        """Queue one packet; False when `hurry` was called and it will not be sent.

        Raises
        ------
        WorkerError
            If the thread has ended.
        """

    def wait_viewers(
        self, channel: Channel, count: int, stopped: Callable[[], bool], timeout_s: float | None
    ) -> bool:
        """Wait until `count` viewers watch; False when stopped or out of time."""

    def end(self, channel: Channel) -> None:
        """Send the last packet of `channel`, then its end; the other channels continue."""

    def hurry(self) -> None:
        """Stop waiting for viewers, because the user wants to quit."""

    def close(self, impatient: Callable[[], bool] = ...) -> None:
        """Send the end messages and release everything; may be called twice.

        Parameters
        ----------
        impatient : callable
            Called ten times a second while viewers take the last messages; true ends the wait.

        Raises
        ------
        WorkerError
            If a thread is stuck.
        """
