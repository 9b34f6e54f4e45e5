"""RelaySupervision: the cameras of a relay, as its main thread watches over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rankcast.runtime import Pulse, StatusLog, StopFlag, losses_text
from rankcast_relay.pipeline import RelayPipeline
from rankcast_relay.relayed_camera import RelayedCamera
from rankcast_sender.outlet import Outlet


class RelaySupervision:
    """Reports the status of the cameras until a signal.

    Parameters
    ----------
    pipeline : RelayPipeline
    outlet : Outlet
    flag : StopFlag
    keep_report : callable
        Called once a second, to keep the report for a process that cannot write it any more.
    """

    def __init__(
        self,
        pipeline: RelayPipeline,
        outlet: Outlet,
        flag: StopFlag,
        keep_report: Callable[[], None],
    ) -> None:
        self._pipeline, self._outlet = pipeline, outlet
        self._flag, self._keep_report = flag, keep_report
        self._before: dict[str, tuple[int, int]] = {}
        """Frames and bytes of each camera at its last status."""

    @property
    def ended(self) -> bool:
        """True once nothing is passed on any more, or a signal has come."""
        return self._flag.requested or self._pipeline.wait(0)

    @property
    def pulses(self) -> Iterable[Pulse]:
        """Pulses of all threads."""
        return [*self._outlet.pulses, *self._pipeline.pulses]

    def check(self) -> None:
        """Raise the failure of a thread of the outlet."""
        self._outlet.check()

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of the pipeline."""
        self._pipeline.wait(timeout_s)

    def report(self, status_log: StatusLog, elapsed_s: float) -> str:
        """Log the status of each camera and substream, and keep the report."""
        cameras = {n: each for n, each in self._pipeline.cameras.items() if not each.is_withdrawn}
        for name, camera in cameras.items():
            status_log.report(name, *self._status_line(name, camera, elapsed_s))
        self._keep_report()
        return ", ".join(f"{name} {camera.shown_state}" for name, camera in cameras.items())

    def _status_line(
        self, name: str, camera: RelayedCamera, elapsed_s: float
    ) -> tuple[object, str]:
        balance, state, viewers = camera.balance(), camera.shown_state, camera.viewers
        frames, size = self._before.get(name, (0, 0))
        self._before[name] = balance.passed, camera.packet_bytes
        frames, size = balance.passed - frames, camera.packet_bytes - size
        text = (
            f"{name}: {state}, {viewers} {'viewer' if viewers == 1 else 'viewers'}, "
            f"{frames / elapsed_s:.1f} fps, {size * 8e-6 / elapsed_s:.2f} Mbit/s, "
            f"passed on {balance.passed}, lost {losses_text(balance.lost)}"
        )
        return (state, viewers, frozenset(balance.lost)), text
