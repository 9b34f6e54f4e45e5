"""RequestHandler: answers what clients ask on the control channel; knows cameras, no sockets."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rankcast.codec import CODECS_BY_NAME
from rankcast.errors import RankcastError, SettingsError
from rankcast.frame import Scalar
from rankcast.printable import printable
from rankcast.wire import MAX_MS, OPERATIONS, STREAM_ID_BYTES, UINT64_MAX, Reply, Request
from rankcast_sender.camera import ViewerReport
from rankcast_sender.control.change_log import ChangeLog
from rankcast_sender.control.originals import Originals

if TYPE_CHECKING:
    from rankcast_sender.publisher import Publisher

VIEWER: Final = "viewer"
OPERATOR: Final = "operator"
_OF_OPERATORS: Final = frozenset({"set", "original"})
MAX_VALUES: Final = 32
MAX_LOST: Final = 2**53

Finish = Callable[[Reply], None]


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks."""

    id: bytes
    """Routing id of the connection."""
    role: str | None
    """None is a key that is let in no more."""
    key: str = ""
    """Name of its key among the authorised ones; empty where the sender has no keys."""

    def __str__(self) -> str:
        return f"{self.key} ({self.role})" if self.key else "somebody (no keys)"


class _RefusedError(RankcastError):
    """The request cannot be done: the message goes to the client."""


class RequestHandler:
    """Answers requests about the cameras of one sender.

    Parameters
    ----------
    max_packet_bytes : int
        Largest packet of `original`.
    """

    def __init__(self, max_packet_bytes: int) -> None:
        self._cameras: dict[str, Publisher] = {}
        self._originals = Originals(max_packet_bytes)
        self._changes = ChangeLog()
        self._changing: set[str] = set()
        self._lock = threading.Lock()

    def add(self, camera: Publisher) -> None:
        """Answer for `camera` too.

        Raises
        ------
        SettingsError
            If there is one of that name.
        """
        if camera.name in self._cameras:
            raise SettingsError(f"got two cameras named {camera.name}, want a name for each")
        self._cameras[camera.name] = camera

    def start(self) -> None:
        """Be ready for requests that take time."""
        self._originals.start()

    def tick(self) -> None:
        """Do what is due; to be called about once a second."""
        self._changes.tick()

    def close(self) -> None:
        """End what takes time; nothing is finished after that."""
        self._originals.close()
        self._changes.close()

    def answer(self, request: Request, client: Client, t1_ns: int, finish: Finish) -> Reply | None:
        """Do what `request` asks for.

        Parameters
        ----------
        request : Request
        client : Client
        t1_ns : int
            UTC clock at the arrival of the request.
        finish : callable
            Takes the reply of what takes time, from any thread.

        Returns
        -------
        Reply or None
            None when `finish` will be called.
        """
        try:
            self._check_role(request, client)
            if request.op == "ping":
                return self._ping(request, t1_ns)
            if request.op == "status":
                return Reply(request.id, True, result=self._status(request))
            camera = self._camera(request.camera)
            if request.op == "set":
                return self._set(request, camera, client, finish)
            if request.op == "original":
                _no_arguments(request)
                if not self._originals.ask(camera, request.id, finish):
                    raise _RefusedError("too many originals are asked for at this moment")
                return None
            simple = {"get": _get, "keyframe": _keyframe, "report": _report}
            return Reply(request.id, True, result=simple[request.op](request, camera, client))
        except RankcastError as exc:
            return Reply(request.id, False, str(exc))

    def _check_role(self, request: Request, client: Client) -> None:
        if request.op not in OPERATIONS:
            raise _RefusedError(f"got {request.op}, want one of {', '.join(OPERATIONS)}")
        allowed = (OPERATOR,) if request.op in _OF_OPERATORS else (VIEWER, OPERATOR)
        if client.role not in allowed:
            raise _RefusedError(f"{request.op} is for operators, and this key is that of a viewer"
                           if client.role == VIEWER else "this key is let in no more")  # fmt: skip

    def _camera(self, name: str) -> Publisher:
        known = ", ".join(self._cameras)
        if not name:
            if len(self._cameras) == 1:
                return next(iter(self._cameras.values()))
            raise _RefusedError(f"got no camera, want one of {known}")
        if name not in self._cameras:
            raise _RefusedError(f"got camera {name}, this sender has {known}")
        return self._cameras[name]

    def _ping(self, request: Request, t1_ns: int) -> Reply:
        t0 = _uint(request.args, "t0")
        if set(request.args) != {"t0"} or t0 is None:
            raise _RefusedError("want t0, and nothing else")
        return Reply(request.id, True, result={"t0": t0, "t1": t1_ns, "t2": time.time_ns()})

    def _status(self, request: Request) -> Mapping[str, Any]:
        _no_arguments(request)
        result: dict[str, Any] = {
            "cameras": {name: camera.state for name, camera in self._cameras.items()}
        }
        if request.camera or len(self._cameras) == 1:
            camera = self._camera(request.camera)
            result |= {"name": camera.name, "stream": camera.stream_id}
            result |= camera.status().as_map()
        return result

    def _set(
        self, request: Request, camera: Publisher, client: Client, finish: Finish
    ) -> Reply | None:
        if not 1 <= len(request.args) <= MAX_VALUES:
            raise _RefusedError(f"got {len(request.args)} values, want 1 to {MAX_VALUES}")
        options, adjustments = CODECS_BY_NAME[camera.codec].options.model_fields, camera.adjustments
        changeable = {} if adjustments is None else adjustments.values
        for name in request.args:
            if name not in options and name not in changeable:
                known = ", ".join([*options, *changeable]) or "nothing"
                raise _RefusedError(
                    f"got {printable(name):.60}, what can be changed at {camera.name}: {known}"
                )
        of_source = {name: value for name, value in request.args.items() if name in changeable}
        of_codec = {name: value for name, value in request.args.items() if name not in changeable}
        camera.check_settings(of_codec)
        with self._lock:
            if camera.name in self._changing:
                raise _RefusedError("another change of this camera is under way")
            if of_source:
                self._changing.add(camera.name)
        if not of_source:
            before = _values(of_codec, camera)
            camera.set(**of_codec)
            result = _values(of_codec, camera)
            self._changes.add(camera.name, str(client), before, result)
            return Reply(request.id, True, result=result)
        assert adjustments is not None
        of_device = adjustments.values

        def done(values: Mapping[str, Scalar], why: str) -> None:
            # In the grab thread. The device first: it alone can still refuse.
            with self._lock:
                self._changing.discard(camera.name)
            if why:
                finish(Reply(request.id, False, why))
                return
            before = {**of_device, **_values(of_codec, camera)}
            result: dict[str, Scalar] = {name: values[name] for name in of_source}
            try:
                camera.set(**of_codec)
            except RankcastError as exc:  # set otherwise meanwhile, by the program itself
                self._changes.add(camera.name, str(client), before, result)
                finish(Reply(request.id, False, str(exc)))
                return
            result = {**_values(of_codec, camera), **result}
            self._changes.add(camera.name, str(client), before, result)
            finish(Reply(request.id, True, result=result))

        if not adjustments.ask(of_source, done):
            with self._lock:
                self._changing.discard(camera.name)
            raise _RefusedError("the camera takes no changes at this moment")
        return None


