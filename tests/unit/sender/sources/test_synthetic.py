"""The conveyor: frame n is a pure function of n and the options."""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rankcast import Decoder, Encoder
from rankcast.core import function
from rankcast.errors import SettingsError
from rankcast.frame import Pixels
from rankcast.images.frame_mark import mark_size, read_frame_mark
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource


@functools.cache  # set-up draws all textures; a source keeps nothing from frame to frame
def conveyor(**options: Any) -> ConveyorSource:
    chosen = {"width": 320, "height": 180, **options}
    return ConveyorSource("conveyor", ConveyorOptions(**chosen))


def levels(pixels: Pixels) -> NDArray[np.float64]:
    """Below the mark, as floats."""
    return pixels[16:].astype(np.float64)


def test_iteration_and_random_access_give_the_same_frames() -> None:
    source, again = conveyor(), ConveyorSource("conveyor", conveyor().options)
    frames = list(itertools.islice(source, 6))
    for number in (5, 0, 3, 3, 1):  # in any order, from another instance
        assert np.array_equal(frames[number].pixels, again.render(number))
    assert [frame.frame for frame in frames] == list(range(6))
    assert source.gaps == 0


def test_another_process_draws_the_same_frame() -> None:
    program = (
        "import hashlib;"
        "from rankcast_sender.sources.synthetic import ConveyorOptions as O, ConveyorSource as S;"
        "p = S('conveyor', O(width=160, height=120, seed=9)).render(12345);"
        "print(hashlib.sha256(p.tobytes()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[4]
    paths = [str(root / "common"), str(root / "sender"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONHASHSEED": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=True, env=environment, timeout=60,
    )  # fmt: skip
    here = conveyor(width=160, height=120, seed=9).render(12345)
    assert result.stdout.strip() == hashlib.sha256(here.tobytes()).hexdigest()


def test_a_rendered_frame_is_not_touched_by_the_next() -> None:
    source = conveyor()
    first = source.render(0)
    copy = first.copy()
    source.render(1)
    assert np.array_equal(first, copy)


@pytest.mark.parametrize(("other"), [{"seed": 1}, {"speed": 0.5}, {"noise": 3.0}])
def test_options_change_the_picture(other: dict[str, Any]) -> None:
    assert not np.array_equal(conveyor().render(4), conveyor(**other).render(4))


@pytest.mark.parametrize(
    ("options", "shape", "dtype", "significant"),
    [
        ({}, (180, 320, 3), np.uint8, 0),
        ({"channels": "grey"}, (180, 320), np.uint8, 0),
        ({"dtype": "uint16"}, (180, 320, 3), np.uint16, 12),
        ({"bits": 10}, (180, 320, 3), np.uint16, 10),
        ({"bits": 16, "channels": "grey"}, (180, 320), np.uint16, 0),
        ({"bits": 8}, (180, 320, 3), np.uint8, 0),
        ({"width": 64, "height": 48}, (48, 64, 3), np.uint8, 0),
        ({"width": 65, "height": 49, "channels": "grey"}, (49, 65), np.uint8, 0),
        ({"width": 64, "height": 700}, (700, 64, 3), np.uint8, 0),
        ({"width": 2000, "height": 48}, (48, 2000, 3), np.uint8, 0),
    ],
)
def test_shape_dtype_and_mark_are_as_asked_for(
    options: dict[str, Any], shape: tuple[int, ...], dtype: type, significant: int
) -> None:
    frames = list(itertools.islice(conveyor(**options), 3))
    for number, frame in enumerate(frames):
        assert frame.pixels.shape == shape
        assert frame.pixels.dtype == dtype
        assert frame.significant_bits == significant
        assert frame.pixels.max() == (1 << frame.bits) - 1, "white of the mark is full scale"
        assert read_frame_mark(frame.pixels) == number
        assert levels(frame.pixels).std() > 0.05 * (1 << frame.bits), "a scene has contrast"


def test_more_bits_are_more_than_shifted_ones() -> None:
    twelve = conveyor(bits=12, channels="grey").render(0)
    assert len(np.unique(twelve)) > 600
    eight = conveyor(bits=8, channels="grey").render(0)
    assert np.abs(levels(twelve) / 16 - levels(eight)).max() <= 1.0, "the same scene in both"


@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
def test_noise_has_the_sigma_that_was_asked_for_in_dark_and_bright(sigma: float) -> None:
    clean = levels(conveyor(noise=0.0, bits=16, channels="grey").render(3)) / 257
    noisy = levels(conveyor(noise=sigma, bits=16, channels="grey").render(3)) / 257
    error = noisy - clean
    for low, high in ((20, 90), (110, 220)):
        chosen = error[(clean > low) & (clean < high)]
        assert chosen.size > 1000
        assert abs(chosen.std() / sigma - 1) < 0.05
        assert abs(chosen.mean()) < 0.08 * sigma


def test_noise_of_neighbouring_frames_and_rows_is_unrelated() -> None:
    still = {"speed": 0.0, "bits": 16, "channels": "grey"}
    clean, noisy = conveyor(noise=0.0, **still), conveyor(noise=2.0, **still)
    first, second = (levels(noisy.render(n)) - levels(clean.render(n)) for n in (0, 1))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:-1].ravel(), first[1:].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 40])
