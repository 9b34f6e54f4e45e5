"""QualitySteps: changes the quality of cameras at their senders, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rankcast.frame import Scalar
from rankcast.printable import printable
from rankcast.wire import Reply

QUALITY: Final = "quality"
LOWEST: Final = 1
HIGHEST: Final = 100


class Asked(Protocol):
    """A request whose reply may come later."""

    @property
    def reply(self) -> Reply | None:
        """None while it is awaited."""


Ask = Callable[[str, str, Mapping[str, Scalar]], Asked]
"""Sends a request: camera, operation, arguments. Never waits."""


@dataclass(slots=True)
class _Change:
    """A change of one camera that is under way."""

    by: int
    """Steps that are not sent yet: keys may be pressed faster than a sender replies."""
    asked: Asked
    before: int | None = None
    """The quality that is being replaced; None while it is read."""


class QualitySteps:
    """Raises and lowers the quality of cameras.

    The present value is read from the sender first, because others may change it, too.

    Parameters
    ----------
    ask : callable
        Sends a request to the sender of a camera.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._changes: dict[str, _Change] = {}

    def step(self, camera: str, by: int) -> None:
        """Change the quality of a camera by this much; `news` says what came of it."""
        change = self._changes.get(camera)
        if change is None:
            self._changes[camera] = _Change(by, self._read(camera))
        else:
            change.by += by

    def news(self) -> Sequence[str]:
        """Go on with the changes whose replies have come; return what there is to say."""
        found = []
        for camera, change in list(self._changes.items()):
            reply = change.asked.reply
            if reply is None:
                continue
            if not reply.ok:
                del self._changes[camera]
                found.append(f"{camera}: quality not changed: {printable(reply.error)[:200]}")
            elif change.before is None:
                found += self._take_value(camera, change, reply.result.get(QUALITY))
            else:
                found.append(self._take_change(camera, change, reply.result.get(QUALITY)))
        return found

    def _read(self, camera: str) -> Asked:
        return self._ask(camera, "get", {"name": QUALITY})

    def _take_value(self, camera: str, change: _Change, value: object) -> Sequence[str]:
        if type(value) is not int or not LOWEST <= value <= HIGHEST:
            del self._changes[camera]
            return [f"{camera}: quality not changed: the sender uses none, such as at a bit rate"]
        wanted = min(max(value + change.by, LOWEST), HIGHEST)
        if wanted == value:
            del self._changes[camera]
            return [f"{camera}: quality stays {value}"]
        change.by, change.before = 0, value
        change.asked = self._ask(camera, "set", {QUALITY: wanted})
        return []

    def _take_change(self, camera: str, change: _Change, value: object) -> str:
        shown = printable(value)[:20]
        told = f"{camera}: quality {change.before} -> {shown}"
        if change.by:
            change.before, change.asked = None, self._read(camera)
        else:
            del self._changes[camera]
        return told
