"""The grabber process: opens one device and hands its frames over in shared memory.

Runs as a script with the standard library alone, also under another Python than the sender's.
Commands come as lines of JSON on stdin, messages go as lines of JSON to what was stdout; frames are
written into the slots of a ring. docs/adr/0025-grabber-process.md explains why.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rankcast_sender.devices.device import Device, DeviceState, Grabbed
    from rankcast_sender.devices.slots import Slots

IDLE_S: Final = 0.2
"""Least time between two messages that say nothing but that the device was read."""
PR_SET_PDEATHSIG: Final = 1
IOLBF: Final = 1
MAX_TEXT: Final = 2000


def main() -> None:
    """Serve one device until it fails or the sender closes it, or ends."""
    parent = int(sys.argv[1])
    _end_with(parent)
    # A signal to the group of the sender is the sender's: it closes the device in its own time.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _find_package()
    channel = Channel()
    try:
        Grabber(channel).run()
    finally:
        channel.flush()
    os._exit(0)  # a thread of a driver cannot hold it up


def _end_with(parent: int) -> None:
    """End this process with the sender, even if a driver holds the interpreter's lock."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _print_whole_lines() -> None:
    """Have drivers in C print line by line: what is left in a buffer is lost in a crash."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError, ValueError):
            libc = ctypes.CDLL(None)
            libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, IOLBF, 0)


def _find_package() -> None:
    """Make the folder importable, without the package around it: another Python could not."""
    package = types.ModuleType("rankcast_sender")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules.setdefault("rankcast_sender", package)


class Channel:
    """Commands from the sender, and messages to it."""

    def __init__(self) -> None:
        # Whatever a driver prints must not get among the messages.
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        _print_whole_lines()
        self._lock = threading.Lock()
        self._commands: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, kind: str, **values: Any) -> None:
        """Send one message."""
        line = json.dumps({"msg": kind, **values}, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            try:
                self._out.write(line)
                self._out.flush()
            except OSError:  # the sender is gone
                os._exit(0)

    def next(self, timeout_s: float | None = None) -> Mapping[str, Any] | None:
        """Return the next command; None if there is none within `timeout_s`."""
        try:
            if timeout_s == 0:
                return self._commands.get_nowait()
            return self._commands.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def flush(self) -> None:
        """Write out what a driver has printed."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            command = json.loads(line)
            if command["op"] == "ping":
                self.send("pong")
            else:
                self._commands.put(command)
            if command["op"] == "list":  # whoever asked may close the pipe, and waits
                return
        # The sender is gone. The main thread may be stuck in a driver, or may close the device.
        self._commands.put({"op": "close"})
        time.sleep(1)
        os._exit(0)


