"""Depth and colours of clips: samples against exact copies and against the formulas of H.273."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, Colorspace

from rankcast.errors import SourceError
from rankcast.video import VideoFile, VideoFrame
from rankcast.video.sample_layout import layout_of
from support.clips import gradients, plane_frame, rotate_mp4, write_clip

HEIGHT, WIDTH = 48, 66
# Kr and Kb of ITU-R BT.601, BT.709 and BT.2020.
MATRICES = {
    Colorspace.ITU601: (0.299, 0.114),
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.BT2020: (0.2627, 0.0593),
}
AVCOL_SPC = {Colorspace.ITU601: 6, Colorspace.ITU709: 1, Colorspace.BT2020: 9}
AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_YCGCO = 2, 8


def first_frame(path: Path) -> VideoFrame:
    with VideoFile(path) as video:
        return next(iter(video))


def raw_frame(path: Path, frame: av.VideoFrame, pixel_format: str) -> VideoFrame:
    write_clip(path, [frame], "rawvideo", pixel_format=pixel_format)
    return first_frame(path)


@pytest.mark.parametrize(
    ("pixel_format", "dtype", "bits", "significant_bits"),
    [
        ("gray", "u1", 8, 0),
        ("gray9le", "<u2", 9, 9),
        ("gray10le", "<u2", 10, 10),
        ("gray10be", ">u2", 10, 10),
        ("gray12le", "<u2", 12, 12),
        ("gray14le", "<u2", 14, 14),
        ("gray16le", "<u2", 16, 0),
        ("gray16be", ">u2", 16, 0),
    ],
)
def test_grey_keeps_every_sample_and_its_depth(
    tmp_path: Path, pixel_format: str, dtype: str, bits: int, significant_bits: int
) -> None:
    samples = np.random.default_rng(1).integers(0, 1 << bits, (HEIGHT, WIDTH)).astype(dtype)
    frame = raw_frame(tmp_path / "a.nut", plane_frame([samples], pixel_format), pixel_format)
    assert frame.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert frame.significant_bits == significant_bits
    assert np.array_equal(frame.pixels, samples)


@pytest.mark.parametrize(
    ("pixel_format", "bits"), [("gbrp", 8), ("gbrp10le", 10), ("gbrp12le", 12), ("gbrp16le", 16)]
)
def test_planes_of_rgb_keep_every_sample(tmp_path: Path, pixel_format: str, bits: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    rng = np.random.default_rng(2)
    green, blue, red = rng.integers(0, 1 << bits, (3, HEIGHT, WIDTH)).astype(dtype)
    planes = plane_frame([green, blue, red], pixel_format)
    frame = raw_frame(tmp_path / "a.nut", planes, pixel_format)
    assert np.array_equal(frame.pixels, np.stack([blue, green, red], -1))
    assert frame.pixels.dtype == dtype
    assert frame.significant_bits == (0 if bits in (8, 16) else bits)


@pytest.mark.parametrize("pixel_format", ["rgb48le", "rgb48be"])
def test_packed_rgb_of_16_bits_keeps_every_sample(tmp_path: Path, pixel_format: str) -> None:
    samples = np.random.default_rng(3).integers(0, 1 << 16, (HEIGHT, 3 * WIDTH))
    packed = av.VideoFrame(WIDTH, HEIGHT, pixel_format)
    dtype = ">u2" if pixel_format.endswith("be") else "<u2"
    row = np.zeros((HEIGHT, packed.planes[0].line_size // 2), dtype)
    row[:, : 3 * WIDTH] = samples
    packed.planes[0].update(row.tobytes())
    frame = raw_frame(tmp_path / "a.nut", packed, pixel_format)
    assert np.array_equal(frame.pixels, samples.reshape(HEIGHT, WIDTH, 3)[..., ::-1])


@pytest.mark.parametrize(
    ("pixel_format", "cfa"), [("bayer_rggb8", "RGGB"), ("bayer_gbrg16le", "GBRG")]
)
def test_a_mosaic_stays_one(tmp_path: Path, pixel_format: str, cfa: str) -> None:
    dtype = np.uint16 if "16" in pixel_format else np.uint8
    samples = np.random.default_rng(4).integers(0, 1 << 8 * dtype().itemsize, (HEIGHT, 64))
    samples = samples.astype(dtype)
    frame = raw_frame(tmp_path / "a.nut", plane_frame([samples], pixel_format), pixel_format)
    assert frame.cfa == cfa
    assert np.array_equal(frame.pixels, samples)


def wanted_bgr(
    planes: list[np.ndarray[Any, Any]], bits: int, matrix: Colorspace, *, full: bool
) -> np.ndarray[Any, Any]:
    """ITU-T H.273, equations 23 to 34 and 44 to 49, on the scale of `bits`."""
    top, scale = (1 << bits) - 1, 1 << (bits - 8)
    y, u, v = (plane.astype(float) for plane in planes)
    if full:
        y, u, v = y / top, (u - 128 * scale) / top, (v - 128 * scale) / top
    else:
        y = (y - 16 * scale) / (219 * scale)
        u, v = (u - 128 * scale) / (224 * scale), (v - 128 * scale) / (224 * scale)
    kr, kb = MATRICES[matrix]
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([blue, green, red], -1), 0, 1) * top


@pytest.mark.parametrize(
    ("matrix", "full", "bits", "chroma"),
    [
        (matrix, full, bits, chroma)
        for matrix, full in itertools.product(MATRICES, (False, True))
        for bits, chroma in ((8, "444"), (8, "420"), (10, "444"), (10, "420"), (12, "444"))
    ],
)
def test_matrix_and_range_are_those_of_the_clip(
    tmp_path: Path, matrix: Colorspace, full: bool, bits: int, chroma: str
) -> None:
    scale = 1 << (bits - 8)
    dtype = np.uint8 if bits == 8 else np.uint16
    luma = np.tile(np.linspace(16 * scale, 235 * scale, WIDTH), (HEIGHT, 1)).astype(dtype)
    planes = [luma, *(np.full_like(luma, level * scale) for level in (108, 141))]
    stored = planes
    if chroma == "420":
        stored = [luma, *(plane[: HEIGHT // 2, : WIDTH // 2] for plane in planes[1:])]
    pixel_format = f"yuv{chroma}p" + ("" if bits == 8 else f"{bits}le")
    frame = plane_frame(stored, pixel_format)
    write_clip(
        tmp_path / "a.mkv", [frame], "ffv1", pixel_format=pixel_format,
        matrix=AVCOL_SPC[matrix],
        colour_range=ColorRange.JPEG if full else ColorRange.MPEG,
    )  # fmt: skip
    got = first_frame(tmp_path / "a.mkv")
    assert got.significant_bits == (0 if bits == 8 else bits)
    error = np.abs(got.pixels - wanted_bgr(planes, bits, matrix, full=full))
    assert error.max() <= 1.01, error.max()


def test_without_a_tag_the_matrix_is_bt601_and_the_range_limited(tmp_path: Path) -> None:
    planes = [np.full((HEIGHT, WIDTH), level, np.uint8) for level in (120, 90, 160)]
    write_clip(
        tmp_path / "a.mkv", [plane_frame(planes, "yuv444p")], "ffv1", pixel_format="yuv444p",
        matrix=AVCOL_SPC_UNSPECIFIED,
    )  # fmt: skip
    want = wanted_bgr(planes, 8, Colorspace.ITU601, full=False)
    assert np.abs(first_frame(tmp_path / "a.mkv").pixels - want).max() <= 1.01


def test_white_of_a_deep_clip_is_the_largest_value(tmp_path: Path) -> None:
    planes = [np.full((HEIGHT, WIDTH), level, np.uint16) for level in (940, 512, 512)]
    write_clip(
        tmp_path / "a.mkv", [plane_frame(planes, "yuv444p10le")], "ffv1",
        pixel_format="yuv444p10le",
    )  # fmt: skip
    assert set(np.unique(first_frame(tmp_path / "a.mkv").pixels)) == {1023}


def test_grey_that_is_tagged_limited_is_expanded(tmp_path: Path) -> None:
    samples = np.tile(np.array([0, 16, 126, 235, 255], np.uint8), (HEIGHT, 2))
    write_clip(
        tmp_path / "a.mkv", [plane_frame([samples], "gray")], "ffv1", pixel_format="gray",
        colour_range=ColorRange.MPEG,
    )  # fmt: skip
    pixels = first_frame(tmp_path / "a.mkv").pixels
    assert pixels[0, :5].tolist() == [0, 0, 128, 255, 255]


def test_a_matrix_that_cannot_be_converted_is_refused_by_number(tmp_path: Path) -> None:
    planes = [np.full((HEIGHT, WIDTH), 128, np.uint8)] * 3
    write_clip(
        tmp_path / "a.mkv", [plane_frame(planes, "yuv444p")], "ffv1", pixel_format="yuv444p",
        matrix=AVCOL_SPC_YCGCO,
    )  # fmt: skip
    with pytest.raises(SourceError, match=r"a\.mkv: colour matrix 8 .*BT\.709"):
        first_frame(tmp_path / "a.mkv")


@pytest.mark.parametrize("name", ["grayf32le", "gbrpf32le", "rgbaf16le", "gbrpf16le", "xyz12le"])
def test_samples_that_are_not_whole_numbers_are_refused(name: str) -> None:
    with pytest.raises(SourceError, match=f"pixel format {name} is not supported"):
        layout_of(VideoFormat(name))


@pytest.mark.parametrize(
    ("name", "channels", "bits"),
    [
        ("monow", 1, 8), ("ya8", 1, 8), ("ya16le", 1, 16), ("pal8", 3, 8), ("rgb565le", 3, 8),
        ("nv12", 3, 8), ("p010le", 3, 10), ("yuva444p", 3, 8), ("x2rgb10le", 3, 10),
        ("rgba64le", 3, 16),
    ],
)  # fmt: skip
def test_alpha_is_dropped_and_narrow_samples_become_8_bits(
    name: str, channels: int, bits: int
) -> None:
    layout = layout_of(VideoFormat(name))
    assert (layout.channels, layout.bits) == (channels, bits)


@pytest.mark.parametrize(
    ("matrix", "turns"), [((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)]
)
def test_rotation_of_the_container_is_applied(
    tmp_path: Path, matrix: tuple[int, int, int, int], turns: int
) -> None:
    path = tmp_path / "a.mp4"
    write_clip(path, gradients(2), "mpeg4", pixel_format="yuv420p")
    upright = first_frame(path).pixels
    rotate_mp4(path, *matrix)
    assert np.array_equal(first_frame(path).pixels, np.rot90(upright, turns))
