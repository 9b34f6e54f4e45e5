"""Cameras as what publishes them sees them."""

from __future__ import annotations

from typing import Protocol

from rankcast_sender.camera import MakeJoins, SenderFacts
from rankcast_sender.control import ControlledCamera, WatchedCamera
from rankcast_sender.sockets import Channel


class Published(Protocol):
    """What is sent of a camera."""

    channel: Channel
    sender: SenderFacts | None
    """What publishes it; set by that."""


class OwnCamera(ControlledCamera, Published, Protocol):
    """A camera of this station."""

    def join_midway(self, make_joins: MakeJoins) -> None:
        """Let viewers join in the middle of a group; called before they can."""


class RelayedCamera(WatchedCamera, Published, Protocol):
    """A camera of another sender."""
