"""Composition root of the sender; `source_opener` knows the concrete sources."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankcast import pool
from rankcast.atomic_file import check_writable
from rankcast.discovery import ANNOUNCER_STOP_S
from rankcast.errors import SettingsError, WorkerError
from rankcast.nats import KeepOptions, NatsOptions, is_nats
from rankcast.recorder import signals_as_triggers
from rankcast.runtime import (
    Pulse,
    ServiceManager,
    configure_logs,
    doing,
    stop_flag,
    stuck,
    supervise,
    workers_running,
)
from rankcast.wire import stream_name
from rankcast_sender.announcing import announcer_of
from rankcast_sender.audit import Audit
from rankcast_sender.black_box import BLACK_BOX_STOP_S, BlackBox
from rankcast_sender.camera import Camera
from rankcast_sender.outlet import Outlet
from rankcast_sender.outlets import check_outlet, open_outlet
from rankcast_sender.pacing import GrabOptions
from rankcast_sender.peers import CAN_TELL
from rankcast_sender.pipeline import CameraPipeline
from rankcast_sender.publisher import Publisher
from rankcast_sender.replay_pipeline import ReplayPipeline
from rankcast_sender.report import build_report, log_totals, write_report
from rankcast_sender.running_camera import RunningCamera
from rankcast_sender.sender_sockets import SenderOptions
from rankcast_sender.settings import SenderSettings
from rankcast_sender.sockets import KeyPolicy
from rankcast_sender.source_opener import RETRIED, plays_recording, source_opener
from rankcast_sender.sources import Source, parse_source
from rankcast_sender.substreams import Reduction, Substream, stream_sizes
from rankcast_sender.supervision import SenderSupervision, pulses_of

if TYPE_CHECKING:
    from rankcast.web import HttpServer

log = logging.getLogger(__name__)


def check(
    cameras: Sequence[SenderSettings], report: Path | None = None
) -> list[Callable[[], Source]]:
    """Check all that a sender reads before it opens anything; return what opens the sources.

    Raises
    ------
    SettingsError
        If a source, a key, a token, a certificate or the file of the report cannot be used, or an
        address that has no keys can be reached by other machines.
    """
    openers = [source_opener(settings.camera) for settings in cameras]
    for settings in cameras:
        _check_outputs(settings)
        _check_substreams(settings)
    if report is not None:
        check_writable(report)
    shared = cameras[0]
    options = _sender_options(shared)
    check_outlet(options)
    if options.authorized is not None:
        KeyPolicy(Path(options.authorized))
    if shared.metrics.listen:
        from rankcast.metrics import check_metrics

        check_metrics(shared.metrics)
    return openers


def _check_outputs(settings: SenderSettings) -> None:
    """Refuse what a sender of a recording has nothing for.

    Raises
    ------
    SettingsError
    """
    if not plays_recording(parse_source(settings.camera.source)):
        return
    for name, value, why in (
        ("audit.dir", settings.audit.dir, "it has no originals"),
        ("record.file", settings.record.file, "its packets are in a file already"),
    ):
        if value:
            raise SettingsError(f"got {name} with a recording as the source: {why}; leave it out")


def _check_substreams(settings: SenderSettings) -> None:
    """Refuse substreams where there is nothing to encode, or no way to withhold them.

    Raises
    ------
    SettingsError
    """
    camera = settings.camera
    if not camera.stream:
        return
    if plays_recording(parse_source(camera.source)):
        raise SettingsError(
            f"got [[camera.stream]] with a recording as the source of {camera.name}: its packets "
            "are sent as they are; leave the streams out"
        )
    # At a NATS server nobody gets a substream without subscribing to its own subject.
    if not CAN_TELL and not is_nats(settings.network.bind):
        raise SettingsError(
            f"got [[camera.stream]] of {camera.name}, which a sender needs Linux for: viewers that "
            "subscribe to everything would get the substreams too; leave the streams out"
        )


def run(cameras: Sequence[SenderSettings], report: Path | None = None) -> int:
    """Run the sender until its sources end or a signal stops it.

    Parameters
    ----------
    cameras : sequence of SenderSettings
        Settings of each camera; only the tables ``camera`` and ``codec`` may differ.
    report : Path, optional
        JSON file for the totals.

    Returns
    -------
    int
        Exit code: 0, or 1 if one of several cameras failed.

    Raises
    ------
    RankcastError
        If the sender cannot start, a socket fails, or its only source fails.
    """
    configure_logs(cameras[0].log.format)
    with ServiceManager() as manager:
        return _run(cameras, report, manager)


def _run(cameras: Sequence[SenderSettings], report: Path | None, manager: ServiceManager) -> int:
    shared = cameras[0]
    openers = check(cameras, report)
    pool.set_threads(shared.process.threads)
    started_s = time.monotonic()
    outlet = open_outlet(_sender_options(shared))
    streams: list[RunningCamera] = []
    black_box = BlackBox(shared.record) if shared.record.file else None
    pulse = Pulse("main")
    server: HttpServer | None = None
    announcer = None

    def keep_report() -> None:
        if report is not None:
            # Whatever is still in progress when only the guard process can write a report.
            flag.keep_report(report, build_report(streams, started_s, ("unknown",)))

    with stop_flag() as flag:
        try:
            manager.starting()
            publishers = [_publisher(settings, outlet) for settings in cameras]
            substreams = [
                _substreams(settings, publisher, outlet)
                for settings, publisher in zip(cameras, publishers, strict=True)
            ]
            server = _metrics_server(
                shared,
                streams,
                _cameras(publishers, substreams),
                outlet,
                black_box,
                pulse,
                manager.watchdog_s,
            )
            if black_box is not None:
                for publisher in publishers:
                    black_box.add(publisher.camera)
                black_box.start()
                outlet.record_on(black_box.triggers)
            outlet.start()
            for settings, open_source, publisher, beside in zip(
                cameras, openers, publishers, substreams, strict=True
            ):
                streams.append(_stream(settings, open_source, publisher, beside))
                bind = shared.network.bind
                log.info("%s: %s, %s %s", publisher.name, parse_source(settings.camera.source),
                         "publishing at" if is_nats(bind) else "listening at", bind)  # fmt: skip
            log.info("control channel: %s", outlet.control or "off")
            if report is not None:
                flag.last_report = partial(write_report, report, streams, started_s)
                keep_report()
            for stream in streams:
                stream.pipeline.start()
            if server is not None:
                server.start()
            announcer = announcer_of(shared, [stream.camera for stream in streams])
            if announcer is not None:
                announcer.start()
            manager.ready()
            with signals_as_triggers(None if black_box is None else black_box.triggers):
                supervise(
                    SenderSupervision(streams, outlet, black_box, flag, keep_report),
                    manager,
                    pulse,
                    shared.log.status_interval_s,
                )
        finally:
            manager.stopping()
            if server is not None:
                server.end()
            if announcer is not None:
                announcer.stop()
            for stream in streams:
                stream.pipeline.stop()
            if flag.requested:
                outlet.hurry()
            for stream in streams:
                stream.finish(flag)
            try:
                with ExitStack() as ends:  # each of them ends, whatever happens to the others
                    if server is not None:
                        ends.callback(server.stop)
                    if announcer is not None:
                        ends.callback(lambda: announcer.close(flag.left_s(ANNOUNCER_STOP_S)))
                    if black_box is not None:
                        ends.callback(lambda: black_box.close(flag.left_s(BLACK_BOX_STOP_S)))
                    with doing("closing the sockets"):
                        outlet.close(lambda: flag.requested)
            finally:
                found = stuck() if workers_running() else []
                log_totals(streams, found)
                if report is not None and streams:
                    with doing(f"writing the report {report}"):
                        write_report(report, streams, started_s, found)
                flag.drop_report()
    if found:
        raise WorkerError(flag.stuck_line(found))
    failed = [stream.error for stream in streams if stream.error is not None]
    if failed and len(streams) == 1:
        raise failed[0]
    return 1 if failed else 0


def _sender_options(settings: SenderSettings) -> SenderOptions:
    network, security = settings.network, settings.security
    return SenderOptions(
        bind=network.bind,
        control=network.control,
        socket=network.socket,
        realtime=settings.camera.realtime,
        linger_s=network.linger_s,
        max_packet_bytes=settings.limits.max_packet_bytes,
        max_requests_s=settings.limits.max_requests_s,
        max_connections=settings.limits.max_connections,
        key=security.key or None,
        authorized=security.authorized or None,
        insecure=security.insecure,
        nats=NatsOptions.of(settings.nats),
        keep=KeepOptions(
            settings.nats.keep_age_s, settings.nats.keep_bytes, settings.nats.keep_replicas
        ),
    )


def _publisher(settings: SenderSettings, outlet: Outlet) -> Publisher:
    if model := settings.codec.chosen.get("model"):
        log.info("loading model %s", model)
    return Publisher(
        name=settings.camera.name,
        codec=settings.codec.name,
        realtime=settings.camera.realtime,
        max_packet_bytes=settings.limits.max_packet_bytes,
        outlet=outlet,
        **settings.codec.chosen,
    )


def _substreams(
    settings: SenderSettings, publisher: Publisher, outlet: Outlet
) -> Sequence[Substream]:
    """Create the substreams of a camera, and let its status tell them."""
    main, found = publisher.camera, []
    for table in settings.camera.stream:
        codec = table.codec_beside(settings.codec)
        own = Publisher(
            name=stream_name(main.name, table.name),
            codec=codec.name,
            max_packet_bytes=settings.limits.max_packet_bytes,
            outlet=outlet,
            **codec.chosen,
        )
        x, y, width, height = table.roi or (0, 0, 0, 0)
        roi = (x, y, width, height) if table.roi else None
        found.append(Substream(own, main, Reduction(table.divisor, roi), table.fps))
    if found:
        main.streams = partial(stream_sizes, main, found)
    return found


def _cameras(
    publishers: Sequence[Publisher], substreams: Sequence[Sequence[Substream]]
) -> list[Camera]:
    return [publisher.camera for publisher in publishers] + [
        each.camera for beside in substreams for each in beside
    ]


def _stream(
    settings: SenderSettings,
    open_source: Callable[[], Any],
    publisher: Publisher,
    substreams: Sequence[Substream],
) -> RunningCamera:
    camera, audit, uri = settings.camera, None, parse_source(settings.camera.source)
    if settings.audit.dir:
        audit = Audit(
            Path(settings.audit.dir), camera.name, publisher.stream_id, settings.audit.every
        )
    retry = camera.retry and uri.scheme in RETRIED
    options = GrabOptions(camera.fps, camera.frames, settings.network.wait_viewers, retry)
    if plays_recording(uri):
        return RunningCamera(publisher, ReplayPipeline(open_source, publisher, options), None)
    pipeline = CameraPipeline(open_source, publisher, options, audit, substreams)
    return RunningCamera(publisher, pipeline, audit, substreams)


def _metrics_server(
    settings: SenderSettings,
    streams: Sequence[RunningCamera],
    cameras: Sequence[Camera],
    outlet: Outlet,
    black_box: BlackBox | None,
    pulse: Pulse,
    watchdog_s: float,
) -> HttpServer | None:
    """Take the address of metrics; None if none is wanted."""
    if not settings.metrics.listen:
        return None
    from rankcast_sender.metrics import SenderMetrics, open_metrics

    metrics = SenderMetrics(
        cameras,
        lambda: {stream.name: stream.pipeline.failures for stream in streams},
        outlet,
        black_box,
    )
    return open_metrics(settings, metrics, lambda: [pulse, *pulses_of(outlet, streams)], watchdog_s)
