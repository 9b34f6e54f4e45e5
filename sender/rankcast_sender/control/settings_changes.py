"""SettingsChanges: carries out `set` requests in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rankcast.errors import RankcastError
from rankcast.frame import Scalar
from rankcast.runtime import LogLimiter, Mailbox, Worker
from rankcast.wire import Reply
from rankcast_sender.control.change_log import ChangeLog
from rankcast_sender.control.controlled_camera import ControlledCamera, TriedSettings

log = logging.getLogger(__name__)

MAX_WAITING: Final = 16
"""Most queued requests: each may load a model."""

Finish = Callable[[Reply], None]


@dataclass(frozen=True, slots=True)
class SettingsRequest:
    """A `set` request whose values have been checked."""

    id: int
    camera: ControlledCamera
    client: str
    """The client as the log names it."""
    of_codec: Mapping[str, Scalar]
    of_source: Mapping[str, Scalar]
    finish: Finish


@dataclass(frozen=True, slots=True)
class _Applied:
    """A request whose values the device and the codec have taken."""

    request: SettingsRequest
    tried: TriedSettings
    before: Mapping[str, Scalar]
    of_device: Mapping[str, Scalar]


class SettingsChanges:
    """Try, apply and confirm changes of settings, one request at a time.

    The codec first starts with the new options beside the running one, because only that shows
    whether it can, and a model takes seconds to load. The device comes next. Then the encode
    thread changes to the new options, and goes back if it cannot code a frame with them.

    Parameters
    ----------
    changes : ChangeLog
    """

    def __init__(self, changes: ChangeLog) -> None:
        self._changes = changes
        self._changing: set[str] = set()
        """Cameras whose devices have not taken or refused a change yet."""
        self._lock = threading.Lock()
        self._box: Mailbox[SettingsRequest | _Applied] = Mailbox(2 * MAX_WAITING, newest_wins=False)
        self._stopped = threading.Event()
        self._failures_log = LogLimiter()
        self.worker = Worker("rankcast-settings", self._run, self._box.close)
        """The thread; it ends after `stop`, once it has carried out the request that it is at."""

    def start(self) -> None:
        """Start the thread."""
        self.worker.start()

    def ask(self, request: SettingsRequest) -> str:
        """Queue a request; return why it was not queued, or an empty text."""
        name = request.camera.name
        with self._lock:
            if name in self._changing:
                return f"another change of {name} is in progress: try again"
            if len(self._box) >= MAX_WAITING:
                return f"{MAX_WAITING} changes of settings are waiting already: try again later"
            if request.of_source:
                self._changing.add(name)
        return "" if self._box.put(request) else "the sender is about to end"

    def stop(self) -> None:
        """Ask the thread to end, without waiting; queued requests get no reply."""
        self._stopped.set()
        self._box.discard()

    def serve_one(self) -> bool:
        """Carry out the next request without waiting for one; False if there is none."""
        item = self._box.get(0)
        if item is not None:
            self._carry_out(item)
        return item is not None

    def _run(self) -> None:
        for item in self._box:
            if not self._stopped.is_set():
                self._carry_out(item)

    def _carry_out(self, item: SettingsRequest | _Applied) -> None:
        request = item.request if isinstance(item, _Applied) else item
        try:
            if isinstance(item, _Applied):
                self._confirm(item)
            else:
                self._try(item)
        except RankcastError as exc:
            self._refuse(request, str(exc))
        except Exception as exc:  # such as MemoryError: the next request must find this thread
            if self._failures_log.may_log():
                log.exception("%s: cannot change settings", request.camera.name)
            self._refuse(request, f"the change failed with {type(exc).__name__}: read the values "
                                  "back; the log of the sender has details")  # fmt: skip

    def _try(self, item: SettingsRequest) -> None:
        tried = item.camera.try_settings(item.of_codec) if item.of_codec else None
        if item.of_source:
            self._ask_device(item, tried)
        elif tried is not None:
            before = _values(item.of_codec, item.camera)
            if tried.apply():
                self._confirm(_Applied(item, tried, before, {}))
            else:
                self._refuse(item, _CHANGED_MEANWHILE)

    def _ask_device(self, request: SettingsRequest, tried: TriedSettings | None) -> None:
        camera, adjustments = request.camera, request.camera.adjustments
        before = {} if adjustments is None else adjustments.values

        def done(values: Mapping[str, Scalar], why: str) -> None:
            # Called in the grab thread, which must not wait for the frame that it grabs next.
            if why:
                self._refuse(request, why)
                return
            of_device = {name: values[name] for name in request.of_source}
            of_all = {**before, **_values(request.of_codec, camera)}
            if tried is not None and tried.apply():
                with self._lock:
                    self._changing.discard(camera.name)
                if self._box.put(_Applied(request, tried, of_all, of_device)):
                    return
            self._changes.add(camera.name, request.client, of_all, of_device)
            if tried is None:
                self._finish(request, Reply(request.id, True, result=of_device))
            else:
                self._refuse(request, _CHANGED_MEANWHILE)

        # The device comes before the codec: only it can still refuse a value.
        if adjustments is None or not adjustments.ask(request.of_source, done):
            self._refuse(request, f"{camera.name} accepts no changes at the moment: "
                                  "try again later")  # fmt: skip

    def _confirm(self, applied: _Applied) -> None:
        request = applied.request
        why = applied.tried.confirm()
        of_codec = {} if why else _values(request.of_codec, request.camera)
        result = {**of_codec, **applied.of_device}
        self._changes.add(request.camera.name, request.client, applied.before, result)
        if why:
            self._refuse(request, f"the codec could not code a frame: {why}")
        else:
            self._finish(request, Reply(request.id, True, result=result))

    def _refuse(self, request: SettingsRequest, why: str) -> None:
        self._finish(request, Reply(request.id, False, why))

    def _finish(self, request: SettingsRequest, reply: Reply) -> None:
        with self._lock:
            if request.of_source:
                self._changing.discard(request.camera.name)
        request.finish(reply)


_CHANGED_MEANWHILE: Final = "the program changed options of the codec meanwhile: try again"


def _values(names: Mapping[str, Scalar], camera: ControlledCamera) -> Mapping[str, Scalar]:
    settings = camera.settings
    return {name: settings.get(name) for name in names}
