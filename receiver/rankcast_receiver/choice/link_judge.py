"""LinkJudge: decides from ages and losses whether a smaller or a larger stream is to be tried."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final, NamedTuple

LATE_S: Final = 0.35
"""Pictures that are this much older than the quickest one wait in a queue on the way."""
LATE_FOR_S: Final = 0.4
"""All pictures must be late for this long: a single large key frame is no reason to change."""
PROBATION_S: Final = 5.0
PROBATION_LATE_S: Final = 0.25
PROBATION_LATE_FOR_S: Final = 0.25
"""The two bounds above in the first seconds after a change to a larger stream, which is a trial."""
LEAST_PICTURES: Final = 3
"""At least this many must be late: one key frame of a slow camera is no reason either."""
LOSS_WINDOW_S: Final = 2.0
LOSS_SHARE: Final = 0.2
LEAST_LOSSES: Final = 4
"""At least this many frames, and this share of all, must be lost within the window."""
SETTLE_S: Final = 3.0
"""After a change to a smaller stream the queue on the way has to empty first."""
QUIET_S: Final = 3.0
QUIET_LATE_S: Final = 0.25
"""A larger stream is tried only if pictures were neither lost nor late for this long."""
FIRST_PAUSE_S: Final = 10.0
MAX_PAUSE_S: Final = 120.0
"""Pause before a larger stream is tried; three times as long after each try that fails."""
PAUSE_FACTOR: Final = 3.0
STABLE_S: Final = 60.0
"""A larger stream that lasts this long has succeeded: the next pause is the first one again."""
DRIFT: Final = 200e-6
"""Highest rate at which two quartz clocks drift apart."""


class Move(Enum):
    """What the judge decides."""

    STAY = "stay"
    SMALLER = "smaller"
    LARGER = "larger"


class _Sample(NamedTuple):
    at_s: float
    late_s: float


class _Losses(NamedTuple):
    at_s: float
    entered: int
    lost: int


class LinkJudge:
    """Judges the frames of one camera at a receiver, whichever stream they are of.

    Ages count from that of the quickest message, so that a path that is always slow is not late,
    and the clocks of both ends need not agree. The caller passes monotonic seconds.
    """

    def __init__(self, now_s: float) -> None:
        self.pause_s = FIRST_PAUSE_S
        """Time without trouble before a larger stream is tried."""
        self._least_s: float | None = None
        self._least_at_s = now_s
        self._ages: deque[_Sample] = deque()
        self._totals: deque[_Losses] = deque()
        self._changed_s = self._troubled_s = now_s
        self._raised_s: float | None = None
        self._lowered_s = float("-inf")

    def message(self, age_s: float, now_s: float) -> float:
        """Record the age of any message that arrives now; return how much later it is than others.

        A status is made when it is sent: the first one, which waits for nothing, says how long the
        path is.
        """
        least_s = age_s
        if self._least_s is not None:
            least_s = min(age_s, self._least_s + DRIFT * (now_s - self._least_at_s))
        self._least_s, self._least_at_s = least_s, now_s
        return age_s - least_s

    def picture(self, age_s: float, now_s: float) -> None:
        """Record the age of a picture that is shown now."""
        late_s = self.message(age_s, now_s)
        if late_s > QUIET_LATE_S:
            self._troubled_s = now_s
        self._ages.append(_Sample(now_s, late_s))
        while len(self._ages) > LEAST_PICTURES and self._ages[0].at_s < now_s - LATE_FOR_S:
            self._ages.popleft()

    def totals(self, entered: int, lost: int, now_s: float) -> None:
        """Record how many frames were published and lost so far."""
        if self._totals and lost > self._totals[-1].lost:
            self._troubled_s = now_s
        self._totals.append(_Losses(now_s, entered, lost))
        while self._totals[0].at_s < now_s - LOSS_WINDOW_S:
            self._totals.popleft()

    def move(self, now_s: float, *, smallest: bool, largest: bool) -> Move:
        """Return what to do, for a stream that is the smallest, or largest, or neither."""
        if self._raised_s is not None and now_s - self._raised_s > STABLE_S:
            self.pause_s, self._raised_s = FIRST_PAUSE_S, None
        if self._is_late(now_s) or self._loses():
            settling = now_s - self._lowered_s < SETTLE_S
            return Move.STAY if smallest or settling else Move.SMALLER
        quiet_s = now_s - max(self._troubled_s, self._changed_s)
        if largest or quiet_s < QUIET_S or now_s - self._changed_s < self.pause_s:
            return Move.STAY
        return Move.LARGER

    def strained(self) -> bool:
        """Return True if a trial must end: shown pictures are late or lost because of it."""
        late = bool(self._ages) and self._ages[-1].late_s > PROBATION_LATE_S
        return (late and self._ages[-1].at_s > self._changed_s) or self._loses()

    def try_larger(self, now_s: float) -> None:
        """Record that a larger stream is subscribed to, beside the one that is shown."""
        self._begin(now_s)

    def failed(self, now_s: float) -> None:
        """Record that the trial of a larger stream has failed."""
        self.pause_s = min(MAX_PAUSE_S, PAUSE_FACTOR * self.pause_s)
        self._begin(now_s)

    def raised(self, now_s: float) -> None:
        """Record that a larger stream is shown from now on."""
        self._raised_s = now_s
        self._begin(now_s)

    def lowered(self, now_s: float) -> None:
        """Record that a smaller stream is to be shown."""
        if self._raised_s is not None:
            self.pause_s = min(MAX_PAUSE_S, PAUSE_FACTOR * self.pause_s)
        self._raised_s, self._lowered_s = None, now_s
        self._begin(now_s)

    def returned(self, now_s: float) -> None:
        """Record that a smaller stream did not come: what was missed meanwhile is no trouble."""
        self._lowered_s = now_s
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._changed_s = now_s
        self._ages.clear()
        self._totals.clear()

    def _is_late(self, now_s: float) -> bool:
        bound_s, for_s = LATE_S, LATE_FOR_S
        if self._raised_s is not None and now_s - self._raised_s < PROBATION_S:
            bound_s, for_s = PROBATION_LATE_S, PROBATION_LATE_FOR_S
        recent = [sample for sample in self._ages if sample.at_s >= now_s - for_s]
        if len(recent) < LEAST_PICTURES:
            recent = list(self._ages)[-LEAST_PICTURES:]
        # What waits on the way since the change comes first.
        begun = now_s - self._changed_s >= for_s
        enough = len(recent) >= LEAST_PICTURES
        return begun and enough and all(sample.late_s > bound_s for sample in recent)

    def _loses(self) -> bool:
        if not self._totals:
            return False
        first, last = self._totals[0], self._totals[-1]
        entered, lost = last.entered - first.entered, last.lost - first.lost
        return lost >= LEAST_LOSSES and lost > LOSS_SHARE * entered