def test_sprites_are_blended_and_cut_off_at_the_edges(columns: int) -> None:
    rng = np.random.default_rng(columns)
    cover = rng.choice([0, 1, 128, 255, 256], (5, 11)).astype(np.uint16)
    colour = (rng.integers(0, 65_536, cover.shape) * cover // 200).clip(0, 65_535)
    colour = colour.astype(np.uint16)
    for top, left in itertools.product(range(-6, 8), (-12, -5, 0, 2, columns - 1, columns)):
        before = rng.integers(0, 65_536, (7, columns)).astype(np.uint16)
        wanted = before.astype(np.int64)
        for y, x in np.ndindex(*cover.shape):
            if 0 <= top + y < 7 and 0 <= left + x < columns:
                below = wanted[top + y, left + x] * (256 - int(cover[y, x])) >> 8
                wanted[top + y, left + x] = min(int(colour[y, x]) + below, 65_535)
        function("rk_synthetic_paste")(
            before, *before.shape, colour, cover, *cover.shape, top, left
        )  # fmt: skip
        assert np.array_equal(before, wanted)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_sensor_lights_adds_noise_and_rounds(bits: int) -> None:
    rng = np.random.default_rng(bits)
    scene = rng.integers(0, 65_536, (6, 37)).astype(np.uint16)
    rows = rng.integers(0, 18_000, 6).astype(np.int32)
    columns = rng.integers(0, 22_000, 37).astype(np.int32)
    noise = rng.integers(-9000, 9000, 500).astype(np.int16)
    offsets = rng.integers(0, 463, 6)
    shift = 16 - bits
    gains = rows[:, None].astype(np.int64) * columns >> 14
    lit = (scene * gains >> 14) + np.stack([noise[o : o + 37] for o in offsets])
    wanted = (lit + (1 << shift >> 1) >> shift).clip(0, 65_535 >> shift)
    arguments = (scene, 6, 37, rows, columns, noise, offsets)
    out = np.empty(scene.shape, np.uint8 if bits == 8 else np.uint16)
    if bits == 8:
        function("rk_synthetic_expose_u8")(*arguments, out)
    else:
        function("rk_synthetic_expose_u16")(*arguments, shift, out)
    assert np.array_equal(out, wanted)


def test_belt_moves_at_its_speed_and_the_rails_stand_still() -> None:
    source = conveyor(noise=0.0, speed=0.25, fps=20, channels="grey")  # 4 pixels a frame
    first, later = (levels(source.render(n)) for n in (0, 5))
    first, later = (picture / picture.mean() for picture in (first, later))
    belt = slice(40, 130)
    moved = np.abs(first[belt, :180] - later[belt, 20:200]).mean()
    unmoved = np.abs(first[belt, :180] - later[belt, :180]).mean()
    assert moved < 0.2 * unmoved
    assert np.abs(first[150:] - later[150:]).mean() < 0.02


def test_light_drifts_slowly() -> None:
    source = conveyor(noise=0.0, speed=0.0, channels="grey", fps=20)
    means = np.array([levels(source.render(n)).mean() for n in range(0, 820, 20)])
    assert 1.05 < means.max() / means.min() < 1.2
    near = [levels(source.render(n)).mean() for n in (100, 101)]
    assert abs(near[0] / near[1] - 1) < 0.01


def test_the_scene_goes_on_after_years() -> None:
    source = conveyor(channels="grey")
    number = (1 << 32) - 2
    pictures = [source.render(number + step) for step in range(4)]
    assert [read_frame_mark(p) for p in pictures] == [number, number + 1, 0, 1]
    for before, after in itertools.pairwise(pictures):
        moved = levels(before)[30:110, :200] - levels(after)[30:110, 4:204]
        assert np.abs(moved).mean() < 3.0, "the belt jumped"


def test_parts_never_repeat_with_the_belt() -> None:
    source = conveyor(noise=0.0, speed=0.25, fps=20, channels="grey")
    turn = (320 + 80) // 4  # frames of 4 pixels
    assert np.abs(levels(source.render(7)) - levels(source.render(7 + turn))).mean() > 5


def test_mark_covers_no_more_than_its_place() -> None:
    rows, columns = mark_size(720, 1280)
    assert (rows, columns) == (16, 512)


@pytest.mark.parametrize("options", [{}, {"width": 64, "height": 48}, {"channels": "grey"}])
@pytest.mark.parametrize(
    ("codec", "settings"),
    [
        ("svd", {"rank": 0.05}),
        ("svd", {"rank": 0.1, "factors": "float16"}),
        ("jpeg", {"quality": 20}),
    ],
)
def test_the_number_survives_the_codecs(
    options: dict[str, Any], codec: str, settings: dict[str, Any]
) -> None:
    source, encoder, decoder = conveyor(**options), Encoder(codec, **settings), Decoder()
    for number in (0, 3, 1000):
        assert read_frame_mark(decoder.decode(encoder.encode(source.render(number)))) == number


def test_description_and_pace() -> None:
    source = conveyor(fps=50, seed=3)
    assert source.description == "synthetic:conveyor 320x180 colour 8 bit at 50 fps, seed 3"
    assert source.fps == 50
    assert source.frame_interval_s == 0.02
    assert conveyor(trigger="on").frame_interval_s is None
    assert source.live is False
    source.close()
    source.close()


def test_another_scene_is_refused() -> None:
    with pytest.raises(SettingsError, match="synthetic:conveyor"):
        ConveyorSource("sushi", ConveyorOptions())
