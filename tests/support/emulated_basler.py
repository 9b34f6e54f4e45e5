"""Basler's emulator as a device: the product's own, with the emulator's features at hand.

`apply` takes one more value, ``features``: a JSON object of features of the emulator, or commands
with the value null, set while the camera does not stream. It then counts blocks from 0 again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace

from rankcast_sender.devices.basler_device import BaslerDevice
from rankcast_sender.devices.device import DeviceState, Value

HOLD = "hold_s"
"""Not a feature: for so long frames are not read, while the camera goes on."""
LIVE = ("ForceFailedBuffer", "FirePnPCallback", HOLD)
"""What is carried out while the camera streams."""


def make_device() -> EmulatedBasler:
    return EmulatedBasler()


class EmulatedBasler(BaslerDevice):
    def open(self, options: Mapping[str, Value]) -> DeviceState:
        state = super().open({n: v for n, v in options.items() if n != "features"})
        if options.get("features"):
            state = self.apply({"features": options["features"]})
        return replace(state, values={**state.values, "features": ""})

    def apply(self, values: Mapping[str, Value]) -> DeviceState:
        if "features" not in values:
            state = super().apply(values)
        else:
            self._set(json.loads(str(values["features"])))
            state = self._state()
        return replace(state, values={**state.values, "features": ""})

    def _set(self, features: Mapping[str, Value]) -> None:
        camera = self._opened()
        streaming = any(name in LIVE for name in features)
        if not streaming:
            camera.stop()
            self._gaps.restart()
        for name, value in features.items():
            if name == HOLD:
                threading.Event().wait(float(str(value)))
            elif value is None:
                camera.execute(name)
            else:
                camera.set_value(name, value)
        self._pixel_format = self._settings.pixel_format
        if not streaming:
            camera.start()