class Grabber:
    """The loop of the process."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lost = 0
        self._dropped = 0
        self._closing = False
        self._heard_s = 0.0
        self._device: Device
        self._slots: Slots

    def run(self) -> None:
        """Open the device, grab until the end, and close it; or list the devices that there are."""
        command = self._channel.next()
        assert command is not None
        if command["op"] == "list":
            self._list(command)
        if command["op"] != "open":
            return
        try:
            self._prepare(command)
            try:
                self._opened(self._device.open(command["options"]))
                while not self._closing:
                    self._serve()
                    self._grab()
            finally:
                self._device.close()
        except BaseException as exc:
            self._failed(exc)

    def _list(self, command: Mapping[str, Any]) -> None:
        try:
            self._channel.send("listed", devices=_import(command).list_devices())
        except BaseException as exc:
            self._failed(exc)

    def _failed(self, exc: BaseException) -> None:
        from rankcast_sender.devices.device import DeviceError, RefusedValueError

        why = _one_line(exc)
        if not isinstance(exc, (DeviceError, RefusedValueError)):
            why = f"{type(exc).__name__}: {why}".removesuffix(": ")
        refused = isinstance(exc, RefusedValueError)
        self._channel.send("failed", why=why, refused=refused, **self._losses())

    def _prepare(self, command: Mapping[str, Any]) -> None:
        from rankcast_sender.devices.slots import Slots

        self._slots = Slots()
        self._device = _import(command).make_device()

    def _opened(self, state: DeviceState) -> None:
        self._channel.send("opened", **_state_values(state))

    def _serve(self, timeout_s: float | None = 0.0) -> None:
        """Carry out the commands that have come; with None, wait for one."""
        command = self._channel.next(timeout_s)
        while command is not None:
            operation = command["op"]
            if operation == "slot":
                self._slots.put_back(command["slot"], command["slot_bytes"])
            elif operation == "ring":
                self._slots.attach(command)
            elif operation == "apply":
                self._apply(command)
            elif operation == "close":
                self._closing = True
            command = self._channel.next(0)

    def _apply(self, command: Mapping[str, Any]) -> None:
        from rankcast_sender.devices.device import RefusedValueError

        try:
            state = self._device.apply(command["values"])
        except RefusedValueError as exc:
            self._channel.send("applied", id=command["id"], why=_one_line(exc) or "refused")
        else:
            self._channel.send("applied", id=command["id"], why="", **_state_values(state))

    def _grab(self) -> None:
        from rankcast_sender.devices.device import READ_S

        grabbed = self._device.read(READ_S)
        now_s = time.monotonic()
        if grabbed is not None:
            self._lost += grabbed.lost
            if grabbed.data is not None and self._hand_over(grabbed):
                self._heard_s = now_s
                return
        if now_s - self._heard_s >= IDLE_S:
            self._heard_s = now_s
            self._channel.send("idle", **self._losses())

    def _losses(self) -> Mapping[str, int]:
        lost, dropped, self._lost, self._dropped = self._lost, self._dropped, 0, 0
        return {"lost": lost, "dropped": dropped}

    def _hand_over(self, grabbed: Grabbed) -> bool:
        """Announce a frame; False if there was no slot for it."""
        boot_ns, utc_ns = grabbed.boot_ns or _boot_ns(), grabbed.utc_ns or time.time_ns()
        data = memoryview(grabbed.data).cast("B")
        if data.nbytes > self._slots.slot_bytes and not self._get_ring(data.nbytes):
            return False
        slot = self._slots.write(data)
        if slot is None:
            self._dropped += 1
            return False
        self._channel.send(
            "frame", slot=slot, bytes=data.nbytes, height=grabbed.height, width=grabbed.width,
            channels=grabbed.channels, sample_bytes=grabbed.sample_bytes,
            significant_bits=grabbed.significant_bits, cfa=grabbed.cfa,
            pixel_format=grabbed.pixel_format, line_padding=grabbed.line_padding,
            device_frame_id=grabbed.device_frame_id, device_time_ns=grabbed.device_time_ns,
            line=grabbed.line, boot_ns=boot_ns, utc_ns=utc_ns, **self._losses(),
        )  # fmt: skip
        return True

    def _get_ring(self, frame_bytes: int) -> bool:
        """Have the sender make a ring of larger slots; False if the device is to be closed."""
        self._channel.send("ring", bytes=frame_bytes)
        while self._slots.slot_bytes < frame_bytes and not self._closing:
            self._serve(None)
        return not self._closing


def _import(command: Mapping[str, Any]) -> Any:
    """Return the module of the device."""
    sys.path[:0] = [path for path in command["path"] if path not in sys.path]
    return importlib.import_module(command["module"])


def _state_values(state: DeviceState) -> dict[str, Any]:
    return {
        "description": state.description,
        "frame_interval_s": state.frame_interval_s,
        "values": dict(state.values),
        "waits_for_trigger": state.waits_for_trigger,
        "polls": state.polls,
        "longest_read_s": state.longest_read_s,
        "warning": state.warning,
    }


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:MAX_TEXT]


def _boot_ns() -> int:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)


if __name__ == "__main__":
    main()
