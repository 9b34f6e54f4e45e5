"""``replay:FILE.mcap``: the packets of one camera of a recording, as they were recorded."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from rankcast.errors import RecordingError, SettingsError, SourceError, WireError
from rankcast.frame import Scalar
from rankcast.printable import printable
from rankcast.recordings import RecordedMessage, RecordingReader
from rankcast.wire import unpack
from rankcast_sender.sources.adjustments import Adjustments
from rankcast_sender.sources.recorded_packets import RecordedPacket
from rankcast_sender.sources.uri import SourceOptions

MAX_SPEED: Final = 100.0
_NS: Final = 1_000_000_000
_LOOKED_AT_S: Final = 60.0
"""Where no camera is named, this much of a recording is searched for a second one."""


class RecordingOptions(SourceOptions):
    """Options of ``replay:FILE.mcap``."""

    camera: str = ""
    """Camera of the recording; may be left out if there is only one."""
    start: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Seconds after the first message of the recording."""
    end: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds after the first message of the recording; by default all of it."""
    speed: Annotated[float, Field(ge=0.01, le=MAX_SPEED, allow_inf_nan=False)] = 1.0
    """2 plays twice as fast."""
    loop: bool = False
    """Start again at the end."""
    trigger: Literal["off", "on"] = "off"
    """on: single-step, one frame for each `trigger=once` from the control channel."""

    @model_validator(mode="after")
    def _times_fit(self) -> RecordingOptions:
        if self.fps is not None:
            raise ValueError("a recording has times of its own: use speed instead of fps")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"got end {self.end:g} s, want more than start, {self.start:g} s")
        return self


class RecordingSource:
    """Yields the packets of one camera, unchanged.

    Parameters
    ----------
    path : str
        First segment of the recording; later ones follow by themselves.
    options : RecordingOptions

    Raises
    ------
    SourceError
        If the file cannot be read, or has no frames of the camera.
    """

    def __init__(self, path: str, options: RecordingOptions) -> None:
        self.options = options
        self._path = Path(path)
        self._name = f"replay:{printable(path)}"
        self._interrupted = threading.Event()
        self._stepping, self._steps = options.trigger == "on", 0
        self.interval_s: float | None = None
        """Time to the packet after the one that is due; set by the pipeline."""
        try:
            self._reader = RecordingReader(self._path)
        except RecordingError as exc:
            raise SourceError(f"{self._name}: {_after_name(exc, self._path)}") from exc
        try:
            self._first_ns, self._camera = self._look()
        except RecordingError as exc:
            self._reader.close()
            raise SourceError(f"{self._name}: {_after_name(exc, self._path)}") from exc
        except SourceError:
            self._reader.close()
            raise
        self.adjustments = Adjustments(self._values())

    def _look(self) -> tuple[int, str]:
        """Return the time of the first message, and the camera to play."""
        wanted, first_ns = self.options.camera, None
        cameras: dict[str, None] = {}
        for message in self._reader.messages():
            first_ns = message.t_recorded_ns if first_ns is None else first_ns
            if message.kind == "frames":
                cameras[message.camera] = None
            looked_s = (message.t_recorded_ns - first_ns) / _NS
            if wanted in cameras or (not wanted and (len(cameras) > 1 or looked_s > _LOOKED_AT_S)):
                break
        known = ", ".join(cameras) or "none"
        if first_ns is None or not cameras:
            raise SourceError(f"{self._name}: holds no frames")
        if wanted and wanted not in cameras:
            raise SourceError(f"{self._name}: got camera={wanted}, the recording has: {known}")
        if not wanted and len(cameras) > 1:
            raise SourceError(
                f"{self._name}: holds several cameras: choose one with ?camera=NAME of {known}"
            )
        return first_ns, wanted or next(iter(cameras))

    @property
    def description(self) -> str:
        """Name of the file and of the camera, and the speed."""
        speed = "" if self.options.speed == 1 else f" at {self.options.speed:g} times the speed"
        name = self._path.name
        return f"replay of the recording {printable(name):.200}, camera {self._camera}{speed}"

    @property
    def speed(self) -> float:
        """How many seconds of the recording are played in one."""
        return self.options.speed

    @property
    def frame_interval_s(self) -> float | None:
        """Time to the next packet; None before the first, and while single-stepping."""
        return None if self._stepping else self.interval_s

    def __iter__(self) -> Iterator[RecordedPacket]:
        """Yield the packets until the end, or for ever with `loop`.

        Raises
        ------
        SourceError
            If the recording cannot be read any more, or has no frame in the span to play.
        """
        start_ns = self._first_ns + round(self.options.start * _NS)
        end_s = self.options.end
        end_ns = None if end_s is None else self._first_ns + round(end_s * _NS)
        for loop in itertools.count():
            packets = 0
            try:
                for message in self._reader.messages(start_ns, end_ns):
                    packet = self._packet(message, loop, start_ns)
                    if packet is None:
                        continue
                    packets += 1
                    yield packet
                    if self._interrupted.is_set():
                        return
            except RecordingError as exc:
                raise SourceError(f"{self._name}: {_after_name(exc, self._path)}") from exc
            if not packets:
                raise SourceError(f"{self._name}: holds no frame from start to end")
            if not self.options.loop:
                return

    def _packet(self, message: RecordedMessage, loop: int, start_ns: int) -> RecordedPacket | None:
        if message.kind != "frames" or message.camera != self._camera:
            return None
        try:
            header = unpack(message.data).header
        except WireError:
            return None  # a receiver would refuse it, and finds its sequence missing
        is_lead = message.t_recorded_ns < start_ns
        return RecordedPacket(bytes(message.data), header, loop, is_lead)

    def wait_for_step(self) -> bool:
        """Wait for the next step; return False at once if the replay is not single-stepped.

        Changes of the setting `trigger` are applied meanwhile.
        """
        self.adjustments.serve(self._apply)
        waited = False
        while self._stepping and not self._steps and not self._interrupted.is_set():
            waited = True
            self.adjustments.wait(1.0)
            self.adjustments.serve(self._apply)
        self._steps = max(0, self._steps - 1)
        return waited or self._stepping

    def _values(self) -> Mapping[str, Scalar]:
        return {"trigger": "on" if self._stepping else "off"}

    def _apply(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        trigger = wanted.get("trigger")
        if trigger not in ("off", "on", "once"):
            raise SettingsError(f"got trigger {trigger!r:.40}, want off, on or once")
        if trigger == "once" and not self._stepping:
            raise SettingsError(
                "got trigger once, but the replay is not single-stepped: set trigger=on first"
            )
        if trigger == "once":
            self._steps += 1
        else:
            self._stepping, self._steps = trigger == "on", 0
        return self._values()

    def interrupt(self) -> None:
        """End the iteration; may be called from any thread."""
        self._interrupted.set()
        self.adjustments.wake()

    def close(self) -> None:
        """Close the files; may be called twice."""
        self._reader.close()


def _after_name(exc: RecordingError, path: Path) -> str:
    """Return the reason without the path, which the name of the source has already."""
    return str(exc).removeprefix(f"{path}: ")
