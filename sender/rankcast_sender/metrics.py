"""SenderMetrics: what a sender counts and measures, read when somebody asks for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.metrics import (
    Definition,
    EndDefinitions,
    Exposition,
    labelled,
    open_end_metrics,
)
from rankcast.runtime import (
    CAMERA_GAP,
    ENCODE,
    MAILBOX,
    NOBODY_WATCHING,
    SINK,
    SLOW_SERVER,
    STOPPED,
    WAITING_FOR_KEYFRAME,
    Pulse,
)
from rankcast.web import HttpServer
from rankcast_sender.black_box import BlackBox
from rankcast_sender.camera import SIZE_BOUNDS_BYTES, STATES, Camera
from rankcast_sender.outlet import Outlet
from rankcast_sender.settings import SenderSettings

READY_STATES: Final = frozenset({"live", "waiting"})
LOSSES: Final = dict.fromkeys(
    (CAMERA_GAP, MAILBOX, ENCODE, NOBODY_WATCHING, SLOW_SERVER, STOPPED), 0
)
NOT_RECORDED: Final = dict.fromkeys((SINK, WAITING_FOR_KEYFRAME, STOPPED), 0)
"""Each cause is there from the start, so that the first loss is a rise."""
ENCODE_BOUNDS_S: Final = (
    0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0,
)  # fmt: skip
_ENCODE_BOUNDS_MS: Final = tuple(1e3 * bound for bound in ENCODE_BOUNDS_S)


_of = EndDefinitions("sender")

GRABBED: Final = _of.counter(
    "frames_grabbed", "Frames that the camera made: published, lost or under way."
)
PUBLISHED: Final = _of.counter("frames_published", "Frames handed to the socket.")
LOST: Final = _of.counter("frames_lost", "Frames that were grabbed and not published, by cause.")
PUBLISHED_BYTES: Final = _of.counter(
    "published_bytes", "Size of all packets that were published.", "bytes"
)
ENCODE_TIME: Final = _of.histogram("encode_seconds", "Time that encoding a frame took.", "seconds")
PACKET_SIZE: Final = _of.histogram("packet_bytes", "Size of a published packet.", "bytes")
STATE: Final = _of.gauge("camera_state", "1 for the state that the camera is in, 0 for the others.")
FRAME_AGE: Final = _of.gauge(
    "frame_age_seconds", "Time since the camera gave its newest frame.", "seconds"
)
INTERVAL: Final = _of.gauge(
    "frame_interval_seconds", "Time between frames, announced or measured.", "seconds"
)
VIEWERS: Final = _of.gauge("viewers", "Viewers of the camera.")
REPORTING: Final = _of.gauge("viewers_reporting", "Viewers that report what arrives.")
WORST_LATENCY: Final = _of.gauge(
    "viewers_latency_p99_seconds", "Highest latency that a viewer reports.", "seconds"
)
TARGET: Final = _of.gauge(
    "target_bits_per_second", "Bit rate that the encoder keeps, between min_bitrate and bitrate."
)
FALLS: Final = _of.counter("bitrate_falls", "How often viewers' losses lowered the bit rate.")
KEYFRAME_REQUESTS: Final = _of.counter(
    "keyframe_requests", "Key frames that viewers and recorders asked for."
)
KEYFRAMES: Final = _of.counter(
    "keyframes_on_request", "Key frames that were made because of requests."
)
FAILURES: Final = _of.counter(
    "source_failures", "Failures after which the camera was opened again."
)
CLOSED: Final = _of.counter(
    "connections_closed", "Connections closed because of what their peers sent."
)
DROPPED: Final = _of.counter(
    "requests_dropped", "Control messages beyond the budget of their connection."
)
UNSENT: Final = _of.counter(
    "frames_unsent", "Frames that were coded and that the NATS server did not take."
)
KEYS: Final = _of.gauge("keys_authorized", "Keys that may connect.")
KEYS_REFUSED: Final = _of.counter("keys_refused", "Handshakes with a key that is not authorised.")
KEYS_FLOODING: Final = _of.gauge(
    "keys_flooding", "Keys that are refused at present because they flooded the sender."
)
KEYS_ALARM: Final = _of.gauge(
    "keys_alarm", "1 while the directory of keys cannot be read, and the previous keys stay."
)
RECORDED: Final = _of.counter("frames_recorded", "Frames in the recording.")
RECORD_LOST: Final = _of.counter(
    "frames_not_recorded", "Frames that were published and not recorded, by cause."
)
BACKLOG: Final = _of.gauge(
    "recorder_backlog_bytes", "Size of the packets that wait for the disk.", "bytes"
)
FREE: Final = _of.gauge("recorder_free_bytes", "Free space of the disk of the recording.", "bytes")
KEPT: Final = _of.gauge("kept", "1 while a stream at the NATS server keeps the camera.")
NOT_KEPT: Final = _of.counter(
    "messages_not_kept", "Messages that were published and are not in that stream."
)
DEFINITIONS: Final = tuple(value for value in globals().values() if isinstance(value, Definition))


class SenderMetrics:
    """Reads the state of a running sender; costs its frames nothing.

    Parameters
    ----------
    cameras : sequence of Camera
    failures : callable
        Returns how often each camera failed and was opened again.
    outlet : Outlet
    black_box : BlackBox, optional
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        failures: Callable[[], Mapping[str, int]],
        outlet: Outlet,
        black_box: BlackBox | None = None,
    ) -> None:
        self._cameras, self._failures = cameras, failures
        self._outlet, self._black_box = outlet, black_box
        self._labels = {camera.name: labelled(camera=camera.name) for camera in cameras}

    def states(self) -> Mapping[str, str]:
        """Return the state of each camera."""
        return {camera.name: camera.state for camera in self._cameras}

    def write(self, exposition: Exposition) -> None:
        """Add all samples."""
        for camera in self._cameras:
            self._write_camera(exposition, camera, self._labels[camera.name])
        exposition.add_all(FAILURES, self._failures(), "camera")
        outlet = self._outlet
        exposition.add(CLOSED, outlet.connections_closed)
        exposition.add(DROPPED, outlet.requests_dropped)
        exposition.add(UNSENT, outlet.frames_unsent)
        if keys := outlet.key_state:
            for definition, name in (
                (KEYS, "authorized"), (KEYS_REFUSED, "refused"),
                (KEYS_FLOODING, "flooding"), (KEYS_ALARM, "alarm"),
            ):  # fmt: skip
                if isinstance(value := keys[name], int):
                    exposition.add(definition, int(value))
        if self._black_box is not None:
            exposition.add(BACKLOG, self._black_box.waiting_bytes)
            if (free := self._black_box.free_bytes) is not None:
                exposition.add(FREE, free)

    def _write_camera(self, exposition: Exposition, camera: Camera, labels: str) -> None:
        add, balance, figures = exposition.add, camera.balance(), camera.figures
        add(GRABBED, balance.entered, labels)
        add(PUBLISHED, balance.passed, labels)
        exposition.add_all(LOST, {**LOSSES, **balance.lost}, "cause", labels)
        add(PUBLISHED_BYTES, figures.packet_bytes, labels)
        times, sizes = figures.encode_times, figures.packet_sizes
        exposition.add_histogram(
            ENCODE_TIME, ENCODE_BOUNDS_S, times.up_to(_ENCODE_BOUNDS_MS), times.sum_ms / 1e3, labels
        )
        exposition.add_histogram(PACKET_SIZE, SIZE_BOUNDS_BYTES, sizes.up_to(), sizes.sum, labels)
        exposition.add_state(STATE, STATES, camera.state, labels)
        if math.isfinite(last_s := camera.source.last_frame_s):
            add(FRAME_AGE, max(0.0, boot_s() - last_s), labels)
        if interval_s := camera.source.frame_interval_s:
            add(INTERVAL, interval_s, labels)
        add(VIEWERS, camera.viewers, labels)
        reports = camera.viewer_total()
        add(REPORTING, reports.viewers, labels)
        if reports.latency_p99_ms is not None:
            add(WORST_LATENCY, reports.latency_p99_ms / 1e3, labels)
        if (rate := camera.followed_bitrate()) is not None:
            add(TARGET, rate, labels)
            add(FALLS, camera.link.falls, labels)
        add(KEYFRAME_REQUESTS, camera.keyframes.asked, labels)
        add(KEYFRAMES, camera.keyframes.made, labels)
        if camera.not_kept is not None:
            add(KEPT, int(camera.kept), labels)
            add(NOT_KEPT, camera.not_kept, labels)
        if camera.tape is not None:
            add(RECORDED, camera.tape.recorded, labels)
            lost = {**NOT_RECORDED, **camera.tape.lost}
            exposition.add_all(RECORD_LOST, lost, "cause", labels)


def open_metrics(
    settings: SenderSettings,
    metrics: SenderMetrics,
    pulses: Callable[[], Iterable[Pulse]],
    watchdog_s: float,
) -> HttpServer:
    """Take the address of metrics and health; see `rankcast.metrics.open_end_metrics`."""
    # A sender that opens its cameras for a viewer would never be ready for one.
    ready = is_waiting_or_ready if settings.network.wait_viewers else is_ready
    return open_end_metrics("sender", settings.metrics, metrics, pulses, ready, watchdog_s)


def is_ready(cameras: Mapping[str, str]) -> bool:
    """Return whether at least one camera is live or waits for a trigger."""
    return not READY_STATES.isdisjoint(cameras.values())


def is_waiting_or_ready(cameras: Mapping[str, str]) -> bool:
    """Return whether a camera is ready, or not opened yet because no viewer came."""
    return is_ready(cameras) or "opening" in cameras.values()
