"""Subjects: where the packets and requests of one camera go on a NATS server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rankcast.errors import SettingsError, WireError
from rankcast.wire import MAIN, check_name, check_substream
from rankcast.wire import stream_name as name_of_stream

PREFIX: Final = "rankcast"
FRAMES: Final = "frames"
STATUS: Final = "status"
CONTROL: Final = "control"
"""Requests of viewers."""
OPERATOR_CONTROL: Final = "control.operator"
"""Requests that change a sender, so that a server can keep viewers from making them."""
OPERATOR_ONLY: Final = frozenset({"set", "original", "record"})
"""Operations of operators."""
DEFAULT_SITE: Final = "default"
ANY: Final = "*"

_CHANNELS: Final = frozenset({FRAMES, STATUS, CONTROL, OPERATOR_CONTROL})
_OF_STREAMS: Final = (FRAMES, STATUS)
"""Channels that each stream of a camera has."""
_TOKEN: Final = re.compile(r"[a-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class Subject:
    """A parsed subject."""

    site: str
    camera: str
    channel: str
    stream: str = MAIN
    """Of ``frames`` and ``status``: ``main`` or a substream."""

    @property
    def name(self) -> str:
        """Name of the camera at a receiver."""
        return join_name(self.site, self.camera)

    @property
    def stream_name(self) -> str:
        """Name of the stream at a receiver: ``SITE.CAMERA`` or ``SITE.CAMERA.SUB``."""
        return name_of_stream(self.name, self.stream)


def check_site(site: str) -> str:
    """Return `site` if it is a valid name of a site.

    Raises
    ------
    SettingsError
        If it does not match ``[a-z0-9_-]{1,32}``.
    """
    if not _TOKEN.fullmatch(site):
        raise SettingsError(f"got site {site!r:.60}, want 1 to 32 of a-z, 0-9, _ and -")
    return site


def subject_of(site: str, camera: str, channel: str, stream: str = MAIN) -> str:
    """Return the subject of a channel; site and camera may be `ANY`."""
    return name_of_stream(f"{PREFIX}.{site}.{camera}.{channel}", stream)


def control_subject(site: str, camera: str, op: str) -> str:
    """Return the subject of a request: those that change a sender have one of their own."""
    return subject_of(site, camera, OPERATOR_CONTROL if op in OPERATOR_ONLY else CONTROL)


def parse_subject(text: str) -> Subject:
    """Parse the subject of a message.

    Raises
    ------
    WireError
        If it is not a Rankcast subject.
    """
    words = text.split(".", 3)
    if len(words) == 4 and words[0] == PREFIX:
        _, site, camera, rest = words
        channel, dot, stream = rest.partition(".")
        if rest in _CHANNELS:
            channel, stream = rest, MAIN
        elif not dot or channel not in _OF_STREAMS or not _is_substream(stream):
            channel = ""
        if channel and _TOKEN.fullmatch(site) and _TOKEN.fullmatch(camera):
            return Subject(site, camera, channel, stream)
    raise WireError(f"got subject {text!r:.80}, want {PREFIX}.SITE.CAMERA.CHANNEL")


def join_name(site: str, camera: str) -> str:
    """Return the name that a receiver gives to a camera of a site: ``SITE.CAMERA``.

    Neither part contains a dot, so that no two cameras share a name, and it is valid in file names,
    topics and web addresses.
    """
    return f"{site}.{camera}"


def split_stream_name(name: str) -> tuple[str, str]:
    """Return ``SITE.CAMERA``, and ``main`` or the substream, of a stream at a receiver."""
    site, _, rest = name.partition(".")
    camera, dot, stream = rest.partition(".")
    return (join_name(site, camera), stream) if dot else (name, MAIN)


def _is_substream(name: str) -> bool:
    try:
        check_substream(name)
    except SettingsError:
        return False
    return True


def split_name(name: str) -> tuple[str, str]:
    """Return site and camera of a name that `join_name` made."""
    site, _, camera = name.partition(".")
    return check_site(site), check_name(camera)
