"""Codecs `kmeans` and `pca` between real processes: frames as the codec alone makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast import Decoder, Encoder
from rankcast.frame import Pixels
from rankcast.images import read_image, write_image
from rankcast.numerics import psnr_db
from rankcast.opencv import cv2
from support.fakes import free_address
from support.processes import rankcast, read_report, run

pytestmark = pytest.mark.slow

FRAMES = 5

slow = pytest.mark.slow


def belt(folder: Path, shape: tuple[int, ...], dtype: Any) -> list[Pixels]:
    """Files of a texture that moves below a camera."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (8, 14, *shape[2:])).astype(np.uint8)
    wide = (shape[1] + 4 * FRAMES, shape[0])
    whole = cv2.resize(coarse, wide, interpolation=cv2.INTER_CUBIC).astype(dtype)
    whole *= np.iinfo(dtype).max // 255
    folder.mkdir()
    frames = []
    for number in range(FRAMES):
        frames.append(np.ascontiguousarray(whole[:, 4 * number : 4 * number + shape[1]]))
        write_image(folder / f"{number:02d}.png", frames[-1])
    return frames


def streamed(tmp_path: Path, codec: str, options: dict[str, Any], *more: str) -> list[Pixels]:
    """Send the files in `tmp_path/in` and return what a receiver saves."""
    address, out = free_address(), tmp_path / "out"
    sets = [word for key, value in options.items() for word in ("--set", f"codec.{key}={value}")]
    with (
        rankcast("receive", "--connect", address, "--save", str(out), "--set", "stream.mode=keep",
                 "--timeout", "40", "--report", str(tmp_path / "r.json"), *more) as receiver,
        rankcast("send", "--source", f"replay:{tmp_path / 'in'}", "--bind", address, "--codec",
                 codec, *sets, "--no-realtime", "--wait-viewers", "1",
                 "--report", str(tmp_path / "s.json")) as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    sent, received = read_report(tmp_path / "s.json"), read_report(tmp_path / "r.json")
    assert (sent["published"], sent["lost"], sent["balanced"]) == (FRAMES, {}, True)
    assert (received["delivered"], received["lost"], received["codec"]) == (FRAMES, {}, codec)
    return [read_image(path) for path in sorted(out.iterdir(), key=_sequence)]


def _sequence(path: Path) -> int:
    return int(path.stem.split("_")[-2])


@pytest.mark.parametrize(
    ("codec", "options", "shape", "dtype", "least_db"),
    [
        ("kmeans", {"k": 12, "seed": 3}, (48, 64, 3), np.uint8, 17),
        pytest.param("kmeans", {"k": 16}, (48, 64), np.uint8, 30, marks=pytest.mark.slow),
        pytest.param("kmeans", {"k": 300}, (48, 64, 3), np.uint16, 28, marks=slow),
        pytest.param("pca", {"variance": 0.99}, (48, 64, 3), np.uint8, 20, marks=slow),
        ("pca", {"layout": "patches", "components": 20}, (48, 64), np.uint8, 30),
        pytest.param("pca", {"layout": "patches", "patch": 4}, (47, 61, 3),
                     np.uint16, 20, marks=slow),
        pytest.param("pca", {"components": 30}, (48, 64), np.uint16, 30, marks=slow),
    ],
)  # fmt: skip
def test_every_frame_arrives_as_the_codec_alone_makes_it(
    tmp_path: Path, codec: str, options: dict[str, Any], shape: Any, dtype: Any, least_db: float
) -> None:
    frames = belt(tmp_path / "in", shape, dtype)
    got = streamed(tmp_path, codec, options)
    encoder, decoder = Encoder(codec, **options), Decoder()
    assert len(got) == FRAMES
    for picture, frame in zip(got, frames, strict=True):
        want = decoder.decode(encoder.encode(frame))
        assert picture.dtype == want.dtype == dtype
        assert np.array_equal(picture, want)
        assert psnr_db(frame, picture) > least_db


@pytest.mark.slow
def test_whole_pictures_need_the_model_at_both_ends(tmp_path: Path) -> None:
    frames = belt(tmp_path / "in", (16, 20), np.uint8)
    models = tmp_path / "models"
    models.mkdir()
    model = models / "belt.rkm"
    done = run("train", "pca", "--data", str(tmp_path / "in"), "--out", str(model), "--grey",
               "--components", "3")  # fmt: skip
    assert done.returncode == 0, done.stderr
    options = {"layout": "frames", "model": str(model), "components": 3}
    got = streamed(tmp_path, "pca", options, "--models", str(models))
    encoder, decoder = Encoder("pca", **options), Decoder(models=models)
    for picture, frame in zip(got, frames, strict=True):
        assert np.array_equal(picture, decoder.decode(encoder.encode(frame)))


@pytest.mark.slow
def test_a_k_above_the_colours_of_a_frame_sends_it_exactly(tmp_path: Path) -> None:
    # A dark camera is no reason to stop: send codes what `compress` would refuse.
    (tmp_path / "in").mkdir()
    dark = np.zeros((20, 30, 3), np.uint8)
    dark[5:9] = (3, 4, 5)
    for number in range(FRAMES):
        write_image(tmp_path / "in" / f"{number}.png", dark)
    for picture in streamed(tmp_path, "kmeans", {"k": 40}):
        assert np.array_equal(picture, dark)
