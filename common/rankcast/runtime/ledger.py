"""Ledger: counts every frame and every loss by cause, so that each frame is accounted for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Causes at the sender.
CAMERA_GAP: Final = "camera_gap"
MAILBOX: Final = "mailbox"
ENCODE: Final = "encode"
NOBODY_WATCHING: Final = "nobody_watching"
SLOW_SERVER: Final = "slow_server"
# Causes at a receiver.
NETWORK_GAP: Final = "network_gap"
SKIPPED_AS_OLD: Final = "skipped_as_old"
WAITING_FOR_KEYFRAME: Final = "waiting_for_keyframe"
WRONG_CHECKSUM: Final = "wrong_checksum"
REFUSED_PACKET: Final = "refused_packet"
SINK: Final = "sink"
# Cause at a relay.
REFUSED_CAMERA: Final = "refused_camera"
# Frames in progress when the user stopped the command.
STOPPED: Final = "stopped"


@dataclass(frozen=True, slots=True)
class Balance:
    """Snapshot of a ledger: entered = passed + all lost + in progress."""

    entered: int
    passed: int
    lost: Mapping[str, int]

    @property
    def under_way(self) -> int:
        """Frames in progress, neither passed nor lost; 0 after the end of a stream."""
        return self.entered - self.passed - sum(self.lost.values())

    def with_stopped(self) -> Balance:
        """Return the balance of a stage that was stopped by force: what is in progress is lost."""
        lost = Counter(self.lost)
        lost[STOPPED] += self.under_way
        return Balance(self.entered, self.passed, dict(+lost))


class Ledger:
    """Counters of one stage, shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._passed = 0
        self._lost: Counter[str] = Counter()

    def enter(self, count: int = 1) -> None:
        """Count incoming frames."""
        with self._lock:
            self._entered += count

    def passed(self, count: int = 1) -> int:
        """Count outgoing frames; return their total so far."""
        with self._lock:
            self._passed += count
            return self._passed

    def lose(self, cause: str, count: int = 1) -> None:
        """Count lost frames."""
        if count:
            with self._lock:
                self._lost[cause] += count

    def balance(self) -> Balance:
        """Return a consistent snapshot of all counters."""
        with self._lock:
            return Balance(self._entered, self._passed, dict(self._lost))


def losses_text(lost: Mapping[str, int]) -> str:
    """Return the losses for a log line, such as ``1 encode, 3 mailbox``; ``none`` without any."""
    return ", ".join(f"{count} {cause}" for cause, count in sorted(lost.items())) or "none"
