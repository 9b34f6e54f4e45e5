"""Efforts of the encoder of `svd-patch`: fewer bytes for more time; every picture decodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast.codec.svd_patch.step import key_step
from rankcast.wire import unpack
from support.moving_scene import belt, scene

pytestmark = pytest.mark.timeout(300)

EFFORTS = ("fast", "default", "best")


def cost_of(effort: str, count: int = 6) -> float:
    """Bits of a moving scene, plus its squared error at a bit for 0.36 squared steps."""
    encoder = rankcast.Encoder("svd-patch", effort=effort, step=8.0)
    total = 0.0
    for number in range(count):
        packet = unpack(encoder.encode(belt(number, (176, 272))))
        assert packet.header.squared_error is not None
        if number:
            total += 8 * len(packet.body) + packet.header.squared_error / (0.36 * 64)
    return total


def test_more_effort_costs_less() -> None:
    fast, usual, best = map(cost_of, EFFORTS)
    assert best < usual < fast


@pytest.mark.parametrize(("dtype", "scale"), [("uint8", 1), ("uint16", 16)])
def test_best_loses_nothing_where_the_first_patch_is_far_from_its_prediction(
    dtype: str, scale: int
) -> None:
    """Nothing stands beside the first patch: it is predicted as mid-grey, and this one is dark."""
    noise = np.random.default_rng(3).normal(scale=4 * scale, size=(64, 64))
    image = np.clip(20 * scale + noise, 0, None).astype(dtype)

    def errors(effort: str) -> list[float]:
        packet = rankcast.Encoder("svd-patch", effort=effort, step=1.0).encode(image)
        squares = np.square(image.astype(float) - rankcast.Decoder().decode(packet))
        return [float(cell.mean()) for cell in (squares[:32, :32], squares)]

    first, whole = errors("best")
    assert first < 1.3 * whole
    assert whole < 1.1 * errors("default")[1]


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("level", [61, 700, 1023, 4000, 65_535])
def test_a_flat_deep_frame_is_rebuilt_from_its_first_patch_on(effort: str, level: int) -> None:
    image = np.full((72, 72), level, np.uint16)
    encoder = rankcast.Encoder("svd-patch", effort=effort, step=1.0)
    decoded = rankcast.Decoder().decode(encoder.encode(image))
    assert np.max(np.abs(decoded.astype(int) - level)) <= 1


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize(
    ("shape", "dtype", "options"),
    [
        ((41, 75), "uint8", {}),
        ((96, 128, 3), "uint8", {"refs": 2}),
        ((70, 134, 3), "uint16", {"colour": "ycc444"}),
        ((64, 96), "uint8", {"rank": 3}),
        ((64, 96), "uint8", {"step": 0.25}),
        ((64, 96), "uint16", {"step": 3000.0}),
    ],
)
def test_what_any_effort_decided_is_what_is_decoded(
    effort: str, shape: tuple[int, ...], dtype: str, options: dict[str, Any]
) -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", effort=effort, **options), rankcast.Decoder()
    for number in range(5):
        image = scene(number, shape, dtype)
        packet = encoder.encode(image)
        error = image.astype(np.int64) - decoder.decode(packet)
        assert np.sum(error * error) == unpack(packet).header.squared_error


def test_the_effort_changes_in_mid_stream_without_a_key_frame() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    kinds = []
    for number, effort in enumerate(EFFORTS * 2):
        encoder.set(effort=effort)
        packet = encoder.encode(belt(number))
        kinds.append(unpack(packet).header.kind.name)
        decoder.decode(packet)
    assert kinds == ["KEY"] + ["PREDICTED"] * 5


@pytest.mark.parametrize(("gop", "factor"), [(250, key_step(6.0) / 6.0), (1, 1.0)])
def test_a_key_frame_that_others_rest_on_has_a_finer_step(gop: int, factor: float) -> None:
    encoder = rankcast.Encoder("svd-patch", step=6.0, gop=gop)
    steps = [encoder.encode_packet(belt(number)).header.params[1] for number in range(2)]
    assert steps == [round(6 * 16 * factor), 6 * 16]
