"""Camera names and the topics that carry their messages."""

from __future__ import annotations

import re

from rankcast.errors import SettingsError, WireError

VIEWER_PREFIX = b"/viewer/"
"""No camera name is empty, so that no topic of frames begins like this."""

_NAME = re.compile(r"[a-z0-9_-]{1,32}")


def check_name(name: str) -> str:
    """Return `name` if it may name a camera.

    Raises
    ------
    SettingsError
        If it does not match ``[a-z0-9_-]{1,32}``.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"got camera name {name!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return name


def frames_topic(name: str) -> bytes:
    """Topic of the pictures of camera `name`, with its closing NUL."""
    return f"{name}/frames\0".encode("ascii")


def status_topic(name: str) -> bytes:
    """Topic of the status and end messages of camera `name`, with its closing NUL."""
    return f"{name}/status\0".encode("ascii")


def viewer_topic(token: bytes, camera: str | None) -> bytes:
    """Topic that nothing is ever published on: subscribing to it says that a viewer is there.

    libzmq reports the first subscription to a topic and the loss of the last; a topic of its own
    makes each viewer count once, however often it subscribes, and go when its connection goes.

    Parameters
    ----------
    token : bytes
        16 random bytes of the viewer.
    camera : str or None
        The camera that it watches; None is every camera of the sender.
    """
    return viewer_topics(camera) + token.hex().encode("ascii") + b"\0"


def viewer_topics(camera: str | None) -> bytes:
    """What the topics of all viewers of `camera` begin with."""
    return VIEWER_PREFIX + (camera or "*").encode("ascii") + b"/"


def split_message(message: memoryview) -> tuple[str, str, memoryview]:
    """Split a message into camera name, channel (``frames`` or ``status``) and packet.

    Raises
    ------
    WireError
        If the topic is none of Rankcast's.
    """
    # 32 for the name, 11 for "/frames.255", 1 for the NUL.
    head = bytes(message[:44])
    topic, nul, _ = head.partition(b"\0")
    name, slash, channel = topic.decode("ascii", "replace").partition("/")
    if not nul or not slash or not _NAME.fullmatch(name) or channel not in ("frames", "status"):
        raise WireError(f"got topic {topic!r:.60}, want NAME/frames or NAME/status")
    return name, channel, message[len(topic) + 1 :]
