"""GenicamSettings: exposure, gain, frame rate, trigger, size and pixel format of a GenICam camera.

Names of features are those of GenICam's SFNC 2.7, and those that GigE cameras had before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rankcast_sender.devices.device import DeviceError, RefusedValueError, Value
from rankcast_sender.devices.genicam_features import Features

_FEATURES: Final = {
    "exposure": ("ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw"),
    "gain": ("Gain", "GainRaw"),
    "fps": ("AcquisitionFrameRate", "AcquisitionFrameRateAbs"),
}
_UNITS: Final = {"exposure": " microseconds", "fps": " frames per second"}
_AUTOMATIC: Final = {"exposure": "ExposureAuto", "gain": "GainAuto"}
_RATE_SWITCH: Final = "AcquisitionFrameRateEnable"
_RESULTING_RATES: Final = (
    "ResultingFrameRate", "ResultingFrameRateAbs", "BslResultingAcquisitionFrameRate",
)  # fmt: skip
_AXES: Final = (
    ("width", "Width", "offset_x", "OffsetX", "WidthMax", "columns"),
    ("height", "Height", "offset_y", "OffsetY", "HeightMax", "rows"),
)
_REGION: Final = ("width", "height", "offset_x", "offset_y")
_SELECTOR: Final = "TriggerSelector"
_FRAME_TRIGGER: Final = "FrameStart"
_SOFTWARE: Final = "Software"
_TRIGGERS: Final = ("off", "on", "once")


@dataclass(frozen=True)
class Plan:
    """A change of settings that the limits of the camera allow."""

    region: Mapping[str, int]
    numbers: Mapping[str, float]
    triggers: Mapping[str, str]
    resizes: bool
    """True if the camera must not stream meanwhile, because frames get another size."""


class GenicamSettings:
    """Checks, changes and reads back the settings of one open camera.

    Parameters
    ----------
    features : Features
    formats : sequence of str
        Pixel formats that the sender can unpack.
    """

    def __init__(self, features: Features, formats: tuple[str, ...]) -> None:
        self._features = features
        self._formats = formats
        self._line = ""

    # At the start.

    def start(self, options: Mapping[str, Value]) -> None:
        """Apply the options of the source, before the camera streams; None keeps what is set.

        Raises
        ------
        RefusedValueError
        DeviceError
        """
        if self._features.writable("AcquisitionMode"):
            self._features.set_value("AcquisitionMode", "Continuous")
        self._choose_format(options.get("pixel_format"))
        self._choose_line(options.get("line"))
        # What is read back as the trigger would be another one's, such as that of a burst.
        self._select_trigger()
        names = (*_REGION, *_FEATURES, "trigger_source", "trigger")
        given = {name: options[name] for name in names if options.get(name) is not None}
        self.carry_out(self.plan(given))

    def _choose_format(self, wanted: Value) -> None:
        features = self._features
        offered = [name for name in features.choices("PixelFormat") if name in self._formats]
        current = str(features.value("PixelFormat"))
        name = current if wanted is None else str(wanted)
        if name not in offered:
            origin = "" if wanted is not None else ", which the camera is set to"
            raise RefusedValueError(
                f"got pixel format {name}{origin}, want one of those that this camera has and "
                f"Rankcast unpacks: pixel_format={_alternatives(offered)}"
            )
        if name != current:
            features.set_value("PixelFormat", name)

    def _choose_line(self, wanted: Value) -> None:
        if wanted is None:
            return
        features, line = self._features, str(wanted)
        lines = features.choices("LineSelector")
        if line not in lines:
            raise RefusedValueError(
                f"got line = {line!r:.40}, want {_alternatives(lines)}" if lines
                else f"got line = {line!r:.40}, but this camera has no lines to choose from"
            )  # fmt: skip
        features.set_value("LineSelector", line)
        if not features.readable("LineStatus"):
            raise RefusedValueError(
                f"got line = {line!r:.40}, but this camera does not report the state of that line "
                "(LineStatus)"
            )
        self._line = line

    def _select_trigger(self) -> None:
        features = self._features
        if (
            _FRAME_TRIGGER in features.choices(_SELECTOR)
            and features.value(_SELECTOR) != _FRAME_TRIGGER
            and features.writable(_SELECTOR)
        ):
            features.set_value(_SELECTOR, _FRAME_TRIGGER)

    # At run time.

    def plan(self, values: Mapping[str, Value]) -> Plan:
        """Check a change of settings against the limits of the camera; changes nothing.

        A software trigger is the caller's task.

        Raises
        ------
        RefusedValueError
            If the camera would not accept a value.
        DeviceError
            If it is gone.
        """
        for name in values:
            self._check_known(name)
        region = self._checked_region(values)
        return Plan(
            region,
            # The rate last: the exposure limits it.
            {name: self._checked_number(name, values[name]) for name in _FEATURES
             if name in values},
            self._checked_trigger(values),
            any(self._features.value(size) != region[size] for _, size, *_ in _AXES
                if size in region),
        )  # fmt: skip

    def carry_out(self, plan: Plan) -> None:
        """Change everything of `plan` or nothing.

        Raises
        ------
        RefusedValueError
            If the camera does not accept a value; nothing is changed then.
        DeviceError
            If it is gone.
        """
        before = self._snapshot(plan)
        try:
            self._set_region(plan.region)
            for name, number in plan.numbers.items():
                self._set_number(name, number)
            for feature, choice in plan.triggers.items():
                self._features.set_value(feature, choice)
        except RefusedValueError:
            self._restore(before)
            raise

    def _check_known(self, name: str) -> None:
        if name not in (*_REGION, *_FEATURES, "trigger", "trigger_source"):
            raise RefusedValueError(f"this camera has no setting {name}, it has "
                                    f"{', '.join(self.values())}")  # fmt: skip

    def _checked_region(self, values: Mapping[str, Value]) -> Mapping[str, int]:
        """Return the features of the region to be, or nothing if none is to change."""
        if not any(name in values for name in _REGION):
            return {}
        region: dict[str, int] = {}
        for size_name, size, offset_name, offset, most, unit in _AXES:
            for name, feature in ((size_name, size), (offset_name, offset)):
                if name in values:
                    region[feature] = self._checked_side(name, values[name], feature, unit)
                elif self._features.readable(feature):
                    region[feature] = int(self._number(feature))
            taken = region[size] + region.get(offset, 0)
            sensor = self._sensor_side(most, size, offset)
            if taken > sensor:
                raise RefusedValueError(
                    f"got {size_name} = {region[size]} from {offset_name} = "
                    f"{region.get(offset, 0)} on, the sensor has {sensor} {unit}: want "
                    f"{size_name} + {offset_name} of {sensor} at most"
                )
        return region

    def _sensor_side(self, most: str, size: str, offset: str) -> int:
        features = self._features
        # Not every camera has the first, and the second counts pixels that may be binned.
        for name in (most, f"Sensor{size}"):
            if features.readable(name):
                return int(self._number(name))
        taken = int(self._number(offset)) if features.readable(offset) else 0
        return int(features.limits(size).most) + taken

    def _checked_side(self, name: str, value: Value, feature: str, unit: str) -> int:
        if type(value) is not int or value < 0:
            raise RefusedValueError(f"got {name} = {value!r:.40}, want a whole number of {unit}")
        if not self._features.readable(feature):
            raise RefusedValueError(f"got {name} = {value}, but this camera has no such setting")
        # The upper limit depends on the other value of the axis, and is checked with it.
        limits = self._features.limits(feature)
        step = max(1, int(limits.step))
        if value < limits.least or (value - int(limits.least)) % step:
            raise RefusedValueError(
                f"got {name} = {value}, want {limits.least:.0f} {unit} or more in steps of {step}"
            )
        return value

    def _set_region(self, region: Mapping[str, int]) -> None:
        features = self._features
        for _, size, _, offset, _, _ in _AXES:
            if size not in region:
                return
            # A region that is moved before it shrinks may leave the sensor, and one that grows
            # before it is moved as well.
            if features.value(size) != region[size]:
                if offset in region and features.value(offset) != 0:
                    features.set_value(offset, int(features.limits(offset).least))
                features.set_value(size, region[size])
            if offset in region and features.value(offset) != region[offset]:
                features.set_value(offset, region[offset])

    def _checked_number(self, name: str, value: Value) -> float:
        number = self._as_number(name, value)
        feature = self._feature(name)
        if feature is None:
            raise RefusedValueError(f"got {name} = {number:g}, but this camera has no such setting")
        limits = self._features.limits(feature)
        if not limits.least <= number <= limits.most:
            raise RefusedValueError(
                f"got {name} = {number:.10g}{_UNITS.get(name, '')}, want {limits.least:.10g} to "
                f"{limits.most:.10g}"
            )
        return number

    def _set_number(self, name: str, number: float) -> None:
        features, feature = self._features, self._feature(name)
        assert feature is not None
        automatic = _AUTOMATIC.get(name, "")
        if features.writable(automatic) and features.value(automatic) != "Off":
            features.set_value(automatic, "Off")
        if name == "fps" and features.writable(_RATE_SWITCH):
            features.set_value(_RATE_SWITCH, True)
        whole = type(features.value(feature)) is int
        features.set_value(feature, round(number) if whole else number)

    def _checked_trigger(self, values: Mapping[str, Value]) -> Mapping[str, str]:
        features, found = self._features, {}
        source, mode = values.get("trigger_source"), values.get("trigger")
        if source is not None or mode is not None:
            if not features.readable("TriggerMode"):
                raise RefusedValueError("this camera has no trigger")
            if _FRAME_TRIGGER in features.choices(_SELECTOR):
                found[_SELECTOR] = _FRAME_TRIGGER
        if source is not None:
            choices = features.choices("TriggerSource")
            if source not in choices:
                raise RefusedValueError(
                    f"got trigger_source = {source!r:.40}, want {_alternatives(choices)}"
                )
            found["TriggerSource"] = str(source)
        if mode is not None and mode not in _TRIGGERS:
            raise RefusedValueError(f"got trigger = {mode!r:.40}, want {_alternatives(_TRIGGERS)}")
        if mode in ("off", "on"):
            found["TriggerMode"] = "On" if mode == "on" else "Off"
        return found

    def check_software_trigger(self) -> None:
        """Refuse a software trigger that the camera would ignore."""
        features = self._features
        if not self.waits_for_trigger:
            raise RefusedValueError("got trigger = once, but trigger is off: set trigger=on first")
        source = features.value("TriggerSource")
        if source != _SOFTWARE:
            raise RefusedValueError(
                f"got trigger = once, but the camera waits for {source}: set "
                f"trigger_source={_SOFTWARE} first"
            )

    # Reading back.

    def line(self) -> bool | None:
        """Return whether the line of option `line` is high now; None without that option."""
        # Nothing else here changes LineSelector.
        return bool(self._features.value("LineStatus")) if self._line else None

    @property
    def waits_for_trigger(self) -> bool:
        """True if no frame comes without a trigger."""
        features = self._features
        return features.readable("TriggerMode") and features.value("TriggerMode") == "On"

    @property
    def frame_interval_s(self) -> float | None:
        """Time from one frame to the next; None while a trigger sets the pace, or if unknown."""
        fps = self._fps()
        return None if self.waits_for_trigger or not fps else 1.0 / fps

    @property
    def pixel_format(self) -> str:
        """Name of the pixel format, as the camera spells it."""
        return str(self._features.value("PixelFormat"))

    def values(self) -> Mapping[str, Value]:
        """Return all settings that `plan` takes, as the camera reports them."""
        features, found = self._features, {}
        for name in ("exposure", "gain"):
            feature = self._feature(name)
            if feature is not None:
                found[name] = features.value(feature)
        fps = self._fps()
        if fps is not None:
            found["fps"] = fps
        if features.readable("TriggerMode"):
            found["trigger"] = "on" if self.waits_for_trigger else "off"
            if features.readable("TriggerSource"):
                found["trigger_source"] = features.value("TriggerSource")
        for size_name, size, offset_name, offset, *_ in _AXES:
            found[size_name] = features.value(size)
            if features.readable(offset):
                found[offset_name] = features.value(offset)
        return found

    def describe(self) -> str:
        """Return size, pixel format, rate and exposure in a few words."""
        values = self.values()
        parts = [f"{values['width']}x{values['height']} {self.pixel_format}"]
        if self.waits_for_trigger:
            parts.append(f"trigger {values.get('trigger_source', 'on')}")
        elif values.get("fps"):
            parts.append(f"{values['fps']:.4g} fps")
        if "exposure" in values:
            parts.append(f"exposure {values['exposure']:g} us")
        if "gain" in values:
            parts.append(f"gain {values['gain']:g}")
        return ", ".join(parts)

    def _fps(self) -> float | None:
        """Rate that exposure, size and link allow, which may be below the one that was set."""
        for name in (*_RESULTING_RATES, *_FEATURES["fps"]):
            if self._features.readable(name):
                fps = self._number(name)
                if math.isfinite(fps) and fps > 0:
                    return fps
        return None

    def _feature(self, name: str) -> str | None:
        return next((known for known in _FEATURES[name] if self._features.readable(known)), None)

    def _number(self, feature: str) -> float:
        value = self._features.value(feature)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DeviceError(f"the camera reports {feature} = {value!r:.40}, want a number")
        return float(value)

    @staticmethod
    def _as_number(name: str, value: Value) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RefusedValueError(f"got {name} = {value!r:.40}, want a number")
        if not math.isfinite(value):
            raise RefusedValueError(f"got {name} = {value}, want a number")
        return float(value)

    # Undoing.

    def _snapshot(self, plan: Plan) -> Mapping[str, Value]:
        """Return the values of all features that a change may touch, in the order to restore.

        The selector is the last of them: until then source and mode are those of the trigger that
        the change selects, and so are the values returned.
        """
        before: dict[str, Value] = {}
        if _SELECTOR in plan.triggers:
            before[_SELECTOR] = self._features.value(_SELECTOR)
            self._select_trigger()
        features = [*plan.region, *(name for name in plan.triggers if name != _SELECTOR)]
        for name in plan.numbers:
            known = (_RATE_SWITCH if name == "fps" else _AUTOMATIC[name], self._feature(name))
            features += [feature for feature in reversed(known) if feature]
        return {
            feature: self._features.value(feature)
            for feature in features
            if self._features.readable(feature)
        } | before

    def _restore(self, before: Mapping[str, Value]) -> None:
        region = {name: value for name, value in before.items()
                  if name in ("Width", "Height", "OffsetX", "OffsetY")}  # fmt: skip
        self._set_region({name: int(str(value)) for name, value in region.items()})
        for name, value in before.items():
            if name not in region and self._features.value(name) != value:
                self._features.set_value(name, value)


def _alternatives(names: object) -> str:
    listed = [str(name) for name in names] if isinstance(names, (list, tuple)) else []
    if len(listed) < 2:
        return "".join(listed) or "none"
    return f"{', '.join(listed[:-1])} or {listed[-1]}"
