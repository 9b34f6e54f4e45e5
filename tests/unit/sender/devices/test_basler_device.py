"""Basler cameras against the vendor's own library and its emulator, in real grabber processes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from rankcast.errors import SettingsError, SourceError
from rankcast.frame import Pixels
from rankcast.images import write_image
from support.basler import SERIAL, TRIGGERED, emulated, needs_pypylon

if TYPE_CHECKING:
    from rankcast_sender.devices.genicam_settings import GenicamSettings

pytestmark = needs_pypylon

BAYER = {"BayerRG": "RGGB", "BayerGB": "GBRG", "BayerGR": "GRBG", "BayerBG": "BGGR"}
CHANNEL = {"B": 0, "G": 1, "R": 2}


@pytest.fixture(autouse=True)
def _two_emulators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "2")


def noise(*shape: int, dtype: str = "uint8") -> Pixels:
    peak = np.iinfo(dtype).max
    return np.random.default_rng(7).integers(0, peak, shape, dtype, endpoint=True)


def mosaic_of(colour: Pixels, cfa: str) -> Pixels:
    """Pick the sample of each pixel that a sensor with this filter array has."""
    mosaic = np.empty(colour.shape[:2], colour.dtype)
    for (y, x), letter in zip(itertools.product((0, 1), repeat=2), cfa, strict=True):
        mosaic[y::2, x::2] = colour[y::2, x::2, CHANNEL[letter]]
    return mosaic


def from_file(name: str, path: Path) -> dict[str, str]:
    return {"PixelFormat": name, "TestImageSelector": "Off", "ImageFileMode": "On",
            "ImageFilename": str(path)}  # fmt: skip


@pytest.mark.slow
def test_every_pixel_format_of_the_emulator_arrives_to_the_byte(tmp_path: Path) -> None:
    grab_from_files(tmp_path, mono=(8, 10, 12, 16), bayer=tuple(BAYER), bayer_bits=(8, 10, 12, 16))


def test_grey_mosaics_and_colour_arrive_to_the_byte(tmp_path: Path) -> None:
    grab_from_files(tmp_path, mono=(12,), bayer=("BayerGB",), bayer_bits=(12,))


def grab_from_files(
    tmp_path: Path, *, mono: Sequence[int], bayer: Sequence[str], bayer_bits: Sequence[int]
) -> None:
    """Let the emulator make frames of picture files, and compare every sample."""
    grey, colour = noise(40, 64, dtype="uint16"), noise(40, 64, 3)
    write_image(tmp_path / "grey.png", grey)
    write_image(tmp_path / "colour.png", colour)
    with emulated(width=64, height=40, **TRIGGERED) as camera:
        for bits in mono:
            camera.features(**from_file(f"Mono{bits}", tmp_path / "grey.png"))
            frame = camera.snap()
            np.testing.assert_array_equal(frame.pixels, grey >> (16 - bits))
            assert (frame.significant_bits, frame.cfa) == (bits, "")
            assert frame.pixels.dtype == ("uint8" if bits == 8 else "uint16")
        for name, bits in itertools.product(bayer, bayer_bits):
            camera.features(**from_file(f"{name}{bits}", tmp_path / "colour.png"))
            frame = camera.snap()
            want = mosaic_of(colour, BAYER[name]).astype(np.uint16) << (bits - 8)
            np.testing.assert_array_equal(frame.pixels, want)
            assert (frame.significant_bits, frame.cfa) == (bits, BAYER[name])
        for name, bits in (("BGR8Packed", 8), ("RGB8Packed", 8), ("BGRA8Packed", 8),
                           ("RGB16Packed", 16)):  # fmt: skip
            camera.features(**from_file(name, tmp_path / "colour.png"))
            frame = camera.snap()
            np.testing.assert_array_equal(frame.pixels, colour.astype(np.uint16) << (bits - 8))
            assert (frame.significant_bits, frame.cfa) == (bits, "")


def test_a_frame_has_the_state_of_the_line_that_was_asked_for() -> None:
    from rankcast_sender.devices.basler_device import BaslerDevice
    from rankcast_sender.devices.pylon import Grab

    device = BaslerDevice()
    device._settings = cast("GenicamSettings", SimpleNamespace(line=lambda: True))
    grab = Grab(memoryview(bytes(4)), 2, 2, 0, block_id=1, time_ns=1)
    assert device._frame(grab).line is True


def test_a_line_whose_state_the_camera_does_not_report_is_refused() -> None:
    with (
        pytest.raises(SettingsError, match="does not report the state of that line"),
        emulated(line="Line1"),
    ):
        pass


def test_cameras_that_answer_slowly_do_not_hold_up_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rankcast_sender.devices import basler_device
    from rankcast_sender.devices.pylon import CameraInfo

    found = [CameraInfo("1", "eye", "", "GigE"), CameraInfo("2", "eye", "", "GigE")]
    monkeypatch.setattr(basler_device, "find_cameras", lambda: found)
    monkeypatch.setattr(basler_device, "OPENING_S", 0.0)
    listed = basler_device.list_devices()
    assert [(camera["path"], camera["formats"]) for camera in listed] == [("1", []), ("2", [])]


def test_the_options_of_the_source_are_in_force_when_the_first_frame_comes() -> None:
    with emulated(
        pixel_format="Mono12", exposure=2500.0, gain=6.0, fps=40.0, width=320, height=200,
        offset_x=16, offset_y=8,
    ) as camera:  # fmt: skip
        (frame,) = camera.take(1)
        source = camera.source
        assert source.frame_interval_s == pytest.approx(1 / 40)
        assert source.adjustments.values == {
            "exposure": pytest.approx(2500), "gain": pytest.approx(6, abs=0.1),
            "fps": pytest.approx(40), "trigger": "off", "trigger_source": "Software",
            "width": 320, "height": 200, "offset_x": 16, "offset_y": 8, "features": "",
        }  # fmt: skip
        assert "Emulation, 320x200 Mono12, 40 fps" in source.description
        assert source.description.startswith(f"basler:{SERIAL} ")
    assert frame.pixels.shape == (200, 320)
    assert frame.device_frame_id == 0


@pytest.mark.parametrize("path", ["0815-0001", "1"])
def test_a_camera_is_chosen_by_its_serial_number_or_its_place(path: str) -> None:
    with emulated(path) as camera:
        assert camera.source.description.startswith("basler:0815-0001 ")


def test_a_camera_is_chosen_by_the_name_that_somebody_gave_it() -> None:
    from rankcast_sender.devices.basler_device import choose_camera
    from rankcast_sender.devices.device import DeviceError
    from rankcast_sender.devices.pylon import CameraInfo

    left = CameraInfo("40012345", "acA2440-20gm", "left", "GigE")
    right = CameraInfo("40012346", "acA2440-20gm", "right", "GigE")
    twin = CameraInfo("40012347", "acA2440-20gm", "right", "GigE")
    assert choose_camera("left", [left, right]) is left
    assert choose_camera("40012346", [left, right]) is right
    with pytest.raises(DeviceError, match=r"2 Basler cameras are named right, want a serial"):
        choose_camera("right", [left, right, twin])
    with pytest.raises(DeviceError, match=r"no Basler camera was found: check cable and power"):
        choose_camera("left", [])
    with pytest.raises(DeviceError, match=r"name 7; found: 40012345 \(acA2440-20gm named left\)$"):
        choose_camera("7", [left])


def test_a_camera_that_another_program_holds_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rankcast_sender.devices import pylon
    from rankcast_sender.devices.device import DeviceError

    def held(_device: object) -> object:
        # What pylon says of a GigE camera; the emulator can be opened twice.
        raise pylon.genicam.RuntimeException(
            "Failed to open device 'Basler#4001' for XML file download.\nError: 'The device is "
            "controlled by another application. Err: An attempt was made to access an address "
            "location which is currently/momentary not accessible. (0xE1018006)' : "
            "RuntimeException thrown (file 'gigedevice.cpp', line 123)"
        )

    monkeypatch.setattr(pylon.pylon, "InstantCamera", held)
    (info, _) = pylon.find_cameras()
    with pytest.raises(DeviceError, match=r"cannot be opened: another program holds it: end that"):
        pylon.PylonCamera(info)


def test_a_wrong_serial_number_lists_the_cameras_that_are_there() -> None:
    with (
        pytest.raises(
            SourceError,
            match=r"^basler:999: no Basler camera has the serial number or name 999; found: "
            r"0815-0000 \(Emulation\), 0815-0001 \(Emulation\)$",
        ),
        emulated("999"),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pixel_format": "BayerRG12Packed"},
         r"got pixel format BayerRG12Packed, want .* pixel_format=Mono8, Mono10, Mono12, "),
        ({"width": 4000, "offset_x": 200},
         r"got width = 4000 from offset_x = 200 on, the sensor has 4096 columns: want width \+ "
         r"offset_x of 4096 at most"),
        ({"height": 5000}, r"got height = 5000 from offset_y = 0 on, the sensor has 4096 rows"),
        ({"exposure": 1e9}, r"got exposure = 1000000000 microseconds, want 1 to 10000000$"),
        ({"gain": 99.0}, r"got gain = 99, want 0 to 48"),
        ({"trigger_source": "Line9"}, r"got trigger_source = 'Line9', want Software, Line1, "),
    ],
)  # fmt: skip
def test_an_impossible_option_ends_the_start_with_what_is_allowed(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as refusal, emulated(**options):
        pass
    assert str(refusal.value).isprintable()


def test_settings_change_at_run_time_and_echo_what_is_in_force() -> None:
    with emulated(width=64, height=48, fps=100.0) as camera:
        camera.take(2)
        assert camera.set(exposure=1234)["exposure"] == pytest.approx(1234, abs=0.1)
        assert camera.set(gain=3.3)["gain"] == pytest.approx(3.3, abs=0.1)
        assert camera.set(fps=25)["fps"] == pytest.approx(25)
        assert camera.source.frame_interval_s == pytest.approx(1 / 25)
        camera.take(2)


def test_a_refused_change_changes_nothing_and_the_stream_goes_on() -> None:
    with emulated(width=64, height=48, fps=100.0) as camera:
        before = dict(camera.set(gain=3))
        with pytest.raises(SettingsError, match=r"got exposure = -1 microseconds, want 1 to"):
            camera.set(gain=9, exposure=-1)
        with pytest.raises(SettingsError, match="no setting colour, it has exposure, gain, fps"):
            camera.set(gain=9, colour="red")
        with pytest.raises(SettingsError, match="the sensor has 4096 columns"):
            camera.set(width=4096, offset_x=1)
        assert camera.set(gain=before["gain"]) == before
        camera.take(5)


def test_another_region_changes_the_size_in_mid_stream_and_loses_no_frame_uncounted() -> None:
    with emulated(width=64, height=48, fps=50.0) as camera:
        camera.take(3)
        values = camera.set(width=128, height=32, offset_x=100, offset_y=200)
        assert [values[n] for n in ("width", "height", "offset_x", "offset_y")] == [
            128, 32, 100, 200,
        ]  # fmt: skip
        frames = camera.take(10)
        shapes = [frame.pixels.shape for frame in frames]
        assert shapes[-1] == (32, 128)
        assert shapes == sorted(shapes, reverse=True), "each size in turn"
        lost = camera.source.gaps + camera.source.replaced
        assert frames[-1].frame + 1 == 13 + lost
        camera.set(offset_x=0)  # needs no pause
        assert camera.take(1)[0].pixels.shape == (32, 128)


def test_a_region_moves_to_any_place_in_any_order() -> None:
    with emulated(width=4096, height=64, **TRIGGERED) as camera:
        for width, offset_x in ((64, 4032), (2048, 2048), (4096, 0), (1, 4095), (4000, 96)):
            values = camera.set(width=width, offset_x=offset_x)
            assert (values["width"], values["offset_x"]) == (width, offset_x)


def test_a_software_trigger_gives_one_frame_and_silence_is_no_failure() -> None:
    with emulated(width=64, height=48, timeout_s=0.3, **TRIGGERED) as camera:
        assert camera.source.frame_interval_s is None
        frames = [camera.snap() for _ in range(5)]
        assert [frame.device_frame_id for frame in frames] == list(range(5))
        waited_from_s = time.monotonic()
        with pytest.raises(SettingsError, match=r"got trigger = once together with gain"):
            camera.set(trigger="once", gain=1)
        while time.monotonic() - waited_from_s < 0.6:  # twice the time-out of a silent camera
            assert camera.source._process.take(0.1) is None
        assert camera.snap().device_frame_id == 5
        assert camera.source.gaps == 0


def test_the_trigger_is_switched_at_run_time() -> None:
    with emulated(width=64, height=48, fps=100.0) as camera:
        with pytest.raises(SettingsError, match="trigger is off: set trigger=on first"):
            camera.set(trigger="once")
        assert camera.set(trigger="on", trigger_source="Line1")["trigger"] == "on"
        with pytest.raises(
            SettingsError, match="waits for Line1: set trigger_source=Software first"
        ):
            camera.set(trigger="once")
        camera.set(trigger_source="Software")
        camera.set(trigger="once")
        camera.take(1)
        assert camera.set(trigger="off")["trigger"] == "off"
        camera.take(5)


def test_failed_buffers_are_gaps_and_the_stream_goes_on() -> None:
    with emulated(width=64, height=48, fps=50.0) as camera:
        camera.take(3)
        camera.features(ForceFailedBufferCount=4, ForceFailedBuffer=None)
        frames = camera.take(12)
        assert camera.source.gaps == 4
        numbers = [frame.frame for frame in frames]
        assert numbers[-1] == 3 + 12 + 4 - 1 + camera.source.replaced
        ids = [frame.device_frame_id for frame in frames]
        assert ids[-1] == numbers[-1], "every number of the camera is a frame or a counted loss"


def test_frames_that_come_while_none_are_read_are_gaps_and_what_follows_is_fresh() -> None:
    with emulated(width=64, height=48, fps=50.0) as camera:
        camera.take(2)
        camera.features(hold_s=0.6)
        frames = camera.take(10)
        # 30 frames came meanwhile, of which pylon keeps the newest two.
        assert camera.source.gaps >= 20
        ids = [frame.device_frame_id for frame in frames]
        assert ids[-1] == frames[-1].frame, (
            "every number of the camera is a frame or a counted loss"
        )


@pytest.mark.parametrize("trigger", [{"fps": 50.0}, TRIGGERED])
def test_a_camera_that_goes_away_fails_with_one_line(trigger: dict[str, object]) -> None:
    with emulated(width=64, height=48, **trigger) as camera:
        if trigger is not TRIGGERED:
            camera.take(2)
        camera.features(FirePnPCallback=None)
        with pytest.raises(
            SourceError, match=f"^basler:{SERIAL}: the camera is gone: check its cable"
        ):
            camera.take(1000)
