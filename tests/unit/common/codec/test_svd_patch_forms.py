"""`svd-patch` over every form of picture: sizes, depths, colour modes, up to 64 channels."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

import rankcast
from rankcast.frame import CFA_PATTERNS, Frame, Pixels
from rankcast.wire import Kind, unpack

pytestmark = pytest.mark.timeout(300)

SIDES = [(1, 1), (1, 2), (2, 1), (3, 3), (7, 9), (8, 17), (31, 33)]


def waves(number: int, shape: tuple[int, ...], dtype: str) -> Pixels:
    """Smooth in all directions, channels included, and moving."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    planes = [
        0.5 + 0.3 * np.sin(x / 7 + number / 60 + channel / 5) * np.cos(y / 9)
        for channel in range(shape[2] if len(shape) == 3 else 1)
    ]
    values = np.stack(planes, axis=2).reshape(shape) * np.iinfo(dtype).max
    samples: Pixels = values.astype(dtype)
    return samples


def check_stream(frames: list[Frame], **options: object) -> list[int]:
    """Code, rebuild, compare with what the header says; return the layouts."""
    encoder, decoder = rankcast.Encoder("svd-patch", quality=92, **options), rankcast.Decoder()
    layouts = []
    for number, frame in enumerate(frames):
        parsed = decoder.complete(unpack(encoder.encode(frame)))
        pixels = decoder.decode_packet(parsed)
        assert pixels.shape == frame.pixels.shape
        assert pixels.dtype == frame.pixels.dtype
        error = int(np.sum((pixels.astype(np.int64) - frame.pixels.astype(np.int64)) ** 2))
        assert error == parsed.header.squared_error
        peak = int(np.iinfo(pixels.dtype).max)
        assert error <= (peak / 25) ** 2 * pixels.size
        assert parsed.header.kind is (Kind.PREDICTED if number else Kind.KEY)
        layouts.append(int(parsed.header.params[0]))
    return layouts


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("sides", SIDES)
def test_every_colour_mode_takes_every_size(sides: tuple[int, int], dtype: str) -> None:
    for shape, options, layout in (
        (sides, {}, 0),
        ((*sides, 1), {}, 0),
        ((*sides, 3), {"colour": "ycc420"}, 1),
        ((*sides, 3), {"colour": "ycc444"}, 2),
        ((*sides, 2), {}, 4),
        ((*sides, 4), {}, 4),
    ):
        frames = [Frame(waves(n, shape, dtype)) for n in range(3)]
        assert set(check_stream(frames, **options)) == {layout}
    # A pattern of 2 x 2 needs two of each.
    mosaic = 3 if min(sides) >= 2 else 0
    for cfa in CFA_PATTERNS[1:]:
        frames = [Frame(waves(n, sides, dtype), cfa=cfa) for n in range(2)]
        assert set(check_stream(frames)) == {mosaic}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [5, 16, 64])
def test_multispectral_frames_of_many_channels_come_back(channels: int, dtype: str) -> None:
    frames = [Frame(waves(n, (19, 26, channels), dtype)) for n in range(3)]
    assert set(check_stream(frames)) == {4}


@pytest.mark.parametrize(
    ("shape", "cfa", "planes"),
    [
        ((16, 16), "", 1), ((16, 16), "RGGB", 4), ((16, 16, 2), "", 2), ((16, 16, 3), "", 3),
        ((16, 16, 5), "", 5), ((16, 16, 64), "", 64),
    ],
)  # fmt: skip
def test_the_header_has_the_rank_of_every_plane(
    shape: tuple[int, ...], cfa: str, planes: int
) -> None:
    encoder = rankcast.Encoder("svd-patch", rank=5)
    for number in range(2):
        header = encoder.encode_packet(Frame(waves(number, shape, "uint8"), cfa=cfa)).header
        assert header.rank == (5,) * planes


def test_65_channels_are_refused() -> None:
    with pytest.raises(rankcast.UnsupportedImageError, match="at most 64"):
        rankcast.Encoder("svd-patch").encode(np.zeros((8, 8, 65), np.uint8))


@pytest.mark.parametrize("codec", ["lossless", "raw"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_exact_codecs_take_64_channels(codec: str, dtype: str) -> None:
    encoder, decoder = rankcast.Encoder(codec), rankcast.Decoder()
    for shape in ((3, 5, 64), (1, 1, 4), (9, 1, 17)):
        image = waves(0, shape, dtype)
        assert np.array_equal(decoder.decode(encoder.encode(image)), image)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "sides", [(40, 72), pytest.param((360, 640), marks=pytest.mark.slow)], ids=["tiny", "640x360"]
)
@pytest.mark.parametrize("options", [{}, {"bitrate": "2 Mbit/s"}, {"psnr": 38.0, "refs": 2}])
def test_100_frames_leave_less_than_64_kib(
    options: dict[str, object], sides: tuple[int, int]
) -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", gop=50, **options), rankcast.Decoder()
    rng = np.random.default_rng(1)
    shape = (*sides, 3)
    noise = rng.integers(-4, 5, shape)
    images = [
        np.clip(waves(40 * n, shape, "uint8") + noise, 0, 255).astype(np.uint8) for n in range(4)
    ]
    tracemalloc.start()
    try:
        before = 0
        for number in range(220):
            frame = Frame(images[number % 4], t_capture_mono_ns=1 + number * 40_000_000)
            pixels = decoder.decode(encoder.encode(frame))
            # As far into its group as the last frame: a picture may have factors of its own.
            if number == 119:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
        gc.collect()
        assert pixels.shape == images[0].shape
        assert tracemalloc.get_traced_memory()[0] - before < 64 * 1024
    finally:
        tracemalloc.stop()
