"""WantedTopics: what a receiver subscribes to at one sender."""

from __future__ import annotations

import string
from typing import Final

from rankcast.wire import (
    frames_topic,
    keeper_topic,
    status_topic,
    stream_name,
    viewer_topic,
)
from rankcast_receiver.stream import SenderStreams

EVERY_NAME: Final = tuple(
    character.encode() for character in string.ascii_lowercase + string.digits + "_-"
)
"""Subscriptions that together take every camera, and nothing that is sent to another viewer."""


class WantedTopics:
    """The topics of one receiver, as its cameras and the choices of their streams want them.

    Parameters
    ----------
    streams : SenderStreams
    token : bytes
        Token in the individual topics.
    keeps : bool
        Every frame is to arrive, at the pace of the receiver.
    """

    def __init__(self, streams: SenderStreams, token: bytes, *, keeps: bool) -> None:
        self._streams = streams
        self._token = token
        self._individual = keeper_topic if keeps else viewer_topic

    @property
    def change(self) -> bool:
        """Whether the topics may differ from one moment to the next."""
        streams = self._streams
        return bool(streams.choices or streams.needs_names or streams.followed)

    def of_cameras(self) -> list[bytes]:
        """Return the topics of frames and status, in the order to subscribe in."""
        streams, names = self._streams, self._names()
        choices, followed = streams.choices, streams.followed
        if self._takes_every_camera(names):
            topics = list(EVERY_NAME)
        else:
            # Frames first: a status that arrives then proves that frames would have, too.
            topics = [topic(name) for name in names for topic in (frames_topic, status_topic)]
        # The main stream's status says which others there are.
        topics += [status_topic(camera) for camera in choices if camera not in names]
        topics += [frames_topic(name) for name, frames in followed.items() if frames]
        return topics + [status_topic(name) for name in followed]

    def individual(self) -> list[bytes]:
        """Return the individual topics of this viewer, to subscribe to behind the others."""
        names = self._names()
        followed = [name for name, frames in self._streams.followed.items() if frames]
        every = [None] if self._takes_every_camera(names) else []
        return [self._individual(self._token, name) for name in (*every, *names, *followed)]

    def _names(self) -> list[str]:
        """Return the streams to subscribe to; empty: every camera, or none before any is known."""
        choices = self._streams.choices
        if choices or self._streams.needs_names:
            return [stream_name(camera, stream) for camera, choice in choices.items()
                    for stream in choice.subscribed]  # fmt: skip
        return list(self._streams.cameras)

    def _takes_every_camera(self, names: list[str]) -> bool:
        return not names and not self._streams.choices and not self._streams.needs_names
