"""Netpbm by its own definition: written here, because no library writes every variant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rankcast.errors import DamagedImageError, ImageFileError
from rankcast.frame import Pixels
from rankcast.images import load_image, read_image

VARIANTS = ["P2", "P3", "P5", "P6", "P7"]
PEAKS = [15, 100, 255, 1023, 65_535]
BITS = np.random.default_rng(3).integers(0, 2, (6, 9)).astype(np.uint8)


def samples_up_to(peak: int, channels: int) -> Pixels:
    """Random samples that hold 0 and MAXVAL, in the order red, green, blue."""
    dtype = np.uint8 if peak < 256 else np.uint16
    samples = np.random.default_rng(peak).integers(0, peak + 1, (6, 9, channels)).astype(dtype)
    samples[0, 0], samples[-1, -1] = 0, peak
    return samples


def netpbm(magic: str, pixels: Pixels, peak: int) -> bytes:
    head = f"{magic}\n# made by hand\n{pixels.shape[1]} {pixels.shape[0]}\n"
    head += "" if magic in ("P1", "P4") else f"{peak}\n"
    if magic in ("P1", "P2", "P3"):
        return head.encode() + " ".join(map(str, pixels.ravel().tolist())).encode() + b"\n"
    if magic == "P4":
        return head.encode() + np.packbits(pixels, axis=1).tobytes()
    return head.encode() + binary(pixels, peak)


def pam(pixels: Pixels, kind: str, peak: int = 255) -> bytes:
    height, width, depth = pixels.shape
    line = f"TUPLTYPE {kind}\n" if kind else ""
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\n# c\nDEPTH {depth}\nMAXVAL {peak}\n{line}ENDHDR\n"
    return head.encode() + binary(pixels, peak)


def binary(pixels: Pixels, peak: int) -> bytes:
    return pixels.astype(">u2" if peak > 255 else "u1").tobytes()


def written(variant: str, pixels: Pixels, peak: int) -> bytes:
    if variant == "P7":
        return pam(pixels, "GRAYSCALE" if pixels.shape[2] == 1 else "RGB", peak)
    return netpbm(variant, pixels, peak)


def channels_of_variant(variant: str) -> int:
    return 3 if variant in ("P3", "P6") else 1


def read(tmp_path: Path, data: bytes) -> Pixels:
    path = tmp_path / "picture"
    path.write_bytes(data)
    return read_image(path)


@pytest.mark.parametrize("peak", PEAKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_samples_are_kept_as_stored_at_every_maxval(
    tmp_path: Path, variant: str, peak: int
) -> None:
    stored = samples_up_to(peak, channels_of_variant(variant))
    got = read(tmp_path, written(variant, stored, peak))
    want = stored[:, :, 0] if stored.shape[2] == 1 else stored[:, :, ::-1]
    assert got.dtype == stored.dtype
    assert got.flags.c_contiguous
    assert np.array_equal(got, want)


@pytest.mark.parametrize("variant", ["P1", "P4"])
def test_a_set_bit_is_black(tmp_path: Path, variant: str) -> None:
    got = read(tmp_path, netpbm(variant, BITS, 1))
    assert got.dtype == np.uint8
    assert np.array_equal(got, np.where(BITS == 1, 0, 255))


def test_bits_of_a_plain_bitmap_need_no_white_space(tmp_path: Path) -> None:
    assert read(tmp_path, b"P1 3 2 010\n101").tolist() == [[255, 0, 255], [0, 255, 0]]


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (b"P2#c\n2 # width\r#more\n1\n#\n9 # peak\n3 # a 9\n 7", [[3, 7]]),
        (b"P1 2 1 # rest\n0 # 1\n1", [[255, 0]]),
        (b"P5\n# c 9 9\n2\t1\r\n9#c\n\3\7", [[3, 7]]),
        (b"P4\n#c\n2 1\n\x40", [[255, 0]]),
        # One white space ends the header; the next byte is a sample, whatever it looks like.
        (b"P5 2 1 255\n\n#", [[10, 35]]),
    ],
)
def test_comments_stand_anywhere_in_the_header(
    tmp_path: Path, data: bytes, want: list[list[int]]
) -> None:
    assert read(tmp_path, data).tolist() == want


@pytest.mark.parametrize("variant", ["P1", "P2", "P3", "P4", "P5", "P6", "P7"])
def test_a_file_that_ends_early_is_damaged(tmp_path: Path, variant: str) -> None:
    bitmap = variant in ("P1", "P4")
    pixels = BITS if bitmap else samples_up_to(255, channels_of_variant(variant))
    whole = netpbm(variant, pixels, 1) if bitmap else written(variant, pixels, 255)
    whole = whole.rstrip() if variant in ("P1", "P2", "P3") else whole
    read(tmp_path, whole)
    last_sample_bytes = len(whole.rsplit(maxsplit=1)[1]) if variant in ("P1", "P2", "P3") else 1
    for end in (2, 5, 20, len(whole) // 2, len(whole) - last_sample_bytes):
        with pytest.raises(ImageFileError, match=r"damaged|no image format"):
            read(tmp_path, whole[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"P2 2 1 9 3 10",
        b"P2 2 1 9 3 -7",
        b"P2 2 1 9 3 x",
        b"P2 2 1 9 3 99999999999999999999999999",
        b"P1 2 1 0 2",
        b"P5 2 1 9\n\3\12",
        b"P5 2 1 1023\n\0\3\4\0",
        b"P2 2 1 0 0 0",
        b"P2 2 1 65536 0 0",
        b"P2 2 1 9 3",
        b"P2 2 1 9 3 ",
        b"P2 2 1 9",
        b"P3 1 1 9 1 2 ",
        b"P1 2 1 0",
        b"P2 -1 1 255 0 ",
        b"P5 2 1 99999999999999999999999999\n\3\7",
        b"P5 2 1 255",
        b"P5 " + b" " * 100_000 + b"2 1 255 \3\7",
        b"P5 #" + b"c" * 100_000 + b"\n2 1 255 \3\7",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 9\nENDHDR\n\12",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n\2",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\xff\0",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\n",
        b"P7\nWIDTH 1\nHEIGHT 1\nMAXVAL 255\nENDHDR\n\xff\0\0",
        b"P7\nWIDTH -1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nENDHDR\n\xff\0\0",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 0\nENDHDR\n\xff\0\0",
        b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\xff\0\0",
    ],
)
def test_a_broken_header_or_sample_is_damaged(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DamagedImageError):
        read(tmp_path, data)


@pytest.mark.parametrize("magic", ["P1", "P2", "P3", "P4", "P5", "P6"])
def test_a_picture_that_claims_too_much_is_refused(tmp_path: Path, magic: str) -> None:
    with pytest.raises(ImageFileError, match=r"claims .* the limit is"):
        read(tmp_path, f"{magic} 99999 99999 255 0".encode())


def test_a_picture_with_a_side_of_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="has a side of 0"):
        read(tmp_path, b"P2 0 1 255 ")


def test_a_pam_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="samples, the limit is"):
        read(tmp_path, b"P7\nWIDTH 99999\nHEIGHT 99999\nDEPTH 3\nMAXVAL 255\nENDHDR\n")
    with pytest.raises(ImageFileError, match="has 65 channels, the limit is 64"):
        read(tmp_path, pam(np.zeros((2, 2, 65), np.uint8), ""))


@pytest.mark.parametrize("variant", ["P4", "P5", "P6", "P7"])
def test_several_pictures_in_a_file_are_refused(tmp_path: Path, variant: str) -> None:
    if variant == "P4":
        data = netpbm(variant, BITS, 1)
    else:
        data = written(variant, samples_up_to(255, channels_of_variant(variant)), 255)
    with pytest.raises(ImageFileError, match="holds several pictures, want one"):
        read(tmp_path, data + data)


@pytest.mark.parametrize(
    ("kind", "channels", "kept"), [("GRAYSCALE_ALPHA", 2, [0]), ("RGB_ALPHA", 4, [2, 1, 0])]
)
def test_alpha_of_a_pam_is_left_out_and_reported(
    tmp_path: Path, kind: str, channels: int, kept: list[int]
) -> None:
    stored = samples_up_to(255, channels)
    path = tmp_path / "picture"
    path.write_bytes(pam(stored, kind))
    loaded = load_image(path)
    assert loaded.omitted == "its alpha channel"
    assert np.array_equal(loaded.pixels, stored[:, :, kept].squeeze())


def test_a_pam_without_a_known_type_is_colour_or_plain_channels(tmp_path: Path) -> None:
    colour, bands = samples_up_to(255, 3), samples_up_to(255, 7)
    assert np.array_equal(read(tmp_path, pam(colour, "")), colour[:, :, ::-1])
    assert np.array_equal(read(tmp_path, pam(bands, "BANDS")), bands)


def test_a_pam_in_black_and_white_uses_the_full_scale(tmp_path: Path) -> None:
    got = read(tmp_path, pam(BITS[:, :, None], "BLACKANDWHITE", 1))
    assert np.array_equal(got, BITS * 255)
