"""Composition root of the sender: the one place that knows concrete sources."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rankcast.atomic_file import check_writable, write_whole
from rankcast.errors import RankcastError, SettingsError
from rankcast.kernels import pool
from rankcast.kernels.prepare import prepare_kernels
from rankcast.net import SocketOptions
from rankcast.printable import printable
from rankcast.runtime import ServiceManager, StopFlag, stop_flag
from rankcast_sender.audit import Audit
from rankcast_sender.pipeline import CameraPipeline, Pace
from rankcast_sender.publisher import Publisher
from rankcast_sender.sender_sockets import SenderSockets
from rankcast_sender.settings import CameraTable, SenderSettings
from rankcast_sender.sources import Source, check_query, parse_source
from rankcast_sender.sources.opencv_camera import CameraOptions, CameraSource
from rankcast_sender.sources.replay import ReplayOptions, ReplaySource
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource

log = logging.getLogger(__name__)

# Scheme of a source URI -> its options and its class.
_SOURCES: Final[Mapping[str, tuple[Any, Callable[[str, Any], Source]]]] = MappingProxyType(
    {
        "camera": (CameraOptions, CameraSource),
        "replay": (ReplayOptions, ReplaySource),
        "synthetic": (ConveyorOptions, ConveyorSource),
    }
)
_RETRIED: Final = frozenset({"camera"})
"""What may come back: a file that cannot be read stays so."""
STATS_INTERVAL_S = 1.0
POLL_S = 0.1


def source_opener(camera: CameraTable) -> Callable[[], Source]:
    """Check the source URI and its options; return what opens it.

    Raises
    ------
    SettingsError
        If scheme or options are wrong.
    """
    uri = parse_source(camera.source)
    if uri.scheme not in _SOURCES:
        raise SettingsError(f"got source {uri.scheme!r}, want one of {', '.join(_SOURCES)}")
    model, make = _SOURCES[uri.scheme]
    loop = camera.loop or None
    if loop and "loop" not in model.model_fields:
        raise SettingsError(f"--loop is for replays, got source {uri.scheme}")
    overrides = {"loop": loop} if loop else {}
    options = check_query(model, uri, fps=camera.fps or None, **overrides)
    return partial(make, uri.path, options)


@dataclass(slots=True)
class _Camera:
    """One camera while the station runs."""

    settings: SenderSettings
    publisher: Publisher
    pipeline: CameraPipeline
    audit: Audit | None
    ended: bool = False
    error: RankcastError | None = None
    frames_before: int = 0
    bytes_before: int = 0

    @property
    def name(self) -> str:
        return self.settings.camera.name

    def finish(self) -> None:
        """Wait for the threads of an ended camera; keep what it failed of."""
        if self.ended:
            return
        self.ended = True
        try:
            try:
                self.pipeline.join()
            finally:
                self.publisher.close()
                if self.audit is not None:
                    self.audit.close()
        except RankcastError as exc:
            self.error = exc


def run(cameras: Sequence[SenderSettings], report: Path | None = None) -> int:
    """Run the camera station until its sources end or a signal stops it.

    Parameters
    ----------
    cameras : sequence of SenderSettings
        One for each camera; they differ in ``camera`` and ``codec`` only.
    report : Path, optional
        Where the totals go.

    Returns
    -------
    int
        Exit code: 0, or 1 when one of several cameras failed.

    Raises
    ------
    RankcastError
        If the station cannot start, a socket fails, or its only source fails.
    """
    with ServiceManager() as manager:
        return _run(cameras, report, manager)


def _run(cameras: Sequence[SenderSettings], report: Path | None, manager: ServiceManager) -> int:
    shared = cameras[0]
    network, realtime = shared.network, shared.camera.realtime
    openers = [source_opener(settings.camera) for settings in cameras]
    if report is not None:
        check_writable(report)
    pool.set_threads(shared.process.threads)
    started = time.monotonic()
    station = SenderSockets(
        network.bind,
        socket=SocketOptions(
            network.queue_messages,
            network.buffer_bytes,
            0,
            unacknowledged_ms=1000 * network.unacknowledged_s,
        ),
        realtime=realtime,
        linger_s=network.linger_s,
        control=network.control,
        max_packet_bytes=shared.limits.max_packet_bytes,
        key=shared.security.key or None,
        authorized=shared.security.authorized or None,
        insecure=shared.security.insecure,
    )
    running: list[_Camera] = []
    with stop_flag() as flag:
        try:
            manager.starting()
            publishers = [_publisher(settings, station) for settings in cameras]
            station.start()
            for settings, open_source, publisher in zip(cameras, openers, publishers, strict=True):
                running.append(_camera(settings, open_source, publisher))
                log.info("%s: %s, listening at %s", running[-1].name, settings.camera.source,
                         network.bind)  # fmt: skip
            log.info("control at %s", station.control or "no address: it is off")
            # After the bind, whose errors come first.
            if prepare_kernels({s.codec.name for s in cameras}, lambda: flag.requested):
                for camera in running:
                    camera.pipeline.start()
                manager.ready()
                _watch(running, station, flag, manager)
        finally:
            manager.stopping()
            for camera in running:
                camera.pipeline.stop()
            if flag.requested:
                station.hurry()
            for camera in running:
                camera.finish()
            try:
                station.close(lambda: flag.requested)
            finally:
                _finish(running, report, started)
    failed = [camera.error for camera in running if camera.error is not None]
    if failed and len(running) == 1:
        raise failed[0]
    return 1 if failed else 0


def _publisher(settings: SenderSettings, station: SenderSockets) -> Publisher:
    if model := settings.codec.chosen.get("model"):
        log.info("loading model %s", printable(model))
    return Publisher(
        name=settings.camera.name,
        codec=settings.codec.name,
        realtime=settings.camera.realtime,
        source=settings.camera.source,
        max_packet_bytes=settings.limits.max_packet_bytes,
        station=station,
        **settings.codec.chosen,
    )


def _camera(
    settings: SenderSettings, open_source: Callable[[], Source], publisher: Publisher
) -> _Camera:
    camera, audit = settings.camera, None
    if settings.audit.dir:
        audit = Audit(Path(settings.audit.dir), camera.name, settings.audit.every)
    retry = camera.retry and parse_source(camera.source).scheme in _RETRIED
    pace = Pace(camera.realtime, camera.fps, camera.frames, settings.network.wait_viewers, retry)
    return _Camera(settings, publisher, CameraPipeline(open_source, publisher, pace, audit), audit)


def _watch(
    cameras: Sequence[_Camera], station: SenderSockets, flag: StopFlag, manager: ServiceManager
) -> None:
    """One line a second for each camera until all have ended or a signal asks for it."""
    before = time.monotonic()
    while not all(camera.ended for camera in cameras):
        if flag.requested:
            return
        station.check()
        active = [camera for camera in cameras if not camera.ended]
        manager.notify_watchdog(
            [*station.pulses, *(p for camera in active for p in camera.pipeline.pulses)]
        )
        active[0].pipeline.wait(POLL_S)
        for camera in cameras:
            if not camera.ended and camera.pipeline.wait(0):
                camera.finish()
                if camera.error is not None and len(cameras) > 1:
                    log.error("%s: %s; the other cameras go on", camera.name, camera.error)
        now = time.monotonic()
        if now - before >= STATS_INTERVAL_S:
            for camera in cameras:
                if not camera.ended:
                    _log_rates(camera, now - before)
            manager.show_status(", ".join(f"{c.name} {c.pipeline.state()}" for c in active))
            before = now


def _log_rates(camera: _Camera, elapsed_s: float) -> None:
    publisher = camera.publisher
    balance, packet_bytes = publisher.balance(), publisher.packet_bytes
    frames, size = balance.passed - camera.frames_before, packet_bytes - camera.bytes_before
    log.info(
        "%s: %s, %d viewers, %.1f fps, %.1f kB/frame, %.2f Mbit/s, published %d, lost %s",
        camera.name,
        camera.pipeline.state(),
        publisher.viewers,
        frames / elapsed_s,
        size / max(frames, 1) / 1e3,
        size * 8e-6 / elapsed_s,
        balance.passed,
        _losses(balance.lost),
    )
    camera.frames_before, camera.bytes_before = balance.passed, packet_bytes


def _losses(lost: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {cause}" for cause, count in sorted(lost.items())) or "none"


def _finish(cameras: Sequence[_Camera], report: Path | None, started: float) -> None:
    for camera in cameras:
        balance = camera.publisher.balance()
        log.info(
            "%s: grabbed %d, published %d, lost %s%s",
            "end" if len(cameras) == 1 else f"end of {camera.name}",
            balance.entered, balance.passed, _losses(balance.lost),
            f"; {camera.publisher.fidelity}".removesuffix("; "),
        )  # fmt: skip
        if balance.under_way:
            log.error("%s: %d frames are unaccounted for", camera.name, balance.under_way)
    if report is None or not cameras:
        return
    entries = {camera.name: _entry(camera) for camera in cameras}
    lost: Counter[str] = Counter()
    for entry in entries.values():
        lost.update(entry["lost"])
    published = sum(entry["published"] for entry in entries.values())
    packet_bytes = sum(camera.publisher.packet_bytes for camera in cameras)
    only = entries[cameras[0].name] if len(cameras) == 1 else {}
    cpu_starts = [c.pipeline.cpu_start_s for c in cameras if c.pipeline.cpu_start_s]
    values = {
        "grabbed": sum(entry["grabbed"] for entry in entries.values()),
        "published": published,
        "lost": dict(lost),
        "balanced": all(entry["balanced"] for entry in entries.values()),
        "bytes_per_frame": packet_bytes / published if published else None,
        "codec": only.get("codec"),
        "source": only.get("source"),
        "stream": only.get("stream"),
        "cameras": entries,
        "duration_s": time.monotonic() - started,
        "cpu_s": time.process_time() - min(cpu_starts, default=0.0),
    }
    write_whole(report, json.dumps(values, indent=2).encode() + b"\n")


def _entry(camera: _Camera) -> dict[str, Any]:
    publisher, pipeline = camera.publisher, camera.pipeline
    balance = publisher.balance()
    return {
        "grabbed": balance.entered,
        "published": balance.passed,
        "lost": dict(balance.lost),
        "balanced": balance.under_way == 0,
        "bytes_per_frame": publisher.packet_bytes / balance.passed if balance.passed else None,
        "codec": publisher.codec,
        **publisher.fidelity.values(),
        "source": pipeline.description,
        "stream": publisher.stream_id.hex(),
        "failures": pipeline.failures,
        "error": None if camera.error is None else str(camera.error),
    }
