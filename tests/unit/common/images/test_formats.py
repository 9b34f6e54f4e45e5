"""Every format that is read, with pixels written by another library."""

from __future__ import annotations

import io
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
import pytest

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels
from rankcast.images import Damaged, load_image, read_image

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


def netpbm(magic: str, pixels: Pixels, peak: int) -> bytes:
    """Netpbm by its own definition: pixels, not a library, because none writes every variant."""
    head = f"{magic}\n# made by hand\n{pixels.shape[1]} {pixels.shape[0]}\n"
    head += "" if magic in ("P1", "P4") else f"{peak}\n"
    if magic in ("P1", "P2", "P3"):
        return head.encode() + " ".join(map(str, pixels.ravel().tolist())).encode() + b"\n"
    if magic == "P4":
        return head.encode() + np.packbits(pixels, axis=1).tobytes()
    return head.encode() + pixels.astype(">u2" if peak > 255 else "u1").tobytes()


def pam(pixels: Pixels, kind: str, peak: int = 255) -> bytes:
    height, width, depth = pixels.shape
    line = f"TUPLTYPE {kind}\n" if kind else ""
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\n# c\nDEPTH {depth}\nMAXVAL {peak}\n{line}ENDHDR\n"
    return head.encode() + pixels.astype(">u2" if peak > 255 else "u1").tobytes()


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
    "bmp of 1 bit": (by_pillow("BMP"), pillow.fromarray(BITS * 255).convert("1"), BITS * 255),
    "webp colour": (by_pillow("WEBP", lossless=True), RGB, bgr(RGB)),
    "webp colour and alpha": (
        by_pillow("WEBP", lossless=True, exact=True),
        RGBA,
        bgr(RGBA[:, :, :3]),
    ),
    "jpeg 2000 grey": (
        lambda p: imagecodecs.jpeg2k_encode(p, level=0, reversible=True),
        GREY,
        GREY,
    ),
    "jpeg 2000 colour": (
        lambda p: imagecodecs.jpeg2k_encode(p, level=0, reversible=True),
        RGB,
        bgr(RGB),
    ),
    "jpeg 2000 colour of 16 bits": (
        lambda p: imagecodecs.jpeg2k_encode(p, level=0, reversible=True),
        RGB16,
        bgr(RGB16),
    ),
    "avif colour": (lambda p: imagecodecs.avif_encode(p, level=100), RGB, bgr(RGB)),
    "pbm by pillow": (by_pillow("PPM"), pillow.fromarray(BITS * 255).convert("1"), BITS * 255),
    "pgm by pillow": (by_pillow("PPM"), GREY, GREY),
    "ppm by pillow": (by_pillow("PPM"), RGB, bgr(RGB)),
    "P1": (lambda p: netpbm("P1", p, 1), BITS, (1 - BITS) * 255),
    "P2": (lambda p: netpbm("P2", p, 255), GREY, GREY),
    "P2 of 16 bits": (lambda p: netpbm("P2", p, 65_535), GREY16, GREY16),
    "P3": (lambda p: netpbm("P3", p, 255), RGB, bgr(RGB)),
    "P4": (lambda p: netpbm("P4", p, 1), BITS, (1 - BITS) * 255),
    "P5 of 12 bits": (lambda p: netpbm("P5", p, 4095), noise((6, 9), 4095), noise((6, 9), 4095)),
    "P6 of 16 bits": (lambda p: netpbm("P6", p, 65_535), RGB16, bgr(RGB16)),
    "pam black and white": (
        lambda p: pam(p[:, :, None], "BLACKANDWHITE", 1),
        BITS,
        BITS * 255,
    ),
    "pam grey": (lambda p: pam(p[:, :, None], "GRAYSCALE"), GREY, GREY),
    "pam grey of 16 bits": (lambda p: pam(p[:, :, None], "GRAYSCALE", 65_535), GREY16, GREY16),
    "pam grey and alpha": (lambda p: pam(p, "GRAYSCALE_ALPHA"), GREY_ALPHA, GREY_ALPHA[:, :, 0]),
    "pam colour": (lambda p: pam(p, "RGB"), RGB, bgr(RGB)),
    "pam colour of 16 bits": (lambda p: pam(p, "RGB", 65_535), RGB16, bgr(RGB16)),
    "pam colour and alpha": (lambda p: pam(p, "RGB_ALPHA"), RGBA, bgr(RGBA[:, :, :3])),
    "pam without a type": (lambda p: pam(p, ""), RGB, bgr(RGB)),
    "pam of seven bands": (lambda p: pam(p, "BANDS"), noise((6, 9, 7)), noise((6, 9, 7))),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_format_gives_the_samples_that_were_written(tmp_path: Path, name: str) -> None:
    write, pixels, want = LOSSLESS[name]
    got = read(tmp_path, write(pixels))
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert np.array_equal(got, want)
    assert got.flags.c_contiguous


@pytest.mark.parametrize(
    "name", [name for name in LOSSLESS if "alpha" in name and "bmp" not in name]
)
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


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_is_refused(tmp_path: Path, kind: str) -> None:
    frames = [pillow.fromarray(RGB), pillow.fromarray(255 - RGB)]
    data = by_pillow(kind, save_all=True, append_images=frames[1:])(frames[0])
    with pytest.raises(ImageFileError, match="is an animation, want a still picture"):
        read(tmp_path, data)


def test_an_animated_png_gives_its_default_image(tmp_path: Path) -> None:
    frames = [pillow.fromarray(255 - RGB), pillow.fromarray(RGB[::-1].copy())]
    data = by_pillow("PNG", save_all=True, default_image=True, append_images=frames)(
        pillow.fromarray(RGB)
    )
    assert np.array_equal(read(tmp_path, data), bgr(RGB))


@pytest.mark.parametrize(
    "data",
    [
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\xff\0",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\n",
        b"P7\nWIDTH 1\nHEIGHT 1\nMAXVAL 255\nENDHDR\n\xff\0\0",
        b"P7\nWIDTH -1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nENDHDR\n\xff\0\0",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 0\nENDHDR\n\xff\0\0",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\xff\0\0",
    ],
)
def test_a_broken_pam_is_damaged(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DamagedImageError):
        read(tmp_path, data)


def test_a_pam_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="samples, the limit is"):
        read(tmp_path, b"P7\nWIDTH 99999\nHEIGHT 99999\nDEPTH 3\nMAXVAL 255\nENDHDR\n")
    with pytest.raises(ImageFileError, match="has 65 channels, the limit is 64"):
        read(tmp_path, pam(noise((2, 2, 65)), ""))


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
