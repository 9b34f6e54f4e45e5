"""AnnouncedName: ``CAMERA`` or ``CAMERA@HOST``, as a user gives it, and the sender it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rankcast.credentials import shown_address
from rankcast.discovery.announcement import Announcement
from rankcast.errors import NoStreamError, SettingsError

MAX_LISTED: Final = 8
"""Most senders that an error lists."""

_NAME: Final = re.compile(r"([a-z0-9_-]{1,32})(?:@([A-Za-z0-9_.:-]{1,63}))?")


@dataclass(frozen=True, slots=True)
class AnnouncedName:
    """A camera that is to be found, wherever it is."""

    camera: str
    host: str = ""
    """Name of the machine, or one of its addresses; empty: any."""

    @classmethod
    def of(cls, text: str) -> AnnouncedName:
        """Parse ``CAMERA`` or ``CAMERA@HOST``.

        Raises
        ------
        SettingsError
        """
        match = _NAME.fullmatch(text)
        if match is None:
            raise SettingsError(
                f"got {shown_address(text)!r:.80}, want tcp://ADDRESS:PORT, CAMERA or CAMERA@HOST"
            )
        return cls(match[1], match[2] or "")

    def __str__(self) -> str:
        return f"{self.camera}@{self.host}" if self.host else self.camera

    def means(self, announced: Announcement) -> bool:
        """Return True if this name fits the camera that was announced."""
        if announced.camera != self.camera:
            return False
        at = self.host.lower().removesuffix(".local")
        return not at or at == announced.host.lower() or self.host in announced.addresses


def choose(name: AnnouncedName, found: Sequence[Announcement]) -> Announcement | None:
    """Return the only camera that `name` means; None if there is none.

    Raises
    ------
    NoStreamError
        If several senders have such a camera; the message lists them.
    """
    fitting = {each.server: each for each in found if name.means(each)}
    if len(fitting) > 1:
        listed = sorted(f"{each.name} at {each.endpoint}" for each in fitting.values())
        more = f" and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
        raise NoStreamError(
            f"{name} is announced by {len(fitting)} senders: "
            f"{', '.join(listed[:MAX_LISTED])}{more}; name one of them, or stop the others"
        )
    return next(iter(fitting.values()), None)
