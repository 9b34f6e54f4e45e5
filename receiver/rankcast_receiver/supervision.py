"""What the main thread does while a receiver runs: it logs the status, or runs the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.runtime import Pulse, ServiceManager, StatusLog, losses_text
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.report import not_recorded, recorded_text, troubled
from rankcast_receiver.sink_runners import recorder_of
from rankcast_receiver.sinks import SinkRunner

RATES_INTERVAL_S: Final = 1.0
"""Rates cover the last second, however rarely they are logged."""
POLL_S: Final = 0.1


def watch(
    pipeline: ReceiverPipeline,
    stopped: Callable[[], bool],
    runners: Sequence[SinkRunner],
    window: SinkRunner | None,
    manager: ServiceManager,
    pulse: Pulse,
    status_interval_s: float,
    keep_report: Callable[[], None],
) -> None:
    """Log the status until the stream ends; a window runs in this thread."""
    if window is not None:

        def must_stop() -> bool:
            pulse.beat()
            manager.notify_watchdog(pipeline.pulses)
            keep_report()
            return stopped()

        window.stop_when(must_stop)
        pipeline.run_main_thread()
        return
    status = StatusLog(status_interval_s)
    try:
        _log_status(pipeline, stopped, recorder_of(runners), manager, pulse, status, keep_report)
    finally:
        status.close()


def _log_status(
    pipeline: ReceiverPipeline,
    stopped: Callable[[], bool],
    recorder: SinkRunner | None,
    manager: ServiceManager,
    pulse: Pulse,
    status: StatusLog,
    keep_report: Callable[[], None],
) -> None:
    before_s, before_frames, before_bytes = boot_s(), 0, 0
    while not pipeline.wait(POLL_S) and not stopped():
        pulse.beat()
        manager.notify_watchdog(pipeline.pulses)
        now_s = boot_s()
        if (seconds := now_s - before_s) < RATES_INTERVAL_S:
            continue
        tally, lost = pipeline.tally, pipeline.current().lost
        frames, size = tally.frames - before_frames, tally.packet_bytes - before_bytes
        before_s, before_frames, before_bytes = now_s, tally.frames, tally.packet_bytes
        keep_report()
        status.report(
            "receiver",
            # State changes are logged separately.
            (tally.frames > 0, frozenset(lost), frozenset(not_recorded(recorder))),
            f"{frames / seconds:.1f} fps, {size / max(frames, 1) / 1e3:.1f} kB/frame, "
            f"{size * 8e-6 / seconds:.2f} Mbit/s, received {tally.frames}, "
            f"lost {losses_text(lost)}{recorded_text(recorder)}{troubled(pipeline.states())}",
        )
