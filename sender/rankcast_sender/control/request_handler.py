"""RequestHandler: answers control requests about cameras, independent of sockets."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from rankcast.errors import RankcastError, SettingsError
from rankcast.frame import Scalar
from rankcast.recorder import Triggers
from rankcast.runtime import join_all
from rankcast.wire import (
    MAIN,
    MAX_MS,
    OPERATIONS,
    STREAM_ID_BYTES,
    TOKEN_BYTES,
    UINT64_MAX,
    Reply,
    Request,
    split_stream,
)
from rankcast_sender.control.change_log import ChangeLog
from rankcast_sender.control.controlled_camera import ControlledCamera, WatchedCamera
from rankcast_sender.control.originals import Originals
from rankcast_sender.control.settings_changes import (
    Finish,
    SettingsChanges,
    SettingsRequest,
)
from rankcast_sender.joins import PEER

log = logging.getLogger(__name__)

VIEWER: Final = "viewer"
OPERATOR: Final = "operator"
OPERATOR_ONLY: Final = frozenset({"set", "original", "record"})
PASSED_ON: Final = frozenset({"set", "get", "original", "record"})
"""Requests that only the sender with the camera can carry out."""
DEFAULT_CAUSE: Final = "control"
STOP_TIMEOUT_S: Final = 1.0
"""Encoding a large picture or loading a model takes longer and cannot be interrupted, but nobody
waits for the result any more."""
MAX_VALUES: Final = 32
"""Most values in one `set` request."""
MAX_FRAMES: Final = 2**53
"""Largest count accepted in a report: JSON readers keep integers exact up to this value."""


@dataclass(frozen=True, slots=True)
class Client:
    """The client behind a request."""

    id: bytes
    """Routing id of the connection."""
    role: str | None
    """None if the key has been revoked."""
    key: str = ""
    """Name of its authorised key; empty if the sender has no keys."""
    cameras: frozenset[str] | None = None
    """Cameras that it may see; None is every camera."""
    peer: str = ""
    """Its key or, without keys, its address; empty if neither is known."""

    def __str__(self) -> str:
        return f"{self.key} ({self.role})" if self.key else "a client (no keys)"


class PassOn(Protocol):
    """Has another sender carry out a request; the rights of the client have been checked."""

    def __call__(self, camera: str, request: Request, client: Client, finish: Finish) -> str:
        """Pass the request on; return why not, or an empty text: then `finish` will be called.

        Called in the thread of the control channel; `camera` is empty where a request names none.
        """


@dataclass(frozen=True, slots=True)
class Relaying:
    """What a relay, whose cameras are those of other senders, does otherwise than a sender."""

    relay_id: str
    """Its id in the status of its cameras, which it also states without any camera."""
    pass_on: PassOn
    """Carries out the requests of `PASSED_ON`."""
    utc_ns: Callable[[str, int], int | None]
    """Converts a time of this station's UTC clock to that of the station of a camera."""


class _RefusedError(RankcastError):
    """The request is refused; the client gets the message."""


