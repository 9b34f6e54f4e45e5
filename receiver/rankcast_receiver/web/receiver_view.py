"""ReceiverView: what the web address knows of the receiver, and what it may ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rankcast.frame import Frame, Scalar
from rankcast.wire import Limits
from rankcast_receiver.net import ControlRequest
from rankcast_receiver.state import CameraState
from rankcast_receiver.stream import CameraStream
from rankcast_receiver.subscriber import ControlAddress


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """Functions of the receiver; each may be called from any thread."""

    states: Callable[[], Sequence[CameraState]]
    streams: Callable[[], Mapping[str, CameraStream]]
    """Cameras by their names here."""
    want_keyframe: Callable[[str, bool], None]
    """Asks for a key frame of a camera, or no longer."""
    control_address: Callable[[str], ControlAddress | None]
    """Where to send requests for a camera."""
    ask: Callable[[str, str, Mapping[str, Scalar]], ControlRequest]
    """Sends a request: camera, operation, arguments. Never waits."""
    limits: Limits

    def want_pixels(self, camera: str) -> None:
        """Have a camera decoded for a while: whoever needs its pixels asks again and again."""
        stream = self.streams().get(camera)
        if stream is not None:
            stream.demand.renew()

    def is_newest(self, frame: Frame) -> bool:
        """Return False if newer pictures of its camera came that nobody needed decoded."""
        stream = self.streams().get(frame.camera)
        return stream is None or stream.is_newest(frame)

    def want_reference(self, camera: str, wanted: bool) -> None:
        """Ask the decoder for a reference packet of a camera, or no longer."""
        stream = self.streams().get(camera)
        if stream is not None:
            stream.reference_wanted = wanted
