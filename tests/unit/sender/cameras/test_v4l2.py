"""The list of V4L2 devices, on device files of this test and an ioctl of plain Python."""

from __future__ import annotations

import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from rankcast_sender.cameras.v4l2 import find_v4l2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="V4L2 is Linux's")
QUERYCAP, ENUM_FMT = 0x80685600, 0xC0405602


class FakeDriver:
    """Answers for capture devices `cards`, by the number of their file."""

    def __init__(self, folder: Path, **cards: tuple[str, int, list[str]]) -> None:
        self.cards = {str(folder / name): card for name, card in cards.items()}
        for path in self.cards:
            Path(path).touch()

    def ioctl(self, fd: int, request: int, buffer: bytearray) -> object:
        card, capabilities, formats = self.cards[os.readlink(f"/proc/self/fd/{fd}")]
        if not card:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        if request == QUERYCAP:
            assert len(buffer) == 104
            buffer[:] = struct.pack("=16s32s32s6I", b"uvcvideo", card.encode(), b"usb-1", 0,
                                    0x80000000 | 0x84A00001, capabilities, 0, 0, 0)  # fmt: skip
            return 0
        assert request == ENUM_FMT
        assert len(buffer) == 64
        index, kind, *_ = struct.unpack_from("=2I", buffer)
        if index >= len(formats):
            raise OSError(errno.EINVAL, "Invalid argument")
        fourcc = int.from_bytes(formats[index].encode(), "little")
        struct.pack_into("=3I32sI", buffer, 0, index, kind, 0, b"described", fourcc)
        return 0


def test_capture_devices_are_listed_in_order_with_their_formats(tmp_path: Path) -> None:
    driver = FakeDriver(
        tmp_path,
        video10=("Late", 0x1, ["GREY"]),
        video2=("HD Webcam", 0x1, ["MJPG", "YUYV"]),
        video3=("HD Webcam: metadata", 0x800000, []),
        video4=("Planar", 0x1000, ["NM12"]),
        video5=("", 0, []),
    )
    found = find_v4l2(tmp_path, driver.ioctl).cameras
    assert [(camera.source, camera.model, camera.formats) for camera in found] == [
        (f"camera:{tmp_path}/video2", "HD Webcam", ("MJPG", "YUYV")),
        (f"camera:{tmp_path}/video4", "Planar", ("NM12",)),
        (f"camera:{tmp_path}/video10", "Late", ("GREY",)),
    ]
    assert {camera.link for camera in found} == {"uvcvideo"}


def test_a_device_that_may_not_be_opened_says_how_to_change_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "video0").touch()

    def refuse(*_: object) -> int:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    (camera,) = find_v4l2(tmp_path).cameras
    assert camera.problem == "Permission denied: add this user to group video"
    assert camera.source == f"camera:{tmp_path}/video0"


def test_a_file_that_is_no_device_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    assert find_v4l2(tmp_path).cameras == []


def test_a_name_of_hostile_bytes_is_printable(tmp_path: Path) -> None:
    driver = FakeDriver(tmp_path, video0=("\x1b[31mred", 0x1, []))
    (camera,) = find_v4l2(tmp_path, driver.ioctl).cameras
    assert camera.model.isprintable()
