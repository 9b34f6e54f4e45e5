"""Settings of GenICam cameras, old and new, on a camera of plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rankcast_sender.devices.device import DeviceError, RefusedValueError, Value
from rankcast_sender.devices.genicam_features import Features, Limits
from rankcast_sender.devices.genicam_settings import GenicamSettings

FORMATS = ("Mono8", "Mono12", "BayerRG12")


class FakeCamera:
    """A sensor of 640 x 480, with widths in steps of four columns."""

    def __init__(self, **changes: Value) -> None:
        self.values: dict[str, Value] = {
            "AcquisitionMode": "SingleFrame", "PixelFormat": "Mono8", "Width": 640, "Height": 480,
            "OffsetX": 0, "OffsetY": 0, "WidthMax": 640, "HeightMax": 480, "ExposureTime": 5000.0,
            "ExposureAuto": "Continuous", "Gain": 1.0, "GainAuto": "Off",
            "AcquisitionFrameRate": 30.0, "AcquisitionFrameRateEnable": False,
            "TriggerSelector": "AcquisitionStart", "TriggerMode": "Off", "TriggerSource": "Line1",
        }  # fmt: skip
        for name, value in changes.items():
            if value is None:
                del self.values[name]
            else:
                self.values[name] = value
        self.refused: set[str] = set()
        self.written: list[str] = []

    def readable(self, name: str) -> bool:
        return name in self.values

    def writable(self, name: str) -> bool:
        return name in self.values

    def value(self, name: str) -> Value:
        return self.values[name]

    def set_value(self, name: str, value: Any) -> None:
        if name in self.refused:
            raise RefusedValueError(f"the camera does not accept {name}")
        for size, offset in (("Width", "OffsetX"), ("Height", "OffsetY")):
            if name in (size, offset):
                other = self.values.get(offset if name == size else size, 0)
                assert int(value) + int(str(other)) <= int(str(self.values[f"{size}Max"])), name
        self.written.append(name)
        self.values[name] = value

    def limits(self, name: str) -> Limits:
        return {
            "Width": Limits(16, 640 - int(str(self.values.get("OffsetX", 0))), 4),
            "Height": Limits(1, 480, 1),
            "GainRaw": Limits(0, 500, 1),
            "ExposureTimeRaw": Limits(10, 90000, 1),
        }.get(name, Limits(0, 100000))

    def choices(self, name: str) -> Sequence[str]:
        return {
            "PixelFormat": ("Mono8", "Mono12", "BayerRG12", "Coord3D_C16"),
            "TriggerSelector": ("AcquisitionStart", "FrameStart"),
            "TriggerSource": ("Line1", "Software"),
            "LineSelector": ("Line1", "Line2") if "LineSelector" in self.values else (),
        }.get(name, ())

    def execute(self, name: str) -> None:
        raise AssertionError(name)


def settings(camera: FakeCamera) -> GenicamSettings:
    features: Features = camera
    return GenicamSettings(features, FORMATS)


class TwoTriggers(FakeCamera):
    """Each of its triggers has a source and a mode of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.triggers: dict[tuple[str, str], Value] = {
            ("AcquisitionStart", "TriggerSource"): "Line1",
            ("AcquisitionStart", "TriggerMode"): "Off",
            ("FrameStart", "TriggerSource"): "Software",
            ("FrameStart", "TriggerMode"): "On",
        }

    def value(self, name: str) -> Value:
        chosen = str(self.values["TriggerSelector"]), name
        return self.triggers[chosen] if chosen in self.triggers else super().value(name)

    def set_value(self, name: str, value: Any) -> None:
        chosen = str(self.values["TriggerSelector"]), name
        super().set_value(name, value)
        if chosen in self.triggers:
            self.triggers[chosen] = value


def test_the_trigger_that_is_reported_is_that_of_a_frame() -> None:
    found = settings(TwoTriggers())
    found.start({})
    assert found.waits_for_trigger
    assert found.values()["trigger_source"] == "Software"


def test_a_refused_change_restores_each_trigger_and_what_was_selected() -> None:
    camera = TwoTriggers()
    before = dict(camera.triggers)
    found = settings(camera)
    plan = found.plan({"trigger_source": "Line1", "trigger": "off"})
    camera.refused.add("TriggerMode")
    with pytest.raises(RefusedValueError):
        found.carry_out(plan)
    assert camera.triggers == before
    assert camera.values["TriggerSelector"] == "AcquisitionStart"


def test_what_is_not_asked_for_stays_as_it_is() -> None:
    camera = FakeCamera()
    settings(camera).start({"exposure": None, "path": "x"})
    # Which trigger the settings are of is no setting itself.
    assert camera.written == ["AcquisitionMode", "TriggerSelector"]


def test_the_state_of_a_line_is_read_each_time() -> None:
    camera = FakeCamera(LineSelector="Line1", LineStatus=False)
    found = settings(camera)
    found.start({"line": "Line2"})
    assert camera.values["LineSelector"] == "Line2"
    assert found.line() is False
    camera.values["LineStatus"] = True
    assert found.line() is True


def test_a_line_that_nobody_asked_for_is_not_read() -> None:
    found = settings(FakeCamera())
    found.start({})
    assert found.line() is None


