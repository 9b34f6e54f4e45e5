"""What a relay reports at its end: totals of all cameras, and of each."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankcast.atomic_file import write_whole
from rankcast.rank_cut import CutCounts, report_values
from rankcast.runtime import losses_text
from rankcast.wire import split_stream
from rankcast_relay.relayed_camera import RelayedCamera

log = logging.getLogger(__name__)


def log_totals(cameras: Mapping[str, RelayedCamera], found: Sequence[str]) -> None:
    """Log what became of the frames of each camera."""
    for name, camera in cameras.items():
        balance = camera.balance()
        log.info(
            "%s: published %d, passed on %d, lost %s",
            "end" if len(cameras) == 1 else f"end of {name}",
            balance.entered, balance.passed, losses_text(balance.lost),
        )  # fmt: skip
        if balance.under_way and not found:
            log.error("%s: %d frames are unaccounted for", name, balance.under_way)


def write_report(report: Path, values: Mapping[str, Any]) -> None:
    """Write `build_report` to a file, at once when it is complete."""
    write_whole(report, json.dumps(values, indent=2).encode() + b"\n")


def build_report(
    cameras: Mapping[str, RelayedCamera],
    reconnects: int,
    started_s: float,
    found: Sequence[str],
    *,
    rank: int = 0,
) -> Mapping[str, Any]:
    """Return the report; frames in what is stuck, as `found` names it, count as stopped.

    Frames in the totals are those of the main streams; `rank_cut` counts packets of all streams.
    """
    all_entries = {name: _entry(camera, stopped=bool(found)) for name, camera in cameras.items()}
    entries: dict[str, dict[str, Any]] = {}
    for name, entry in all_entries.items():
        if not cameras[name].is_substream:
            entries[name] = {**entry, "substreams": {}}
    for name, entry in all_entries.items():
        camera, which = split_stream(name)
        if cameras[name].is_substream and camera in entries:
            entries[camera]["substreams"][which] = entry
    lost: Counter[str] = Counter()
    for entry in entries.values():
        lost.update(entry["lost"])
    return {
        "published": sum(entry["published"] for entry in entries.values()),
        "forwarded": sum(entry["forwarded"] for entry in entries.values()),
        "lost": dict(lost),
        "balanced": all(entry["balanced"] for entry in all_entries.values()),
        "rank_cut": report_values(
            rank, sum((camera.stream.cut_counts for camera in cameras.values()), CutCounts())
        ),
        "catch_ups": sum(entry["catch_ups"] for entry in entries.values()),
        "references": sum(entry["references"] for entry in entries.values()),
        "keyframe_requests": sum(entry["keyframe_requests"] for entry in entries.values()),
        "reconnects": reconnects,
        "cameras": entries,
        "stuck": list(found),
        "duration_s": time.monotonic() - started_s,
        "cpu_s": time.process_time(),
    }


def _entry(camera: RelayedCamera, *, stopped: bool) -> dict[str, Any]:
    balance = camera.balance()
    if stopped:
        balance = balance.with_stopped()
    return {
        "published": balance.entered,
        "forwarded": balance.passed,
        "lost": dict(balance.lost),
        "balanced": balance.under_way == 0,
        "bytes_per_frame": camera.packet_bytes / balance.passed if balance.passed else None,
        "viewers": camera.viewers,
        "catch_ups": camera.catch_ups,
        "references": camera.references,
        "keyframe_requests": camera.stream.keyframe_requests,
        "stream": camera.stream_id.hex(),
        "state": camera.state,
        "path": list(camera.path.ids),
        "error": camera.refusal or None,
    }
