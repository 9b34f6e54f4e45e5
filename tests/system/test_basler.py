"""Basler's emulator behind a real sender, and receivers of its frames."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rankcast.commands.control import control as control_command
from rankcast.frame import Frame, Pixels, Scalar
from rankcast.images import read_image, write_image
from rankcast.net import ControlClient, control_endpoint
from rankcast_receiver import Subscriber
from support.basler import EMULATORS, SERIAL, emulated_station, needs_pypylon
from support.later import later
from support.processes import rankcast, run
from support.viewers import Sender, check_received, sending

pytestmark = needs_pypylon

STEP = 16
"""Of the emulator's moving test picture of 12 bits: sample = 16 * ((x + y + n) mod 256)."""
PERIOD = 256
LEAST_DELIVERED = 0.2


class MovingTestPicture:
    """Checks that frames of Mono12 are whole pictures, and which of them."""

    def __init__(self, height: int, width: int) -> None:
        line = np.arange(width + height + PERIOD) % PERIOD * STEP
        self._line = line.astype(np.uint16)
        self._shape = height, width
        self._offset: int | None = None

    def check(self, frame: Frame) -> None:
        """Raise unless every sample is of the picture that the camera's frame number names."""
        height, width = self._shape
        assert frame.pixels.shape == self._shape
        number = int(frame.pixels[0, 0]) // STEP
        whole = np.lib.stride_tricks.sliding_window_view(self._line[number:], width)[:height]
        np.testing.assert_array_equal(frame.pixels, whole)
        assert frame.device_frame_id is not None
        offset = (number - frame.device_frame_id) % PERIOD
        assert self._offset in (None, offset), "the picture of another frame"
        self._offset = offset


@contextmanager
def emulating(folder: Path, query: str, *arguments: str, **features: Any) -> Iterator[Sender]:
    """Start a sender of the emulator's first camera."""
    source = f"basler:{SERIAL}?{query}"
    with sending(
        folder, *arguments, source=source, **emulated_station(folder, **features)
    ) as sender:
        yield sender


def ask(address: str, **values: Scalar) -> Mapping[str, Scalar]:
    """Change settings, and return those in force."""
    with ControlClient(control_endpoint(address)) as client:
        return client.call("set", "", values, timeout_s=20).result


