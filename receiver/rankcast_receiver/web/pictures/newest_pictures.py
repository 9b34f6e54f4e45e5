"""NewestPictures: the newest decoded picture of each camera."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rankcast.frame import Frame

MOST_CAMERAS: Final = 1024


class NewestPictures:
    """Filled by the sink `pictures`, read in the event loop.

    Parameters
    ----------
    on_picture : callable
        Called with the name of the camera of each new picture.
    is_newest : callable
        Returns False for a picture after which others came that were not decoded.
    """

    def __init__(
        self,
        on_picture: Callable[[str], object],
        is_newest: Callable[[Frame], bool] = lambda _: True,
    ) -> None:
        self._on_picture, self._is_newest = on_picture, is_newest
        self._frames: dict[str, Frame] = {}

    def put(self, frame: Frame) -> None:
        """Replace the picture of a camera."""
        camera = frame.camera
        if camera not in self._frames and len(self._frames) >= MOST_CAMERAS:
            return
        self._frames[camera] = frame
        self._on_picture(camera)

    def get(self, camera: str) -> Frame | None:
        """Return the newest picture of a camera; None while it is not decoded."""
        frame = self._frames.get(camera)
        return frame if frame is not None and self._is_newest(frame) else None


class PictureSink:
    """Sink `pictures`: keeps the newest picture; see `rankcast_receiver.sinks.Sink`."""

    name = "pictures"
    wants: Final = "frames"

    def __init__(self, newest: NewestPictures) -> None:
        self._newest = newest

    def put(self, frame: Frame) -> bool:
        """Keep one frame; see Sink."""
        self._newest.put(frame)
        return True

    def idle(self) -> bool:
        """Do nothing; see Sink."""
        return True

    def close(self) -> None:
        """Do nothing; see Sink."""
