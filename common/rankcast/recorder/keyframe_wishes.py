"""KeyframeWishes: asks for the key frames that a recorder waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

AskKeyframe: TypeAlias = Callable[[str, bool], object]
"""Called with a camera and whether its recorder waits for a key frame, again once a second while
it does; in the thread of the recorder."""
AGAIN_S: Final = 1.0


class KeyframeWishes:
    """Which cameras wait for a key frame, told when it changes and once a second.

    Parameters
    ----------
    ask : callable
    wants : callable
        Returns whether a camera needs a key frame.
    now_s : callable
        Monotonic clock.
    """

    def __init__(
        self, ask: AskKeyframe, wants: Callable[[str], bool], now_s: Callable[[], float]
    ) -> None:
        self._ask, self._wants, self._now_s = ask, wants, now_s
        self._asked_s: dict[str, float] = {}

    def update(self, cameras: Iterable[str]) -> None:
        """Judge these cameras again."""
        now_s = self._now_s()
        for camera in cameras:
            if not self._wants(camera):
                if self._asked_s.pop(camera, None) is not None:
                    self._ask(camera, False)
            elif now_s - self._asked_s.get(camera, float("-inf")) >= AGAIN_S:
                self._asked_s[camera] = now_s
                self._ask(camera, True)