def control(address: str, *words: str) -> Any:
    """The JSON that `rankcast control`, run in this process, prints; it must have worked."""
    done = CliRunner().invoke(control_command, [control_endpoint(address), *words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def picture_files(folder: Path, pixels: Pixels) -> dict[str, str]:
    """Features with which the emulator makes its frames of a picture."""
    path = folder / "scene.png"
    write_image(path, pixels)
    return {"TestImageSelector": "Off", "ImageFileMode": "On", "ImageFilename": str(path)}


def received_files(folder: Path, address: str, *arguments: str) -> list[Path]:
    """Save two frames with a real receiver."""
    out = folder / "out"
    with rankcast("receive", "--connect", address, "--save", str(out), "--frames", "2",
                  "--report", str(folder / "received.json"), *arguments) as receiver:  # fmt: skip
        assert receiver.wait() == 0, receiver.lines
    check_received(folder / "received.json")
    return sorted(out.iterdir())


@pytest.mark.slow
def test_five_megapixels_of_twelve_bits_at_20_fps_are_all_accounted_for_and_none_is_torn(
    tmp_path: Path,
) -> None:
    picture = MovingTestPicture(2048, 2448)
    with emulating(
        tmp_path, "pixel_format=Mono12&width=2448&height=2048&fps=20",
        "--codec", "raw", "--frames", "300", "--wait-viewers", "1",
    ) as sender:  # fmt: skip
        with Subscriber(sender.address) as subscriber:
            delivered, ahead = 0, set()
            for frame in subscriber:
                picture.check(frame)
                assert (frame.pixels.dtype, frame.significant_bits) == ("uint16", 12)
                assert frame.device_frame_id is not None
                ahead.add(frame.device_frame_id - frame.frame)
                delivered += 1
            balance = subscriber.balance()
        assert sender.process.wait() == 0
        report = sender.report()
    # 47 % arrived with three busy processes for each processor; a viewer skips what is old.
    assert delivered >= LEAST_DELIVERED * report["published"]
    assert len(ahead) == 1, "a frame that the camera counted has no number here"
    assert (balance.passed, balance.under_way) == (delivered, 0)
    assert balance.entered == report["published"]


@pytest.mark.parametrize(("kind", "suffix"), [("png", ".png"), later("tiff", ".tiff")])
def test_twelve_bits_of_a_real_sensor_arrive_and_are_saved_in_16_bits(
    tmp_path: Path, data: Path, kind: str, suffix: str
) -> None:
    scene = read_image(data / "raw16" / "ccd12bit_16923029-f10.tif")
    scene = scene.reshape(scene.shape[:2])[:400, :600]
    assert scene.max() < 1 << 12
    features = picture_files(tmp_path, scene << 4)
    with emulating(
        tmp_path, f"pixel_format=Mono12&width={scene.shape[1]}&height={scene.shape[0]}&fps=20",
        "--codec", "lossless", **features,
    ) as sender:  # fmt: skip
        sender.wait_listening()
        with Subscriber(sender.address) as subscriber:
            frame = next(iter(subscriber))
        assert (frame.pixels.dtype, frame.significant_bits, frame.cfa) == ("uint16", 12, "")
        np.testing.assert_array_equal(frame.pixels, scene)
        saved = received_files(tmp_path, sender.address, "--set", f"save.format={kind}")
    assert {path.suffix for path in saved} == {suffix}
    picture = read_image(saved[0])
    assert picture.dtype == np.uint16
    np.testing.assert_array_equal(picture.reshape(scene.shape), scene)


@pytest.mark.parametrize("debayer", [later(False), True])
def test_a_mosaic_travels_as_a_mosaic_and_is_saved_in_colour_on_request(
    tmp_path: Path, debayer: bool
) -> None:
    blue, green, red = 40, 120, 200
    scene = np.empty((96, 128, 3), np.uint8)
    scene[:] = blue, green, red
    features = picture_files(tmp_path, scene)
    with emulating(
        tmp_path, "pixel_format=BayerGB12&width=128&height=96&fps=20", "--codec", "lossless",
        **features,
    ) as sender:  # fmt: skip
        sender.wait_listening()
        with Subscriber(sender.address) as subscriber:
            frame = next(iter(subscriber))
        assert (frame.cfa, frame.significant_bits, frame.pixels.shape) == ("GBRG", 12, (96, 128))
        tile = np.array([[green, blue], [red, green]], np.uint16) << 4
        np.testing.assert_array_equal(frame.pixels, np.tile(tile, (48, 64)))
        arguments = ["--debayer"] if debayer else []
        (saved, _) = received_files(
            tmp_path, sender.address, "--set", "save.format=png", *arguments
        )
    picture = read_image(saved)
    if debayer:
        inner = picture[8:-8, 8:-8]
        assert inner.shape[2] == 3
        # Saved pictures keep the samples of the camera: 12 bits.
        assert np.abs(inner.astype(int) - (scene[8:-8, 8:-8].astype(int) << 4)).max() <= 16
    else:
        np.testing.assert_array_equal(picture.reshape(96, 128), frame.pixels)


def test_settings_triggers_and_regions_change_from_the_command_line(tmp_path: Path) -> None:
    with emulating(tmp_path, "pixel_format=Mono8&width=320&height=240&fps=30") as sender:
        sender.wait_listening()
        address = sender.address
        with Subscriber(address) as subscriber:
            frames = iter(subscriber)
            first = next(frames)
            assert first.pixels.shape == (240, 320)
            assert control(address, "set", "exposure=2000", "gain=4", "fps=20") == {
                "exposure": pytest.approx(2000, abs=1), "gain": pytest.approx(4, abs=0.1),
                "fps": pytest.approx(20),
            }  # fmt: skip
            # The command as a process of its own, once.
            region = ("set", "width=160", "height=120", "offset_x=64", "--json")
            changed = run("control", control_endpoint(address), *region)
            assert changed.returncode == 0, changed.stderr
            assert json.loads(changed.stdout) == {"width": 160, "height": 120, "offset_x": 64}
            frame = next(frame for frame in frames if frame.pixels.shape == (120, 160))
            # It begins with a key frame, which this viewer may have skipped: nothing is damaged.
            assert frame.stream_id == first.stream_id
            assert set(subscriber.balance().lost) <= {"skipped_as_old"}
            done = run("control", control_endpoint(address), "set", "exposure=-5")
            assert (done.returncode, done.stderr.count("\n")) == (1, 1)
            assert "got exposure = -5 microseconds, want 1 to 10000000" in done.stderr

            assert control(address, "set", "trigger=on") == {"trigger": "on"}
            # No frame is on its way any more once the sender says that it waits.
            sender.process.wait_line("cam: waiting")
            assert control(address, "trigger") == {"trigger": "on"}
            assert control(address, "set", "trigger=off") == {"trigger": "off"}
            numbers = [frame.device_frame_id for frame in itertools.islice(frames, 30)]
            assert numbers == sorted(set(numbers))
        sender.stop()
        sender.report()


def test_failed_buffers_are_camera_gaps_in_the_report_and_the_log_says_why(tmp_path: Path) -> None:
    with emulating(tmp_path, "width=64&height=48&fps=30") as sender:
        sender.wait_listening()
        with Subscriber(sender.address) as subscriber:
            frames = iter(subscriber)
            next(frames)
            features = {"ForceFailedBufferCount": 5, "ForceFailedBuffer": None}
            ask(sender.address, features=json.dumps(features))
            seen = [next(frames) for _ in range(30)]
        sender.process.wait_line("frames are lost: The buffer was incompletely grabbed")
        sender.stop()
        report = sender.report()
    assert report["lost"]["camera_gap"] >= 5
    assert seen[-1].device_frame_id == seen[-1].frame


def test_a_camera_that_goes_away_is_opened_again_and_the_stream_goes_on(tmp_path: Path) -> None:
    with emulating(tmp_path, "width=64&height=48&fps=30") as sender:
        sender.wait_listening()
        with Subscriber(sender.address) as subscriber:
            frames = iter(subscriber)
            first = next(frames)
            ask(sender.address, features=json.dumps({"FirePnPCallback": None}))
            sender.process.wait_line("the camera is gone: check its cable and its power; next try")
            again = next(f for f in frames if f.device_frame_id == 0 or f.frame > first.frame + 200)
        sender.stop()
        report = sender.report()
    assert again.stream_id == first.stream_id
    assert again.frame > first.frame
    assert report["cameras"]["cam"]["failures"] == 1


@pytest.mark.parametrize(
    ("source", "code", "line"),
    [
        ("basler:40012345", 1,
         "basler:40012345: no Basler camera has the serial number or name 40012345; found: "
         "0815-0000 (Emulation), 0815-0001 (Emulation)"),
        (f"basler:{SERIAL}?exposure=1e9", 2,
         f"basler:{SERIAL}: got exposure = 1000000000 microseconds, want 1 to 10000000"),
        later(f"basler:{SERIAL}?width=5000", 2,
              f"basler:{SERIAL}: got width = 5000 from offset_x = 0 on, the sensor has 4096 "
              "columns: want width + offset_x of 4096 at most"),
        later(f"basler:{SERIAL}?pixel_format=Coord3D_C16", 2,
              "got pixel format 'Coord3D_C16', want one of Mono8, "),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_one_line_and_the_right_exit_code(
    source: str, code: int, line: str, tmp_path: Path
) -> None:
    with sending(tmp_path, "--set", "camera.retry=false", source=source, **EMULATORS) as sender:
        assert sender.process.wait() == code
    errors = [said for said in sender.process.lines if "ERROR" in said or "rankcast:" in said]
    assert len(errors) == 1, sender.process.lines
    assert line in errors[0]


def test_without_a_camera_the_line_says_what_to_check(tmp_path: Path) -> None:
    with sending(
        tmp_path, "--set", "camera.retry=false", source="basler:0", PYLON_CAMEMU="0"
    ) as sender:
        assert sender.process.wait() == 1
    assert "no Basler camera was found: check cable and power" in sender.process.lines[-1]
