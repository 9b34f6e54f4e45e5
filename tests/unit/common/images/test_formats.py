"""Every format that is read, with pixels written by another library."""

from __future__ import annotations

import io
import struct
import typing
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
import pytest

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels
from rankcast.images import Damaged, load_image, read_image
from rankcast.opencv import cv2

pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the pictures of these tests")

Write: TypeAlias = Callable[[Any], bytes]


def noise(shape: tuple[int, ...], peak: int = 255) -> Pixels:
    dtype = np.uint8 if peak < 256 else np.uint16
    return np.random.default_rng(11).integers(0, peak + 1, shape).astype(dtype)


GREY, RGB, RGBA, GREY_ALPHA = (noise((6, 9, *c)) for c in ((), (3,), (4,), (2,)))
GREY16, RGB16 = noise((6, 9), 65_535), noise((6, 9, 3), 65_535)
BITS = noise((6, 9), 1)
FLAT = np.full((16, 16, 3), (200, 60, 120), np.uint8)
"""JPEG without subsampling keeps one colour to a level or two."""


def by_pillow(kind: str, **options: Any) -> Write:
    def write(pixels: Any) -> bytes:
        buffer = io.BytesIO()
        image = pixels if isinstance(pixels, pillow.Image) else pillow.fromarray(pixels)
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return write


def read(tmp_path: Path, data: bytes) -> Pixels:
    path = tmp_path / "picture"
    path.write_bytes(data)
    return read_image(path)


def palette_image(colours: int) -> Any:
    return pillow.fromarray(RGB).quantize(colours)


def bgr(rgb: Pixels) -> Pixels:
    return rgb[:, :, ::-1]


def bgra(rgba: Pixels) -> Pixels:
    return np.ascontiguousarray(rgba[:, :, [2, 1, 0, 3]])


def by_opencv_bmp(pixels: Pixels) -> bytes:
    """BMP of 32 bits with channel masks, which Pillow does not write."""
    return bytes(cv2.imencode(".bmp", pixels)[1])


LOSSLESS = {
    "png grey": (by_pillow("PNG"), GREY, GREY),
    "png colour": (by_pillow("PNG"), RGB, bgr(RGB)),
    "png grey and alpha": (by_pillow("PNG"), GREY_ALPHA, GREY_ALPHA[:, :, 0]),
    "png colour and alpha": (by_pillow("PNG"), RGBA, bgr(RGBA[:, :, :3])),
    "png of 1 bit": (by_pillow("PNG"), pillow.fromarray(BITS * 255).convert("1"), BITS * 255),
    "png of 16 bits": (by_pillow("PNG"), GREY16, GREY16),
    "png colour of 16 bits": (imagecodecs.png_encode, RGB16, bgr(RGB16)),
    "png colour and alpha of 16 bits": (
        imagecodecs.png_encode,
        np.dstack([RGB16, GREY16]),
        bgr(RGB16),
    ),
    "png grey and alpha of 16 bits": (
        imagecodecs.png_encode,
        np.dstack([GREY16, GREY16[::-1]]),
        GREY16,
    ),
    **{
        f"{kind} with a palette of {colours}": (
            by_pillow(kind),
            palette_image(colours),
            bgr(np.asarray(palette_image(colours).convert("RGB"))),
        )
        for kind in ("PNG", "BMP", "GIF")
        for colours in (2, 4, 16, 50)
        if (kind, colours) != ("BMP", 4)  # the format has 1, 4 and 8 bits
    },
    "bmp grey": (by_pillow("BMP"), GREY, GREY),
    "bmp colour": (by_pillow("BMP"), RGB, bgr(RGB)),
    "bmp colour and alpha": (by_pillow("BMP"), RGBA, bgr(RGBA[:, :, :3])),
    "bmp colour and alpha by a mask": (by_opencv_bmp, bgra(RGBA), bgr(RGBA[:, :, :3])),
    "bmp colour and an unused byte": (
        by_pillow("BMP"),
        np.dstack([RGB, np.zeros_like(GREY)]),
        bgr(RGB),
    ),
    "bmp of 1 bit": (by_pillow("BMP"), pillow.fromarray(BITS * 255).convert("1"), BITS * 255),
    "webp colour": (by_pillow("WEBP", lossless=True), RGB, bgr(RGB)),
    "webp colour and alpha": (
        by_pillow("WEBP", lossless=True, exact=True),
        RGBA,
        bgr(RGBA[:, :, :3]),
    ),
    "avif grey": (lambda p: imagecodecs.avif_encode(p, level=100), GREY, GREY),
    "avif colour": (lambda p: imagecodecs.avif_encode(p, level=100), RGB, bgr(RGB)),
    "avif colour and alpha": (
        lambda p: imagecodecs.avif_encode(p, level=100),
        RGBA,
        bgr(RGBA[:, :, :3]),
    ),
    "pbm by pillow": (by_pillow("PPM"), pillow.fromarray(BITS * 255).convert("1"), BITS * 255),
    "pgm by pillow": (by_pillow("PPM"), GREY, GREY),
    "ppm by pillow": (by_pillow("PPM"), RGB, bgr(RGB)),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_format_gives_the_samples_that_were_written(tmp_path: Path, name: str) -> None:
    write, pixels, want = LOSSLESS[name]
    got = read(tmp_path, write(pixels))
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert np.array_equal(got, want)
    assert got.flags.c_contiguous


@pytest.mark.parametrize("name", [name for name in LOSSLESS if "alpha" in name])
def test_an_alpha_channel_that_is_left_out_is_reported(tmp_path: Path, name: str) -> None:
    write, pixels, _ = LOSSLESS[name]
    path = tmp_path / "picture"
    path.write_bytes(write(pixels))
    assert load_image(path).omitted == "its alpha channel"


def test_a_file_without_alpha_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for name, (write, pixels, _) in LOSSLESS.items():
        if "alpha" not in name:
            path.write_bytes(write(pixels))
            assert load_image(path).omitted == "", name


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}])
def test_jpeg_colour_is_bgr(tmp_path: Path, options: dict[str, bool]) -> None:
    got = read(tmp_path, by_pillow("JPEG", quality=100, subsampling=0, **options)(FLAT))
    assert int(np.abs(got.astype(int) - bgr(FLAT)).max()) <= 2


