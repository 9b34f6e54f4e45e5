"""The device behind `aravis:`, with a camera that does what Aravis's own fake cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rankcast_sender.devices.aravis.device import AravisDevice
from rankcast_sender.devices.aravis.stream import too_little_room
from rankcast_sender.devices.device import DeviceError, RefusedValueError, Value
from support.fake_aravis import (
    MULTIPART,
    FakeAravis,
    FakeCamera,
    FakeGLibError,
    Feature,
    GcBoolean,
    GcEnumeration,
    GcInteger,
    device_error,
    sensor,
)

FORMATS = "Mono8 Mono12p BayerRG12Packed"
PICTURE = bytes(range(256))


class Opened:
    """An open device and its camera."""

    def __init__(self, features: dict[str, Feature], **options: Value) -> None:
        self.camera = FakeCamera(features)
        self.aravis = FakeAravis(self.camera)
        self.device = AravisDevice(lambda: self.aravis)
        self.state = self.device.open({"path": "12345", "formats": FORMATS, **options})
        self.steps = self.camera.device.steps

    def send(self, frame_id: int, **facts: Any) -> None:
        self.camera.stream.send(PICTURE, frame_id, **facts)

    def read(self) -> Any:
        return self.device.read(0.1)


@pytest.fixture
def opened() -> Callable[..., Opened]:
    return lambda **options: Opened(sensor(), **options)


@pytest.mark.parametrize(
    "name", ["Acme-12345", "12345", "10.0.0.7", "00:11:22:33:44:55", "acme-12345"]
)
def test_a_camera_is_found_by_id_serial_number_and_addresses(name: str) -> None:
    aravis = FakeAravis(FakeCamera(sensor()), ("Other-9", "9", "10.0.0.8", "x"))
    AravisDevice(lambda: aravis).open({"path": name, "formats": FORMATS})
    assert aravis.opened == ["Acme-12345"]


def test_a_name_that_no_list_has_is_left_to_aravis_which_knows_names_given_by_users() -> None:
    aravis = FakeAravis(FakeCamera(sensor()))
    AravisDevice(lambda: aravis).open({"path": "front door", "formats": FORMATS})
    assert aravis.opened == ["front door"]


def refusal(aravis: FakeAravis, path: str) -> str:
    with pytest.raises((DeviceError, RefusedValueError)) as caught:
        AravisDevice(lambda: aravis).open({"path": path, "formats": FORMATS})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_name_is_answered_with_those_that_are_there() -> None:
    aravis = FakeAravis(FakeCamera(sensor()), ("Acme-u1", "u1", "", "guid-1"))
    assert refusal(aravis, "nope") == (
        "aravis:nope is not there: want one of Acme-12345 (10.0.0.7), Acme-u1 (guid-1)"
    )
    aravis.rows.clear()
    assert "no camera answers here; check cable, power" in refusal(aravis, "nope")


def test_a_serial_number_of_two_vendors_is_refused_with_both_ids() -> None:
    aravis = FakeAravis(FakeCamera(sensor()), ("Other-12345", "12345", "10.0.0.8", "x"))
    assert refusal(aravis, "12345").endswith("want the id of one: Acme-12345, Other-12345")


def test_a_camera_without_control_or_without_an_answer_is_not_opened() -> None:
    camera = FakeCamera(sensor())
    camera.device.controller = False
    assert "another program holds it (control access denied)" in refusal(
        FakeAravis(camera), "12345"
    )
    aravis = FakeAravis(FakeCamera(sensor()))
    aravis.failure = device_error("TIMEOUT", "no answer\nat all")
    assert refusal(aravis, "12345") == (
        "aravis:12345 does not open (no answer at all): check its cable and its power"
    )


def test_an_error_that_is_not_aravis_s_passes_through() -> None:
    aravis = FakeAravis(FakeCamera(sensor()))
    aravis.failure = MemoryError()
    with pytest.raises(MemoryError):
        AravisDevice(lambda: aravis).open({"path": "12345", "formats": FORMATS})


def test_options_are_set_while_the_camera_stands_still(opened: Callable[..., Opened]) -> None:
    camera = opened(
        pixel_format="Mono12p", width=320, height=240, offset_x=16, offset_y=2, exposure=50.0,
        gain=3.0, fps=20.0, trigger="on", trigger_source="Software",
    )  # fmt: skip
    assert camera.steps == [
        "stop",
        "PixelFormat=Mono12p",
        "Width=320", "OffsetX=16", "Height=240", "OffsetY=2",
        "ExposureAuto=Off", "ExposureTime=50.0", "Gain=3.0",
        "AcquisitionFrameRateEnable=True", "AcquisitionFrameRate=20.0",
        "TriggerSelector=FrameStart", "TriggerSource=Software", "TriggerMode=On",
        "no packet socket",
        "start",
    ]  # fmt: skip
    state = camera.state
    assert state.description == (
        "aravis:12345 Acme Eye 12345, 320x240 Mono12p, trigger Software, exposure 50 us, gain 3"
    )
    assert state.waits_for_trigger
    assert state.polls
    assert state.frame_interval_s is None
    assert state.values["exposure"] == 50.0


def test_the_stream_takes_what_the_options_say_of_packets(opened: Callable[..., Opened]) -> None:
    camera = opened(packet_bytes=8000, resend="off", packet_socket="on", buffers=7)
    assert "no packet socket" not in camera.steps
    assert camera.steps[-3:] == ["adjust packets never", "packets of 8000", "start"]
    assert camera.camera.stream.properties == {
        "socket-buffer": "fixed", "socket-buffer-size": 4 * 256, "packet-resend": "never",
    }  # fmt: skip
    assert len(camera.camera.stream.empty) == 7


def test_a_usb_camera_has_no_packets() -> None:
    camera = FakeCamera(sensor(), gigabit=False)
    device = AravisDevice(lambda: FakeAravis(camera))
    device.open({"path": "12345", "formats": FORMATS, "packet_bytes": 8000})
    device.close()
    assert camera.device.steps == ["stop", "start", "stop", "stopped"]
    assert camera.stream.properties == {}


def test_a_frame_has_the_state_of_the_line_that_was_asked_for() -> None:
    status = GcBoolean(False)
    lines = GcEnumeration("Line0", "Line0", "Line1")
    camera = Opened(sensor(LineSelector=lines, LineStatus=status), line="Line1")
    assert "LineSelector=Line1" in camera.steps
    for number, state in enumerate((False, True, False), 1):
        status.value = state
        camera.send(number)
        assert camera.read().line is state


def test_a_frame_is_a_view_of_the_buffer_that_aravis_filled(opened: Callable[..., Opened]) -> None:
    camera = opened()
    camera.send(7)
    grabbed = camera.read()
    assert isinstance(grabbed.data, memoryview)
    assert bytes(grabbed.data) == PICTURE
    assert (grabbed.width, grabbed.height, grabbed.pixel_format) == (64, 4, "Mono8")
    assert (grabbed.device_frame_id, grabbed.device_time_ns, grabbed.lost) == (7, 7000, 0)
    assert camera.read() is None
    assert len(camera.camera.stream.empty) == 4, "the buffer did not come back"


@pytest.mark.parametrize(
    ("name", "number", "size", "padding", "frame_bytes"),
    [
        ("Mono8", 0x01080001, (64, 4), 0, 256),
        ("Mono12p", 0x010C0047, (64, 2), 0, 192),
        # Lines of packed formats follow one another within a byte: 5 x 3 x 12 bits.
        ("Mono12p", 0x010C0047, (5, 3), 0, 23),
        ("BayerRG12Packed", 0x010C002B, (64, 2), 0, 192),
        ("Mono8", 0x01080001, (60, 4), 4, 256),
    ],
)
def test_a_frame_has_the_bytes_of_its_pixel_format(
    opened: Callable[..., Opened],
    name: str, number: int, size: tuple[int, int], padding: int,
    frame_bytes: int,
) -> None:  # fmt: skip
    camera = opened(pixel_format=name)
    room = SimpleNamespace(x_padding=padding, y_padding=0)
    camera.send(1, pixel_format=number, width=size[0], height=size[1], padding=room)
    grabbed = camera.read()
    assert bytes(grabbed.data) == PICTURE[:frame_bytes]
    assert (grabbed.pixel_format, grabbed.line_padding) == (name, padding)


@pytest.mark.parametrize("status", ["timeout", "missing-packets", "size-mismatch", "aborted"])
def test_a_frame_that_is_not_complete_is_counted_and_its_buffer_filled_again(
    opened: Callable[..., Opened], status: str, capsys: pytest.CaptureFixture[str]
) -> None:
    camera = opened()
    camera.send(1)
    camera.send(2, status=status)
    camera.send(3)
    camera.send(4, status=status)
    assert camera.read().lost == 0
    broken = camera.read()
    assert (broken.data, broken.lost) == (None, 1)
    assert camera.read().lost == 0
    assert camera.read().lost == 1
    assert len(camera.camera.stream.empty) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("frames are lost: ")
    assert status in line


def test_ids_that_are_missing_are_frames_that_were_lost(opened: Callable[..., Opened]) -> None:
    camera = opened()
    lost = []
    for frame_id, status in ((65530, ""), (65533, ""), (65535, "timeout"),
                             (1, ""), (4, ""), (2, "")):  # fmt: skip
        camera.send(frame_id, status=status)
        lost.append(camera.read().lost)
    # Two are missing, then one and the incomplete one; after 65535 comes 1; then two; and a camera
    # whose count starts again has lost nothing.
    assert lost == [0, 2, 2, 0, 2, 0]


def test_a_camera_that_does_not_count_frames_loses_none(opened: Callable[..., Opened]) -> None:
    camera = opened()
    for _ in range(3):
        camera.send(0)
        grabbed = camera.read()
        assert (grabbed.lost, grabbed.device_frame_id) == (0, None)


def test_what_is_no_picture_ends_the_device_with_one_line(opened: Callable[..., Opened]) -> None:
    camera = opened()
    camera.send(1, payload_type=MULTIPART)
    with pytest.raises(DeviceError, match="sends payload multipart, want image: turn multi-part"):
        camera.read()


def test_control_that_is_lost_ends_the_device_also_while_frames_are_awaited(
    opened: Callable[..., Opened],
) -> None:
    camera = opened()
    camera.camera.device.lose()
    with pytest.raises(DeviceError, match="aravis:12345 is gone, or another program has taken it"):
        camera.read()
    camera.device.close()
    assert camera.steps[-1] == "start", "a camera that is gone was asked to stop"

    camera = opened(trigger="on")
    assert camera.read() is None
    camera.camera.device.controller = False
    with pytest.raises(DeviceError, match="is gone"):
        camera.read()


def test_a_change_of_settings_takes_effect_without_a_pause(opened: Callable[..., Opened]) -> None:
    camera = opened()
    camera.steps.clear()
    state = camera.device.apply({"exposure": 30, "gain": 2.0, "fps": 10.0, "offset_x": 32})
    assert "stop" not in camera.steps
    assert state.values["exposure"] == 30
    assert state.frame_interval_s == 0.1
    assert state.values["offset_x"] == 32


def test_another_size_pauses_the_camera_and_counts_what_waited(
    opened: Callable[..., Opened],
) -> None:
    camera = opened()
    camera.send(5)
    camera.read()
    camera.send(6)
    camera.send(8, status="timeout")
    camera.camera.payload_bytes = 128
    camera.steps.clear()
    state = camera.device.apply({"width": 32})
    assert camera.steps == ["stop", "stopped", "Width=32", "started", "start"]
    assert state.values["width"] == 32
    assert [buffer.size for buffer in camera.camera.stream.empty] == [128] * 4
    camera.send(1, width=32)
    grabbed = camera.read()
    assert (bytes(grabbed.data), grabbed.lost) == (PICTURE[:128], 3)


def test_a_size_that_the_camera_refuses_is_undone_and_the_stream_goes_on(
    opened: Callable[..., Opened],
) -> None:
    camera = opened()
    camera.camera.device.broken["Height"] = FakeGLibError("arv-gc-error-quark", 4, "not now")
    camera.steps.clear()
    with pytest.raises(RefusedValueError, match="did not accept Height = 8: not now"):
        camera.device.apply({"width": 32, "height": 8})
    assert camera.steps[-3:] == ["Width=64", "started", "start"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"exposure": 5}, "got exposure = 5 microseconds, want 20 to 1000000"),
        ({"gain": "high"}, "got gain = 'high', want a number"),
        ({"width": 100}, "got width = 100, want 16 columns or more in steps of 16"),
        ({"offset_x": 592}, "the sensor has 640 columns"),
        ({"height": 482}, "the sensor has 480 rows"),
        ({"trigger_source": "Line9"}, "want Line1 or Software"),
        ({"trigger": "once"}, "set trigger=on first"),
        ({"trigger": "once", "gain": 1}, "trigger by itself"),
        ({"zoom": 2}, "this camera has no setting zoom"),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_allowed_and_nothing_changes(
    opened: Callable[..., Opened], values: dict[str, Value], message: str
) -> None:
    camera = opened()
    camera.steps.clear()
    with pytest.raises(RefusedValueError) as caught:
        camera.device.apply(values)
    assert message in str(caught.value)
    assert camera.steps == []


def test_a_software_trigger_is_one_command(opened: Callable[..., Opened]) -> None:
    camera = opened(trigger="on", trigger_source="Software")
    camera.steps.clear()
    assert camera.device.apply({"trigger": "once"}).waits_for_trigger
    assert camera.steps == ["TriggerSoftware"]


def test_a_camera_that_does_not_answer_a_change_is_gone(opened: Callable[..., Opened]) -> None:
    camera = opened()
    camera.camera.device.broken["Gain"] = device_error("TIMEOUT", "write timeout")
    with pytest.raises(DeviceError, match=r"Gain = 1\.0: write timeout"):
        camera.device.apply({"gain": 1.0})


def test_a_pixel_format_that_cannot_be_unpacked_is_refused_with_those_that_can() -> None:
    names = "Mono8, Mono12p or BayerRG12Packed"
    with pytest.raises(RefusedValueError, match=f"got pixel format Coord3D_C8, want .*{names}"):
        Opened(sensor(), pixel_format="Coord3D_C8")
    odd = sensor(PixelFormat=GcEnumeration("Coord3D_C8", "Coord3D_C8", "Mono8"))
    with pytest.raises(RefusedValueError, match=r"which the camera is set to.*pixel_format=Mono8"):
        Opened(odd)


def test_a_feature_that_is_locked_or_read_only_is_left_alone() -> None:
    features = sensor(
        ExposureAuto=GcEnumeration("Continuous", "Off", locked=True),
        AcquisitionFrameRateEnable=GcInteger(0, access="RO"),
    )
    camera = Opened(features, exposure=30.0, fps=10.0)
    assert [step for step in camera.steps if "Auto" in step or "Enable" in step] == []


def test_a_closed_camera_stands_still_and_is_free(opened: Callable[..., Opened]) -> None:
    camera = opened()
    camera.device.close()
    assert camera.steps[-3:] == ["stop", "stopped", "left"]
    AravisDevice(lambda: None).close()


def test_a_socket_with_less_room_than_a_frame_is_reported_with_the_command(tmp_path: Path) -> None:
    limit = tmp_path / "rmem_max"
    limit.write_text("212992\n")
    assert too_little_room(212992, str(limit)) == ""
    assert too_little_room(5_000_000, str(limit)) == (
        "a frame has 5000000 bytes and a socket holds 212992, so frames may arrive incomplete: "
        "run sysctl -w net.core.rmem_max=10000000"
    )
    assert too_little_room(5_000_000, str(tmp_path / "none")) == ""
