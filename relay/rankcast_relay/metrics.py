"""RelayMetrics: what a relay counts and measures, read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rankcast.metrics import (
    Definition,
    EndDefinitions,
    Exposition,
    labelled,
    open_end_metrics,
)
from rankcast.runtime import (
    NETWORK_GAP,
    NOBODY_WATCHING,
    REFUSED_CAMERA,
    REFUSED_PACKET,
    SKIPPED_AS_OLD,
    SLOW_SERVER,
    STOPPED,
    Pulse,
)
from rankcast.web import HttpServer
from rankcast_relay.pipeline import RelayPipeline
from rankcast_relay.relayed_camera import RelayedCamera
from rankcast_relay.settings import RelaySettings
from rankcast_sender.camera import STATES
from rankcast_sender.metrics import is_ready
from rankcast_sender.outlet import Outlet

LOSSES: Final = dict.fromkeys(
    (
        NETWORK_GAP, REFUSED_PACKET, REFUSED_CAMERA, SKIPPED_AS_OLD, NOBODY_WATCHING, SLOW_SERVER,
        STOPPED,
    ),
    0,
)  # fmt: skip
"""Each cause is there from the start, so that the first loss is a rise."""
UPLINK_DOWN: Final = "uplink_down"
_of = EndDefinitions("relay")

PUBLISHED: Final = _of.counter(
    "frames_published", "Frames that the sender has published since the relay joined."
)
FORWARDED: Final = _of.counter(
    "frames_forwarded", "Frames handed to the socket for viewers, or to the NATS server."
)
LOST: Final = _of.counter("frames_lost", "Frames that were not passed on, by cause.")
FORWARDED_BYTES: Final = _of.counter(
    "forwarded_bytes", "Size of all packets that were passed on, each once.", "bytes"
)
STATE: Final = _of.gauge(
    "camera_state", "1 for the state that the camera is in, 0 for the others; uplink_down while "
    "the relay gets nothing."
)  # fmt: skip
VIEWERS: Final = _of.gauge("viewers", "Viewers of the camera at this relay.")
CATCH_UPS: Final = _of.counter("catch_ups", "Catch-ups sent to viewers that joined.")
REFERENCES: Final = _of.counter("references", "References made for viewers that joined.")
KEPT: Final = _of.gauge("group_bytes", "Size of the packets kept for viewers that join.", "bytes")
KEYFRAME_REQUESTS: Final = _of.counter(
    "keyframe_requests", "Key frames that were asked of the sender."
)
PASSED_ON: Final = _of.counter("requests_passed_on", "Control requests passed on to the senders.")
RECONNECTS: Final = _of.counter(
    "reconnects", "Connections to senders replaced after silence or a refusal."
)
CLOSED: Final = _of.counter(
    "connections_closed", "Connections closed because of what their peers sent."
)
DROPPED: Final = _of.counter(
    "requests_dropped", "Control messages beyond the budget of their connection."
)
DEFINITIONS: Final = tuple(value for value in globals().values() if isinstance(value, Definition))


class RelayMetrics:
    """Reads the state of a running relay; costs its frames nothing.

    Parameters
    ----------
    pipeline : RelayPipeline
    outlet : Outlet
    passed_on : callable
        Returns the number of requests that were passed on.
    """

    def __init__(
        self, pipeline: RelayPipeline, outlet: Outlet, passed_on: Callable[[], int]
    ) -> None:
        self._pipeline, self._outlet, self._passed_on = pipeline, outlet, passed_on

    def states(self) -> Mapping[str, str]:
        """Return the state of each camera, by its main stream."""
        cameras = self._pipeline.cameras
        return {name: _state(cameras[name]) for name in cameras if not cameras[name].is_substream}

    def write(self, exposition: Exposition) -> None:
        """Add all samples."""
        for name, camera in self._pipeline.cameras.items():
            if camera.is_withdrawn:
                continue
            self._write_camera(exposition, camera, labelled(camera=name))
        exposition.add(PASSED_ON, self._passed_on())
        exposition.add(RECONNECTS, self._pipeline.reconnects)
        exposition.add(CLOSED, self._outlet.connections_closed)
        exposition.add(DROPPED, self._outlet.requests_dropped)

    @staticmethod
    def _write_camera(exposition: Exposition, camera: RelayedCamera, labels: str) -> None:
        add, balance = exposition.add, camera.balance()
        add(PUBLISHED, balance.entered, labels)
        add(FORWARDED, balance.passed, labels)
        exposition.add_all(LOST, {**LOSSES, **balance.lost}, "cause", labels)
        add(FORWARDED_BYTES, camera.packet_bytes, labels)
        exposition.add_state(STATE, (*STATES, UPLINK_DOWN), _state(camera), labels)
        add(VIEWERS, camera.viewers, labels)
        add(CATCH_UPS, camera.catch_ups, labels)
        add(REFERENCES, camera.references, labels)
        add(KEPT, camera.kept_bytes, labels)
        add(KEYFRAME_REQUESTS, camera.stream.keyframe_requests, labels)


def open_metrics(
    settings: RelaySettings,
    metrics: RelayMetrics,
    pulses: Callable[[], Iterable[Pulse]],
    watchdog_s: float,
) -> HttpServer:
    """Take the address of metrics and health; see `rankcast.metrics.open_end_metrics`."""
    return open_end_metrics("relay", settings.metrics, metrics, pulses, is_ready, watchdog_s)


def _state(camera: RelayedCamera) -> str:
    return UPLINK_DOWN if camera.uplink_down else camera.state
