"""AravisFeatures: the GenICam features of a camera that Aravis has opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rankcast_sender.devices.aravis.bindings import reported
from rankcast_sender.devices.device import RefusedValueError, Value
from rankcast_sender.devices.genicam_features import Limits


class AravisFeatures:
    """`Features` of one open camera.

    Parameters
    ----------
    aravis : module
    device : Aravis.Device
    """

    def __init__(self, aravis: Any, device: Any) -> None:
        self._aravis = aravis
        self._device = device

    def readable(self, name: str) -> bool:
        """Return True if the camera has the feature and it can be read now."""
        modes = self._aravis.GcAccessMode
        with reported(self._aravis, f"the camera does not say whether it has {name}"):
            return self._access(name) not in (None, modes.WO)

    def writable(self, name: str) -> bool:
        """Return True if the camera has the feature and it can be changed now."""
        modes = self._aravis.GcAccessMode
        with reported(self._aravis, f"the camera does not say whether {name} can be changed"):
            if self._access(name) in (None, modes.RO):
                return False
            return not self._device.get_feature(name).is_locked()

    def _access(self, name: str) -> Any | None:
        """Return how a feature can be used; None if there is none.

        It is asked of the feature, because what the device of Aravis 0.8.26 answers is wrong.
        """
        if not name or not self._device.is_feature_available(name):
            return None
        return self._device.get_feature(name).get_actual_access_mode()

    def value(self, name: str) -> Value:
        """Return the value: a number, a truth value or the name of a choice."""
        aravis, device, feature = self._aravis, self._device, self._feature(name)
        with reported(aravis, f"the camera does not say its {name}"):
            # An enumeration is a number for Aravis as well, and a truth value is one of its own.
            if isinstance(feature, aravis.GcEnumeration):
                return str(device.get_string_feature_value(name))
            if isinstance(feature, aravis.GcBoolean):
                return bool(device.get_boolean_feature_value(name))
            if isinstance(feature, aravis.GcInteger):
                return int(device.get_integer_feature_value(name))
            if isinstance(feature, aravis.GcFloat):
                return float(device.get_float_feature_value(name))
            return str(device.get_string_feature_value(name))

    def set_value(self, name: str, value: Value) -> None:
        """Change the value."""
        aravis, device, feature = self._aravis, self._device, self._feature(name)
        with reported(aravis, f"the camera did not accept {name} = {value}"):
            if isinstance(value, str):
                device.set_string_feature_value(name, value)
            elif isinstance(value, bool):
                device.set_boolean_feature_value(name, value)
            elif isinstance(feature, aravis.GcInteger):
                device.set_integer_feature_value(name, value)
            else:
                device.set_float_feature_value(name, value)

    def limits(self, name: str) -> Limits:
        """Return the limits of a number."""
        aravis, device = self._aravis, self._device
        with reported(aravis, f"the camera gives no limits of {name}"):
            if isinstance(self._feature(name), aravis.GcInteger):
                least, most = device.get_integer_feature_bounds(name)
                return Limits(least, most, device.get_integer_feature_increment(name))
            least, most = device.get_float_feature_bounds(name)
            return Limits(least, most)

    def choices(self, name: str) -> Sequence[str]:
        """Return the names that can be chosen now; none if there is no such feature."""
        if not self.readable(name):
            return ()
        with reported(self._aravis, f"the camera does not say what {name} can be"):
            return tuple(self._device.dup_available_enumeration_feature_values_as_strings(name))

    def execute(self, name: str) -> None:
        """Execute a command."""
        with reported(self._aravis, f"the camera did not execute {name}"):
            self._device.execute_command(name)

    def _feature(self, name: str) -> Any:
        feature = self._device.get_feature(name)
        if feature is None:
            raise RefusedValueError(f"the camera has no {name}")
        return feature
