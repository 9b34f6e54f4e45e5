"""A camera for control requests without sockets and threads, whose frames a test makes itself."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from rankcast.errors import SettingsError
from rankcast.frame import Frame, Scalar
from rankcast_sender.camera import Camera, StreamOptions
from rankcast_sender.sources import Adjustments
from support.fakes import FakeSource


class AdjustableSource(FakeSource):
    """A fake source with settings that can be changed."""

    def __init__(self, adjustments: Adjustments) -> None:
        super().__init__([])
        self.adjustments = adjustments


def open_source(camera: Camera, adjustments: Adjustments) -> None:
    """Give `camera` an open source with `adjustments`."""
    camera.source.opened(AdjustableSource(adjustments), announces=False)


class FakeCamera(Camera):
    """The camera of a sender, whose grabbing and encoding is a call of `turn`.

    Parameters
    ----------
    name : str
    codec : str
    adjustable : bool
        The camera then has a setting `gain`, 0 to 16, which changes when `turn` is called.
    """

    def __init__(self, name: str, codec: str = "svd-patch", *, adjustable: bool = False) -> None:
        super().__init__(StreamOptions(name, codec))
        self.channel.stream_id = bytes(range(8))
        if adjustable:
            open_source(self, Adjustments({"gain": 1.0}))
        self._frames = 0
        self.turn()

    def turn(self) -> None:
        """Grab a frame, publish it, and make the changes that were requested."""
        self.grabbed(Frame(np.full((2, 3), self._frames % 256, np.uint8), frame=self._frames))
        if (change := self.codec_settings.take()) is not None:
            self.codec_settings.settle(change)
        now_s = time.monotonic()
        key = self.keyframes.due(now_s) or not self._frames
        self.keyframes.published(self._frames, 100, now_s, key=key, requested=True)
        self.ledger.passed()
        self._frames += 1
        if self.adjustments is not None:
            self.adjustments.serve(self._adjust)

    def _adjust(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        gain = wanted["gain"]
        if type(gain) not in (int, float) or not 0 <= gain <= 16:  # type: ignore[operator]
            raise SettingsError(f"gain is {gain!r:.40}, want 0 to 16")
        return {"gain": float(gain)}  # type: ignore[arg-type]
