"""StreamChoice: which stream of one camera is received and shown, and when it changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rankcast.errors import SettingsError
from rankcast.wire import MAIN, Kind, Status, check_substream
from rankcast_receiver.choice.link_judge import LATE_S, LinkJudge, Move

log = logging.getLogger(__name__)

AUTO: Final = "auto"
LARGER_S: Final = 3.0
SMALLER_S: Final = 10.0
"""Longest wait for the first key frame of a larger, or smaller, stream."""
NOTHING_S: Final = 2.0
"""Longest time without any picture on the way to a smaller stream, if the link is free."""
RETRY_S: Final = 60.0
"""A smaller stream that did not come is not tried again for this long."""
ASK_S: Final = 1.0
"""A key frame that has not come after this time is asked for, and again at this interval."""


@dataclass(frozen=True, slots=True)
class ChoiceTotals:
    """What a report says of the streams of one camera."""

    shown: str = MAIN
    changes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time for which each stream was shown."""


def check_choice(name: str) -> str:
    """Return `name` if it says which stream is wanted: ``main``, ``auto`` or a substream.

    Raises
    ------
    SettingsError
    """
    return name if name in (MAIN, AUTO) else check_substream(name)


def check_streams(
    stream: str, *, named: bool, live: bool, control: bool, past: bool = False
) -> str:
    """Return `stream` if the wanted stream can be received that way.

    Parameters
    ----------
    stream : str
        ``main``, ``auto`` or the name of a substream.
    named : bool
        Whether the cameras are given by name.
    live, control : bool
        See `rankcast_receiver.Subscriber`.
    past : bool
        Whether frames come from what a NATS server keeps.

    Raises
    ------
    SettingsError
    """
    check_choice(stream)
    if stream != MAIN and past:
        raise SettingsError(
            f"got stream {stream} with --since or --durable: a NATS server keeps main streams "
            "only; give main"
        )
    if stream == AUTO and not live:
        raise SettingsError(
            "got stream auto with every frame kept: it changes between streams of different sizes "
            "and leaves frames out; give main or a substream, or stream.mode = live"
        )
    if stream != MAIN and not named and not control:
        raise SettingsError(
            f"got stream {stream} with network.control = false: name the cameras with --camera, "
            "because only the control channel tells their names"
        )
    return stream


