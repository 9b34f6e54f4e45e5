"""LinkFollower: the bit rate that the links to the viewers of one camera carry."""

from __future__ import annotations

import statistics
import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rankcast_sender.camera.viewer_reports import FORGOTTEN_S, MAX_VIEWERS, ViewerReport

JUDGE_S: Final = 0.5
"""Reports come once a second: judged more often, they say nothing new."""
HEARD_S: Final = 1.5
"""A viewer counts once its reports since the last fall cover this time: three of them, usually."""
LOST_SHARE: Final = 0.02
LEAST_LOST: Final = 2
"""At a low frame rate, one lost frame is a large share of a few seconds and no sign of a link."""
LATE_MS: Final = 500.0
"""If even the quickest picture of a second was this late, a queue stands in front of the link."""
CATCHING_UP_MS: Final = 100.0
"""A queue that shrinks by this much a second will be gone: the bit rate is low enough."""
VIEWERS_SHARE: Final = 0.5
"""Share of the viewers at which the bit rate falls: one of three or more changes nothing."""

LOWER_EVERY_S: Final = 2.5
"""Shortest time from one fall to the next; what was sent before the first still arrives."""
SPARE: Final = 0.9
"""What is asked of a link, as a share of what it carried."""
LOWEST_FACTOR: Final = 0.5
HIGHEST_FACTOR: Final = 0.8
LATE_FACTOR: Final = 0.7
"""Lateness does not tell how much too much is sent, losses do."""

RAISE_FACTOR: Final = 1.25
RAISE_EVERY_S: Final = 5.0
QUIET_S: Final = 10.0
"""Time without trouble from a fall to the first rise."""
MAX_QUIET_S: Final = 320.0
PROBE_S: Final = 15.0
"""A fall this soon after a rise means that the link carries no more: the next rise waits longer."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """One report, at its time."""

    at_s: float
    report: ViewerReport


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the latest reports of one viewer say of its link."""

    fits: float | None
    """Share of the bit rate that its link would carry; None while it carries all of it."""
    waits: bool
    """True while a queue stands in front of the link, also one that shrinks."""


@dataclass(frozen=True, slots=True)
class _Mood:
    """What all viewers say together."""

    short: float
    """Share of the viewers whose links carry less than is sent."""
    uneasy: float
    """Share of those, and of those that have not caught up yet."""
    fits: float
    """Share of the bit rate that would fit those that are short."""
    heard: bool
    """False without any viewer."""


