"""SenderSupervision: the cameras of a sender, as its main thread watches over them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from rankcast.runtime import Pulse, StatusLog, StopFlag
from rankcast_sender.black_box import BlackBox
from rankcast_sender.outlet import Outlet
from rankcast_sender.running_camera import RunningCamera

log = logging.getLogger(__name__)


class SenderSupervision:
    """Settles each camera that has ended, and reports the status of the others.

    Parameters
    ----------
    streams : sequence of RunningCamera
    outlet : Outlet
    black_box : BlackBox, optional
    flag : StopFlag
    keep_report : callable
        Called once a second, to keep the report for a process that cannot write it any more.
    """

    def __init__(
        self,
        streams: Sequence[RunningCamera],
        outlet: Outlet,
        black_box: BlackBox | None,
        flag: StopFlag,
        keep_report: Callable[[], None],
    ) -> None:
        self._streams, self._outlet, self._black_box = streams, outlet, black_box
        self._flag, self._keep_report = flag, keep_report
        self._active: Sequence[RunningCamera] = ()
        """Cameras that ran when the last wait began."""

    @property
    def ended(self) -> bool:
        """True once every camera has ended, or a signal has come."""
        return self._flag.requested or all(stream.ended for stream in self._streams)

    @property
    def pulses(self) -> Iterable[Pulse]:
        """Pulses of the outlet and of the cameras that run."""
        return pulses_of(self._outlet, self._streams)

    def check(self) -> None:
        """Raise the failure of a thread that all cameras share."""
        self._outlet.check()
        if self._black_box is not None:
            self._black_box.check()
            if self._black_box.error is not None:
                self._outlet.record_on(None)  # nobody is offered what cannot be recorded

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of a camera, and settle each that has ended."""
        self._active = [stream for stream in self._streams if not stream.ended]
        self._active[0].pipeline.wait(timeout_s)
        self._flag.keep_state(_states(self._streams))
        for stream in self._active:
            if stream.pipeline.wait(0):
                stream.finish(self._flag)
                if stream.error is not None and len(self._streams) > 1:
                    log.error("%s: %s; the other cameras continue", stream.name, stream.error)

    def report(self, status_log: StatusLog, elapsed_s: float) -> str:
        """Log the status of each camera that runs, and keep the report."""
        for stream in self._streams:
            if not stream.ended:
                status_log.report(stream.name, *stream.status_line(elapsed_s))
        self._keep_report()
        return _states(self._active)


def pulses_of(outlet: Outlet, streams: Sequence[RunningCamera]) -> list[Pulse]:
    """Return the pulses of the outlet and of the cameras that run."""
    active = (stream for stream in streams if not stream.ended)
    return [*outlet.pulses, *(pulse for stream in active for pulse in stream.pipeline.pulses)]


def _states(streams: Iterable[RunningCamera]) -> str:
    return ", ".join(f"{stream.name} {stream.camera.state}" for stream in streams)
