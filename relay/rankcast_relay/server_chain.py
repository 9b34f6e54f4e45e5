"""ServerChain: which packets of a camera are worth sending to a NATS server."""

from __future__ import annotations

from collections.abc import Callable

from rankcast.runtime import NOBODY_WATCHING, SLOW_SERVER
from rankcast.wire import Header
from rankcast_sender.sockets import Channel


class ServerChain:
    """Follows what a server has got of a chain of packets.

    One viewer alone cannot be reached there, so that those which join need a key frame.

    Parameters
    ----------
    channel : Channel
    ask_keyframe : callable
        Asks the camera for a key frame, for the viewer with an individual topic, or for all: b"".
    """

    def __init__(self, channel: Channel, ask_keyframe: Callable[[bytes], object]) -> None:
        self._channel = channel
        self._ask_keyframe = ask_keyframe
        self._predicts = False
        """True once a packet of the stream has needed another one."""
        self._lacks_key = False
        """True from a packet that the server did not take to the next key frame."""

    def restart(self) -> None:
        """Begin with another stream."""
        self._predicts = self._lacks_key = False

    def unwanted(self, header: Header) -> str:
        """Return the cause of loss of a packet that is not worth sending; empty for others."""
        if header.kind.is_start:
            self._lacks_key = False
        else:
            self._predicts = True
        if not self._channel.viewers:
            return NOBODY_WATCHING
        if self._channel.congested():
            self._break()
        # Nobody could decode what is predicted from a packet that was left out.
        return SLOW_SERVER if self._lacks_key else ""

    def not_taken(self) -> None:
        """Note that the server did not take a packet; from any thread."""
        if self._predicts:
            self._break()

    def joined(self, topic: bytes) -> None:
        """Note a viewer that has joined; from any thread."""
        if self._predicts:
            self._ask_keyframe(topic)

    def _break(self) -> None:
        """Send nothing before the next key frame."""
        if not self._lacks_key:
            self._lacks_key = True
            self._ask_keyframe(b"")
