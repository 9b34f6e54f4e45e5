"""Codec `gan` with models that were trained here for a few steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

import rankcast
from rankcast.errors import PayloadError, SettingsError, UnsupportedImageError, WireError
from rankcast.models.gan.footage import Footage
from rankcast.models.gan.model import load_model
from rankcast.wire import pack, unpack
from support.conformance import check_codec, psnr_db
from support.gan_camera import HEIGHT, WIDTH, clip, coded, trained, two_cameras


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_cameras(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def any_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without a background, for pictures of every size."""
    path = tmp_path_factory.mktemp("models") / "any.rkm"
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (n, 70 - n, 3), dtype=np.uint8) for n in (20, 33, 50)]
    training = trained([Footage("any", pictures)], 2)
    assert training.architecture.sizes == ((0, 0),)
    training.model().save(path, training.about())
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 7), (7, 1), (2, 3), (33, 17), (48, 64), (20, 30, 1), (31, 20, 3), (8, 8, 3)],
)
def test_a_model_without_background_codes_every_size(any_size: Path, shape: Any) -> None:
    rng = np.random.default_rng(sum(shape))
    ramp = np.linspace(0, 255, int(np.prod(shape))).reshape(shape).astype(np.uint8)
    pictures = [np.zeros(shape, np.uint8), ramp, np.full(shape, 255, np.uint8)]
    check_codec("gan", pictures, 15.0, model=str(any_size), step=0.5)
    noise = rng.integers(0, 256, shape).astype(np.uint8)
    check_codec("gan", [noise], 8.0, model=str(any_size), step=0.25)


@pytest.mark.slow
def test_a_fixed_camera_keeps_the_promises_of_every_codec(camera: Path) -> None:
    check_codec("gan", clip(6), 24.0, model=str(camera), label="belt")
    grey = clip(6, colour=False)
    check_codec("gan", grey, 24.0, model=str(camera), label="door")
    check_codec("gan", [g[:, :, None] for g in grey], 24.0, model=str(camera), label="door")
    # A grey frame of a camera that was learned in colour costs no colour.
    check_codec("gan", [f[:, :, 1] for f in clip(3)], 20.0, model=str(camera), label="belt")


@pytest.mark.slow
def test_a_larger_step_is_smaller_and_coarser(camera: Path) -> None:
    frame = clip(9)[8]
    found = []
    for step in (0.5, 1.0, 4.0):  # four steps of training spoil the finest ones
        packet = rankcast.Encoder("gan", model=str(camera), label="belt", step=step).encode(frame)
        found.append((len(packet), psnr_db(frame, rankcast.Decoder().decode(packet))))
    assert found[0][0] > found[1][0] > found[2][0]
    assert found[0][1] > found[1][1] > found[2][1]


def test_the_packet_names_model_label_and_step(camera: Path) -> None:
    packet = rankcast.Encoder("gan", model=str(camera), label="door", step=2).encode(clip(1)[0])
    header = unpack(packet).header
    assert header.model_id == load_model(camera).model_id
    assert header.params == (1, 2.0)


def test_what_gan_cannot_code_is_refused_with_the_reason(camera: Path) -> None:
    encoder = rankcast.Encoder("gan", model=str(camera), label="belt")
    for image, said in [
        (np.zeros((HEIGHT, WIDTH), np.uint16), "got uint16, want 8-bit samples"),
        (np.zeros((HEIGHT, WIDTH, 2), np.uint8), "got 2 channels, want 1 or 3"),
        (np.zeros((WIDTH, HEIGHT), np.uint8), "44 x 60 pixels, label 'belt' was .* 60 x 44"),
    ]:
        with pytest.raises(UnsupportedImageError, match=said):
            encoder.encode(image)
    assert encoder.sequence == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "want a .rkm file"),
        ({"model": "nowhere/none.rkm"}, "none.rkm: cannot be read"),
        ({"label": "roof"}, "label = 'roof': want a label of the model: belt, door"),
        ({"label": ""}, "want a label of the model: belt, door"),
        ({"step": 0.1}, "step = 0.1"),
        ({"step": 9.0}, "step = 9.0"),
    ],
)
def test_a_wrong_option_is_one_clear_error(camera: Path, options: Any, said: str) -> None:
    given = {"model": str(camera), "label": "belt"} | options if options else {}
    with pytest.raises(SettingsError, match=said) as caught:
        rankcast.Encoder("gan", **given)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"params": (0,)},
        {"params": (0, 1.0, 1)},
        {"params": (2, 1.0)},
        {"params": (-1, 1.0)},
        {"params": (0.0, 1.0)},
        {"params": (0, 1)},
        {"params": (0, math.nan)},
        {"params": (0, math.inf)},
        {"params": (0, 0.01)},
        {"params": (0, 1e30)},
        {"shape": (HEIGHT, WIDTH, 2)},
        {"shape": (WIDTH, HEIGHT, 3)},
        {"shape": (8192, 8192, 1)},
        {"dtype_bytes": 2},
        {"model_id": None},
    ],
)
def test_a_header_that_no_encoder_wrote_is_refused(camera: Path, changes: Any) -> None:
    packet = unpack(coded(camera))
    with pytest.raises(PayloadError):
        rankcast.Decoder().decode(pack(replace(packet.header, **changes), packet.body))


def broken(body: bytes) -> Iterator[bytes]:
    rng = np.random.default_rng(7)
    for end in range(0, len(body), 3):
        yield body[:end]
    for at in range(len(body)):
        yield body[:at] + bytes([body[at] ^ (1 << int(rng.integers(8)))]) + body[at + 1 :]
    for _ in range(60):
        yield rng.bytes(int(rng.integers(0, 2 * len(body))))
        yield body[:8] + rng.bytes(len(body))
    yield body + bytes(300)


def test_a_broken_body_is_refused_or_harmless(camera: Path) -> None:
    packet = unpack(coded(camera, step=0.5))
    decoder, refused = rankcast.Decoder(), 0
    want = decoder.decode_packet(packet)
    for body in broken(bytes(packet.body)):
        try:
            pixels = decoder.decode(pack(packet.header, body))
        except WireError:
            refused += 1
            continue
        assert pixels.shape == want.shape
        assert pixels.dtype == want.dtype
    assert refused > 20
    assert np.array_equal(decoder.decode_packet(packet), want)
