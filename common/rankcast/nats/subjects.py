"""Subjects: where the packets and requests of one camera go on a NATS server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rankcast.errors import SettingsError, WireError
from rankcast.wire import check_name

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
_TOKEN: Final = re.compile(r"[a-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class Subject:
    """A parsed subject."""

    site: str
    camera: str
    channel: str

    @property
    def name(self) -> str:
        """Name of the camera at a receiver."""
        return join_name(self.site, self.camera)


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


def subject_of(site: str, camera: str, channel: str) -> str:
    """Return the subject of a channel; site and camera may be `ANY`."""
    return f"{PREFIX}.{site}.{camera}.{channel}"


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
    if len(words) == 4 and words[0] == PREFIX and words[3] in _CHANNELS:
        _, site, camera, channel = words
        if _TOKEN.fullmatch(site) and _TOKEN.fullmatch(camera):
            return Subject(site, camera, channel)
    raise WireError(f"got subject {text!r:.80}, want {PREFIX}.SITE.CAMERA.CHANNEL")


def join_name(site: str, camera: str) -> str:
    """Return the name that a receiver gives to a camera of a site: ``SITE.CAMERA``.

    Neither part contains a dot, so that no two cameras share a name, and it is valid in file names,
    topics and web addresses.
    """
    return f"{site}.{camera}"


def split_name(name: str) -> tuple[str, str]:
    """Return site and camera of a name that `join_name` made."""
    site, _, camera = name.partition(".")
    return check_site(site), check_name(camera)
