"""StatusSchedule: when the status of each camera is due."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rankcast_sender.sockets.channel import Channel

STATUS_INTERVAL_S: Final = 1.0
JOIN_INTERVAL_S: Final = 0.5
"""Least time from one status of a camera to the next because a viewer joined: every viewer gets
every status, so that one that joins again and again costs the others no more than this."""


class StatusSchedule:
    """Spreads the status messages of all cameras over the second.

    In one burst they would fill the queue of every viewer at once.

    Parameters
    ----------
    channels : sequence of Channel
    now_s : float
        Monotonic time.
    """

    def __init__(self, channels: Sequence[Channel], now_s: float) -> None:
        step_s = STATUS_INTERVAL_S / max(1, len(channels))
        self._due_s = {channel: now_s + step_s * k for k, channel in enumerate(channels)}
        self._sent_s = dict.fromkeys(channels, -math.inf)
        self._joined_s: dict[Channel, float] = {}
        """When channels that a viewer has joined are due for that reason."""
        self._next_s = now_s

    def add(self, channel: Channel, now_s: float) -> None:
        """Schedule the status of another camera, the first one at once."""
        self._due_s[channel] = now_s
        self._sent_s[channel] = -math.inf
        self._next_s = now_s

    def pause_s(self, now_s: float) -> float:
        """Return the time until the next status is due."""
        return max(0.0, self._next_s - now_s)

    def joined(self, channel: Channel, now_s: float) -> None:
        """Schedule a status of `channel` at once, or soon, because a viewer has joined."""
        at_s = max(now_s, self._sent_s[channel] + JOIN_INTERVAL_S)
        self._joined_s.setdefault(channel, at_s)
        self._next_s = min(self._next_s, at_s)

    def take_due(self, now_s: float) -> list[Channel]:
        """Return the channels whose status is due now, and schedule their next one."""
        if now_s < self._next_s:
            return []
        due = []
        for channel, at_s in self._due_s.items():
            if at_s <= now_s:
                # Those that are late by a second or more are not made up for.
                self._due_s[channel] = max(at_s + STATUS_INTERVAL_S, now_s)
            elif self._joined_s.get(channel, math.inf) > now_s:
                continue
            self._joined_s.pop(channel, None)
            self._sent_s[channel] = now_s
            due.append(channel)
        self._next_s = min([*self._due_s.values(), *self._joined_s.values()], default=math.inf)
        return due
