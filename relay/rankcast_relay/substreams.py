"""Substreams: which substreams a relay passes on, and which of them it receives."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, Protocol

from rankcast.runtime import LogLimiter
from rankcast.wire import MAIN, stream_name
from rankcast_relay.relayed_camera import RelayedCamera

log = logging.getLogger(__name__)

MAX_NAMES: Final = 16
"""Most names of substreams of one camera while the relay runs, twice as many as a sender has at a
time: names come from the peer, and viewers reconnect for each."""
MAX_SUBSTREAMS: Final = 512
"""Most names of substreams of one sender: those of the others do not depend on it."""
FROM_SERVER: Final = "from a NATS server main streams go alone"
LOG_S: Final = 60.0
LEAVE_S: Final = 1.0
"""The frames of a substream are received for so long without viewers, because those that reconnect
would cost a key frame."""


class Follower(Protocol):
    """What receives the substreams."""

    def follow(self, substreams: Mapping[str, bool]) -> None:
        """Receive these substreams; True: with their frames, False: their status alone."""


class Substreams:
    """Follows the substreams of all cameras, in the thread that passes packets on.

    The status of a substream is received as long as its camera offers it, its frames only while a
    viewer of this relay watches it.

    Parameters
    ----------
    refusal : str
        Why this relay passes no substreams on; empty if it does.
    """

    def __init__(self, refusal: str = "") -> None:
        self._refusal = refusal
        self._names: dict[tuple[int, str], set[str]] = {}
        """Substreams of each camera so far, by its sender and its name at the subscriber."""
        self._followed: dict[str, bool] = {}
        self._watched_s: dict[str, float] = {}
        """When a viewer was seen last, by substream."""
        self._log = LogLimiter(LOG_S)

    def look(self, cameras: Mapping[str, RelayedCamera], follower: Follower, now_s: float) -> None:
        """Follow what the cameras offer by now, and receive what is watched.

        Parameters
        ----------
        cameras : mapping of str to RelayedCamera
            Cameras and substreams by their names at the subscriber.
        follower : Follower
        now_s : float
            Monotonic.
        """
        wanted: dict[str, bool] = {}
        for name, camera in cameras.items():
            if not (camera.offered or camera.told_streams) or camera.is_substream:
                continue
            offered = () if camera.refusal else self._accepted(name, camera)
            camera.told_streams = frozenset(offered)
            for substream in offered:
                stream = stream_name(name, substream)
                wanted[stream] = self._is_watched(stream, cameras.get(stream), now_s)
                if stream in cameras:
                    cameras[stream].told_streams = camera.told_streams
        if wanted == self._followed:
            return
        before, self._followed = self._followed, wanted
        follower.follow(wanted)
        for stream, frames in before.items():
            camera_of = cameras.get(stream)
            if camera_of is not None and frames and not wanted.get(stream):
                camera_of.rest()
            if camera_of is not None and stream not in wanted:
                camera_of.withdraw()

    def _accepted(self, name: str, camera: RelayedCamera) -> list[str]:
        """Return the substreams that a camera offers, as far as this relay passes them on."""
        offered = [substream for substream in camera.offered if substream != MAIN]
        known = self._names.setdefault((camera.sender_number, name), set())
        why = self._refusal or (FROM_SERVER if camera.at_server else "")
        if why:
            if offered and not known:
                known.update(offered[:1])
                log.warning("%s: its substreams are not relayed: %s", camera.name, why)
            return []
        total = sum(
            len(names) for (number, _), names in self._names.items()
            if number == camera.sender_number
        )  # fmt: skip
        for substream in offered:
            if substream in known:
                continue
            if len(known) >= MAX_NAMES or total >= MAX_SUBSTREAMS:
                if self._log.may_log():
                    log.warning(
                        "%s: substream %s is not relayed: the limit is %d names of substreams of "
                        "one camera, and %d of one sender", camera.name, substream, MAX_NAMES,
                        MAX_SUBSTREAMS,
                    )  # fmt: skip
                break
            known.add(substream)
            total += 1
        return [substream for substream in offered if substream in known]

    def _is_watched(self, stream: str, camera: RelayedCamera | None, now_s: float) -> bool:
        if camera is not None and camera.viewers:
            self._watched_s[stream] = now_s
        return now_s - self._watched_s.get(stream, float("-inf")) < LEAVE_S
