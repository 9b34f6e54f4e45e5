"""What a sender reports at its end: totals of all cameras, and of each."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankcast.atomic_file import write_whole
from rankcast.runtime import losses_text
from rankcast_sender.camera import Camera
from rankcast_sender.running_camera import RunningCamera

log = logging.getLogger(__name__)


def log_totals(streams: Sequence[RunningCamera], found: Sequence[str]) -> None:
    """Log what became of the frames of each camera."""
    for stream in streams:
        balance = stream.camera.balance()
        log.info(
            "%s: grabbed %d, published %d, lost %s%s%s",
            "end" if len(streams) == 1 else f"end of {stream.name}",
            balance.entered, balance.passed, losses_text(balance.lost),
            stream.recorded_text,
            f"; {stream.camera.figures.fidelity}".removesuffix("; "),
        )  # fmt: skip
        if balance.under_way and not found:
            log.error("%s: %d frames are unaccounted for", stream.name, balance.under_way)
        for each in stream.substreams:
            own = each.camera.balance()
            log.info("end of %s: published %d, lost %s", each.publisher.name, own.passed,
                     losses_text(own.lost))  # fmt: skip
            if own.under_way and not found:
                log.error("%s: %d frames are unaccounted for", each.publisher.name, own.under_way)


def write_report(
    report: Path, streams: Sequence[RunningCamera], started_s: float, found: Sequence[str]
) -> None:
    """Write `build_report` to a file, at once when it is complete."""
    values = build_report(streams, started_s, found)
    write_whole(report, json.dumps(values, indent=2).encode() + b"\n")


def build_report(
    streams: Sequence[RunningCamera], started_s: float, found: Sequence[str]
) -> Mapping[str, Any]:
    """Return the report; frames in what is stuck, as `found` names it, count as stopped."""
    entries = {stream.name: _entry(stream, stopped=bool(found)) for stream in streams}
    lost: Counter[str] = Counter()
    for entry in entries.values():
        lost.update(entry["lost"])
    published = sum(entry["published"] for entry in entries.values())
    packet_bytes = sum(stream.camera.figures.packet_bytes for stream in streams)
    only = entries[streams[0].name] if len(streams) == 1 else {}
    cpu_starts_s = [s.pipeline.cpu_start_s for s in streams if s.pipeline.cpu_start_s]
    return {
        "grabbed": sum(entry["grabbed"] for entry in entries.values()),
        "published": published,
        "recorded": sum(entry["recorded"] for entry in entries.values()),
        "lost": dict(lost),
        "balanced": all(
            part["balanced"]
            for entry in entries.values()
            for part in (entry, *entry["substreams"].values())
        ),
        "bytes_per_frame": packet_bytes / published if published else None,
        "codec": only.get("codec"),
        "source": only.get("source"),
        "stream": only.get("stream"),
        "cameras": entries,
        "stuck": list(found),
        "duration_s": time.monotonic() - started_s,
        "cpu_s": time.process_time() - min(cpu_starts_s, default=0.0),
    }


def _entry(stream: RunningCamera, *, stopped: bool) -> dict[str, Any]:
    camera = stream.camera
    return {
        **_published(camera, stopped=stopped),
        "recorded": 0 if camera.tape is None else camera.tape.recorded,
        "not_recorded": {} if camera.tape is None else dict(camera.tape.lost),
        "source": camera.source.description,
        "failures": stream.pipeline.failures,
        "error": None if stream.error is None else str(stream.error),
        "substreams": {
            each.name: _published(each.camera, stopped=stopped) for each in stream.substreams
        },
    }


def _published(camera: Camera, *, stopped: bool) -> dict[str, Any]:
    """Return what became of the frames of a camera or of a substream."""
    balance, packet_bytes = camera.balance(), camera.figures.packet_bytes
    if stopped:
        balance = balance.with_stopped()
    return {
        "grabbed": balance.entered,
        "published": balance.passed,
        "lost": dict(balance.lost),
        "balanced": balance.under_way == 0,
        "bytes_per_frame": packet_bytes / balance.passed if balance.passed else None,
        "codec": camera.codec,
        **camera.figures.fidelity.values(),
        "stream": camera.stream_id.hex(),
        "state": camera.state,
    }
