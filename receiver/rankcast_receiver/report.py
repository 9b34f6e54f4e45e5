"""The receiver's report: totals, losses by cause, rates, latency and age."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rankcast.atomic_file import write_whole
from rankcast.boot_clock import boot_s
from rankcast.frame import Coding
from rankcast.numerics import Fidelity
from rankcast.rank_cut import CutCounts, report_values
from rankcast.runtime import NOBODY_WATCHING, STOPPED, Balance, losses_text
from rankcast_receiver.choice import ChoiceTotals
from rankcast_receiver.clock import UNKNOWN
from rankcast_receiver.sinks import SinkRunner
from rankcast_receiver.state import CameraState, State

log = logging.getLogger(__name__)

MAX_TROUBLED: Final = 8
"""Most cameras named in one log line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Final figures of a subscriber."""

    balance: Balance = field(default_factory=lambda: Balance(0, 0, {}))
    """Balance of received frames; `entered` counts frames published since the receiver joined."""
    undecoded: int = 0
    """Received frames that nobody needed decoded."""
    packets: Balance = field(default_factory=lambda: Balance(0, 0, {}))
    """The same for sinks that accept packets."""
    stream_ids: tuple[bytes, ...] = ()
    foreign_messages: int = 0
    """Messages that are not Rankcast messages or belong to no camera."""
    refused_packets: int = 0
    """Messages of cameras that are no valid packets."""
    reconnects: int = 0
    """Connections replaced after silence or a refusal."""
    states: tuple[CameraState, ...] = ()
    cameras: Mapping[str, Balance] = field(default_factory=dict)
    """Share of each camera in `balance`."""
    cut_counts: CutCounts = field(default_factory=CutCounts)
    """What cutting to a rank did to the packets."""
    keyframe_requests: int = 0
    clocks: Mapping[str, str] = field(default_factory=dict)
    """How the clock of each sender is compared with the local one."""
    failed_camera: str = ""
    """Name of a camera that has failed at its sender."""
    choices: Mapping[str, ChoiceTotals] = field(default_factory=dict)
    """How long each stream of a camera was shown; none of main streams alone."""
    unconfirmed: frozenset[str] = frozenset()
    """Cameras that fell silent: how many frames were published after the last one is unknown."""


class Tally:
    """Counts the frames that are decoded, and those that nobody needs decoded."""

    def __init__(self) -> None:
        self.frames = 0
        self.packet_bytes = 0
        self.codec = ""
        self.fidelity = Fidelity()
        """Rank, energy and error, from the headers of the packets."""
        self.cpu_start_s = 0.0
        """CPU time of the process at the first frame, when receiving begins."""
        self._first_s: float | None = None
        self._last_s = 0.0

    def add(self, coding: Coding) -> None:
        """Count one frame."""
        now = boot_s()
        if self._first_s is None:
            self._first_s = now
            self.cpu_start_s = time.process_time()
        self._last_s = now
        self.frames += 1
        self.packet_bytes += coding.packet_bytes
        self.codec = coding.codec
        self.fidelity.add(coding.rank, coding.energy, coding.psnr_db)

    @property
    def fps(self) -> float | None:
        """Frames a second between the first and the last; None for fewer than two."""
        if self._first_s is None or self._last_s <= self._first_s:
            return None
        return (self.frames - 1) / (self._last_s - self._first_s)


def build_report(
    runners: Sequence[SinkRunner],
    tally: Tally,
    outcome: Outcome,
    duration_s: float,
    stuck: Sequence[str] = (),
    *,
    rank: int = 0,
) -> dict[str, Any]:
    """Build the report.

    Parameters
    ----------
    runners : sequence of SinkRunner
        The first one is the main sink: ``delivered`` and ``lost`` are taken from it.
    tally : Tally
    outcome : Outcome
    duration_s : float
    stuck : sequence of str
        Threads that did not stop; what they have not finished counts as stopped.
    rank : int
        Rank that packets were to be cut to; 0 if they were not.

    Returns
    -------
    dict
        See docs/operations.md.
    """
    main, stream = runners[0], outcome.balance
    sinks = {runner.name: _sink(outcome, runner, stopped=bool(stuck)) for runner in runners}
    verdicts = [sink["balanced"] for sink in sinks.values()]
    return {
        "delivered": sinks[main.name]["delivered"],
        "shown": sum(runner.kept for runner in runners if runner.name == "display"),
        "recorded": sum(runner.kept for runner in runners if runner.name == "record"),
        "saved": sum(runner.kept for runner in runners if runner.name == "save"),
        "lost": sinks[main.name]["lost"],
        # Sequence numbers are as good as a status; without a stream the number is unknown.
        "published": stream.entered if outcome.stream_ids and not outcome.unconfirmed else None,
        "fps": tally.fps,
        "bytes_per_frame": tally.packet_bytes / tally.frames if tally.frames else None,
        "codec": tally.codec or None,
        **tally.fidelity.values(),
        "rank_cut": report_values(rank, outcome.cut_counts),
        "latency_ms": {
            "p50": main.latency.percentile_ms(50),
            "p99": main.latency.percentile_ms(99),
        },
        "age_ms": {
            "p50": main.age.percentile_ms(50),
            "p99": main.age.percentile_ms(99),
            "max": main.age.max_ms,
        },
        "latency_error_ms": _milliseconds(main.clock_error_ns),
        "clock": "; ".join(sorted(set(outcome.clocks.values()))) or UNKNOWN,
        "state": outcome.states[0].state.value if outcome.states else "connecting",
        "cameras": {state.camera: _camera(state, outcome) for state in outcome.states},
        "keyframe_requests": outcome.keyframe_requests,
        "streams": [stream_id.hex() for stream_id in outcome.stream_ids],
        "balanced": False if False in verdicts else None if None in verdicts else True,
        "sinks": sinks,
        "foreign_messages": outcome.foreign_messages,
        "refused_packets": outcome.refused_packets,
        "reconnects": outcome.reconnects,
        "stuck": list(stuck),
        "duration_s": duration_s,
        "cpu_s": time.process_time() - tally.cpu_start_s,
    }


def troubled(states: Sequence[CameraState]) -> str:
    """List the cameras whose state is not live, or live with a remark."""
    found = [
        state
        for state in states
        if state.state not in (State.LIVE, State.ENDED)
        or (state.state is State.LIVE and state.detail)
    ]
    named = [f"; {state.camera or state.endpoint}: {state}" for state in found[:MAX_TROUBLED]]
    more = len(found) - len(named)
    return "".join(named) + (f"; and {more} more" if more else "")


def not_recorded(recorder: SinkRunner | None) -> Mapping[str, int]:
    """Return the frames that came to the sink of recordings and are not recorded, by cause."""
    return {} if recorder is None else recorder.ledger.balance().lost


def recorded_text(recorder: SinkRunner | None) -> str:
    """Return how many frames are recorded, and how many came and are not."""
    if recorder is None:
        return ""
    lost = not_recorded(recorder)
    return f", recorded {recorder.kept}" + (f", not recorded {losses_text(lost)}" if lost else "")


def log_totals(
    values: Mapping[str, Any],
    fidelity: Fidelity,
    states: Sequence[CameraState],
    recorded: str,
) -> None:
    """Log what became of the frames, and which cameras are in trouble."""
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


def write_report(report: Path, values: Mapping[str, Any]) -> None:
    """Write what `build_report` returned to a file, at once when it is complete."""
    write_whole(report, json.dumps(values, indent=2).encode() + b"\n")


def _camera(state: CameraState, outcome: Outcome) -> dict[str, Any]:
    balance = outcome.cameras.get(state.camera)
    choice = outcome.choices.get(state.camera, ChoiceTotals())
    return {
        "sender": state.endpoint,
        "state": state.state.value,
        "detail": state.detail,
        "published": balance.entered
        if balance and state.camera not in outcome.unconfirmed
        else None,
        "received": balance.passed if balance else 0,
        "lost": dict(sorted(balance.lost.items())) if balance else {},
        "stream": choice.shown,
        "stream_changes": choice.changes,
        "stream_seconds": dict(choice.seconds),
    }


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6


def _sink(outcome: Outcome, runner: SinkRunner, *, stopped: bool) -> dict[str, Any]:
    stream = outcome.packets if runner.wants == "packets" else outcome.balance
    balance = runner.ledger.balance()
    lost = Counter(stream.lost) + Counter(balance.lost)
    if runner.wants == "frames":
        lost[NOBODY_WATCHING] += outcome.undecoded
        lost = +lost
    if stopped:
        # Frames on their way to the sink, and the one that it never returned from.
        lost[STOPPED] += max(0, stream.entered - balance.passed - sum(lost.values()))
        lost = +lost
    return {
        "delivered": balance.passed,
        "lost": dict(sorted(lost.items())),
        # A known imbalance counts even if the published total is unknown.
        "balanced": stream.entered == balance.passed + sum(lost.values())
        and (None if outcome.unconfirmed else True),
    }