def _get(request: Request, camera: Publisher, _client: Client) -> Mapping[str, Any]:
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
        raise _RefusedError("want name, as text, and nothing else")
    if name not in values:
        if name in CODECS_BY_NAME[camera.codec].options.model_fields:
            return {name: None}  # an option that is not in force
        raise _RefusedError(f"got {printable(name):.60}, {camera.name} has {', '.join(values)}")
    return {name: values[name]}


def _keyframe(request: Request, camera: Publisher, _client: Client) -> Mapping[str, Any]:
    stream, sequence = request.args.get("stream", b""), _uint(request.args, "sequence")
    if set(request.args) - {"stream", "sequence"} or not isinstance(stream, bytes):
        raise _RefusedError("want stream (bin) and sequence at most")
    if len(stream) not in (0, STREAM_ID_BYTES):
        raise _RefusedError(f"got a stream of {len(stream)} bytes, want {STREAM_ID_BYTES}")
    coming = camera.request_keyframe(stream, sequence)
    return {"coming": coming, "sequence": camera.key_sequence}


def _report(request: Request, camera: Publisher, client: Client) -> Mapping[str, Any]:
    args = request.args
    known = {"delivered", "lost", "latency_p99_ms", "latency_error_ms"}
    if set(args) - known:
        raise _RefusedError(f"want {', '.join(sorted(known))} at most")
    report = ViewerReport(
        min(_uint(args, "delivered") or 0, MAX_LOST),
        min(_uint(args, "lost") or 0, MAX_LOST),
        _milliseconds(args, "latency_p99_ms"),
        _milliseconds(args, "latency_error_ms"),
    )
    if not camera.reports.put(client.id, report, time.monotonic()):
        raise _RefusedError("too many viewers report")
    return {}


def _values(names: Mapping[str, Scalar], camera: Publisher) -> Mapping[str, Scalar]:
    settings = camera.settings
    return {name: settings.get(name) for name in names}


def _no_arguments(request: Request) -> None:
    if request.args:
        raise _RefusedError(f"{request.op} takes no arguments")


def _uint(args: Mapping[str, Scalar], name: str) -> int | None:
    value = args.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= UINT64_MAX:
        raise _RefusedError(f"{name} is {value!r:.40}, want an integer 0 to 2^64 - 1")
    return value


def _milliseconds(args: Mapping[str, Scalar], name: str) -> float | None:
    value = args.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
        raise _RefusedError(f"{name} is {value!r:.40}, want a number")
    # Small negative ones are errors of a measured clock; others would spoil the status for all.
    return min(max(float(value), 0.0), MAX_MS)
