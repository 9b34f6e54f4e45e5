"""Camera names, and the topics of their messages."""

from __future__ import annotations

import re
from typing import Final

from rankcast.errors import SettingsError, WireError

VIEWER_PREFIX: Final = b"/viewer/"
"""Prefix that no frames topic has, because camera names are never empty."""
KEEPER_PREFIX: Final = b"/keeper/"
"""Prefix of the individual topics of viewers that keep every frame."""
TOKEN_BYTES: Final = 16
"""Random bytes that identify a viewer."""

RECEIVED_NAME: Final = r"[a-z0-9_-]{1,35}(?:\.[a-z0-9_-]{1,35})?"
"""Pattern of the names of cameras at a receiver: with several senders a number is appended, up to
``-16``, and in front of the cameras of a NATS server stands their site."""

_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}")


def check_name(name: str) -> str:
    """Return `name` if it is a valid camera name.

    Raises
    ------
    SettingsError
        If it does not match ``[a-z0-9_-]{1,32}``.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"got camera name {name!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return name


def frames_topic(name: str) -> bytes:
    """Return the topic of the frames of camera `name`, with its closing NUL."""
    return f"{name}/frames\0".encode("ascii")


def status_topic(name: str) -> bytes:
    """Return the topic of the status and end messages of camera `name`, with its closing NUL."""
    return f"{name}/status\0".encode("ascii")


def viewer_topic(token: bytes, camera: str | None) -> bytes:
    """Return a viewer's individual topic: subscribing announces the viewer, nothing is published.

    libzmq reports only the first subscription to a topic and the end of the last. With individual
    topics, each viewer counts once, however often it subscribes, and leaves with its connection.

    Parameters
    ----------
    token : bytes
        16 random bytes that identify the viewer.
    camera : str or None
        Camera that the viewer watches; None is every camera of the sender.
    """
    return viewer_topics(camera) + _token_text(token)


def viewer_topics(camera: str | None) -> bytes:
    """Return the common prefix of the individual topics of all viewers of `camera`."""
    return VIEWER_PREFIX + (camera or "*").encode("ascii") + b"/"


def keeper_topic(token: bytes, camera: str | None) -> bytes:
    """Return the individual topic of a viewer that keeps every frame.

    It counts like `viewer_topic`, which it replaces. A lossless sender sends its subscriber no
    more frames than its `credit` requests allow.

    Parameters
    ----------
    token : bytes
        16 random bytes that identify the viewer.
    camera : str or None
        Camera that the viewer watches; None is every camera of the sender.
    """
    return keeper_topics(camera) + _token_text(token)


def keeper_topics(camera: str | None) -> bytes:
    """Return the common prefix of the individual topics of all keepers of `camera`."""
    return KEEPER_PREFIX + (camera or "*").encode("ascii") + b"/"


def split_message(message: memoryview) -> tuple[str, str, memoryview]:
    """Split a message into camera name, channel (``frames`` or ``status``) and packet.

    Raises
    ------
    WireError
        If the topic is not a Rankcast topic.
    """
    # 32 for the name, 11 for "/frames.255", 1 for the NUL.
    head = bytes(message[:44])
    topic, nul, _ = head.partition(b"\0")
    name, slash, channel = topic.decode("ascii", "replace").partition("/")
    if not nul or not slash or not _NAME.fullmatch(name) or channel not in ("frames", "status"):
        raise WireError(f"got topic {topic!r:.60}, want NAME/frames or NAME/status")
    return name, channel, message[len(topic) + 1 :]


def _token_text(token: bytes) -> bytes:
    return token.hex().encode("ascii") + b"\0"
