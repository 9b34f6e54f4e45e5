"""What each thread is doing, so that one that is stuck can be named."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from types import FrameType
from typing import Final

MAX_STACK: Final = 64
SAMPLES: Final = 4
SAMPLE_S: Final = 0.05
"""A thread that works moves on within this time; one that is stuck stays where it is."""
_WAITS: Final = (
    "threading.py", "concurrent/futures/_base.py", "zmq/sugar/poll.py", "zmq/sugar/socket.py",
)  # fmt: skip
"""Files of functions that wait for a thread or a peer, called by us."""
_OURS: Final = frozenset({"rankcast", "rankcast_sender", "rankcast_receiver"})

_doing: dict[int, str] = {}


def _ignore(_ident: int, _text: str) -> None:
    return


_on_change: Callable[[int, str], None] = _ignore


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a stack."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.function} ({PurePath(self.path).name}:{self.line})"


@contextmanager
def doing(text: str) -> Iterator[None]:
    """Name what this thread does within the block, such as ``opening source camera:0 of cam``.

    Wrap whatever calls a driver, a library or a disk: all of these may never return.
    """
    ident = threading.get_ident()
    before = _doing.get(ident)
    _note(ident, text)
    try:
        yield
    finally:
        _note(ident, before)


def copy_changes_to(on_change: Callable[[int, str], None]) -> None:
    """Report each change to `on_change`: the thread, and what it does or an empty text."""
    global _on_change
    _on_change = on_change


def place_of_work(places: Sequence[Place]) -> Place | None:
    """Return where a thread works, or None if it waits for another thread or for a peer.

    Parameters
    ----------
    places : sequence of Place
        The stack of the thread, innermost first.
    """
    waits = False
    for place in places:
        if place.path.replace("\\", "/").endswith(_WAITS):
            waits = True
        elif waits and not _OURS.isdisjoint(PurePath(place.path).parts):
            return None
        else:
            return place
    return None


def stuck() -> list[str]:
    """Name the threads that are stuck, with the function in which they are.

    A thread is stuck if it stays at one place for a while and does not merely wait for another
    thread. If all threads wait, all of them are named; if all work, the main thread is.
    """
    mine, first = threading.get_ident(), _stacks()
    for _ in range(SAMPLES - 1):
        time.sleep(SAMPLE_S)  # the sampling interval
        again = _stacks()
        first = {ident: stack for ident, stack in first.items() if again.get(ident) == stack}
    found, waiting = [], []
    for ident, text in list(_doing.items()):
        if ident in first and ident != mine:
            places = first[ident][1]
            place = place_of_work(places)
            if place is not None:
                found.append(f"{text}, in {place}")
            elif ident != threading.main_thread().ident:
                waiting.append(f"{text}, in {places[0]}" if places else text)
    # Otherwise nothing is stuck: the main thread still loads modules, say, on a busy machine.
    return found or waiting or [describe(threading.main_thread().ident)]


def describe(ident: int | None) -> str:
    """Return what a thread does and where; an empty text if that is unknown."""
    text = _doing.get(ident or 0, "a thread")
    _, places = _stacks().get(ident or 0, (0, []))
    place = place_of_work(places) or (places[0] if places else None)
    return text if place is None else f"{text}, in {place}"


def _note(ident: int, text: str | None) -> None:
    if text is None:
        _doing.pop(ident, None)
    else:
        _doing[ident] = text
    _on_change(ident, text or "")


def _stacks() -> dict[int, tuple[int, list[Place]]]:
    """Return for each thread the instruction it is at, and its stack, innermost first."""
    return {
        ident: (frame.f_lasti, _places(frame))
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - documented
    }


def _places(frame: FrameType | None) -> list[Place]:
    places: list[Place] = []
    while frame is not None and len(places) < MAX_STACK:
        code = frame.f_code
        places.append(Place(code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return places
