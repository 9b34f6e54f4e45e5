from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Pixels
from rankcast_sender.sources.pixel_formats import (
    PIXEL_FORMATS,
    Layout,
    PixelFormat,
    pixel_format,
    supported_names,
)

# Written down by hand from the figures of PFNC and GigE Vision, for one line.
GOLDEN_SAMPLES = {
    "8": ("00 7f ff 10", [0x00, 0x7F, 0xFF, 0x10]),
    "10": ("ff 03 01 00", [0x3FF, 0x001]),
    "12": ("bc 0a ef 0d", [0xABC, 0xDEF]),
    "14": ("bc 3a 34 12", [0x3ABC, 0x1234]),
    "16": ("fe ff 34 12", [0xFFFE, 0x1234]),
    "10p": ("ab 56 f5 7f 00", [0x2AB, 0x155, 0x3FF, 0x001]),
    "12p": ("bc fa de", [0xABC, 0xDEF]),
    "14p": ("bc 3a 8d 14 00 fc ff", [0x3ABC, 0x1234, 0x0001, 0x3FFF]),
    "10Packed": ("aa 13 55", [0x2AB, 0x155]),
    "12Packed": ("ab fc de", [0xABC, 0xDEF]),
}
GOLDEN_COLOUR = {
    "BGR8": ("01 02 03 f1 f2 f3", [(1, 2, 3), (0xF1, 0xF2, 0xF3)]),
    "RGB8": ("03 02 01 f3 f2 f1", [(1, 2, 3), (0xF1, 0xF2, 0xF3)]),
    "BGRa8": ("01 02 03 ff f1 f2 f3 00", [(1, 2, 3), (0xF1, 0xF2, 0xF3)]),
    "RGBa8": ("03 02 01 ff f3 f2 f1 00", [(1, 2, 3), (0xF1, 0xF2, 0xF3)]),
    # White, black, and the primaries of BT.601 in full range, two pixels with one chroma each.
    "YCbCr422_8": ("ff 80 00 80", [(255, 255, 255), (0, 0, 0)]),
    "YUV422_8": ("4c 55 4c ff", [(0, 0, 254), (0, 0, 254)]),
    "YUV422_8_UYVY": ("55 4c ff 4c", [(0, 0, 254), (0, 0, 254)]),
    "YCbCr422_8_CbYCrY": ("ff 1d 6b 1d", [(254, 0, 0), (254, 0, 0)]),
}
for _bits, _low, _high in ((10, "02 03", 0x302), (12, "bc 0a", 0xABC), (14, "bc 3a", 0x3ABC),
                           (16, "34 f2", 0xF234)):  # fmt: skip
    GOLDEN_COLOUR[f"BGR{_bits}"] = (f"{_low} 02 00 03 00", [(_high, 2, 3)])
    GOLDEN_COLOUR[f"RGB{_bits}"] = (f"03 00 02 00 {_low}", [(_high, 2, 3)])
    GOLDEN_COLOUR[f"BGRa{_bits}"] = (f"{_low} 02 00 03 00 ff 00", [(_high, 2, 3)])
    GOLDEN_COLOUR[f"RGBa{_bits}"] = (f"03 00 02 00 {_low} ff 00", [(_high, 2, 3)])
CFAS = {"Mono": "", "BayerRG": "RGGB", "BayerGB": "GBRG", "BayerGR": "GRBG", "BayerBG": "BGGR"}
GOLDEN: dict[str, tuple[str, list[Any]]] = {
    **{kind + kept: golden for kind in CFAS for kept, golden in GOLDEN_SAMPLES.items()},
    **GOLDEN_COLOUR,
}


def pack(format_: PixelFormat, samples: list[int]) -> bytes:
    """Pack samples bit by bit, as the figures of the standards show it."""
    bits = format_.significant_bits
    if format_.layout is Layout.LSB_FIRST:
        stream = [(sample >> bit) & 1 for sample in samples for bit in range(bits)]
    elif format_.layout is Layout.GIGE:
        stream = []
        low = bits - 8
        for first, second in zip(samples[::2], [*samples[1::2], 0], strict=False):
            for byte in (
                first >> low,
                (first % (1 << low)) | (second % (1 << low)) << 4,
                second >> low,
            ):
                stream += [(byte >> bit) & 1 for bit in range(8)]
        if len(samples) % 2:
            del stream[-8:]
    else:
        stream = [(sample >> bit) & 1 for sample in samples
                  for bit in range(8 * format_.sample_bytes)]  # fmt: skip
    stream += [0] * (-len(stream) % 8)
    return bytes(
        sum(bit << place for place, bit in enumerate(stream[at : at + 8]))
        for at in range(0, len(stream), 8)
    )


def test_there_are_golden_bytes_of_every_format() -> None:
    assert set(GOLDEN) == set(PIXEL_FORMATS)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_unpack_to_the_samples_of_the_standard(name: str) -> None:
    packed, samples = GOLDEN[name]
    pixels = pixel_format(name).unpack(bytes.fromhex(packed), 1, len(samples))
    assert pixels[0].tolist() == [list(s) if isinstance(s, tuple) else s for s in samples]
    assert pixels.dtype == (np.uint8 if pixel_format(name).significant_bits == 8 else np.uint16)
    assert pixels.flags.writeable


