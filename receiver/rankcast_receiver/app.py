"""Composition root of the receiver: the one place that knows concrete sinks."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rankcast.atomic_file import check_writable, make_folder, write_whole
from rankcast.codec import CODECS_BY_NAME, preload_models
from rankcast.errors import NoStreamError, SettingsError, SinkError
from rankcast.kernels import pool
from rankcast.kernels.prepare import prepare_kernels
from rankcast.net import CurveClient, client_keys
from rankcast.numerics import Fidelity
from rankcast.printable import printable
from rankcast.runtime import SINK, ServiceManager, StopFlag, stop_flag
from rankcast_receiver.pipeline import ReceiverPipeline
from rankcast_receiver.report import build_report
from rankcast_receiver.settings import ReceiverSettings
from rankcast_receiver.sinks import Sink, SinkRunner
from rankcast_receiver.sinks.count import CountSink
from rankcast_receiver.sinks.display import DisplaySink
from rankcast_receiver.sinks.save import SaveOptions, SaveSink
from rankcast_receiver.stream import CameraState, State
from rankcast_receiver.subscriber import Subscriber

log = logging.getLogger(__name__)

STATS_INTERVAL_S = 1.0
POLL_S = 0.1
MAX_TROUBLES = 8
"""Cameras named in one line."""


def run(settings: ReceiverSettings, report: Path | None = None) -> int:
    """Receive until the stream ends, enough frames came, or a signal stops it.

    Returns
    -------
    int
        Exit code, 0.

    Raises
    ------
    NoStreamError
        If nothing came within the time-out, or fewer frames than wanted.
    RankcastError
        If a sink cannot be opened.
    """
    with ServiceManager() as manager:
        return _run(settings, report, manager)


def _run(settings: ReceiverSettings, report: Path | None, manager: ServiceManager) -> int:
    if report is not None:
        check_writable(report)
    models = settings.stream.models
    if models and not Path(models).is_dir():
        raise SettingsError(f"got {printable(models)} as folder of models: it is none")
    curves = _curves(settings)
    if settings.save.dir:
        make_folder(Path(settings.save.dir))  # before anything is compiled or opened
    pool.set_threads(settings.process.threads)
    started = time.monotonic()
    wanted = settings.stream.frames
    pipeline: ReceiverPipeline
    sinks = _sinks(settings, lambda: pipeline.states())
    runners = [
        SinkRunner(name, open_sink, live=settings.live, most_frames=0 if number else wanted)
        for number, (name, open_sink) in enumerate(sinks.items())
    ]
    window = next((runner for runner in runners if runner.name == DisplaySink.name), None)
    pipeline = ReceiverPipeline(partial(_subscriber, settings, curves), runners, window)
    network = settings.network
    log.info("%s: %s", ", ".join(network.endpoints), network.camera or "every camera")
    with stop_flag() as flag:
        try:
            manager.starting()
            # Every codec, since any may come.
            if prepare_kernels(CODECS_BY_NAME, lambda: flag.requested, decoders_only=True) and (
                not models or preload_models(Path(models), lambda: flag.requested)
            ):
                pipeline.start()
                manager.ready()
                _watch(pipeline, flag, window, manager)
        finally:
            manager.stopping()
            if flag.requested:
                pipeline.abandon()
            try:
                pipeline.join()
            finally:
                outcome, seconds = pipeline.outcome, time.monotonic() - started
                values = build_report(runners, pipeline.tally, outcome, seconds)
                _tell(values, pipeline.tally.fidelity, outcome.states)
                if report is not None:
                    write_whole(report, json.dumps(values, indent=2).encode() + b"\n")
    delivered, lost = values["delivered"], values["lost"].get(SINK, 0)
    if flag.requested or runners[0].quit:
        return 0
    if lost:
        raise SinkError(f"{lost} frames could not be taken by sink {runners[0].name}, see above")
    if wanted and delivered >= wanted:
        return 0
    if pipeline.silence is not None:
        raise pipeline.silence
    if outcome.failed_camera:
        raise NoStreamError(f"camera {outcome.failed_camera} failed at the sender")
    if delivered < wanted:
        raise NoStreamError(f"got {delivered} frames before the stream ended, want {wanted}")
    return 0


def _sinks(
    settings: ReceiverSettings, states: Callable[[], Sequence[CameraState]]
) -> dict[str, Callable[[], Sink]]:
    """The wanted sinks; the first one is the main one."""
    sinks: dict[str, Callable[[], Sink]] = {}
    save = settings.save
    if save.dir:
        options = SaveOptions(
            folder=Path(save.dir),
            format=save.format,
            every=save.every,
            max_files=save.max_files,
            max_bytes=save.max_bytes,
            jpeg_quality=save.jpeg_quality,
            png_compression=save.png_compression,
        )
        sinks[SaveSink.name] = partial(SaveSink, options)
    if settings.display.enabled:
        sinks[DisplaySink.name] = partial(DisplaySink, states=states)
    return sinks or {CountSink.name: CountSink}


def _curves(settings: ReceiverSettings) -> Sequence[CurveClient]:
    """Keys of this station, one for each that the sender may have; none without keys."""
    security = settings.security
    if not security.key:
        return ()
    return client_keys(Path(security.key), [Path(path) for path in security.server_keys])


def _subscriber(
    settings: ReceiverSettings, curves: Sequence[CurveClient], stopped: Callable[[], bool]
) -> Subscriber:
    network = settings.network
    return Subscriber(
        network.endpoints,
        camera=network.cameras,
        live=settings.live,
        timeout_s=network.timeout_s or None,
        stay=network.stay,
        limits=settings.limits.limits(),
        queue_messages=network.queue_messages or None,
        buffer_bytes=network.buffer_bytes,
        models=Path(settings.stream.models) if settings.stream.models else None,
        control=network.control,
        stopped=stopped,
        curves=curves,
    )


def _watch(
    pipeline: ReceiverPipeline, flag: StopFlag, window: SinkRunner | None, manager: ServiceManager
) -> None:
    """Wait for the end, with one line a second; a window needs this thread for itself."""
    if window is not None:

        def stopped() -> bool:
            manager.feed(pipeline.pulses)
            return flag.requested

        window.stop_when(stopped)
        pipeline.run_main_thread()
        return
    before, before_frames, before_bytes = time.monotonic(), 0, 0
    while not pipeline.wait(POLL_S) and not flag.requested:
        manager.feed(pipeline.pulses)
        now = time.monotonic()
        if now - before < STATS_INTERVAL_S:
            continue
        tally = pipeline.tally
        frames, size = tally.frames - before_frames, tally.packet_bytes - before_bytes
        log.info(
            "%.1f fps, %.1f kB/frame, %.2f Mbit/s, received %d, lost %s%s",
            frames / (now - before),
            size / max(frames, 1) / 1e3,
            size * 8e-6 / (now - before),
            tally.frames,
            _losses(pipeline.current().lost),
            _troubles(pipeline.states()),
        )
        before, before_frames, before_bytes = now, tally.frames, tally.packet_bytes


def _losses(lost: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {cause}" for cause, count in sorted(lost.items())) or "none"


def _troubles(states: Sequence[CameraState]) -> str:
    """The cameras that are not simply live."""
    troubled = [state for state in states if state.state not in (State.LIVE, State.ENDED)]
    said = [f"; {state.camera or state.endpoint}: {state}" for state in troubled[:MAX_TROUBLES]]
    more = len(troubled) - len(said)
    return "".join(said) + (f"; and {more} more" if more else "")


def _tell(values: Mapping[str, Any], fidelity: Fidelity, states: Sequence[CameraState]) -> None:
    log.info(
        "end: published %s, delivered %d, lost %s%s%s",
        "unknown" if values["published"] is None else values["published"],
        values["delivered"],
        _losses(values["lost"]),
        f"; {fidelity}".removesuffix("; "),
        _troubles(states),
    )
    if values["balanced"] is False:
        log.error("some frames are unaccounted for")
