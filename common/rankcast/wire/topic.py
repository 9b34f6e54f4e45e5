"""Names of cameras and streams, and the topics of their messages."""

from __future__ import annotations

import re
from typing import Final

from rankcast.credentials import shown_address
from rankcast.errors import SettingsError, WireError

VIEWER_PREFIX: Final = b"/viewer/"
"""Prefix that no frames topic has, because camera names are never empty."""
KEEPER_PREFIX: Final = b"/keeper/"
"""Prefix of the individual topics of viewers that keep every frame."""
TOKEN_BYTES: Final = 16
"""Random bytes that identify a viewer."""

MAIN: Final = "main"
"""The stream of a camera that has the camera's own name."""
RECEIVED_NAME: Final = r"[a-z0-9_-]{1,35}(?:\.[a-z0-9_-]{1,35})?"
"""Pattern of the names of cameras at a receiver: with several senders a number is appended, up to
``-16``, and in front of the cameras of a NATS server stands their site."""

_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}")
_SUBSTREAM: Final = re.compile(r"[a-z0-9_-]{1,16}")
_HEAD_BYTES: Final = 57
"""32 of the name, 8 of "/frames.", 16 of the substream, 1 of the NUL."""


def check_name(name: str) -> str:
    """Return `name` if it is a valid camera name.

    Raises
    ------
    SettingsError
        If it does not match ``[a-z0-9_-]{1,32}``.
    """
    if not _NAME.fullmatch(name):
        shown = shown_address(name)
        raise SettingsError(f"got camera name {shown!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return name


def check_substream(name: str) -> str:
    """Return `name` if it is a valid name of a substream.

    Raises
    ------
    SettingsError
        If it does not match ``[a-z0-9_-]{1,16}``, or is ``main`` or ``auto``.
    """
    if not _is_substream(name):
        shown = shown_address(name)
        raise SettingsError(
            f"got stream name {shown!r:.60}, want 1 to 16 of a-z, 0-9, _ and -, "
            "but not main or auto"
        )
    return name


def check_stream(name: str) -> str:
    """Return `name` if it is that of a stream: of a camera, or ``NAME.SUB``.

    Raises
    ------
    SettingsError
    """
    camera, dot, substream = name.partition(".")
    check_name(camera)
    if dot:
        check_substream(substream)
    return name


def stream_name(camera: str, stream: str) -> str:
    """Return the name of a stream of `camera`: ``NAME`` of its main one, ``NAME.SUB`` of others."""
    return camera if stream == MAIN else f"{camera}.{stream}"


def split_stream(name: str) -> tuple[str, str]:
    """Split the name of a stream into camera and stream, which is ``main`` or a substream."""
    camera, dot, substream = name.partition(".")
    return camera, substream if dot else MAIN


def frames_topic(name: str) -> bytes:
    """Return the topic of the frames of stream `name`, with its closing NUL."""
    return _topic(name, "frames")


def status_topic(name: str) -> bytes:
    """Return the topic of the status and end messages of stream `name`, with its closing NUL."""
    return _topic(name, "status")


def viewer_topic(token: bytes, camera: str | None) -> bytes:
    """Return a viewer's individual topic: subscribing announces the viewer, nothing is published.

    libzmq reports only the first subscription to a topic and the end of the last. With individual
    topics, each viewer counts once, however often it subscribes, and leaves with its connection.

    Parameters
    ----------
    token : bytes
        16 random bytes that identify the viewer.
    camera : str or None
        Stream that the viewer watches; None is the main stream of every camera of the sender.
    """
    return viewer_topics(camera) + _token_text(token)


def viewer_topics(camera: str | None) -> bytes:
    """Return the common prefix of the individual topics of all viewers of a stream."""
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
        Stream that the viewer watches; None is the main stream of every camera of the sender.
    """
    return keeper_topics(camera) + _token_text(token)


def keeper_topics(camera: str | None) -> bytes:
    """Return the common prefix of the individual topics of all keepers of a stream."""
    return KEEPER_PREFIX + (camera or "*").encode("ascii") + b"/"


def split_message(message: memoryview) -> tuple[str, str, memoryview]:
    """Split a message into the name of its stream, channel and packet.

    The name is ``NAME`` or ``NAME.SUB``, the channel ``frames`` or ``status``.

    Raises
    ------
    WireError
        If the topic is not a Rankcast topic.
    """
    head = bytes(message[:_HEAD_BYTES])
    topic, nul, _ = head.partition(b"\0")
    name, slash, rest = topic.decode("ascii", "replace").partition("/")
    channel, dot, substream = rest.partition(".")
    known = channel in ("frames", "status") and _NAME.fullmatch(name)
    if not nul or not slash or not known or (dot and not _is_substream(substream)):
        raise WireError(
            f"got topic {topic!r:.60}, want NAME/frames or NAME/status, or one of them with .SUB"
        )
    return name + dot + substream, channel, message[len(topic) + 1 :]


def _topic(name: str, channel: str) -> bytes:
    camera, dot, substream = name.partition(".")
    return f"{camera}/{channel}{dot}{substream}\0".encode("ascii")


def _is_substream(name: str) -> bool:
    return _SUBSTREAM.fullmatch(name) is not None and name not in (MAIN, "auto")


def _token_text(token: bytes) -> bytes:
    return token.hex().encode("ascii") + b"\0"
