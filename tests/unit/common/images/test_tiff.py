"""TIFF: every photometric, depth, layout and compression, written by tifffile."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels
from rankcast.images import load_image, read_image, write_image


def noise(shape: tuple[int, ...], peak: int = 255) -> Pixels:
    dtype = np.uint8 if peak < 256 else np.uint16
    return np.random.default_rng(5).integers(0, peak + 1, shape).astype(dtype)


def read(tmp_path: Path, pixels: Any, **options: Any) -> Pixels:
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, pixels, **options)
    return read_image(path)


DEPTHS = pytest.mark.parametrize("peak", [255, 65_535])
PLANES = pytest.mark.parametrize("planes", ["contig", "separate"])


def planar(pixels: Pixels, planes: str) -> Pixels:
    return np.moveaxis(pixels, -1, 0) if planes == "separate" else pixels


@DEPTHS
@PLANES
def test_colour_is_bgr_in_either_layout(tmp_path: Path, peak: int, planes: str) -> None:
    rgb = noise((6, 9, 3), peak)
    got = read(tmp_path, planar(rgb, planes), photometric="rgb", planarconfig=planes)
    assert got.dtype == rgb.dtype
    assert np.array_equal(got, rgb[:, :, ::-1])


@DEPTHS
def test_white_is_zero_is_inverted(tmp_path: Path, peak: int) -> None:
    grey = noise((6, 9), peak)
    assert np.array_equal(read(tmp_path, peak - grey, photometric="miniswhite"), grey)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_bilevel_pictures_become_0_and_255(tmp_path: Path, photometric: str) -> None:
    bits = noise((6, 9), 1)
    got = read(tmp_path, bits.astype(bool), photometric=photometric)
    assert np.array_equal(got, (bits if photometric == "minisblack" else 1 - bits) * 255)


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_samples_of_few_bits_fill_the_scale_of_8(
    tmp_path: Path, bits: int, photometric: str
) -> None:
    peak = (1 << bits) - 1
    grey = noise((6, 8), peak)
    packed = packed_tiff(grey, bits, {"minisblack": 1, "miniswhite": 0}[photometric])
    (tmp_path / "picture.tif").write_bytes(packed)
    want = grey if photometric == "minisblack" else peak - grey
    assert np.array_equal(read_image(tmp_path / "picture.tif"), want * (255 // peak))


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_of_10_to_14_bits_stand_in_the_upper_bits_of_16(
    tmp_path: Path, bits: int, photometric: int
) -> None:
    peak = (1 << bits) - 1
    grey = noise((6, 8), peak)
    (tmp_path / "picture.tif").write_bytes(packed_tiff(grey, bits, photometric))
    want = grey if photometric else peak - grey
    assert np.array_equal(read_image(tmp_path / "picture.tif"), want << (16 - bits))


def packed_tiff(grey: Pixels, bits: int, photometric: int) -> bytes:
    """A TIFF of packed bits, which tifffile does not write, made of one that it writes."""
    buffer = io.BytesIO()
    flags = np.unpackbits(grey.astype(">u2").view(np.uint8).reshape(*grey.shape, 2), axis=2)
    packed = np.packbits(flags[:, :, 16 - bits :].reshape(grey.shape[0], -1), axis=1)
    tifffile.imwrite(buffer, packed, photometric="minisblack", metadata=None)
    data = bytearray(buffer.getvalue())
    buffer.seek(0)
    with tifffile.TiffFile(buffer) as file:
        tags = file.pages[0].tags
        for code, value in ((256, grey.shape[1]), (258, bits), (262, photometric)):
            entry = code.to_bytes(2, "little") + (3).to_bytes(2, "little")
            entry += (1).to_bytes(4, "little") + value.to_bytes(4, "little")
            data[tags[code].offset : tags[code].offset + 12] = entry
    return bytes(data)


@DEPTHS
@PLANES
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
def test_alpha_is_left_out_and_colour_is_as_stored(
    tmp_path: Path, alpha: str, planes: str, peak: int
) -> None:
    rgba = noise((6, 9, 4), peak)
    got = read(
        tmp_path, planar(rgba, planes), photometric="rgb", extrasamples=[alpha],
        planarconfig=planes,
    )  # fmt: skip
    assert np.array_equal(got, rgba[:, :, 2::-1])
    assert load_image(tmp_path / "picture.tif").omitted == "its alpha channel"


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_alpha_of_grey_is_left_out(tmp_path: Path, photometric: str) -> None:
    pair = noise((6, 9, 2))
    got = read(
        tmp_path, pair, photometric=photometric, planarconfig="contig",
        extrasamples=["unassalpha"],
    )  # fmt: skip
    assert np.array_equal(
        got, pair[:, :, 0] if photometric == "minisblack" else 255 - pair[:, :, 0]
    )


@DEPTHS
@PLANES
@pytest.mark.parametrize("extra", [1, 2, 5])
def test_unspecified_samples_stay_as_channels_behind_the_colour(
    tmp_path: Path, extra: int, planes: str, peak: int
) -> None:
    bands = noise((6, 9, 3 + extra), peak)
    got = read(
        tmp_path, planar(bands, planes), photometric="rgb", planarconfig=planes,
        extrasamples=["unspecified"] * extra,
    )  # fmt: skip
    assert np.array_equal(got[:, :, :3], bands[:, :, 2::-1])
    assert np.array_equal(got[:, :, 3:], bands[:, :, 3:])
    assert load_image(tmp_path / "picture.tif").omitted == ""


def test_alpha_between_bands_is_found_by_its_meaning(tmp_path: Path) -> None:
    bands = noise((6, 9, 5))
    got = read(
        tmp_path, bands, photometric="rgb", planarconfig="contig",
        extrasamples=["unassalpha", "unspecified"],
    )  # fmt: skip
    assert np.array_equal(got, bands[:, :, [2, 1, 0, 4]])


@DEPTHS
@PLANES
def test_bands_of_grey_keep_their_order(tmp_path: Path, planes: str, peak: int) -> None:
    bands = noise((6, 9, 7), peak)
    got = read(tmp_path, planar(bands, planes), photometric="minisblack", planarconfig=planes)
    assert np.array_equal(got, bands)


@pytest.mark.parametrize("scale", [1, 256, 257])
def test_a_palette_of_8_bits_becomes_8_bit_colour(tmp_path: Path, scale: int) -> None:
    colours, indices = noise((3, 256)).astype(np.uint16), noise((6, 9))
    got = read(tmp_path, indices, photometric="palette", colormap=colours * np.uint16(scale))
    assert got.dtype == np.uint8
    assert np.array_equal(got, colours.T[indices][:, :, ::-1])


def test_a_palette_of_16_bits_becomes_16_bit_colour(tmp_path: Path) -> None:
    colours, indices = noise((3, 256), 65_535), noise((6, 9))
    got = read(tmp_path, indices, photometric="palette", colormap=colours)
    assert got.dtype == np.uint16
    assert np.array_equal(got, colours.T[indices][:, :, ::-1])


def test_a_mosaic_is_one_channel(tmp_path: Path) -> None:
    mosaic = noise((6, 8), 65_535)
    tags = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, b"\0\1\1\2", True)]
    got = read(tmp_path, mosaic, photometric="cfa", extratags=tags)
    assert np.array_equal(got, mosaic)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_either_byte_order_and_bigtiff(tmp_path: Path, order: str, big: bool) -> None:
    rgb = noise((6, 9, 3), 65_535)
    got = read(tmp_path, rgb, photometric="rgb", byteorder=order, bigtiff=big)
    assert got.dtype.isnative
    assert np.array_equal(got, rgb[:, :, ::-1])


@DEPTHS
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"rowsperstrip": 3}])
@pytest.mark.parametrize(
    "compression", ["none", "lzw", "packbits", "zlib", "lzma", "zstd", "webp", "jpeg2000", "jpegxl"]
)
def test_lossless_compressions(
    tmp_path: Path, compression: str, layout: dict[str, Any], peak: int
) -> None:
    if compression == "webp" and peak > 255:
        pytest.skip("WebP has 8 bits")
    rgb = noise((20, 24, 3), peak)
    arguments = {"webp": {"lossless": True}, "jpegxl": {"lossless": True}, "jpeg2000": {"level": 0}}
    got = read(
        tmp_path, rgb, photometric="rgb", compression=compression,
        compressionargs=arguments.get(compression), **layout,
    )  # fmt: skip
    assert np.array_equal(got, rgb[:, :, ::-1])


@pytest.mark.parametrize("compression", ["lzw", "zlib"])
def test_a_predictor_is_undone(tmp_path: Path, compression: str) -> None:
    rgb = noise((20, 24, 3), 65_535)
    got = read(tmp_path, rgb, photometric="rgb", compression=compression, predictor=True)
    assert np.array_equal(got, rgb[:, :, ::-1])


@pytest.mark.parametrize("kind", ["group3", "group4"])
def test_fax_compression_of_pillow(tmp_path: Path, kind: str) -> None:
    pillow = pytest.importorskip("PIL.Image")
    bits = noise((16, 32), 1)
    path = tmp_path / "fax.tif"
    pillow.fromarray(bits * 255).convert("1").save(path, compression=kind)
    assert np.array_equal(read_image(path), bits * 255)


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_jpeg_in_tiff_is_bgr(tmp_path: Path, photometric: str) -> None:
    flat = np.full((16, 16, 3), (200, 60, 120), np.uint8)
    got = read(
        tmp_path, flat, photometric="rgb", compression="jpeg",
        compressionargs={"level": 100, "outcolorspace": photometric},
    )  # fmt: skip
    assert int(np.abs(got.astype(int) - flat[:, :, ::-1]).max()) <= 2


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (np.ones((4, 5), np.float32), {}, "contains floating-point samples"),
        (np.ones((4, 5), np.float16), {}, "contains floating-point samples"),
        (np.ones((4, 5), np.complex64), {}, "contains complex samples"),
        (np.ones((4, 5), np.int8), {}, "contains signed samples"),
        (np.ones((4, 5), np.int16), {}, "contains signed samples"),
        (np.ones((4, 5), np.uint32), {}, "contains samples of 32 bits"),
        (noise((4, 5, 4)), {"photometric": "separated"}, "photometric CMYK"),
        (noise((4, 5, 3)), {"photometric": "cielab"}, "photometric CIE L"),
        (noise((3, 4, 5)), {"photometric": "minisblack"}, "contains 3 pages"),
        (noise((4, 5, 66)), {"photometric": "minisblack", "planarconfig": "contig"}, "66 channels"),
        (noise((2, 16, 16, 16)), {"volumetric": True, "tile": (2, 16, 16),
                                  "photometric": "minisblack"}, "of axes"),
    ],
)  # fmt: skip
def test_what_has_no_exact_picture_is_refused_with_the_reason(
    tmp_path: Path, pixels: Any, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ImageFileError, match=reason) as caught:
        read(tmp_path, pixels, **options)
    assert not isinstance(caught.value, DamagedImageError)
    assert "picture.tif: " in str(caught.value)


def test_uncompressed_ycbcr_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ycc.tif"
    tifffile.imwrite(path, noise((4, 5, 3)), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[262].overwrite(6)
    with pytest.raises(ImageFileError, match="photometric YCbCr"):
        read_image(path)


def test_a_thumbnail_beside_the_picture_is_passed_over(tmp_path: Path) -> None:
    path, grey = tmp_path / "picture.tif", noise((16, 16))
    with tifffile.TiffWriter(path) as file:
        file.write(grey, photometric="minisblack", metadata=None)
        file.write(grey[::4, ::4], photometric="minisblack", subfiletype=1, metadata=None)
    assert np.array_equal(read_image(path), grey)


def test_a_compression_without_decoder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, noise((16, 16)), metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[259].overwrite(32_766)  # NeXT
    with pytest.raises(ImageFileError, match="of compression NEXT, which cannot be decoded"):
        read_image(path)


def test_what_write_image_wrote_comes_back_with_all_channels(tmp_path: Path) -> None:
    for channels in (1, 2, 3, 4, 64):
        pixels = noise((5, 6, channels), 65_535)
        write_image(tmp_path / "own.tif", pixels)
        assert np.array_equal(read_image(tmp_path / "own.tif").reshape(pixels.shape), pixels)
