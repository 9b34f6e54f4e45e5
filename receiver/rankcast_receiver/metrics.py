"""ReceiverMetrics: what a receiver counts and measures, read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from starlette.routing import Route

from rankcast.boot_clock import boot_s
from rankcast.metrics import (
    Definition,
    EndDefinitions,
    Exposition,
    Health,
    labelled,
    metrics_routes,
)
from rankcast.numerics import Histogram
from rankcast.recorder import FreeSpace
from rankcast.runtime import (
    NETWORK_GAP,
    REFUSED_PACKET,
    SINK,
    SKIPPED_AS_OLD,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    WRONG_CHECKSUM,
    Pulse,
)
from rankcast_receiver.sinks import SinkRunner
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.stream import CameraStream
from rankcast_receiver.subscriber import Subscriber

READY_STATES: Final = frozenset({State.LIVE.value, State.WAITING_FOR_TRIGGER.value})
STATES: Final = tuple(state.value for state in State)
LOSSES: Final = dict.fromkeys(
    (NETWORK_GAP, SKIPPED_AS_OLD, WAITING_FOR_KEYFRAME, WRONG_CHECKSUM, REFUSED_PACKET, STOPPED), 0
)
SINK_LOSSES: Final = dict.fromkeys((SKIPPED_AS_OLD, SINK, WAITING_FOR_KEYFRAME, STOPPED), 0)
"""Each cause is there from the start, so that the first loss is a rise."""
RECORD: Final = "record"
"""Name of the sink that writes a recording."""
MOST_CAMERAS: Final = 1024
"""Cameras of one scrape: names come from the peers, 64 of each of 16 senders at most."""
LATENCY_BOUNDS_S: Final = (
    0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
_LATENCY_BOUNDS_MS: Final = tuple(1e3 * bound for bound in LATENCY_BOUNDS_S)


_of = EndDefinitions("receiver")

PUBLISHED: Final = _of.counter(
    "frames_published", "Frames that the sender published since this receiver joined."
)
DECODED: Final = _of.counter("frames_decoded", "Frames that were decoded and handed to the sinks.")
PACKETS_DECODED: Final = _of.counter(
    "packets_decoded", "Packets that were decoded, those on the way to a newer picture too."
)
LOST: Final = _of.counter("frames_lost", "Frames that were published and not received, by cause.")
PACKET_BYTES: Final = _of.counter(
    "packet_bytes", "Size of all pictures that arrived, as packets.", "bytes"
)
LATENCY: Final = _of.histogram(
    "latency_seconds",
    "Time from the capture of a frame until it was decoded, or checked if nobody needs it decoded.",
    "seconds",
)
PICTURE_AGE: Final = _of.gauge(
    "picture_age_seconds", "Time since the newest picture was captured.", "seconds"
)
STATE: Final = _of.gauge("camera_state", "1 for the state that the camera is in, 0 for the others.")
KEYFRAME_REQUESTS: Final = _of.counter(
    "keyframe_requests", "Key frames that this receiver asked the sender for."
)
STREAM: Final = _of.gauge("camera_stream", "1 for the stream of the camera that is received.")
STREAM_CHANGES: Final = _of.counter(
    "stream_changes", "Changes from one stream of the camera to another."
)
REFUSED: Final = _of.counter("packets_refused", "Packets that were refused before decoding.")
FOREIGN: Final = _of.counter(
    "foreign_messages", "Messages that are no packets, or belong to no camera."
)
RECONNECTS: Final = _of.counter("reconnects", "Connections replaced after silence or a refusal.")
DELIVERED: Final = _of.counter("sink_frames_delivered", "Frames or packets that the sink took.")
KEPT: Final = _of.counter("sink_frames_kept", "Frames that the sink saved, showed or recorded.")
SINK_LOST: Final = _of.counter(
    "sink_frames_lost", "Frames that came to the sink and were not delivered, by cause."
)
SINK_LATENCY: Final = _of.histogram(
    "sink_latency_seconds",
    "Time from the capture of a delivered frame until it was decoded.",
    "seconds",
)
SINK_AGE: Final = _of.histogram(
    "sink_age_seconds", "Time from the capture of a frame until the sink had it.", "seconds"
)
BACKLOG: Final = _of.gauge(
    "recorder_backlog_bytes", "Size of the packets that wait for the disk.", "bytes"
)
FREE: Final = _of.gauge("recorder_free_bytes", "Free space of the disk of the recording.", "bytes")
WEB_DROPPED: Final = _of.counter(
    "web_packets_dropped", "Packets that came faster than they could be handed to pages."
)
DEFINITIONS: Final = tuple(value for value in globals().values() if isinstance(value, Definition))


class ReceiverMetrics:
    """Reads the state of a running receiver; costs its frames nothing.

    Parameters
    ----------
    subscriber : callable
        Returns what receives; None before it does, and afterwards.
    runners : sequence of SinkRunner
    space : FreeSpace, optional
        Of the disk of a recording.
    web_dropped : callable, optional
        Returns how many packets the web address dropped; None without one.
    """

    def __init__(
        self,
        subscriber: Callable[[], Subscriber | None],
        runners: Sequence[SinkRunner],
        space: FreeSpace | None = None,
        web_dropped: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._subscriber, self._runners, self._space = subscriber, runners, space
        self._web_dropped = web_dropped

    def states(self) -> Mapping[str, str]:
        """Return the state of each camera, by its name or the address of its sender."""
        subscriber = self._subscriber()
        found = () if subscriber is None else subscriber.states[:MOST_CAMERAS]
        return {state.camera or state.endpoint: state.state.value for state in found}

    def write(self, exposition: Exposition) -> None:
        """Add all samples."""
        subscriber = self._subscriber()
        if subscriber is not None:
            for state in subscriber.states[:MOST_CAMERAS]:
                _write_state(exposition, state)
            for stream in list(subscriber.streams.values())[:MOST_CAMERAS]:
                _write_stream(exposition, stream)
            exposition.add(FOREIGN, subscriber.foreign_messages)
            exposition.add(RECONNECTS, subscriber.reconnects)
        for runner in self._runners:
            _write_sink(exposition, runner)
        if self._space is not None and self._space.bytes is not None:
            exposition.add(FREE, self._space.bytes)
        if (dropped := self._web_dropped()) is not None:
            exposition.add(WEB_DROPPED, dropped)


def _write_state(exposition: Exposition, state: CameraState) -> None:
    labels = labelled(camera=state.camera, sender=state.endpoint)
    exposition.add_state(STATE, STATES, state.state.value, labels)


def _write_stream(exposition: Exposition, stream: CameraStream) -> None:
    labels, add, balance = labelled(camera=stream.camera), exposition.add, stream.ledger.balance()
    add(PUBLISHED, balance.entered, labels)
    add(DECODED, stream.decoded_frames, labels)
    add(PACKETS_DECODED, stream.decoded_packets, labels)
    exposition.add_all(LOST, {**LOSSES, **balance.lost}, "cause", labels)
    add(PACKET_BYTES, stream.packet_bytes, labels)
    _write_times(exposition, LATENCY, stream.latency, labels)
    if (captured_s := stream.captured_s) is not None:
        add(PICTURE_AGE, max(0.0, boot_s() - captured_s), labels)
    add(KEYFRAME_REQUESTS, stream.keyframe_requests, labels)
    add(STREAM, 1, labelled(camera=stream.camera, stream=stream.stream))
    add(STREAM_CHANGES, stream.stream_changes, labels)
    add(REFUSED, stream.refused_packets, labels)


def _write_sink(exposition: Exposition, runner: SinkRunner) -> None:
    labels, balance = labelled(sink=runner.name), runner.ledger.balance()
    exposition.add(DELIVERED, balance.passed, labels)
    exposition.add(KEPT, runner.kept, labels)
    exposition.add_all(SINK_LOST, {**SINK_LOSSES, **balance.lost}, "cause", labels)
    if runner.wants == "frames":
        _write_times(exposition, SINK_LATENCY, runner.latency, labels)
        _write_times(exposition, SINK_AGE, runner.age, labels)
    if runner.name == RECORD:
        exposition.add(BACKLOG, runner.waiting_bytes)


def _write_times(
    exposition: Exposition, definition: Definition, times: Histogram, labels: str
) -> None:
    counts = times.up_to(_LATENCY_BOUNDS_MS)
    exposition.add_histogram(definition, LATENCY_BOUNDS_S, counts, times.sum_ms / 1e3, labels)


def receiver_routes(
    metrics: ReceiverMetrics, pulses: Callable[[], Iterable[Pulse]], watchdog_s: float = 0.0
) -> list[Route]:
    """Return the routes of metrics and health, for any web application of a receiver."""
    health = Health(pulses, metrics.states, is_ready, watchdog_s)
    return metrics_routes("receiver", health, metrics.write)


def is_ready(cameras: Mapping[str, str]) -> bool:
    """Return whether at least one camera is live or waits for a trigger."""
    return not READY_STATES.isdisjoint(cameras.values())
