"""The protocol of a source: anything that yields the frames of one camera."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from rankcast.frame import Frame
from rankcast_sender.sources.adjustments import Adjustments


class Described(Protocol):
    """What the status of a camera says about its source."""

    @property
    def description(self) -> str:
        """One line for status and reports, with settings as read back and without credentials."""

    @property
    def frame_interval_s(self) -> float | None:
        """Longest time to expect between two frames; None if unknown.

        Deadlines for a silent source are derived from it. May be read from any thread.
        """


class Source(Described, Protocol):
    """Yields the frames of one camera.

    The constructor opens the device or file; `close` releases it, in the same thread. Frames are
    numbered from 0 in ``Frame.frame``. Every frame that the source detects as lost (a file that
    cannot be decoded, a jump in the camera's own counter) leaves a gap in the numbers and adds 1
    to `gaps`. A source that can tell when a frame was exposed sets its clocks; if they are 0, the
    pipeline stamps the frame on arrival.
    """

    @property
    def live(self) -> bool:
        """Whether the device sets the pace; if not, the pipeline plays in real time."""

    @property
    def fps(self) -> float | None:
        """Frame rate of the source: read back from the camera, of the clip, or as configured."""

    @property
    def gaps(self) -> int:
        """Frames lost before they could be yielded."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the source ends.

        Raises
        ------
        SourceError
            If the device or file fails for good.
        """

    def interrupt(self) -> None:
        """End the iteration within a second; may be called from any thread."""

    def close(self) -> None:
        """Release the device; may be called twice."""


@runtime_checkable
class Adjustable(Protocol):
    """A source whose settings can change while it runs; its iteration applies them."""

    @property
    def adjustments(self) -> Adjustments:
        """Pending changes and the values in force."""


@runtime_checkable
class Remote(Protocol):
    """A source whose device another process reads."""

    def open(self) -> None:
        """Wait until the device is open; `interrupt` ends the wait.

        Raises
        ------
        SourceError
            If it cannot be opened.
        SettingsError
            If an option is impossible for it.
        """

    @property
    def replaced(self) -> int:
        """Frames that were replaced by newer ones before they could be yielded.

        Like lost ones they leave gaps in the numbers.
        """

    @property
    def frozen(self) -> bool:
        """True while the device repeats one frame; may be read from any thread."""


@runtime_checkable
class Timed(Protocol):
    """A source that is not live and whose frames carry presentation times."""

    @property
    def due_s(self) -> float:
        """Due time of the last yielded frame, in seconds after the first one."""