@pytest.mark.parametrize(
    ("features", "line", "message"),
    [
        ({"LineSelector": "Line1", "LineStatus": True}, "Line7",
         "got line = 'Line7', want Line1 or Line2$"),
        ({}, "Line1", "this camera has no lines"),
        ({"LineSelector": "Line1"}, "Line1", "does not report the state of that line"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_refused(
    features: dict[str, Value], line: str, message: str
) -> None:
    with pytest.raises(RefusedValueError, match=message):
        settings(FakeCamera(**features)).start({"line": line})


def test_a_camera_set_to_a_format_that_is_not_unpacked_names_those_that_are() -> None:
    camera = FakeCamera(PixelFormat="Coord3D_C16")
    with pytest.raises(
        RefusedValueError,
        match=r"got pixel format Coord3D_C16, which the camera is set to, want .*"
        r"pixel_format=Mono8, Mono12 or BayerRG12$",
    ):
        settings(camera).start({})


def test_a_set_exposure_ends_the_automatic_one() -> None:
    camera = FakeCamera()
    settings(camera).start({"exposure": 20})
    assert camera.values["ExposureAuto"] == "Off"
    assert camera.values["ExposureTime"] == 20


def test_names_of_older_cameras_are_found_and_their_whole_numbers_kept_whole() -> None:
    camera = FakeCamera(
        ExposureTime=None, ExposureTimeRaw=100, Gain=None, GainRaw=10, AcquisitionFrameRate=None,
        AcquisitionFrameRateAbs=30.0, GainAuto=None,
    )  # fmt: skip
    settings(camera).start({"exposure": 99.6, "gain": 11.0, "fps": 12.5})
    assert (camera.values["ExposureTimeRaw"], camera.values["GainRaw"]) == (100, 11)
    assert type(camera.values["GainRaw"]) is int
    assert camera.values["AcquisitionFrameRateAbs"] == 12.5
    assert camera.values["AcquisitionFrameRateEnable"] is True


def test_the_rate_that_the_camera_reaches_is_the_one_reported() -> None:
    camera = FakeCamera(ResultingFrameRate=17.5)
    found = settings(camera)
    assert found.values()["fps"] == 17.5
    assert found.frame_interval_s == 1 / 17.5


def test_while_a_trigger_sets_the_pace_there_is_no_interval() -> None:
    camera = FakeCamera()
    found = settings(camera)
    found.start({"trigger": "on"})
    assert found.waits_for_trigger
    assert found.frame_interval_s is None
    assert camera.values["TriggerSelector"] == "FrameStart"
    assert "trigger Line1" in found.describe()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 642}, "got width = 642, want 16 columns or more in steps of 4"),
        ({"width": 8}, "got width = 8, want 16 columns or more in steps of 4"),
        ({"width": 64.5}, "got width = 64.5, want a whole number of columns"),
        ({"offset_y": -1}, "got offset_y = -1, want a whole number of rows"),
        ({"offset_y": 1}, "got height = 480 from offset_y = 1 on, the sensor has 480 rows"),
        ({"gain": "high"}, "got gain = 'high', want a number"),
        ({"gain": float("nan")}, "got gain = nan, want a number"),
        ({"gain": True}, "got gain = True, want a number"),
        ({"trigger": "maybe"}, "got trigger = 'maybe', want off, on or once"),
        ({"trigger_source": "Line7"}, "got trigger_source = 'Line7', want Line1 or Software"),
    ],
)
def test_a_refused_value_names_what_is_allowed_and_nothing_changes(
    values: dict[str, Value], message: str
) -> None:
    camera = FakeCamera()
    with pytest.raises(RefusedValueError, match=message):
        settings(camera).plan({"exposure": 10, **values})
    assert camera.written == []


def test_settings_that_a_camera_lacks_are_refused_by_name() -> None:
    camera = FakeCamera(Gain=None, TriggerMode=None, OffsetX=None)
    with pytest.raises(RefusedValueError, match="got gain = 2, but this camera has no such"):
        settings(camera).plan({"gain": 2})
    with pytest.raises(RefusedValueError, match="this camera has no trigger"):
        settings(camera).plan({"trigger": "on"})
    with pytest.raises(RefusedValueError, match="got offset_x = 4, but this camera has no such"):
        settings(camera).plan({"offset_x": 4})
    assert settings(camera).plan({"width": 320}).region["Width"] == 320


def test_a_value_that_the_camera_refuses_restores_all_that_were_set_before() -> None:
    camera = FakeCamera(OffsetX=100, Width=540)
    before = dict(camera.values)
    camera.refused = {"AcquisitionFrameRate"}
    found = settings(camera)
    plan = found.plan({"width": 640, "offset_x": 0, "exposure": 7, "gain": 3, "fps": 5})
    assert plan.resizes
    with pytest.raises(RefusedValueError, match="does not accept AcquisitionFrameRate"):
        found.carry_out(plan)
    assert camera.values == before


def test_a_camera_that_reports_nonsense_fails_as_a_device() -> None:
    camera = FakeCamera(WidthMax="wide")
    with pytest.raises(DeviceError, match="reports WidthMax = 'wide', want a number"):
        settings(camera).plan({"width": 320})