class RequestHandler:
    """Answer requests about the cameras of one sender.

    Parameters
    ----------
    max_packet_bytes : int
        Largest packet of an `original` reply.
    relaying : Relaying, optional
        What a relay does otherwise.
    """

    def __init__(self, max_packet_bytes: int, relaying: Relaying | None = None) -> None:
        self._relaying = relaying
        self.triggers: Triggers | None = None
        """Of the recorder of this sender; None unless it records events."""
        self._cameras: Mapping[str, WatchedCamera] = {}
        self._own: Mapping[str, ControlledCamera] = {}
        """Those of this station."""
        self._originals = Originals(max_packet_bytes)
        self._changes = ChangeLog()
        self._settings = SettingsChanges(self._changes)

    def add(self, camera: ControlledCamera) -> None:
        """Add a camera that requests can address.

        Raises
        ------
        SettingsError
            If another camera has its name.
        """
        if camera.name in self._cameras:
            raise SettingsError(f"two cameras are named {camera.name}: give each its own name")
        self._own = {**self._own, camera.name: camera}
        # Replaced, not changed: the thread of the control channel may be looking at it.
        self._cameras = {**self._cameras, camera.name: camera}

    def add_relayed(self, camera: WatchedCamera) -> None:
        """Add a camera of another sender, to which `pass_on` passes what is asked of it.

        Raises
        ------
        SettingsError
            If another camera has its name.
        """
        if camera.name in self._cameras:
            raise SettingsError(f"two cameras are named {camera.name}: give each its own name")
        self._cameras = {**self._cameras, camera.name: camera}

    def start(self) -> None:
        """Start the threads for requests that take time."""
        self._originals.start()
        self._settings.start()

    def tick(self) -> None:
        """Log pending changes; call it about once a second."""
        self._changes.tick()

    def check(self) -> None:
        """Raise the exception that ended one of the threads, if any."""
        for worker in (self._originals.worker, self._settings.worker):
            if worker.error is not None:
                raise worker.error

    def close(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop the threads; requests that they have not finished get no reply.

        Raises
        ------
        WorkerError
            If one still works after `timeout_s`; the message says on what.
        """
        self._originals.stop()
        self._settings.stop()
        try:
            join_all((self._originals.worker, self._settings.worker), timeout_s)
        finally:
            self._changes.close()

    def answer(self, request: Request, client: Client, t1_ns: int, finish: Finish) -> Reply | None:
        """Carry out `request`.

        Parameters
        ----------
        request : Request
        client : Client
        t1_ns : int
            UTC time at which the request arrived.
        finish : callable
            Called with the reply of a request that takes time, in any thread.

        Returns
        -------
        Reply or None
            None if `finish` will be called.
        """
        try:
            self._check_role(request, client)
            if request.op == "ping":
                return self._ping(request, t1_ns)
            if request.op == "status":
                return Reply(request.id, True, result=self._status(request, client))
            if self._relaying is not None and request.op in PASSED_ON:
                camera_name = self._passed_camera(request, client)
                why = self._relaying.pass_on(camera_name, request, client, finish)
                if why:
                    raise _RefusedError(why)
                return None
            if request.op == "record":
                return Reply(request.id, True, result=self._record(request, client))
            watched = self._camera(request.camera, client)
            simple = {"keyframe": _keyframe, "report": _report, "credit": _credit}
            if request.op in simple:
                return Reply(request.id, True, result=simple[request.op](request, watched, client))
            camera = self._own[watched.name]
            if request.op == "get":
                return Reply(request.id, True, result=_get(request, camera))
            if request.op == "set":
                self._set(request, camera, client, finish)
                return None
            _no_arguments(request)
            if not self._originals.ask(camera, request.id, finish):
                raise _RefusedError("too many original requests are waiting: try again later")
            return None
        except RankcastError as exc:
            return Reply(request.id, False, str(exc))

    def _check_role(self, request: Request, client: Client) -> None:
        if request.op not in OPERATIONS:
            raise _RefusedError(f"got operation {request.op}, want one of {', '.join(OPERATIONS)}")
        allowed = (OPERATOR,) if request.op in OPERATOR_ONLY else (VIEWER, OPERATOR)
        if client.role is None:
            raise _RefusedError("this key has been revoked")
        if client.role not in allowed:
            raise _RefusedError(f"{request.op} needs an operator key, and this is a viewer key")

    def _visible(self, client: Client) -> Mapping[str, WatchedCamera]:
        """Return the cameras that the client may see: for it there are no others."""
        if client.cameras is None:
            return self._cameras
        return {
            name: camera
            for name, camera in self._cameras.items()
            if split_stream(name)[0] in client.cameras
        }

    def _camera(self, name: str, client: Client) -> WatchedCamera:
        cameras = self._visible(client)
        known = ", ".join(cameras)
        if not self._cameras:
            raise _RefusedError("there is no camera yet: try again later")
        if not cameras:
            raise _RefusedError("this key may see no camera of this sender")
        if not name:
            if len(main := _without_substreams(cameras)) == 1:
                return next(iter(main.values()))
            raise _RefusedError(f"no camera is named in the request, want one of {known}")
        if name not in cameras:
            raise _RefusedError(f"got camera {name}, want one of {known}")
        return cameras[name]

    def _ping(self, request: Request, t1_ns: int) -> Reply:
        t0 = _uint(request.args, "t0")
        if set(request.args) != {"t0"} or t0 is None:
            raise _RefusedError("ping takes exactly one argument, t0")
        t2_ns = time.time_ns()
        if self._relaying is not None:
            there = [self._relaying.utc_ns(request.camera, at_ns) for at_ns in (t1_ns, t2_ns)]
            if there[0] is None or there[1] is None:
                raise _RefusedError("the clock of the camera station is not known yet")
            t1_ns, t2_ns = there[0], max(there[0], there[1])
        return Reply(request.id, True, result={"t0": t0, "t1": t1_ns, "t2": t2_ns})

    def _status(self, request: Request, client: Client) -> Mapping[str, Any]:
        _no_arguments(request)
        cameras = _without_substreams(self._visible(client))
        result: dict[str, Any] = {"cameras": {name: c.state for name, c in cameras.items()}}
        if self._relaying is not None:
            result["relay_id"] = self._relaying.relay_id
        if request.camera or len(cameras) == 1:
            camera = self._camera(request.camera, client)
            result |= {"name": camera.name, "stream": camera.stream_id}
            result |= camera.status().as_map()
        return result

    def _passed_camera(self, request: Request, client: Client) -> str:
        """Return the camera that a request is about; empty for `record` without one."""
        if request.op == "record":
            _check_sees_all(client)
            if not request.camera:
                return ""
        return self._camera(request.camera, client).name

    def _record(self, request: Request, client: Client) -> Mapping[str, Any]:
        """Start or prolong the recording of an event, of all cameras of this sender."""
        cause = request.args.get("cause", DEFAULT_CAUSE)
        if set(request.args) - {"cause"} or not isinstance(cause, str):
            raise _RefusedError("record takes at most one argument, cause, which is text")
        if self.triggers is None:
            raise _RefusedError(
                "this sender records no events: start it with --record FILE.mcap and "
                "--pre-trigger S or --post-trigger S"
            )
        _check_sees_all(client)
        self.triggers.pull(cause)
        log.info("%s triggers the recording of an event: %s", client, cause)
        return {"cause": cause}

    def _set(
        self, request: Request, camera: ControlledCamera, client: Client, finish: Finish
    ) -> None:
        if not 1 <= len(request.args) <= MAX_VALUES:
            raise _RefusedError(f"got {len(request.args)} values to set, want 1 to {MAX_VALUES}")
        options, adjustments = camera.option_names, camera.adjustments
        changeable = {} if adjustments is None else adjustments.values
        for name in request.args:
            if name not in options and name not in changeable:
                known = ", ".join([*options, *changeable]) or "nothing"
                raise _RefusedError(
                    f"got setting {name!r:.60}, settings of {camera.name} are: {known}"
                )
        of_source = {name: value for name, value in request.args.items() if name in changeable}
        of_codec = {name: value for name, value in request.args.items() if name not in changeable}
        camera.check_settings(of_codec)
        why = self._settings.ask(
            SettingsRequest(request.id, camera, str(client), of_codec, of_source, finish)
        )
        if why:
            raise _RefusedError(why)


def _without_substreams(cameras: Mapping[str, WatchedCamera]) -> Mapping[str, WatchedCamera]:
    return {name: camera for name, camera in cameras.items() if split_stream(name)[1] == MAIN}


def _get(request: Request, camera: ControlledCamera) -> Mapping[str, Any]:
    adjustments = camera.adjustments
    values = {
        "codec": camera.codec,
        **camera.settings,
        **({} if adjustments is None else adjustments.values),
    }
    if not request.args:
        return values
    name = request.args.get("name")
    if set(request.args) != {"name"} or not isinstance(name, str):
        raise _RefusedError("get takes at most one argument, name, which is text")
    if name not in values:
        if name in camera.option_names:
            return {name: None}  # an option that another one excludes
        raise _RefusedError(
            f"got setting {name!r:.60}, settings of {camera.name} are: {', '.join(values)}"
        )
    return {name: values[name]}


def _check_sees_all(client: Client) -> None:
    if client.cameras is not None:
        raise _RefusedError("record is for all cameras of a sender, and this key may see some only")


def _keyframe(request: Request, camera: WatchedCamera, client: Client) -> Mapping[str, Any]:
    stream, sequence = request.args.get("stream", b""), _uint(request.args, "sequence")
    token, catch_up = request.args.get("token", b""), request.args.get("catch_up", False)
    if set(request.args) - {"stream", "sequence", "token", "catch_up"}:
        raise _RefusedError("keyframe takes only stream, sequence, token and catch_up")
    if not isinstance(stream, bytes) or not isinstance(catch_up, bool):
        raise _RefusedError(
            f"stream is {stream!r:.40}, want {STREAM_ID_BYTES} bytes; catch_up is {catch_up!r:.40},"
            " want true or false"
        )
    if len(stream) not in (0, STREAM_ID_BYTES):
        raise _RefusedError(f"got a stream id of {len(stream)} bytes, want {STREAM_ID_BYTES}")
    if not isinstance(token, bytes) or len(token) not in (0, TOKEN_BYTES):
        raise _RefusedError(f"token is {token!r:.60}, want {TOKEN_BYTES} bytes")
    if token and catch_up and camera.catch_up(token):
        return {"coming": True, "sequence": camera.key_sequence}
    coming = camera.request_keyframe(stream, sequence, _viewer_behind(client, token, camera))
    return {"coming": coming, "sequence": camera.key_sequence}


def _viewer_behind(client: Client, token: bytes, camera: WatchedCamera) -> bytes:
    """Return the identity of the viewer that requests a key frame.

    It is the one that has joined with the same token. All others of a key or address are one, or a
    client that connects again for each request would be a new viewer every time.
    """
    topic = camera.topic_of(token) if token else b""
    return topic or (PEER + client.peer.encode() if client.peer else b"client/" + client.id)


def _report(request: Request, camera: WatchedCamera, client: Client) -> Mapping[str, Any]:
    args = request.args
    known = {"delivered", "lost", "network_lost", "latency_p99_ms", "latency_error_ms", "late_ms"}
    if set(args) - known:
        raise _RefusedError(f"report takes only {', '.join(sorted(known))}")
    taken = camera.report(
        client.id,
        min(_uint(args, "delivered") or 0, MAX_FRAMES),
        min(_uint(args, "lost") or 0, MAX_FRAMES),
        _milliseconds(args, "latency_p99_ms"),
        _milliseconds(args, "latency_error_ms"),
        min(_uint(args, "network_lost") or 0, MAX_FRAMES),
        _milliseconds(args, "late_ms"),
        client.key,
    )
    if not taken:
        raise _RefusedError("too many viewers send reports: this one is not counted")
    return {}


def _credit(request: Request, camera: WatchedCamera, _client: Client) -> Mapping[str, Any]:
    token, stream = request.args.get("token"), request.args.get("stream")
    until = _uint(request.args, "until")
    if set(request.args) != {"token", "stream", "until"} or until is None:
        raise _RefusedError("credit takes exactly token, stream and until")
    if not isinstance(token, bytes) or len(token) != TOKEN_BYTES:
        raise _RefusedError(f"token is {token!r:.60}, want {TOKEN_BYTES} bytes")
    if not isinstance(stream, bytes) or len(stream) != STREAM_ID_BYTES:
        raise _RefusedError(f"stream is {stream!r:.60}, want {STREAM_ID_BYTES} bytes")
    camera.credit(token, stream, until)
    return {}


def _no_arguments(request: Request) -> None:
    if request.args:
        raise _RefusedError(f"{request.op} takes no arguments")


def _uint(args: Mapping[str, Scalar], name: str) -> int | None:
    value = args.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= UINT64_MAX:
        raise _RefusedError(f"{name} is {value!r:.40}, want an integer from 0 to 2^64 - 1")
    return value


def _milliseconds(args: Mapping[str, Scalar], name: str) -> float | None:
    value = args.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise _RefusedError(f"{name} is {value!r:.40}, want a number")
    # Clock errors make small latencies negative. Every viewer would refuse a status with any
    # other value outside its range.
    return min(max(float(value), 0.0), MAX_MS)