@pytest.mark.parametrize("kind", CFAS)
@pytest.mark.parametrize("kept", GOLDEN_SAMPLES)
def test_a_name_states_the_bits_and_the_colour_filter_array(kind: str, kept: str) -> None:
    found = pixel_format(kind + kept)
    digits = "".join(filter(str.isdigit, kept))
    assert (found.significant_bits, found.cfa, found.channels) == (int(digits), CFAS[kind], 1)


@st.composite
def packed_frames(draw: st.DrawFn) -> tuple[PixelFormat, Pixels, int, bytes]:
    """Draw a format of one sample a pixel, a picture, a line padding, and its bytes."""
    plain = [f for f in PIXEL_FORMATS.values() if f.components == "M"]
    format_ = draw(st.sampled_from(plain))
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 11))
    peak = (1 << format_.significant_bits) - 1
    count = height * width
    samples = draw(st.lists(st.integers(0, peak), min_size=count, max_size=count))
    pixels = np.array(samples, np.uint16).reshape(height, width)
    padding = draw(st.integers(0, 3))
    if not padding:
        return format_, pixels, 0, pack(format_, samples)
    filler = draw(st.binary(min_size=padding, max_size=padding))
    lines = [pack(format_, line.tolist()) for line in pixels]
    data = filler.join(lines) + draw(st.sampled_from([b"", filler]))
    return format_, pixels, padding, data


@given(packed_frames(), st.binary(max_size=9))
def test_what_an_independent_packer_packs_unpacks_to_the_same_samples(
    packed: tuple[PixelFormat, Pixels, int, bytes], behind: bytes
) -> None:
    format_, pixels, padding, data = packed
    height, width = pixels.shape
    assert format_.frame_bytes(height, width, padding) <= len(data)
    unpacked = format_.unpack(data + behind, height, width, padding)
    np.testing.assert_array_equal(unpacked, pixels)


@given(packed_frames())
def test_a_buffer_one_byte_short_is_refused_with_both_sizes(
    packed: tuple[PixelFormat, Pixels, int, bytes],
) -> None:
    format_, pixels, padding, data = packed
    height, width = pixels.shape
    wanted = format_.frame_bytes(height, width, padding)
    with pytest.raises(UnsupportedImageError, match=rf"{wanted - 1} bytes .*, want {wanted}$"):
        format_.unpack(data[: wanted - 1], height, width, padding)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_plain_frame_is_the_picture_itself(name: str) -> None:
    packed, samples = GOLDEN[name]
    found, data = pixel_format(name), bytes.fromhex(packed)
    pixels = found.unpack(data, 1, len(samples))
    assert found.picture_bytes(1, len(samples)) == pixels.nbytes
    assert found.is_plain() == (pixels.tobytes() == data)
    assert not found.is_plain(line_padding=1)


def test_a_picture_goes_where_it_is_wanted() -> None:
    memory = np.zeros(4, np.uint8)
    pixels = pixel_format("Mono12p").unpack(bytes.fromhex("bc fa de"), 1, 2, 0, memory)
    assert np.shares_memory(pixels, memory)
    assert pixels.tolist() == [[0xABC, 0xDEF]]


def test_lines_of_colour_may_be_padded() -> None:
    data = bytes([1, 2, 3, 9, 9, 4, 5, 6])
    pixels = pixel_format("RGB8").unpack(data, 2, 1, 2)
    assert pixels.tolist() == [[[3, 2, 1]], [[6, 5, 4]]]


def test_shared_chroma_wants_an_even_width() -> None:
    with pytest.raises(UnsupportedImageError, match=r"got 3 columns of YUV422_8, want an even"):
        pixel_format("YUV422_8").unpack(bytes(6), 1, 3)


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("BGR8Packed", "BGR8"), ("RGB8Packed", "RGB8"), ("BGRA8Packed", "BGRa8"),
        ("RGB16Packed", "RGB16"), ("YUV422Packed", "YUV422_8_UYVY"),
        ("YUV422_YUYV_Packed", "YUV422_8"),
    ],
)  # fmt: skip
def test_names_of_older_cameras_are_known(old: str, name: str) -> None:
    assert pixel_format(old) is PIXEL_FORMATS[name]
    assert old in supported_names()


@pytest.mark.parametrize("name", ["Coord3D_C16", "Mono12pmsb", "", "mono8", "Mono\x1b[0m12"])
def test_an_unsupported_format_is_one_line_with_those_that_are_supported(name: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        pixel_format(name)
    line = str(refusal.value)
    assert "Mono12p," in line
    assert "BayerRG12Packed" in line
    assert line.isprintable()


def test_no_supported_name_is_refused() -> None:
    for name in supported_names():
        assert pixel_format(name).name in PIXEL_FORMATS
