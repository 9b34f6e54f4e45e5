"""Written image files: round trips, refusals, and files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from rankcast import atomic_file
from rankcast.errors import ImageFileError
from rankcast.frame import Pixels
from rankcast.images import read_image, read_text, write_image
from rankcast.opencv import cv2

TEXT = '{"word": "lossy", "name": "Größe \\u0001"}'


def noise(shape: tuple[int, ...], dtype: type[np.unsignedinteger] = np.uint8) -> Pixels:
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (5, 7, 3), (1, 7, 3), (7, 1, 3)])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_png_and_tiff_keep_every_sample(
    tmp_path: Path, shape: tuple[int, ...], dtype: type[np.unsignedinteger], suffix: str
) -> None:
    path, pixels = tmp_path / f"picture{suffix}", noise(shape, dtype)
    size = write_image(path, pixels, text=TEXT)
    assert size == path.stat().st_size
    got = read_image(path)
    assert got.dtype == dtype
    assert np.array_equal(got, pixels)
    assert read_text(path) == TEXT


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(5, 7, 2), (5, 7, 4), (1, 1, 2), (7, 1, 5), (5, 7, 64)])
def test_tiff_keeps_any_number_of_channels(
    tmp_path: Path, shape: tuple[int, ...], dtype: type[np.unsignedinteger]
) -> None:
    path, pixels = tmp_path / "picture.tiff", noise(shape, dtype)
    write_image(path, pixels, text=TEXT)
    assert np.array_equal(read_image(path), pixels)
    assert read_text(path) == TEXT


def test_tiff_colour_is_rgb_for_other_programs(tmp_path: Path) -> None:
    pixels = noise((4, 6, 3))
    write_image(tmp_path / "colour.tif", pixels)
    assert np.array_equal(tifffile.imread(tmp_path / "colour.tif"), pixels[:, :, ::-1])


def test_png_with_a_tag_is_read_by_strict_readers(tmp_path: Path) -> None:
    pixels = noise((4, 6, 3))
    write_image(tmp_path / "tag.png", pixels, text=TEXT, png_compression=9)
    assert np.array_equal(cv2.imread(str(tmp_path / "tag.png")), pixels)
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is the strict reader here")
    with pillow.open(tmp_path / "tag.png") as image:
        image.load()
        assert image.text["Description"] == TEXT


def test_jpeg_comment_stands_behind_the_jfif_segment(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    smooth = np.tile(np.arange(64, dtype=np.uint8) * 3, (48, 1))
    write_image(path, smooth, text=TEXT, jpeg_quality=95)
    data = path.read_bytes()
    assert data[2:4] == b"\xff\xe0"
    assert data[20:22] == b"\xff\xfe"
    assert read_text(path) == TEXT
    assert int(np.abs(read_image(path).astype(int) - smooth).max()) <= 4


def test_jpeg_quality_and_png_compression_change_the_size(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1)) ^ (noise((64, 256)) & 7)
    assert write_image(tmp_path / "a.jpg", ramp, jpeg_quality=20) < write_image(
        tmp_path / "b.jpg", ramp, jpeg_quality=95
    )
    assert write_image(tmp_path / "a.png", ramp, png_compression=9) < write_image(
        tmp_path / "b.png", ramp, png_compression=0
    )


@pytest.mark.parametrize(
    ("suffix", "shape", "dtype", "wanted"),
    [
        (".jpg", (3, 4), np.uint16, "8-bit"),
        (".jpg", (3, 4, 4), np.uint8, "1 or 3 channels, got 4: use .tiff"),
        (".png", (3, 4, 2), np.uint8, "1, 3 or 4 channels, got 2: use .tiff"),
        (".png", (3, 4, 5), np.uint8, "1, 3 or 4 channels, got 5: use .tiff"),
        (".bmp", (3, 4), np.uint8, "want one of .png"),
        ("", (3, 4), np.uint8, "want one of .png"),
    ],
)
def test_a_format_that_cannot_hold_the_picture_is_named(
    tmp_path: Path, suffix: str, shape: tuple[int, ...], dtype: type, wanted: str
) -> None:
    with pytest.raises(ImageFileError, match=wanted):
        write_image(tmp_path / f"picture{suffix}", noise(shape, dtype))
    assert list(tmp_path.iterdir()) == []


def test_jpeg_refuses_a_side_above_its_own_limit(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"a\.jpg: "):
        write_image(tmp_path / "a.jpg", np.zeros((65_501, 1), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pixels = tmp_path / "a.png", noise((3, 4))
    write_image(path, pixels)

    def full_disk(*_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_file.os, "replace", full_disk)
    with pytest.raises(ImageFileError, match=r"a\.png: cannot be written: No space left"):
        write_image(path, noise((30, 40)))
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]
    assert np.array_equal(read_image(path), pixels)


def test_a_write_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_file.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_image(tmp_path / "a.png", noise((3, 4)))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"nowhere.a\.png: cannot be written"):
        write_image(tmp_path / "nowhere" / "a.png", noise((3, 4)))


@pytest.mark.skipif(os.name == "nt", reason="permission bits are POSIX")
def test_written_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_image(tmp_path / "a.png", noise((3, 4)))
    finally:
        os.umask(old)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o644


def test_names_beyond_ascii_work(tmp_path: Path) -> None:
    path = tmp_path / "Prüfstück 検査.png"
    write_image(path, noise((3, 4)))
    assert np.array_equal(read_image(path), noise((3, 4)))


def test_real_pictures_survive_a_round_trip(data: Path, tmp_path: Path) -> None:
    pixels = read_image(data / "kodak" / "kodim05.png")
    assert pixels.shape == (512, 768, 3)
    for suffix in (".png", ".tiff"):
        write_image(tmp_path / f"copy{suffix}", pixels, text=TEXT)
        assert np.array_equal(read_image(tmp_path / f"copy{suffix}"), pixels)
