"""Damaged image files: found, named, refused or marked, and nothing on the process's stderr."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels
from rankcast.images import Damaged, load_image, read_image
from rankcast.opencv import cv2

RAMP = np.add.outer(np.arange(96), np.arange(128)).astype(np.uint8)
SCENE: Pixels = np.dstack([RAMP, RAMP[::-1], RAMP ^ 0x55])


def jpeg(*options: int) -> bytes:
    data: bytes = cv2.imencode(".jpg", SCENE, [cv2.IMWRITE_JPEG_QUALITY, 95, *options])[1].tobytes()
    return data


def png() -> bytes:
    data: bytes = cv2.imencode(".png", SCENE)[1].tobytes()
    return data


def tiff(tmp_path: Path, compression: str) -> bytes:
    tifffile.imwrite(tmp_path / "whole.tif", SCENE, photometric="rgb", compression=compression)
    return (tmp_path / "whole.tif").read_bytes()


def zeroed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(64) + data[middle + 64 :]


def shuffled(data: bytes) -> bytes:
    middle = len(data) // 2
    noise = np.random.default_rng(3).integers(0, 256, 128, np.uint8).tobytes()
    return data[:middle] + noise + data[middle + 128 :]


def cut_out(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + data[middle + 200 :]


def cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGES = pytest.mark.parametrize("damage", [zeroed, shuffled, cut_out, cut_off])
PROGRESSIVE = jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
JPEGS = pytest.mark.parametrize(
    "whole",
    [jpeg(), PROGRESSIVE, jpeg(cv2.IMWRITE_JPEG_RST_INTERVAL, 4)],
    ids=["baseline", "progressive", "restarts"],
)


@DAMAGES
@JPEGS
@pytest.mark.parametrize("grey", [False, True])
def test_a_damaged_jpeg_is_refused_with_its_name(
    tmp_path: Path, whole: bytes, damage: object, grey: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torn.jpg"
    path.write_bytes(whole)
    read_image(path, grey=grey)
    path.write_bytes(damage(whole))  # type: ignore[operator]
    with pytest.raises(DamagedImageError, match=r"torn\.jpg: is damaged: libjpeg reports "):
        read_image(path, grey=grey)
    assert capfd.readouterr() == ("", "")


@DAMAGES
@JPEGS
def test_a_damaged_jpeg_is_marked_on_request(
    tmp_path: Path, whole: bytes, damage: object, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torn.jpg"
    path.write_bytes(damage(whole))  # type: ignore[operator]
    if (whole, damage) == (PROGRESSIVE, shuffled):
        # A marker that libjpeg cannot skip: nothing decodes, and nothing may be invented.
        with pytest.raises(DamagedImageError, match="Unsupported marker"):
            load_image(path, damaged="mark")
        return
    loaded = load_image(path, damaged="mark")
    assert loaded.damage.startswith("is damaged: libjpeg reports ")
    assert loaded.pixels.shape == SCENE.shape
    # What stands in front of the damage is there (of a progressive file, coarsely).
    assert int(np.abs(loaded.pixels[:16].astype(int) - SCENE[:16]).mean()) < 40
    assert capfd.readouterr() == ("", "")


@DAMAGES
@JPEGS
def test_what_does_not_decode_is_never_memory_of_this_process(
    tmp_path: Path, whole: bytes, damage: object
) -> None:
    path = tmp_path / "torn.jpg"
    path.write_bytes(damage(whole))  # type: ignore[operator]
    seen = []
    for value in (0, 77, 255):
        # Freed at once: the next array of this size gets the same memory.
        np.full(SCENE.shape, value, np.uint8)
        try:
            seen.append(load_image(path, damaged="mark").pixels.copy())
        except DamagedImageError:
            seen.append(np.zeros_like(SCENE))
    assert all(np.array_equal(pixels, seen[0]) for pixels in seen)


def test_a_whole_file_is_not_marked(tmp_path: Path) -> None:
    for name, data in (("a.jpg", jpeg()), ("a.png", png()), ("a.tif", tiff(tmp_path, "zlib"))):
        (tmp_path / name).write_bytes(data)
        assert load_image(tmp_path / name, damaged="mark").damage == ""


@DAMAGES
def test_a_damaged_png_is_refused_with_its_name(
    tmp_path: Path, damage: object, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torn.png"
    path.write_bytes(damage(png()))  # type: ignore[operator]
    with pytest.raises(DamagedImageError, match=r"torn\.png: is damaged: "):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@DAMAGES
def test_a_damaged_png_is_never_returned_without_its_mark(
    tmp_path: Path, damage: object, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torn.png"
    path.write_bytes(damage(png()))  # type: ignore[operator]
    try:
        damaged = load_image(path, damaged="mark").damage
    except DamagedImageError as exc:
        damaged = str(exc)
    assert "is damaged: " in damaged
    assert capfd.readouterr() == ("", "")


def test_a_png_with_a_wrong_checksum_over_good_data_is_marked_on_request(tmp_path: Path) -> None:
    data = bytearray(png())
    data[data.index(b"IEND") - 5] ^= 1  # the CRC of the last IDAT
    path = tmp_path / "crc.png"
    path.write_bytes(data)
    with pytest.raises(DamagedImageError, match="the checksum of its IDAT chunk differs"):
        read_image(path)
    loaded = load_image(path, damaged="mark")
    assert np.array_equal(loaded.pixels, SCENE)
    assert "IDAT" in loaded.damage


@pytest.mark.parametrize("mode", ["refuse", "mark"])
@pytest.mark.parametrize("offset", range(16, 33))
def test_a_png_whose_header_is_damaged_is_refused_without_a_line_of_libpng(
    tmp_path: Path, offset: int, mode: Damaged, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(png())
    data[offset] ^= 0xFF
    (tmp_path / "header.png").write_bytes(data)
    with pytest.raises(DamagedImageError, match=r"the checksum of its IHDR chunk differs"):
        load_image(tmp_path / "header.png", damaged=mode)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("components", [0, 2, 5, 255])
def test_a_jpeg_of_an_impossible_number_of_components_is_damaged(
    tmp_path: Path, components: int, capfd: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + 9] = components
    (tmp_path / "torn.jpg").write_bytes(data)
    with pytest.raises(DamagedImageError, match=r"torn\.jpg: is damaged: "):
        load_image(tmp_path / "torn.jpg", damaged="mark")
    assert capfd.readouterr() == ("", "")


def test_a_png_whose_checksums_were_made_over_bad_data_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = png()
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    body = data[start + 4 : start + 44] + b"\xff" * (length - 40)
    crc = struct.pack(">I", zlib.crc32(b"IDAT" + body))
    path = tmp_path / "torn.png"
    path.write_bytes(data[: start + 4] + body + crc + data[start + 8 + length :])
    with pytest.raises(DamagedImageError, match=r"torn\.png: is damaged: libpng reports "):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_odd_chunks_beside_the_picture_cost_nothing_and_print_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = png()
    odd = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"iCCP", b"x"), (b"gAMA", b"\0"), (b"tRNS", b"\0"), (b"eXIf", b"?"))
    )
    path = tmp_path / "odd.png"
    path.write_bytes(data[:33] + odd + data[33:])
    assert np.array_equal(read_image(path), SCENE)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("compression", "damage"),
    [("none", cut_off), ("zlib", zeroed), ("zlib", shuffled), ("zlib", cut_off), ("lzw", cut_off),
     ("lzma", shuffled)],
)  # fmt: skip
def test_a_damaged_tiff_is_refused_with_its_name(
    tmp_path: Path, compression: str, damage: object, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "torn.tif"
    path.write_bytes(damage(tiff(tmp_path, compression)))  # type: ignore[operator]
    with pytest.raises(DamagedImageError, match=r"torn\.tif: is damaged: tifffile reports "):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".ppm"])
def test_a_file_that_ends_early_is_refused_with_its_name(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data = cv2.imencode(suffix, SCENE)[1].tobytes()
    path = tmp_path / f"torn{suffix}"
    path.write_bytes(cut_off(data))
    with pytest.raises(DamagedImageError, match=rf"torn\{suffix}: is damaged: "):
        read_image(path)
    assert capfd.readouterr() == ("", "")


def test_damage_is_an_error_of_image_files() -> None:
    assert issubclass(DamagedImageError, ImageFileError)
