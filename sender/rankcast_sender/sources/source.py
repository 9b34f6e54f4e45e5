"""What a source is: where frames come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from rankcast.frame import Frame
from rankcast_sender.sources.adjustments import Adjustments


class Source(Protocol):
    """Yields frames; opened by its constructor, closed by `close` in the same thread.

    Frames are numbered from 0 in ``Frame.frame``; what the source knows it lost (a file that
    cannot be decoded, a jump of the camera's own count) leaves a hole and counts in `gaps`.
    A source that knows when a frame was exposed sets its clocks; one that leaves them 0
    gets the time at which the frame was handed over.
    """

    @property
    def description(self) -> str:
        """One line for status and reports, with what was read back; never credentials."""

    @property
    def live(self) -> bool:
        """True where the device sets the pace; else the pipeline does, in real time."""

    @property
    def fps(self) -> float | None:
        """The source's own rate: of the camera as read back, of a video file, or as asked for."""

    @property
    def gaps(self) -> int:
        """Frames that were lost before they could be handed over."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the source ends.

        Raises
        ------
        SourceError
            If the device or file fails for good.
        """

    def interrupt(self) -> None:
        """Make the iteration end within a second; may be called from any thread."""

    def close(self) -> None:
        """Release the device; may be called twice."""


@runtime_checkable
class Adjustable(Protocol):
    """A source that can be changed while it runs; it serves `adjustments` in its iteration."""

    @property
    def adjustments(self) -> Adjustments:
        """ChangeLog that wait, and the values in force."""
