"""Presence: who watches which camera, as viewers say once a second."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

log = logging.getLogger(__name__)

EXPIRES_S: Final = 4.0
"""A viewer says every second that it watches; it has left once it has not for this long."""
MAX_VIEWERS: Final = 10_000
"""Most viewers of one camera that are counted; further ones get its frames all the same."""


class Presence:
    """The viewers of the cameras of one sender: a NATS server tells nobody who subscribes.

    Parameters
    ----------
    cameras : iterable of str
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self._until_s: dict[str, OrderedDict[bytes, float]] = {
            camera: OrderedDict() for camera in cameras
        }
        """In the order in which the viewers of each camera expire."""
        self._is_full = False

    def add(self, camera: str) -> None:
        """Add a camera, if it is another one."""
        self._until_s.setdefault(camera, OrderedDict())

    def has(self, camera: str) -> bool:
        """Return True for a camera, or a substream ``CAMERA.SUB``, of this sender."""
        return camera in self._until_s

    def watch(self, camera: str, token: bytes, now_s: float) -> bool:
        """Count a viewer until it expires; return True if it is new."""
        viewers = self._until_s[camera]
        known = token in viewers
        if not known and len(viewers) >= MAX_VIEWERS:
            if not self._is_full:
                self._is_full = True
                log.warning("%s: more than %d viewers: further ones are not counted",
                            camera, MAX_VIEWERS)  # fmt: skip
            return False
        viewers[token] = now_s + EXPIRES_S
        viewers.move_to_end(token)
        return not known

    def leave(self, camera: str, token: bytes) -> None:
        """Forget a viewer that says it has left."""
        self._until_s[camera].pop(token, None)

    def viewers(self, camera: str, now_s: float) -> int:
        """Return how many watch `camera`."""
        viewers = self._until_s[camera]
        while viewers and next(iter(viewers.values())) <= now_s:
            viewers.popitem(last=False)
        return len(viewers)

    def clear(self) -> None:
        """Forget all, because the connection to the server ended."""
        for viewers in self._until_s.values():
            viewers.clear()