class LinkFollower:
    """Finds a bit rate between two limits, from the reports of viewers.

    It falls, by a factor and at most every `LOWER_EVERY_S`, while half of the viewers lose frames
    on the way or have a queue in front of their link that does not shrink. It rises again by steps
    once they have been quiet. Each key is one voter, however many viewers it has; without keys each
    connection is one. Viewers that report nothing count as content.

    `hear` and `target` may be called from any thread; times are monotonic seconds of the caller.
    """

    def __init__(self) -> None:
        self.falls = 0
        """How often the bit rate fell."""
        self.reason = ""
        """Why it changed the last time, for the log."""
        self._lock = threading.Lock()
        self._voters: dict[bytes, str] = {}
        self._heard: dict[bytes, deque[_Heard]] = {}
        self._rate: float | None = None
        """The bit rate that was found, also while the highest one is below it; None while the links
        carry the highest one."""
        self._judged_s = float("-inf")
        self._fell_s = self._rose_s = self._uneasy_s = float("-inf")
        self._quiet_s = QUIET_S

    def hear(self, viewer: bytes, key: str, report: ViewerReport, now_s: float) -> None:
        """Take a report of a viewer; `key` is the name of its key, empty without keys."""
        with self._lock:
            if viewer not in self._heard and len(self._heard) >= MAX_VIEWERS:
                self._forget(now_s)
                if len(self._heard) >= MAX_VIEWERS:
                    return
            self._voters[viewer] = key
            self._heard.setdefault(viewer, deque(maxlen=4)).append(_Heard(now_s, report))

    def target(self, lowest: float, highest: float, viewers: int, now_s: float) -> float:
        """Return the bit rate to encode with.

        Parameters
        ----------
        lowest, highest : float
            Limits in bit/s; the highest is what was set.
        viewers : int
            Viewers of the camera, whether they report or not.
        now_s : float
        """
        lowest = min(lowest, highest)
        with self._lock:
            rate = highest if self._rate is None else min(max(self._rate, lowest), highest)
            if now_s - self._judged_s >= JUDGE_S:
                self._judged_s = now_s
                self._forget(now_s)
                before = rate
                rate = self._judge(self._mood(viewers), rate, lowest, highest, now_s)
                if rate != before:
                    self._rate = None if rate >= highest else rate
            return rate

    def _judge(
        self, mood: _Mood, rate: float, lowest: float, highest: float, now_s: float
    ) -> float:
        if mood.uneasy >= VIEWERS_SHARE:
            self._uneasy_s = now_s
        if mood.short >= VIEWERS_SHARE:
            if now_s - self._fell_s < LOWER_EVERY_S or rate <= lowest:
                return rate
            probed = now_s - self._rose_s < PROBE_S
            self._quiet_s = min(2 * self._quiet_s, MAX_QUIET_S) if probed else QUIET_S
            self._fell_s, self._rose_s = now_s, float("-inf")
            self.falls += 1
            self.reason = f"{100 * mood.short:.0f} % of the viewers lose frames or fall behind"
            return max(rate * mood.fits, lowest)
        quiet_s = now_s - max(self._fell_s, self._uneasy_s)
        if not mood.heard or quiet_s < self._quiet_s or now_s - self._rose_s < RAISE_EVERY_S:
            return rate
        if rate >= highest:
            return highest
        self._rose_s = now_s
        self.reason = "viewers lose nothing"
        return min(rate * RAISE_FACTOR, highest)

    def _mood(self, viewers: int) -> _Mood:
        by_voter: dict[str | bytes, list[_Verdict]] = defaultdict(list)
        for viewer, heard in self._heard.items():
            verdict = _judged([item for item in heard if item.at_s > self._fell_s])
            by_voter[self._voters[viewer] or viewer].append(verdict)
        silent = max(0, viewers - len(self._heard))
        voters = len(by_voter) + silent
        if not voters:
            return _Mood(0.0, 0.0, 1.0, heard=False)
        short = uneasy = 0.0
        fits = []
        for verdicts in by_voter.values():
            of_voter = [each.fits for each in verdicts if each.fits is not None]
            short += len(of_voter) / len(verdicts)
            uneasy += sum(each.waits for each in verdicts) / len(verdicts)
            if of_voter:
                fits.append(statistics.median(of_voter))
        factor = statistics.median(fits) if fits else 1.0
        factor = min(max(factor, LOWEST_FACTOR), HIGHEST_FACTOR)
        return _Mood(short / voters, uneasy / voters, factor, heard=True)

    def _forget(self, now_s: float) -> None:
        gone = [v for v, heard in self._heard.items() if now_s - heard[-1].at_s > FORGOTTEN_S]
        for viewer in gone:
            del self._heard[viewer], self._voters[viewer]


def _judged(heard: Sequence[_Heard]) -> _Verdict:
    """Judge the link of one viewer by its reports since the bit rate last fell."""
    if len(heard) < 3 or heard[-1].at_s - heard[0].at_s < HEARD_S:
        return _Verdict(None, waits=False)
    first, before, last = heard[0].report, heard[-2].report, heard[-1].report
    late_ms, before_ms = last.late_ms or 0.0, before.late_ms or 0.0
    waits = late_ms >= LATE_MS
    lost = last.network_lost - first.network_lost
    delivered = max(0, last.delivered - first.delivered)
    # What was skipped or could not be decoded has arrived.
    arrived = delivered + max(0, last.lost - first.lost - max(lost, 0))
    if lost >= LEAST_LOST and lost >= LOST_SHARE * (lost + arrived):
        return _Verdict(SPARE * arrived / (lost + arrived), waits=True)
    if waits and before_ms >= LATE_MS and late_ms > before_ms - CATCHING_UP_MS:
        return _Verdict(LATE_FACTOR, waits=True)
    return _Verdict(None, waits)
