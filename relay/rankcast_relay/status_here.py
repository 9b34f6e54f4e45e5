"""The status of a camera as a relay states it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Final, Protocol

from rankcast.runtime import Balance
from rankcast.wire import MAIN, MAX_MS, UPLINK_UP, Status
from rankcast_receiver.state import CameraState, State
from rankcast_receiver.stream import CameraStream
from rankcast_relay.relay_path import RelayPath
from rankcast_sender.camera import SenderFacts, ViewerTotal
from rankcast_sender.sockets import Channel

_CONNECTED: Final = frozenset(
    {State.LIVE, State.STALE, State.OPENING, State.WAITING_FOR_TRIGGER, State.FROZEN,
     State.CAMERA_DEAD, State.ENDED, State.CONNECTING}
)  # fmt: skip
"""States in which the sender answers, or has not had the time to."""


class ToldCamera(Protocol):
    """A camera at a relay, as far as its status tells of it."""

    stream: CameraStream
    sender: SenderFacts | None
    path: RelayPath
    channel: Channel
    idle: bool
    told_streams: frozenset[str]

    @property
    def uplink_down(self) -> CameraState | None:
        """How the relay sees the camera while nothing of it arrives; else None."""

    @property
    def station(self) -> str:
        """Which of the stations behind the relay has the camera; empty for the first one."""

    def balance(self) -> Balance:
        """Frames published since the relay joined, passed on, and lost by cause."""


def down(uplink: CameraState | None) -> CameraState | None:
    """Return how a relay sees a camera if nothing of it arrives; else None."""
    return None if uplink is None or uplink.state in _CONNECTED else uplink


def status_here(camera: ToldCamera, said: Status, reports: ViewerTotal, viewers: int) -> Status:
    """Return what viewers of a relay are told.

    Parameters
    ----------
    camera : ToldCamera
    said : Status
        What its sender says.
    reports : ViewerTotal
        Of the viewers of the relay.
    viewers : int
        Their number.
    """
    sender, down = camera.sender, camera.uplink_down
    error_ms, stated_ms = camera.stream.clock.error_there_ms, said.clock_error_ms
    relay = {
        **camera.path.as_map(),
        "uplink": UPLINK_UP if down is None else f"{down.endpoint}: {down}",
        "lost": sum(camera.balance().lost.values()),
        "clock_error_ms": error_ms,
        "station": camera.station,
        **({"idle": True} if camera.idle else {}),
    }
    known = stated_ms is not None and error_ms is not None
    return replace(
        said,
        published=camera.channel.sent,
        viewers=viewers,
        control=0 if sender is None else sender.control_port,
        keys={} if sender is None else sender.key_state,
        reporting=reports.viewers,
        viewers_lost=reports.lost,
        viewers_latency_p99_ms=reports.latency_p99_ms,
        clock_error_ms=min(MAX_MS, (stated_ms or 0.0) + (error_ms or 0.0)) if known else None,
        relay=relay,
        streams=_told(said.streams, camera.told_streams),
    )


def _told(streams: Mapping[str, str], here: Set[str]) -> Mapping[str, str]:
    """Return those streams that viewers can have here; none if there is only the main one."""
    return {name: size for name, size in streams.items() if name in {MAIN, *here}} if here else {}
