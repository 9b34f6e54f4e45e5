"""A device that plays a script, in a real grabber process: see `ScriptedDevice.open`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rankcast_sender.devices.device import (
    DeviceError,
    DeviceState,
    Grabbed,
    RefusedValueError,
    Value,
)

URL = "rtsp://anna:s3cret@cam.local/stream"
"""What the step `print` prints."""


def make_device() -> ScriptedDevice:
    return ScriptedDevice()


class ScriptedDevice:
    """Frames of 8 x 6 grey pixels; every step of the script is one read.

    Steps are `frame`, `same`, `none`, `hang`, `deaf` (hangs with the interpreter's lock), `spawn`
    (starts another process and hangs), `orphan` (starts one, whose number goes to the file named by
    option `orphan`), `daemon` (starts one in a session of its own, for 2 s), `crash`, `exit`,
    `gone`, `odd` (wrong number of bytes), `packed`, `unknown` and `short` (pixel formats), `big` (a
    frame of 64 x 48), `huge` (one of 6 MB), `high` and `low` (frames with that state of the line),
    `lost` (3 frames), `print`, `forged` (a damaged message) and `wait` (for a file named by option
    `gate`, and makes one whose name ends in ``.waits`` beside it when it begins).
    """

    def open(self, options: Mapping[str, Value]) -> DeviceState:
        """Take `script`: steps with counts, as in ``frame*5 hang``; the last step goes on for ever.

        Scripts of several runs are separated by ``|``. Option `log` names a file to which each run
        adds a line; `interval_s` is the time from frame to frame, `apply_s` the time that a change
        of settings takes, `polls` what the state says.
        """
        run = 0
        if options.get("log"):
            with open(str(options["log"]), "a+", encoding="ascii") as file:
                file.seek(0)
                run = len(file.readlines())
                file.write(f"{os.getpid()} {time.monotonic()}\n")
        scripts = str(options.get("script", "frame")).split("|")
        self._steps: list[str] = []
        for word in scripts[min(run, len(scripts) - 1)].split():
            step, _, count = word.partition("*")
            self._steps += [step] * int(count or 1)
        self._interval_s = float(options.get("interval_s") or 0.01)  # type: ignore[arg-type]
        self._options = options
        self._count = 0
        self._values: dict[str, Value] = {
            "exposure": 100.0, "gain": 1.0, "fps": 1 / self._interval_s, "trigger": "off",
            "width": 8, "height": 6, "offset_x": 0, "offset_y": 0,
        }  # fmt: skip
        if options.get("trigger"):
            self._values["trigger"] = options["trigger"]
        self._due = 0
        first = self._steps[0]
        if first.startswith("open-"):
            self._steps.pop(0)
            self._special(first.removeprefix("open-"))
        return self._state()

    def _state(self) -> DeviceState:
        triggered = self._values["trigger"] == "on"
        return DeviceState(
            description=f"scripted {self._values['width']}x{self._values['height']}",
            frame_interval_s=None if triggered else self._interval_s,
            values=dict(self._values),
            waits_for_trigger=triggered,
            polls=bool(self._options.get("polls")),
        )

    def read(self, timeout_s: float) -> Grabbed | None:
        """Play the next step."""
        if self._values["trigger"] == "on" and self._steps[0] == "frame":
            if not self._due:
                time.sleep(min(timeout_s, 0.02))
                return None
            self._due -= 1
        return self._special(self._next())

    def _next(self) -> str:
        return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]

    def _special(self, step: str) -> Grabbed | None:
        match step:
            case "frame" | "same":
                time.sleep(self._interval_s)
                self._count += step == "frame"
                return self._frame(int(self._values["width"]), int(self._values["height"]))  # type: ignore[arg-type]
            case "big":
                self._count += 1
                return self._frame(64, 48)
            case "packed":  # two lines of two samples of 12 bits, and a byte behind each line
                return Grabbed(bytes.fromhex("bcfade ff 563412 ff".replace(" ", "")), height=2,
                               width=2, pixel_format="BayerRG12p", line_padding=1)  # fmt: skip
            case "unknown":
                return Grabbed(bytes(4), height=2, width=2, pixel_format="Coord3D_C8")
            case "short":
                return Grabbed(bytes(5), height=2, width=2, pixel_format="Mono12p")
            case "huge":
                return self._frame(3840, 1620)
            case "odd":
                return replace(self._frame(8, 6), width=9)
            case "high" | "low":
                time.sleep(self._interval_s)
                self._count += 1
                return replace(self._frame(8, 6), line=step == "high")
            case "lost":
                return Grabbed(None, lost=3)
            case "none":
                time.sleep(0.02)
            case "wait":
                gate = str(self._options["gate"])
                with open(f"{gate}.waits", "w"):
                    pass  # tells that the read has begun
                while not os.path.exists(gate):
                    time.sleep(0.01)
            case "hang":
                threading.Event().wait()
            case "spawn":
                subprocess.Popen(["sleep", "600"])  # holds the pipes of this process
                threading.Event().wait()
            case "daemon":
                subprocess.Popen(["sleep", "2"], start_new_session=True)
            case "orphan":
                child = subprocess.Popen(["sleep", "600"])
                with open(str(self._options["orphan"]), "w", encoding="ascii") as file:
                    file.write(str(child.pid))
            case "deaf":
                ctypes.PyDLL(None).sleep(3600)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exit":
                os._exit(7)
            case "gone":
                raise DeviceError("scripted camera is gone: check its cable")
            case "impossible":
                raise RefusedValueError("got width 99999, the sensor has 8 columns")
            case "print":
                print(f"driver: cannot reach {URL}")  # noqa: T201 - what a driver does
                sys.stderr.write("driver: on stderr\n")
                sys.stderr.flush()
                os.write(1, b"driver: straight to descriptor 1\n")
            case "forged":
                out = next(fd for fd in range(3, 20) if _is_pipe(fd))
                os.write(out, b'{"msg":"frame","slot":-1}\n')
            case _:
                raise AssertionError(step)
        return None

    def _frame(self, width: int, height: int) -> Grabbed:
        data = bytes([self._count % 251]) * (width * height)
        return Grabbed(data, height=height, width=width)

    def apply(self, values: Mapping[str, Value]) -> DeviceState:
        """Accept a gain up to 16, a software trigger and a region of at most 64 x 48."""
        time.sleep(float(self._options.get("apply_s") or 0))  # type: ignore[arg-type]
        new = {**self._values, **values}
        if new["trigger"] == "once":
            if self._values["trigger"] != "on":
                raise RefusedValueError("got trigger once, want trigger=on first")
            new["trigger"] = "on"
            self._due += 1
        gain: Any = new["gain"]
        if gain > 16:
            raise RefusedValueError(f"got gain {gain}, want 0 to 16")
        width: Any = new["width"]
        if width > 64:
            raise RefusedValueError(f"got width {width}, the sensor has 64 columns")
        self._values = new
        return self._state()

    def close(self) -> None:
        """Leave a line in the file of option `closed`."""
        if self._options.get("closed"):
            with open(str(self._options["closed"]), "a", encoding="ascii") as file:
                file.write("closed\n")


def _is_pipe(fd: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:")
    except OSError:
        return False
