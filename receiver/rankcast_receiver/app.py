"""Composition root of the receiver; `sink_runners` knows the concrete sinks."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from rankcast import pool
from rankcast.atomic_file import check_writable, make_folder
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
from rankcast.recorder import (
    FreeSpace,
    Triggers,
    signals_as_triggers,
)
from rankcast.runtime import (
    SINK,
    Pulse,
    ServiceManager,
    configure_logs,
    doing,
    stop_flag,
    stuck,
    workers_running,
)
from rankcast_receiver.net import SenderAddress
from rankcast_receiver.pipeline import PIPELINE_STOP_S, ReceiverPipeline
from rankcast_receiver.report import (
    Outcome,
    build_report,
    log_totals,
    recorded_text,
    troubled,
    write_report,
)
from rankcast_receiver.sender_search import find_senders
from rankcast_receiver.settings import ReceiverSettings
from rankcast_receiver.sink_runners import recorder_of, sink_runners
from rankcast_receiver.sinks import SinkRunner
from rankcast_receiver.subscriber import Subscriber
from rankcast_receiver.supervision import RATES_INTERVAL_S, watch
from rankcast_receiver.web_address import (
    check_addresses,
    decodes_on_demand,
    ending,
    metrics_routes,
    open_metrics,
    open_web,
)

log = logging.getLogger(__name__)


def check(settings: ReceiverSettings, report: Path | None = None) -> Sequence[CurveClient]:
    """Check all that a receiver reads before it opens anything; return the keys of connections.

    Raises
    ------
    SettingsError
        If a key, a token, a certificate, a folder that is read or the file of the report cannot be
        used, or other machines can reach an address without TLS or a token.
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
    runners += sink_runners(settings, triggers, lambda: pipeline, web, space)
    recorder = recorder_of(runners)
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
        frames, states = pipeline.tally.frames, pipeline.states()
        flag.keep_state(f"received {frames}{recorded_text(recorder)}{troubled(states)}")
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
            flag.last_report = lambda found: write_report(report, report_values(found))
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
                    watch(
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
                log_totals(values, pipeline.tally.fidelity, outcome.states, recorded_text(recorder))
                if report is not None:
                    with doing(f"writing the report {report}"):
                        write_report(report, values)
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