def test_jpeg_grey_stays_one_channel(tmp_path: Path) -> None:
    got = read(tmp_path, by_pillow("JPEG", quality=100)(FLAT[:, :, 0]))
    assert got.shape == (16, 16)
    assert int(np.abs(got.astype(int) - FLAT[:, :, 0]).max()) <= 1


def test_grey_of_a_colour_jpeg_is_the_luma_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(by_pillow("JPEG", quality=100)(FLAT))
    luma = np.asarray(pillow.open(path).convert("L")).astype(int)
    got = read_image(path, grey=True)
    assert got.shape == (16, 16)
    assert int(np.abs(got.astype(int) - luma).max()) <= 1


def test_lossy_webp_is_bgr(tmp_path: Path) -> None:
    got = read(tmp_path, by_pillow("WEBP", quality=100)(FLAT))
    assert int(np.abs(got.astype(int) - bgr(FLAT)).max()) <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    image_ops = pytest.importorskip("PIL.ImageOps")
    # Blocks of 16 pixels, so that JPEG keeps their edges.
    scene = np.kron(noise((2, 3)), np.ones((16, 16), np.uint8)).astype(np.uint8)
    image = pillow.fromarray(np.dstack([scene, 255 - scene, scene // 2]))
    exif = image.getexif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    path = tmp_path / "picture"
    path.write_bytes(by_pillow(kind, exif=exif, **options)(image))
    with pillow.open(path) as stored:
        want = np.asarray(image_ops.exif_transpose(stored).convert("RGB"))
    got = read_image(path)
    assert got.shape == want.shape
    assert int(np.abs(got.astype(int) - bgr(want)).max()) <= (2 if kind == "JPEG" else 0)


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"MM\0*\0\0\0\x08\0\x05", b"II*\0\xff\xff\xff\xff"]
)
def test_a_broken_exif_block_leaves_the_picture_as_it_is(tmp_path: Path, exif: bytes) -> None:
    got = read(tmp_path, by_pillow("JPEG", quality=100, exif=b"Exif\0\0" + exif)(FLAT))
    assert got.shape == FLAT.shape


@pytest.mark.parametrize("mode", ["CMYK"])
def test_cmyk_is_refused(tmp_path: Path, mode: str) -> None:
    data = by_pillow("JPEG")(pillow.fromarray(FLAT).convert(mode))
    with pytest.raises(ImageFileError, match="is a CMYK JPEG, which has no exact RGB"):
        read(tmp_path, data)


def test_a_jpeg_of_12_bits_or_without_loss_is_refused(tmp_path: Path) -> None:
    twelve = imagecodecs.jpeg8_encode(noise((16, 16), 4095), bitspersample=12)
    with pytest.raises(ImageFileError, match="is a JPEG of 12 bits a sample, want 8"):
        read(tmp_path, twelve)
    lossless = imagecodecs.jpeg8_encode(GREY, lossless=True)
    with pytest.raises(ImageFileError, match="is a lossless or hierarchical JPEG"):
        read(tmp_path, lossless)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_refused(tmp_path: Path, kind: str) -> None:
    frames = [pillow.fromarray(RGB), pillow.fromarray(255 - RGB)]
    data = by_pillow(kind, save_all=True, append_images=frames[1:])(frames[0])
    with pytest.raises(ImageFileError, match="is an animation, want a still picture"):
        read(tmp_path, data)


@pytest.mark.parametrize("pixels", [RGB, RGBA])
def test_an_animated_png_gives_its_default_image_and_reports_the_animation(
    tmp_path: Path, pixels: Pixels
) -> None:
    frames = [pillow.fromarray(255 - pixels), pillow.fromarray(pixels[::-1].copy())]
    path = tmp_path / "picture"
    path.write_bytes(
        by_pillow("PNG", save_all=True, default_image=True, append_images=frames)(
            pillow.fromarray(pixels)
        )
    )
    loaded = load_image(path)
    assert np.array_equal(loaded.pixels, bgr(pixels[:, :, :3]))
    alpha = "its alpha channel and " if pixels is RGBA else ""
    assert loaded.omitted == f"{alpha}its animation"


def test_an_animation_of_one_frame_is_a_still_picture(tmp_path: Path) -> None:
    still = by_pillow("PNG")(RGB)
    end = 8 + 25  # signature and IHDR
    chunks = [
        (b"acTL", struct.pack(">II", 1, 0)),
        (b"fcTL", struct.pack(">IIIIIHHBB", 0, 9, 6, 0, 0, 1, 10, 0, 0)),
    ]
    packed = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    path = tmp_path / "picture"
    path.write_bytes(still[:end] + packed + still[end:])
    loaded = load_image(path)
    assert np.array_equal(loaded.pixels, bgr(RGB))
    assert loaded.omitted == ""


def test_a_gif_with_transparent_pixels_is_refused(tmp_path: Path) -> None:
    image = palette_image(8)
    used = int(np.asarray(image)[0, 0])
    with pytest.raises(ImageFileError, match="is a GIF with transparent pixels"):
        read(tmp_path, by_pillow("GIF", transparency=used)(image))


def test_a_gif_whose_transparent_colour_no_pixel_has_is_read(tmp_path: Path) -> None:
    image = palette_image(5)
    got = read(tmp_path, by_pillow("GIF", transparency=7, optimize=False)(image))
    assert np.array_equal(got, bgr(np.asarray(image.convert("RGB"))))


@pytest.mark.parametrize("codec_format", ["jp2", "j2k"])
@pytest.mark.parametrize("zeroed", [False, True])
def test_jpeg_2000_is_refused_because_its_damage_does_not_show(
    tmp_path: Path, codec_format: str, zeroed: bool
) -> None:
    pixels = noise((64, 64))
    data = bytearray(
        imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat=codec_format)
    )
    if zeroed:
        middle = len(data) // 2
        data[middle : middle + 100] = bytes(100)
        # The reason of the refusal: once this raises, the format can be read again.
        assert not np.array_equal(imagecodecs.jpeg2k_decode(bytes(data)), pixels)
    with pytest.raises(ImageFileError, match="is JPEG 2000, whose decoders return damaged data"):
        read(tmp_path, bytes(data))


