"""Camera names and the topics that carry their messages."""

from __future__ import annotations

import re

from rankcast.errors import SettingsError, WireError

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
