"""Mosaics of raw colour sensors: from a source's `cfa` option to the receiver's file and window."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import rankcast
from rankcast.decoder import frame_of
from rankcast.errors import SettingsError, SourceError
from rankcast.frame import Pixels
from rankcast.images import read_image, read_text, write_image
from rankcast.wire import unpack
from rankcast_receiver.sinks.save import SaveOptions, SaveSink
from rankcast_receiver.sinks.screen_picture import screen_picture
from rankcast_sender.devices.device import DeviceError, DeviceState
from rankcast_sender.devices.opencv_device import OpenCVDevice
from rankcast_sender.grabber import CameraOptions
from rankcast_sender.sources import check_query, parse_source
from rankcast_sender.sources.replay import ReplayOptions, ReplaySource


def red_mosaic(dtype: str = "uint8", shape: tuple[int, int] = (48, 64)) -> Pixels:
    """What a sensor with RGGB sees of something red."""
    mosaic = np.full(shape, 10, dtype)
    mosaic[::2, ::2] = 200
    return mosaic


class RawCamera:
    """A capture that gives the same picture a few times."""

    def __init__(self, picture: Any, size: tuple[int, int] = (48, 64)) -> None:
        self.pictures = deque([picture] * 3)
        self.asked: dict[int, float] = {}
        self.values = {cv2.CAP_PROP_FRAME_HEIGHT: size[0], cv2.CAP_PROP_FRAME_WIDTH: size[1]}

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, prop: int, value: float) -> bool:
        self.asked[prop] = value
        return True

    def get(self, prop: int) -> float:
        return float(self.values.get(prop, 0))

    def getBackendName(self) -> str:  # noqa: N802 - OpenCV's name
        return "FAKE"

    def grab(self) -> bool:
        return bool(self.pictures)

    def retrieve(self) -> tuple[bool, Any]:
        return True, self.pictures.popleft()

    def release(self) -> None:
        self.pictures.clear()


def camera(capture: RawCamera, query: str) -> tuple[OpenCVDevice, DeviceState]:
    options = check_query(CameraOptions, parse_source(f"camera:0?{query}"))
    device = OpenCVDevice(lambda *_: capture)
    return device, device.open({**options.model_dump(), "path": "0", "name": "camera:0"})


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1)])
def test_a_camera_gives_its_mosaic_with_its_array(shape: tuple[int, ...]) -> None:
    capture = RawCamera(red_mosaic("uint16").reshape(shape))
    device, state = camera(capture, "cfa=rggb&bits=12")
    frame = device.read(1)
    assert frame is not None
    assert capture.asked[cv2.CAP_PROP_CONVERT_RGB] == 0
    assert (frame.cfa, frame.significant_bits, frame.data.shape) == ("RGGB", 12, (48, 64))
    assert "mosaic RGGB" in state.description
    device.close()


def test_a_camera_without_cfa_is_left_to_convert() -> None:
    capture = RawCamera(np.zeros((48, 64, 3), np.uint8))
    device, _ = camera(capture, "timeout_s=0.1")
    frame = device.read(1)
    assert frame is not None
    assert frame.cfa == ""
    assert cv2.CAP_PROP_CONVERT_RGB not in capture.asked
    device.close()


@pytest.mark.parametrize("shape", [(48, 64, 3), (48, 64, 2), (1, 5000), (48, 128)])
def test_a_camera_that_gives_no_mosaic_says_so_at_once(shape: tuple[int, ...]) -> None:
    device, _ = camera(RawCamera(np.zeros(shape, np.uint8)), "cfa=BGGR&timeout_s=60")
    with pytest.raises(DeviceError, match="does not deliver a mosaic"):
        device.read(1)
    device.close()


def test_another_array_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"cfa.*GRBG"):
        check_query(ReplayOptions, parse_source("replay:x?cfa=xtrans"))


def replay(folder: Path, **options: Any) -> ReplaySource:
    return ReplaySource(str(folder), ReplayOptions(**options))


def test_replayed_files_of_one_channel_are_mosaics_and_others_are_lost(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", red_mosaic("uint16"))
    write_image(tmp_path / "b.png", np.zeros((48, 64, 3), np.uint8))
    write_image(tmp_path / "c.tiff", red_mosaic())
    source = replay(tmp_path, cfa="grbg", bits=12)
    frames = list(source)
    assert [(f.cfa, f.significant_bits) for f in frames] == [("GRBG", 12), ("GRBG", 0)]
    assert source.gaps == 1
    source.close()


def test_a_folder_of_colour_alone_is_no_mosaic(tmp_path: Path) -> None:
    write_image(tmp_path / "b.png", np.zeros((48, 64, 3), np.uint8))
    source = replay(tmp_path, cfa="RGGB")
    with pytest.raises(SourceError, match="one sample per pixel"):
        list(source)
    source.close()


def test_a_video_is_no_mosaic(data: Path) -> None:
    with pytest.raises(SourceError, match="decoded to colour"):
        replay(data / "video" / "bottle-detection.mp4", cfa="RGGB")


@pytest.mark.parametrize("codec", ["svd-patch", "lossless", "raw", "svd"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_mosaic_is_shown_in_colour_and_saved_as_it_came(
    tmp_path: Path, codec: str, dtype: str
) -> None:
    write_image(tmp_path / "in.png", red_mosaic(dtype))
    (sent,) = replay(tmp_path, cfa="rggb")
    packet = unpack(rankcast.Encoder(codec).encode(sent))
    if codec == "svd-patch":
        assert packet.header.params[0] == 3  # four planes
    received = frame_of(packet, rankcast.Decoder().decode_packet(packet), "cam")
    blue, green, red = screen_picture(received, (640, 480)).pixels[240, 320].astype(int)
    if dtype == "uint8":
        assert red > 150
        assert max(blue, green) < 40
    folder = tmp_path / "saved"
    SaveSink(SaveOptions(folder=folder)).put(received)
    (file,) = folder.iterdir()
    saved = read_image(file)
    assert saved.dtype == np.dtype(dtype)
    assert np.array_equal(saved, received.pixels)
    tag = json.loads(read_text(file) or "")
    assert tag["cfa"] == "RGGB"
    # What was saved plays again.
    (again,) = replay(folder, cfa="rggb")
    assert np.array_equal(again.pixels, received.pixels)
