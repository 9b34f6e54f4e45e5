"""Composition root of the receiver: the only module that knows concrete sinks."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rankcast import pool
from rankcast.atomic_file import check_writable, make_folder, write_whole
from rankcast.boot_clock import boot_s
from rankcast.codec import preload_models
from rankcast.errors import (
    NoStreamError,
    RankcastError,
    SettingsError,
    SinkError,
    WorkerError,
)
from rankcast.nats import NatsAddress, NatsOptions, is_nats
from rankcast.net import CurveClient, client_keys, read_public, read_secret
from rankcast.numerics import Fidelity
from rankcast.recorder import (
    AnyRecorder,
    FreeSpace,
    RecordedTail,
    Triggers,
    open_recorder,
    signals_as_triggers,
)
from rankcast.runtime import (
    SINK,
    SKIPPED_AS_OLD,
    Pulse,
    ServiceManager,
    StatusLog,
    configure_logs,
    doing,
    losses_text,
    stop_flag,
    stuck,
    workers_running,
)
from rankcast_receiver.net import SenderAddress
from rankcast_receiver.pipeline import PIPELINE_STOP_S, ReceiverPipeline
from rankcast_receiver.report import Outcome, build_report, troubled
from rankcast_receiver.sender_search import find_senders
from rankcast_receiver.settings import ReceiverSettings
from rankcast_receiver.sinks import PacketSink, Sink, SinkRunner, parse_levels
from rankcast_receiver.sinks.count import CountSink
from rankcast_receiver.state import CameraState
from rankcast_receiver.subscriber import Subscriber
from rankcast_receiver.web_address import (
    WEB,
    WEB_SINKS,
    check_addresses,
    decodes_on_demand,
    ending,
    metrics_routes,
    open_metrics,
    open_web,
)

if TYPE_CHECKING:
    from rankcast_receiver.web import WebServer

log = logging.getLogger(__name__)

RATES_INTERVAL_S: Final = 1.0
"""Rates cover the last second, however rarely they are logged."""
POLL_S: Final = 0.1
RECORD: Final = "record"
"""Name of the sink of recordings."""


def check(settings: ReceiverSettings, report: Path | None = None) -> Sequence[CurveClient]:
    """Check all that a receiver reads before it opens anything; return the keys of connections.

    Raises
    ------
    SettingsError
        If a key, a token, a certificate, a folder that is read or the file of the report cannot be
        used, or an address can be reached by more than it may.
    """
    if report is not None:
        check_writable(report)
    models = settings.stream.models
    if models and not Path(models).is_dir():
        raise SettingsError(f"--models is not a directory: {models}")
    check_addresses(settings)
    for endpoint in filter(is_nats, settings.network.endpoints):
        NatsOptions.of(settings.nats).check(NatsAddress.of(endpoint))
    return _curves(settings)


def run(settings: ReceiverSettings, report: Path | None = None) -> int:
    """Receive until the stream ends, enough frames were delivered, or a signal stops it.

    Returns
    -------
    int
        Exit code, 0.

    Raises
    ------
    NoStreamError
        If no frame arrived within the timeout, or fewer frames than wanted.
    RankcastError
        If a sink or a socket cannot be opened.
    """
    configure_logs(settings.log.format)
    with ServiceManager() as manager, ExitStack() as stack:
        return _run(settings, report, manager, stack)


def _run(
    settings: ReceiverSettings, report: Path | None, manager: ServiceManager, stack: ExitStack
) -> int:
    curves, models = check(settings, report), settings.stream.models
    pipeline: ReceiverPipeline
    runners: list[SinkRunner] = []
    space = FreeSpace(Path(settings.record.file).parent) if settings.record.file else None
    pulse = Pulse("main")
    routes = metrics_routes(
        settings, lambda: pipeline, runners, space, pulse, manager.watchdog_s,
        lambda: None if web is None else web.packets_dropped,
    )  # fmt: skip
    web = open_web(settings, lambda: pipeline, routes)  # takes its address
    server = open_metrics(settings, routes)
    if server is not None:
        stack.callback(server.stop)
    if web is not None:
        stack.callback(web.stop)
    if settings.save.dir:
        make_folder(Path(settings.save.dir))  # before anything is compiled or opened
    if settings.display.enabled and settings.display.snapshots:
        _check_folder(Path(settings.display.snapshots))
    pool.set_threads(settings.process.threads)
    started = boot_s()
    triggers = Triggers() if settings.record.events else None
    runners += _runners(settings, triggers, lambda: pipeline, web, space)
    recorder = _recorder_of(runners)
    window = runners[-1] if settings.display.enabled else None
    senders: list[SenderAddress] = []
    open_subscriber = partial(
        _subscriber, settings, senders, curves, on_demand=decodes_on_demand(runners)
    )
    pipeline = ReceiverPipeline(open_subscriber, runners, window)
    network = settings.network
    every = "every camera that its key may see" if settings.security.key else "every camera"
    log.info("%s: %s", ", ".join(network.senders), network.camera or every)

    def report_values(found: Sequence[str]) -> Mapping[str, Any]:
        seconds = boot_s() - started
        return build_report(
            runners, pipeline.tally, pipeline.outcome, seconds, found, rank=settings.stream.rank
        )

    kept_s = float("-inf")

    def keep_report() -> None:
        nonlocal kept_s
        if boot_s() - kept_s < RATES_INTERVAL_S:
            return
        kept_s = boot_s()
        flag.keep_state(
            f"received {pipeline.tally.frames}{_recorded(recorder)}{troubled(pipeline.states())}"
        )
        if report is not None:
            # Whatever is still in progress when only the guard process can write a report.
            flag.keep_report(report, report_values(("unknown",)))

    def searching() -> bool:
        manager.notify_watchdog(())
        return not flag.requested

    def stopped() -> bool:
        return flag.requested or (web is not None and web.ended)

    with stop_flag() as flag:
        if report is not None:
            flag.last_report = lambda found: _write_report(report, report_values(found))
        keep_report()
        try:
            manager.starting()
            if server is not None:
                server.start()
            if not models or preload_models(Path(models), lambda: flag.requested):
                if web is not None:
                    web.start()
                senders.extend(find_senders(settings, searching, manager.ready))
            if senders:
                pipeline.start()
                manager.ready()
                with signals_as_triggers(triggers):
                    _watch(
                        pipeline, stopped, runners, window, manager, pulse,
                        settings.log.status_interval_s, keep_report,
                    )  # fmt: skip
        finally:
            manager.stopping()
            pulse.rest()
            if flag.requested:
                pipeline.abandon()
            try:
                with ending(web), ending(server):
                    pipeline.join(flag.left_s(PIPELINE_STOP_S))
            finally:
                found = stuck() if workers_running() else []
                outcome, values = pipeline.outcome, report_values(found)
                _log_end(values, pipeline.tally.fidelity, outcome.states, _recorded(recorder))
                if report is not None:
                    with doing(f"writing the report {report}"):
                        _write_report(report, values)
                flag.drop_report()
                if found:
                    raise WorkerError(flag.stuck_line(found))
    # q in the window ends the receiver as a signal does, whichever sink is the main one.
    if flag.requested or any(runner.quit for runner in runners):
        return 0
    _check_result(values, runners[0], settings.stream.frames, pipeline.silence, outcome)
    return 0


def _check_folder(folder: Path) -> None:
    """Create the folder of the snapshots before anything is opened."""
    try:
        make_folder(folder)
    except RankcastError as exc:
        raise SettingsError(f"got display.snapshots {folder}, want a folder: {exc}") from exc
    if not os.access(folder, os.W_OK):
        raise SettingsError(f"got display.snapshots {folder}, which is not writable")


def _write_report(report: Path, values: Mapping[str, Any]) -> None:
    write_whole(report, json.dumps(values, indent=2).encode() + b"\n")


def _check_result(
    values: Mapping[str, Any],
    main: SinkRunner,
    wanted: int,
    silence: NoStreamError | None,
    outcome: Outcome,
) -> None:
    """Raise an error if the receiver did not deliver what was requested."""
    delivered, lost = values["delivered"], values["lost"].get(SINK, 0)
    if lost:
        raise SinkError(f"sink {main.name} failed on {lost} frames, see the log above")
    if wanted and delivered >= wanted:
        return
    if silence is not None:
        raise silence
    if outcome.failed_camera:
        raise NoStreamError(f"camera {outcome.failed_camera} failed at the sender")
    if delivered < wanted:
        raise NoStreamError(f"got {delivered} frames before the stream ended, want {wanted}")


def _runners(
    settings: ReceiverSettings,
    triggers: Triggers | None,
    pipeline: Callable[[], ReceiverPipeline],
    web: WebServer | None = None,
    space: FreeSpace | None = None,
) -> list[SinkRunner]:
    """Create a runner for each requested sink; the first is the main sink, a window the last.

    A sink is imported only if it is requested: counting needs no picture files and no window.
    """
    sinks: dict[str, Callable[[], Sink | PacketSink]] = {}
    save = settings.save
    if save.dir:
        from rankcast_receiver.sinks.save import SaveOptions, SaveSink

        options = SaveOptions(
            folder=Path(save.dir),
            format=save.format,
            every=save.every,
            max_files=save.max_files,
            max_bytes=save.max_bytes,
            max_age_s=save.max_age_s,
            min_free_bytes=save.min_free_bytes,
            sync_frames=save.frames_a_sync,
            debayer=save.debayer,
            jpeg_quality=save.jpeg_quality,
            png_compression=save.png_compression,
        )
        sinks[SaveSink.name] = partial(SaveSink, options)
    if settings.record.file:
        from rankcast_receiver.sinks.record import RecordSink

        def recorder() -> AnyRecorder:
            return open_recorder(
                settings.record,
                triggers or Triggers(),
                lambda camera, wanted: pipeline().want_keyframe(RECORD, camera, wanted),
                tried_again=bool(settings.nats.durable),
            )

        def record() -> RecordSink:
            if not settings.nats.durable:
                return RecordSink(recorder(), lambda: pipeline().packet_losses(), space)
            from rankcast_receiver.sinks.durable_record import DurableRecordSink

            models = Path(settings.stream.models) if settings.stream.models else None
            return DurableRecordSink(
                recorder,
                lambda: RecordedTail(Path(settings.record.file), models),
                lambda: pipeline().packet_losses(),
                space,
                on_recorded=lambda packet: pipeline().note_recorded(packet),
                stopped=lambda: pipeline().stopping,
            )

        sinks[RecordSink.name] = record
    if web is not None:
        sinks.update(web.sinks)
    if settings.display.enabled:
        from rankcast_receiver.sinks.display import DisplaySink

        display = settings.display
        sinks[DisplaySink.name] = partial(
            DisplaySink,
            states=lambda: pipeline().states(),
            levels=parse_levels(display.levels),
            debayer=display.debayer,
            snapshots=Path(display.snapshots),
            ask=lambda camera, op, args: pipeline().ask(camera, op, args),
        )
    if not sinks:
        sinks[CountSink.name] = CountSink
    wanted = settings.stream.frames
    return [
        SinkRunner(
            name,
            open_sink,
            # Pages never hold up what is saved.
            live=settings.live or name in WEB_SINKS,
            most_frames=0 if number else wanted,
            wants="packets" if name in (RECORD, WEB) else "frames",
            replaced_as=SINK if name == RECORD else SKIPPED_AS_OLD,
            takes_references=name == WEB,
        )
        for number, (name, open_sink) in enumerate(sinks.items())
    ]


def _curves(settings: ReceiverSettings) -> Sequence[CurveClient]:
    """Return one set of CURVE keys for each possible sender key; empty without keys."""
    security = settings.security
    if not security.key:
        return ()
    if not settings.network.endpoints:
        read_secret(Path(security.key))
        for path in security.server_keys:
            read_public(Path(path))
        return ()  # cameras that are found have keys of their own
    return client_keys(Path(security.key), [Path(path) for path in security.server_keys])


def _subscriber(
    settings: ReceiverSettings,
    senders: Sequence[SenderAddress],
    curves: Sequence[CurveClient],
    stopped: Callable[[], bool],
    *,
    on_demand: bool,
) -> Subscriber:
    network = settings.network
    return Subscriber(
        senders,
        camera=network.cameras,
        stream=network.stream,
        live=settings.live,
        timeout_s=network.timeout_s or None,
        stay=settings.stay,
        limits=settings.limits.limits(),
        queue_messages=network.queue_messages or None,
        buffer_bytes=network.buffer_bytes,
        rank=settings.stream.rank,
        models=Path(settings.stream.models) if settings.stream.models else None,
        on_demand=on_demand,
        control=network.control,
        stopped=stopped,
        curves=curves,
        max_messages_s=settings.limits.max_messages_s,
        nats=NatsOptions.of(settings.nats),
        past=settings.past,
    )


def _watch(
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
        _log_status(pipeline, stopped, _recorder_of(runners), manager, pulse, status, keep_report)
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
            (tally.frames > 0, frozenset(lost), frozenset(_not_recorded(recorder))),
            f"{frames / seconds:.1f} fps, {size / max(frames, 1) / 1e3:.1f} kB/frame, "
            f"{size * 8e-6 / seconds:.2f} Mbit/s, received {tally.frames}, "
            f"lost {losses_text(lost)}{_recorded(recorder)}{troubled(pipeline.states())}",
        )


def _recorder_of(runners: Sequence[SinkRunner]) -> SinkRunner | None:
    return next((runner for runner in runners if runner.name == RECORD), None)


def _not_recorded(recorder: SinkRunner | None) -> Mapping[str, int]:
    return {} if recorder is None else recorder.ledger.balance().lost


def _recorded(recorder: SinkRunner | None) -> str:
    """Return how many frames are recorded, and how many came and are not."""
    if recorder is None:
        return ""
    lost = _not_recorded(recorder)
    return f", recorded {recorder.kept}" + (f", not recorded {losses_text(lost)}" if lost else "")


def _log_end(
    values: Mapping[str, Any],
    fidelity: Fidelity,
    states: Sequence[CameraState],
    recorded: str,
) -> None:
    log.info(
        "end: published %s, delivered %d, lost %s%s%s%s",
        "unknown" if values["published"] is None else values["published"],
        values["delivered"],
        losses_text(values["lost"]),
        recorded,
        f"; {fidelity}".removesuffix("; "),
        troubled(states),
    )
    if values["balanced"] is False:
        log.error("some frames are unaccounted for")
