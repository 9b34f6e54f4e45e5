"""What a JPEG file would cost, from its markers: bombs are refused, what cameras write passes."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rankcast
from rankcast.errors import ImageFileError, PayloadError
from rankcast.frame import Pixels
from rankcast.images import Damaged, load_image, read_image
from rankcast.jpeg_scans import MAX_SCANS, MAX_SEGMENTS, START_OF_SCAN, jpeg_excess, jpeg_segments
from rankcast.opencv import cv2
from rankcast.wire import pack, unpack

RAMP = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)
SCENE: Pixels = np.dstack([RAMP, RAMP[::-1], RAMP ^ 0x55])
END = b"\xff\xd9"


def jpeg(*options: int) -> bytes:
    data: bytes = cv2.imencode(".jpg", SCENE, list(options))[1].tobytes()
    return data


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The file up to its first scan, and the header of a scan of the first component alone."""
    at = data.index(b"\xff\xda")
    return data[:at], b"\xff\xda" + struct.pack(">HBBB", 8, 1, 1, 0) + b"\0\x3f\0"


def scans_of(data: bytes) -> int:
    return sum(marker == START_OF_SCAN for marker, _ in jpeg_segments(data))


@pytest.mark.parametrize(
    ("options", "scans"),
    [
        ((), 1),
        ((cv2.IMWRITE_JPEG_OPTIMIZE, 1), 1),
        ((cv2.IMWRITE_JPEG_RST_INTERVAL, 1), 1),
        ((cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 10),
        ((cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2), 10),
    ],
)
def test_what_libjpeg_writes_passes(options: tuple[int, ...], scans: int) -> None:
    data = jpeg(*options)
    assert jpeg_excess(data) == ""
    assert scans_of(data) == scans


def test_a_thumbnail_in_a_segment_and_a_large_profile_are_no_scans() -> None:
    data = jpeg()
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data
    profile = (b"\xff\xe2" + struct.pack(">H", 65_535) + b"\xff\xda" * 32_766 + b"\0") * 255
    whole = data[:2] + thumbnail + profile + data[2:]
    assert jpeg_excess(whole) == ""
    assert scans_of(whole) == 1


def test_one_scan_for_each_component_is_sequential_as_the_standard_has_it() -> None:
    head, _ = parts(jpeg())
    scans = [b"\xff\xda" + struct.pack(">HBBB", 8, 1, k, 0) + b"\0\x3f\0\0" for k in (1, 2, 3)]
    assert jpeg_excess(head + b"".join(scans) + END) == ""
    again = head + b"".join([*scans, scans[1]]) + END
    assert jpeg_excess(again) == "is sequential and codes a component again in scan 4"


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"\x12" * 70_000,
        b"\xff\0" * 40_000,
        b"\xff\xd3" * 300,
        b"\xff\1\xff\xbf",
        b"\xff" * 9,
    ],
    ids=["short", "long", "stuffed", "restarts", "without_length", "fill"],
)
def test_a_scan_is_found_behind_whatever_libjpeg_passes_over(data: bytes) -> None:
    head, scan = parts(jpeg())
    assert jpeg_excess(head + scan + data + scan + data + END).startswith("is sequential")
    assert jpeg_excess(head + scan + data + END + scan) == "", "nothing behind the end counts"


def test_progressive_files_have_a_limit_far_above_what_programs_write() -> None:
    head, _ = parts(jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    scan = b"\xff\xda" + struct.pack(">HBBB", 8, 1, 1, 0) + b"\1\x3f\0\0"
    assert jpeg_excess(head + scan * MAX_SCANS + END) == ""
    assert jpeg_excess(head + scan * (MAX_SCANS + 1) + END) == f"has more than {MAX_SCANS} scans"


def test_segments_have_a_limit() -> None:
    data = jpeg()
    many = data[:2] + b"\xff\xfe\0\2" * MAX_SEGMENTS + data[2:]
    assert jpeg_excess(many) == f"has more than {MAX_SEGMENTS} segments"


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 20, 200, 700])
def test_damage_is_left_to_libjpeg(cut: int) -> None:
    assert jpeg_excess(jpeg()[:cut]) == ""


@pytest.mark.parametrize("unit", [b"\xff", b"\xff\0", b"\xff\1", b"\xff\xd0", b"\xff\xfe\0\2"])
def test_looking_for_markers_is_quick_whatever_the_bytes_are(unit: bytes) -> None:
    head, scan = parts(jpeg())
    body = head + scan + unit * (8_000_000 // len(unit))
    begun = time.process_time()
    jpeg_excess(body)
    # 0.05 s where this was written: a loop over bytes would take seconds.
    assert time.process_time() - begun < 1.0


def bomb(progressive: bool) -> bytes:
    """A file of 40 kB that takes libjpeg seconds."""
    head, scan = parts(jpeg(*((cv2.IMWRITE_JPEG_PROGRESSIVE, 1) if progressive else ())))
    frame = head.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    large = head[: frame + 5] + struct.pack(">HH", 3000, 4000) + head[frame + 9 :]
    return large + (scan + b"\0") * 4000 + END


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("damaged", ["refuse", "mark"])
def test_image_files_pass_the_same_check(
    tmp_path: Path, progressive: bool, damaged: Damaged
) -> None:
    path = tmp_path / "bomb.jpg"
    path.write_bytes(bomb(progressive))
    begun = time.process_time()
    with pytest.raises(ImageFileError, match=r"bomb\.jpg: (has more|is sequential).*: save it"):
        load_image(path, damaged=damaged)
    assert time.process_time() - begun < 0.5


def test_an_ordinary_progressive_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    path.write_bytes(jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1))
    assert read_image(path).shape == SCENE.shape


def test_a_packet_of_many_scans_is_refused_before_it_is_decoded() -> None:
    header = unpack(rankcast.Encoder("jpeg").encode(SCENE)).header
    packet = pack(replace(header, shape=(3000, 4000, 3)), bomb(progressive=False))
    begun = time.process_time()
    with pytest.raises(PayloadError, match="the JPEG is sequential and codes a component again"):
        rankcast.Decoder().decode(packet)
    assert time.process_time() - begun < 0.5


def test_a_packet_of_more_bytes_than_a_picture_takes_is_refused() -> None:
    packet = unpack(rankcast.Encoder("jpeg").encode(SCENE))
    with pytest.raises(PayloadError, match=r"the JPEG has \d+ bytes, the limit of"):
        rankcast.Decoder().decode(pack(packet.header, bytes(packet.body) + bytes(2_000_000)))
