"""Composition root of the sender: the one place that knows concrete sources."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rankcast import pool
from rankcast.errors import SettingsError
from rankcast.kernels import prepare_kernels
from rankcast.signals import StopFlag, stop_flag
from rankcast.transport import SocketOptions, is_loopback
from rankcast.wholefile import check_writable, write_whole
from rankcast_sender.audit import Audit
from rankcast_sender.pipeline import CameraPipeline, Pace
from rankcast_sender.publisher import Publisher
from rankcast_sender.settings import CameraTable, SenderSettings
from rankcast_sender.sources import Source
from rankcast_sender.sources.camera import CameraOptions, CameraSource
from rankcast_sender.sources.replay import ReplayOptions, ReplaySource
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource
from rankcast_sender.sources.uri import check_query, parse_source

log = logging.getLogger(__name__)

# Scheme of a source URI -> its options and its class.
_SOURCES: Final[Mapping[str, tuple[Any, Callable[[str, Any], Source]]]] = MappingProxyType(
    {
        "camera": (CameraOptions, CameraSource),
        "replay": (ReplayOptions, ReplaySource),
        "synthetic": (ConveyorOptions, ConveyorSource),
    }
)
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


def run(settings: SenderSettings, report: Path | None = None) -> int:
    """Run the camera station until its source ends or a signal stops it.

    Returns
    -------
    int
        Exit code, 0.

    Raises
    ------
    RankcastError
        If the station cannot start or its source fails.
    """
    camera, network = settings.camera, settings.network
    open_source = source_opener(camera)
    if report is not None:
        check_writable(report)
    pool.set_threads(settings.process.threads)
    if not is_loopback(network.bind):
        log.warning("%s can be reached by others, and frames are not encrypted", network.bind)
    started = time.monotonic()
    publisher = Publisher(
        network.bind,
        name=camera.name,
        codec=settings.codec.name,
        realtime=camera.realtime,
        source=camera.source,
        socket=SocketOptions(network.queue_messages, network.buffer_bytes, 0),
        linger_s=network.linger_s,
        max_packet_bytes=settings.limits.max_packet_bytes,
        key=settings.security.key or None,
        authorized=settings.security.authorized or None,
        insecure=settings.security.insecure,
        **settings.codec.chosen,
    )
    with publisher:
        audit = None
        if settings.audit.dir:
            audit = Audit(Path(settings.audit.dir), camera.name, settings.audit.every)
        pace = Pace(camera.realtime, camera.fps, camera.frames, network.wait_viewers)
        pipeline = CameraPipeline(open_source, publisher, pace, audit)
        log.info("%s: %s, listening at %s", camera.name, camera.source, network.bind)
        with stop_flag() as flag:
            try:
                # After the bind, whose errors come first.
                if prepare_kernels([settings.codec.name], lambda: flag.requested):
                    pipeline.start()
                    _watch(pipeline, publisher, camera.name, flag)
            finally:
                try:
                    pipeline.join()
                finally:
                    if audit is not None:
                        audit.close()
                    publisher.close(lambda: flag.requested)
                    _finish(publisher, pipeline, report, started)
    return 0


def _watch(pipeline: CameraPipeline, publisher: Publisher, name: str, flag: StopFlag) -> None:
    """One line a second until the stream ends or a signal asks for it."""
    before_frames, before_bytes, before = 0, 0, time.monotonic()
    while not pipeline.wait(POLL_S):
        if flag.requested:
            publisher.hurry()
            return
        now = time.monotonic()
        if now - before < STATS_INTERVAL_S:
            continue
        balance, packet_bytes = publisher.balance(), publisher.packet_bytes
        frames = balance.passed - before_frames
        log.info(
            "%s: %s, %d viewers, %.1f fps, %.1f kB/frame, %.2f Mbit/s, published %d, lost %s",
            name,
            pipeline.state(),
            publisher.viewers,
            frames / (now - before),
            (packet_bytes - before_bytes) / max(frames, 1) / 1e3,
            (packet_bytes - before_bytes) * 8e-6 / (now - before),
            balance.passed,
            _losses(balance.lost),
        )
        before_frames, before_bytes, before = balance.passed, packet_bytes, now


def _losses(lost: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {cause}" for cause, count in sorted(lost.items())) or "none"


def _finish(
    publisher: Publisher, pipeline: CameraPipeline, report: Path | None, started: float
) -> None:
    balance = publisher.balance()
    duration_s = time.monotonic() - started
    cpu_s = time.process_time() - pipeline.cpu_start_s
    log.info(
        "end: grabbed %d, published %d, lost %s",
        balance.entered, balance.passed, _losses(balance.lost),
    )  # fmt: skip
    if balance.under_way:
        log.error("%d frames are unaccounted for", balance.under_way)
    if report is None:
        return
    values = {
        "grabbed": balance.entered,
        "published": balance.passed,
        "lost": dict(balance.lost),
        "balanced": balance.under_way == 0,
        "bytes_per_frame": publisher.packet_bytes / balance.passed if balance.passed else None,
        "codec": publisher.codec,
        "source": pipeline.description,
        "stream": publisher.stream_id.hex(),
        "duration_s": duration_s,
        "cpu_s": cpu_s,
    }
    write_whole(report, json.dumps(values, indent=2).encode() + b"\n")