class StreamChoice:
    """Decides which packets of one camera go on to its decoder.

    With ``auto`` two streams may arrive at a time: the one that is shown, and the one that replaces
    it at its first key frame. Everything before that key frame belongs to nobody and is not
    counted; nor is what arrives of the other stream afterwards.

    Parameters
    ----------
    wanted : str
        ``main``, ``auto`` or the name of a substream.
    camera : str
        Name for the log.
    now_s : float
        Monotonic; so are the times in all calls.

    Notes
    -----
    `subscribed` may be read in any thread; all calls come from the decode thread.
    """

    def __init__(self, wanted: str, camera: str, now_s: float) -> None:
        self.auto = wanted == AUTO
        self.shown = MAIN if self.auto else wanted
        """The stream whose packets go on."""
        self.next = ""
        """The stream that replaces it at its first key frame; empty for none."""
        self.subscribed: tuple[str, ...] = (self.shown,)
        """The streams that are to be received."""
        self.offered: Mapping[str, str] | None = None
        """What the sender has, by name; None before its first status."""
        self.changes = 0
        self._camera = camera
        self._judge = LinkJudge(now_s)
        self._larger = False
        self._next_s = self._asked_s = now_s
        self._frame_s: float | None = None
        self._shown_s = now_s
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._avoided_until_s: dict[str, float] = {}
        """Streams that did not come."""
        self._picture_s = self._timely_s = now_s
        """When the last picture, and the last status that nothing held up, arrived."""
        self._interval_s = 0.0
        """Frame interval, the longest stated since the last change."""

    @property
    def raising(self) -> bool:
        """Whether a larger stream is being tried."""
        return bool(self.next) and self._larger

    @property
    def missing(self) -> str:
        """Why the wanted stream does not come, in one line; empty while it may."""
        if self.offered is None or self.shown in (MAIN, *self.offered):
            return ""
        has = ", ".join(self.offered) or MAIN
        return f"the sender has no stream {self.shown} of this camera; it has {has}"

    def totals(self, now_s: float) -> ChoiceTotals:
        """Return what a report says."""
        seconds = dict(self._seconds)
        seconds[self.shown] = seconds.get(self.shown, 0.0) + now_s - self._shown_s
        return ChoiceTotals(self.shown, self.changes, seconds)

    def takes(self, stream: str, kind: Kind | None, age_s: float | None, now_s: float) -> bool:
        """Return True if a packet goes on; the first key frame of `next` makes it the shown one.

        Parameters
        ----------
        stream : str
            The stream that it came by.
        kind : Kind or None
            None if it could not be parsed.
        age_s : float or None
            Age of a picture, if it is known.
        now_s : float
        """
        is_picture = kind is not None and kind.is_picture
        if is_picture and stream in (self.shown, self.next):
            self._picture_s = now_s
        if stream == self.shown:
            # Pictures of a stream that was left are shown as long as they come, but what its status
            # counts is not ours any more.
            return stream in self.subscribed or is_picture
        if stream != self.next or kind is not Kind.KEY:
            return False
        if self._larger and age_s is not None and self._judge.message(age_s, now_s) > LATE_S:
            self._give_up(now_s)
            return False
        self._show_next(now_s)
        return True

    def hear(
        self, stream: str, status: Status, kind: Kind, age_s: float | None, now_s: float
    ) -> None:
        """Take note of a status of any stream of the camera, and of its age."""
        if age_s is not None and self._judge.message(age_s, now_s) <= LATE_S:
            self._timely_s = now_s
        if stream in (MAIN, self.shown):
            self.offered = status.streams
        if stream in (self.shown, self.next):
            self._interval_s = max(self._interval_s, status.frame_interval_s)
        failed = kind is Kind.END and status.state == "failed"
        if failed and stream == self.next != MAIN:
            self._failed.add(stream)
            self._give_up(now_s)
            return
        if self.auto and failed and stream == self.shown != MAIN:
            self._failed.add(stream)
            self._change_to(MAIN, now_s)
            self.subscribed = (MAIN,)

    def tick(
        self, entered: int, lost: int, frame_s: float | None, age_s: float | None, now_s: float
    ) -> None:
        """Look at the frames so far, and change the stream if that is due.

        Parameters
        ----------
        entered, lost : int
            Frames of this camera that were published, and lost here or on the way, so far.
        frame_s, age_s : float or None
            When the newest picture was handed out, and its age then.
        now_s : float
        """
        if not self.auto:
            return
        judge = self._judge
        if frame_s is not None and age_s is not None and frame_s != self._frame_s:
            self._frame_s = frame_s
            judge.picture(age_s, frame_s)
        judge.totals(entered, lost, now_s)
        if self.next:
            limit_s = LARGER_S if self._larger else SMALLER_S
            if self._larger:
                gives_up = judge.strained()
            else:
                gives_up = self.next != MAIN and self._brings_nothing(now_s)
            if gives_up or now_s - self._next_s > limit_s:
                self._give_up(now_s)
            return
        levels = self._levels(now_s)
        place = levels.index(self.shown) if self.shown in levels else 0
        smallest, largest = place == len(levels) - 1, place == 0
        match judge.move(now_s, smallest=smallest, largest=largest):
            case Move.SMALLER:
                judge.lowered(now_s)
                self._change_to(levels[place + 1], now_s)
                # At once: what it adds to the queue on the way would hold up the smaller stream.
                self.subscribed = (self.next,)
            case Move.LARGER:
                judge.try_larger(now_s)
                self._change_to(levels[place - 1], now_s, larger=True)
                self.subscribed = (self.shown, self.next)

    def keyframe_due(self, now_s: float) -> str:
        """Return the stream that a key frame is to be asked of; empty if none, or not yet."""
        following = self.next
        if not following or now_s - max(self._next_s, self._asked_s) < ASK_S:
            return ""
        self._asked_s = now_s
        return following

    def _brings_nothing(self, now_s: float) -> bool:
        """Return True if no picture of either stream comes, although statuses come in time.

        A status that was sent after the change has no queue in front of it any more.
        """
        patience_s = max(NOTHING_S, 2 * self._interval_s)
        is_free = self._timely_s - self._next_s >= NOTHING_S / 2
        return is_free and now_s - max(self._next_s, self._picture_s) > patience_s

    def _levels(self, now_s: float) -> list[str]:
        """Return the streams that show the whole picture, from the largest to the smallest."""
        offered = self.offered or {}
        avoided = [name for name, until_s in self._avoided_until_s.items() if now_s < until_s]
        whole = [name for name, size in offered.items() if "+" not in size]
        whole = [
            name for name in whole if name == self.shown or name not in (*self._failed, *avoided)
        ]
        whole = [name for name in whole if name != MAIN]
        return [MAIN, *sorted(whole, key=lambda name: -_pixels(offered[name]))]

    def _change_to(self, stream: str, now_s: float, *, larger: bool = False) -> None:
        self.next, self._larger, self._next_s = stream, larger, now_s
        self._interval_s = 0.0

    def _give_up(self, now_s: float) -> None:
        """Stay with what is shown."""
        log.debug("%s: stays at stream %s", self._camera, self.shown)
        if self._larger:
            self._judge.failed(now_s)
        else:
            self._avoided_until_s[self.next] = now_s + RETRY_S
            self._judge.returned(now_s)
        self.next, self.subscribed = "", (self.shown,)

    def _show_next(self, now_s: float) -> None:
        before, self.shown = self.shown, self.next
        self._seconds[before] = self._seconds.get(before, 0.0) + now_s - self._shown_s
        self._shown_s = now_s
        self.changes += 1
        self.next, self.subscribed = "", (self.shown,)
        if self._larger:
            self._judge.raised(now_s)
            log.info("%s: stream %s again: the link may carry it now", self._camera, self.shown)
        else:
            log.info("%s: stream %s instead of %s, whose pictures came late or were lost",
                     self._camera, self.shown, before)  # fmt: skip


def _pixels(size: str) -> int:
    width, _, height = size.partition("x")
    return int(width) * int(height) if height else 0