def test_an_avif_that_is_damaged_in_the_middle_is_refused(tmp_path: Path) -> None:
    data = bytearray(imagecodecs.avif_encode(noise((64, 64, 3)), level=100))
    middle = len(data) // 2
    data[middle : middle + 100] = bytes(100)
    with pytest.raises(DamagedImageError):
        read(tmp_path, bytes(data))


@pytest.mark.parametrize(
    "name", ["a:b.png", "http:x.png", "-o.png", "%03d.png", "~", "a b\tc.png", "*.png", "[1].png"]
)
def test_any_name_reaches_the_reader_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for write in (by_pillow("PNG"), by_pillow("TIFF"), by_pillow("BMP")):
        Path(name).write_bytes(write(RGB))
        assert np.array_equal(read_image(Path(name)), bgr(RGB))


def test_random_damage_ends_in_a_picture_or_an_error_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    files = [write(pixels) for write, pixels, _ in LOSSLESS.values()]
    files += [by_pillow(kind)(FLAT) for kind in ("JPEG", "TIFF")]
    files += [by_pillow("TIFF", compression="tiff_lzw")(FLAT)]
    path = tmp_path / "torn"
    messages: list[str] = []
    for index in range(10 * len(files)):
        data = bytearray(files[index % len(files)])
        for at in rng.integers(0, len(data) - 4, 4):
            data[at : at + 4] = rng.bytes(4)
        path.write_bytes(data[: rng.integers(1, 2 * len(data))])
        for damaged in typing.get_args(Damaged):
            try:
                load_image(path, damaged=damaged)
            except ImageFileError as exc:
                messages.append(str(exc))
    assert len(messages) > 5 * len(files)
    assert not [message for message in messages if "\n" in message]
    assert capfd.readouterr() == ("", "")
