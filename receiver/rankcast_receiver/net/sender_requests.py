"""SenderRequests: pings, requests and reports to one sender, without blocking."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from rankcast.boot_clock import boot_ns, boot_s
from rankcast.errors import SettingsError, WireError
from rankcast.frame import Scalar
from rankcast.runtime import NETWORK_GAP
from rankcast.wire import MAX_MS, UINT64_MAX, Reply, check_name, uint
from rankcast_receiver.clock import SenderClock
from rankcast_receiver.net.control_request import ControlRequest
from rankcast_receiver.stream import CameraStream

log = logging.getLogger(__name__)

PING_INTERVAL_S: Final = 1.0
QUICK_PINGS: Final = 5
QUICK_PING_INTERVAL_S: Final = 0.1
"""A quick burst of pings yields the first latency well within a second, and from several pings."""
REPORT_INTERVAL_S: Final = 1.0
KEYFRAME_INTERVAL_S: Final = 0.2
OVERLOADED_INTERVAL_S: Final = 2.0
"""Key frames cost every viewer bandwidth, and an overloaded one would request them constantly."""
REFUSED_FIRST_S: Final = 2.0
REFUSED_MAX_S: Final = 60.0
"""A stream refused once will likely be refused again, and each key frame costs every viewer:
pauses double."""
MAX_COUNT: Final = 2**53
"""Sequence numbers come from the sender; counts derived from them must fit a double."""
CAMERAS_INTERVAL_S: Final = 2.0
MAX_OPEN: Final = 64
"""Most requests awaiting a reply; further requests discard the oldest."""
REQUEST_TIMEOUT_S: Final = 5.0
"""Longest wait for the reply to a request of the user: a sender answers within 3 s."""


@dataclass(frozen=True, slots=True)
class _KeyframeRequest:
    """The latest request for a key frame."""

    at_s: float
    refused_s: float = 0.0
    """Pause before this request, if the stream was refused; else 0."""
    frame_s: float | None = None
    """When the last frame before this request was handed out."""


_NEVER: Final = _KeyframeRequest(float("-inf"))


UNKNOWN: Final = "the connection ended before the reply; the sender may have acted on it"


class RequestClient(Protocol):
    """What sends requests to one sender and gets its replies, whatever carries them."""

    @property
    def sessions(self) -> int:
        """How often the connection was established."""

    def send(self, op: str, camera: str = ..., args: Mapping[str, Scalar] = ...) -> int | None:
        """Send one request without blocking; return its id, None without a connection."""

    def replies(self) -> Sequence[Reply]:
        """Return the replies received so far."""

    def tick(self) -> bool:
        """Do periodic work; return True if the sockets of the client have changed."""

    def worked(self) -> None:
        """Note that a reply has made sense."""

    def close(self) -> None:
        """Drop the connection; may be called twice."""


class SenderRequests:
    """Pings, key-frame requests, credit and reports to one sender, from one thread.

    Parameters
    ----------
    client : RequestClient
        Owned, and closed, by this object.
    endpoint : str
        Where the requests go, for log lines.
    clocks : callable
        Returns the clocks that receive the results of pings, each by the name of one camera of its
        station; "" names the station that answers.
    """

    def __init__(
        self,
        client: RequestClient,
        endpoint: str,
        clocks: Callable[[], Mapping[str, SenderClock]],
        *,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self.endpoint = endpoint
        self.cameras: tuple[str, ...] | None = None
        """Cameras listed by the sender; None while unknown."""
        self.relay_id = ""
        """Id of the relay at the other end; empty for a sender, or while unknown."""
        self._clocks = clocks
        self._now_s = now_s
        self._pings: dict[int, tuple[int, SenderClock]] = {}
        self._asked: dict[int, str] = {}
        self._requests: dict[int, tuple[ControlRequest, float]] = {}
        """Requests of the user that await a reply, and until when."""
        self._sent_pings = 0
        self._next_ping_s = self._next_report_s = now_s()
        self._next_cameras_s = now_s()
        self._keyframes: dict[str, _KeyframeRequest] = {}
        self._heard_s = now_s()
        self._sessions = 0
        self._client = client

    @property
    def silent_s(self) -> float:
        """Seconds since the last reply, or since this link was created."""
        return self._now_s() - self._heard_s

    def read(self) -> None:
        """Process the replies that have arrived."""
        for reply in self._client.replies():
            self._heard_s = self._now_s()
            self._client.worked()
            ping = self._pings.pop(reply.id, None)
            if ping is not None:
                self._take_ping(*ping, reply)
                continue
            request, _ = self._requests.pop(reply.id, (None, 0.0))
            if request is not None:
                request.answer(reply)
                continue
            asked = self._asked.pop(reply.id, None)
            if asked == "status":
                self._take_cameras(reply)
            elif asked is not None and not reply.ok:
                log.debug("%s: refused %s: %s", self.endpoint, asked, reply.error)

    def tick(self) -> bool:
        """Send the pings that are due; True when `sockets` has changed."""
        changed = self._client.tick()
        if self._client.sessions != self._sessions:
            self._sessions = self._client.sessions
            self._measure_anew()
        now = self._now_s()
        self._give_up(now)
        if now >= self._next_ping_s:
            quick = self._sent_pings < QUICK_PINGS
            self._next_ping_s = now + (QUICK_PING_INTERVAL_S if quick else PING_INTERVAL_S)
            for camera, clock in self._clocks().items():
                t0 = boot_ns()
                request = self._client.send("ping", camera, {"t0": t0})
                if request is not None:
                    self._sent_pings += not camera
                    self._pings[request] = t0, clock
                    _forget_oldest(self._pings)
        return changed

    def restart(self) -> None:
        """Restart with quick pings, because the sender or the route to it has changed."""
        self._measure_anew()
        self._keyframes.clear()
        self.cameras = None

    def ask_keyframe(
        self, camera: str, stream: CameraStream, token: bytes = b"", *, catch_up: bool = False
    ) -> None:
        """Request a key frame of `camera`, at most five times a second.

        The token tells the sender which viewer it is for; with `catch_up` that may get a catch-up
        instead.

        A receiver that is too slow asks at most every two seconds. One that refuses the stream
        waits 2, 4, 8 ... 60 s between requests, until it has decoded a picture.
        """
        now = self._now_s()
        asked, refused_s = self._keyframes.get(camera, _NEVER), 0.0
        interval_s = OVERLOADED_INTERVAL_S if stream.overloaded else KEYFRAME_INTERVAL_S
        if stream.refusal:
            before_s = asked.refused_s if asked.frame_s == stream.frame_s else 0.0
            interval_s = refused_s = min(REFUSED_MAX_S, max(REFUSED_FIRST_S, 2 * before_s))
        if now - asked.at_s < interval_s:
            return
        args: dict[str, Any] = {"stream": stream.stream_id}
        if stream.newest_sequence is not None:
            # Any key frame up to this sequence was lost in transit: only a later one helps.
            args["sequence"] = stream.newest_sequence
        if token:
            args["token"] = token
        if catch_up:
            args["catch_up"] = True
        if self._ask("keyframe", camera, args):
            self._keyframes[camera] = _KeyframeRequest(now, refused_s, stream.frame_s)
            stream.keyframe_requests += 1

    def ask_first_keyframe(self, stream: str, token: bytes = b"") -> None:
        """Request a key frame of a stream of which none has arrived yet."""
        self._ask("keyframe", stream, {"token": token} if token else {})

    def ask_cameras(self) -> None:
        """Request the sender's list of cameras at intervals; the reply updates `cameras`."""
        now = self._now_s()
        if now >= self._next_cameras_s and self._ask("status", "", {}):
            self._next_cameras_s = now + CAMERAS_INTERVAL_S

    def request(self, request: ControlRequest) -> None:
        """Send a request of the user; its reply, or why there is none, is set later."""
        if len(self._requests) >= MAX_OPEN:
            request.fail(f"{MAX_OPEN} requests are waiting already: try again later")
            return
        number = self._client.send(request.op, request.camera, request.args)
        if number is None:
            request.fail("the sender's control channel is not connected")
            return
        self._requests[number] = request, self._now_s() + REQUEST_TIMEOUT_S

    def report_due(self) -> bool:
        """Return True if a second has passed since the last report."""
        now = self._now_s()
        if now < self._next_report_s:
            return False
        self._next_report_s = now + REPORT_INTERVAL_S
        return True

    def report(self, camera: str, stream: CameraStream, late_s: float | None = None) -> None:
        """Send the totals of `camera` at this receiver and the latency of the last second.

        `late_s` is how late even the quickest message of that second was: they queue in front of
        the link.
        """
        late = {} if late_s is None else {"late_ms": min(max(1e3 * late_s, 0.0), MAX_MS)}
        if stream.reported is not None:
            self._ask("report", camera, {**stream.reported(), **late})
            return
        balance = stream.ledger.balance()
        args: dict[str, Any] = {
            "delivered": min(balance.passed, MAX_COUNT),
            "lost": min(sum(balance.lost.values()), MAX_COUNT),
            "network_lost": min(balance.lost.get(NETWORK_GAP, 0), MAX_COUNT),
        }
        args |= late
        delays = stream.delays.take()
        if delays:
            ordered = sorted(delay.latency_ms for delay in delays)
            p99_ms = ordered[math.ceil(0.99 * len(ordered)) - 1]
            args["latency_p99_ms"] = min(max(p99_ms, 0.0), MAX_MS)
            args["latency_error_ms"] = min(max(delay.error_ms for delay in delays), MAX_MS)
        self._ask("report", camera, args)

    def grant(self, camera: str, token: bytes, stream_id: bytes, until: int) -> bool:
        """Allow the sender to send frames up to sequence `until`; False without a connection."""
        args = {"token": token, "stream": stream_id, "until": min(until, UINT64_MAX)}
        return self._ask("credit", camera, args)

    def close(self) -> None:
        """Drop the connection; may be called twice."""
        self._client.close()
        self.fail_requests()

    def _measure_anew(self) -> None:
        self._pings.clear()
        self._asked.clear()
        self.fail_requests()
        self._sent_pings = 0
        self._next_ping_s = self._next_cameras_s = self._now_s()

    def fail_requests(self, reason: str = UNKNOWN) -> None:
        """Answer the requests of the user that wait, because no reply will come."""
        for request, _ in self._requests.values():
            request.fail(reason)
        self._requests.clear()

    def _give_up(self, now_s: float) -> None:
        for number, (request, until_s) in list(self._requests.items()):
            if now_s > until_s:
                del self._requests[number]
                request.fail(f"the sender did not reply within {REQUEST_TIMEOUT_S:g} s")

    def _ask(self, op: str, camera: str, args: dict[str, Any]) -> bool:
        request = self._client.send(op, camera, args)
        if request is None:
            return False
        self._asked[request] = op
        _forget_oldest(self._asked)
        return True

    def _take_ping(self, t0: int, clock: SenderClock, reply: Reply) -> None:
        try:
            t1, t2 = (uint(reply.result.get(name), name) for name in ("t1", "t2"))
        except WireError as exc:
            log.debug("%s: %s", self.endpoint, exc)
            return
        clock.answer(t0, t1, t2, boot_ns())

    def _take_cameras(self, reply: Reply) -> None:
        relay_id = reply.result.get("relay_id", "")
        self.relay_id = relay_id if isinstance(relay_id, str) else ""
        cameras = reply.result.get("cameras")
        if not isinstance(cameras, dict):
            return
        try:
            self.cameras = tuple(check_name(name) for name in cameras)
        except SettingsError as exc:
            log.debug("%s: %s", self.endpoint, exc)


def _forget_oldest(waiting: dict[int, Any]) -> None:
    if len(waiting) > MAX_OPEN:
        del waiting[next(iter(waiting))]
