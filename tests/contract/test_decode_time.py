"""No packet takes longer than 50 ms and 100 ns a sample: the worst pictures of each codec.

The corpus of test_hostile.py holds what is refused; here are pictures that decode. Noise is the
worst that an honest camera can send, and what an encoder makes of it the worst that decodes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from rankcast.codec import CODECS_BY_NAME
from rankcast.codec.gan.halves import has_torch
from rankcast.decoder import Decoder
from rankcast.encoder import Encoder
from rankcast.errors import PayloadError
from rankcast.frame import Pixels
from rankcast.wire import Limits, pack, unpack
from support.decode_time import MAX_S, MAX_S_A_SAMPLE, share_of

SMALL, LARGE = (400, 400), (1080, 1920)
MODELS: Final = Path(__file__).resolve().parents[1] / "corpus" / "models"
SLOWER_PER_SAMPLE: Final = {"lossless": 1.7, "kmeans": 3.5, "svd-patch": 2.4}
"""Where pure noise at the finest setting takes more than 100 ns a sample: no check can tell it from
a picture, only faster kernels help. Nothing hostile may take longer than that."""


def _noise(shape: tuple[int, ...], dtype: str, *, binary: bool = False) -> Pixels:
    peak = int(np.iinfo(dtype).max)
    rng = np.random.default_rng(1)
    if binary:
        return (peak * rng.integers(0, 2, shape)).astype(dtype)
    return rng.integers(0, peak + 1, shape).astype(dtype)


WORST: Final[list[tuple[str, str, str, dict[str, Any]]]] = [
    ("raw", "uint16", "noise", {}),
    ("jpeg", "uint8", "noise", {"quality": 100}),
    ("lossless", "uint8", "noise", {}),
    ("lossless", "uint16", "noise", {}),
    ("lossless", "uint16", "binary", {}),
    ("svd", "uint8", "noise", {"rank": 400}),
    ("svd", "uint16", "noise", {"rank": 400}),
    ("svd", "uint16", "noise", {"rank": 400, "factors": "float64"}),
    ("svd-patch", "uint8", "noise", {"quality": 100}),
    ("svd-patch", "uint8", "binary", {"quality": 100}),
    ("svd-patch", "uint16", "noise", {"step": 0.25}),
    ("pca", "uint8", "noise", {"components": 400}),
    ("pca", "uint16", "noise", {"layout": "patches", "patch": 16, "components": 256}),
    ("kmeans", "uint16", "noise", {"k": 4096, "max_iter": 1}),
]


def label(case: tuple[str, str, str, dict[str, Any]]) -> str:
    return "-".join((*case[:3], *map(str, case[3].values())))


def share_of_limit(decode: Callable[[], object], samples: int, enough: float = 1.0) -> float:
    return share_of(MAX_S + MAX_S_A_SAMPLE * samples, decode, enough)


def packets_of(case: tuple[str, str, str, dict[str, Any]], size: tuple[int, int]) -> list[bytes]:
    codec, dtype, kind, options = case
    picture = _noise(size, dtype, binary=kind == "binary")
    encoder = Encoder(codec, **options)
    # The second packet is predicted where the codec predicts.
    return [encoder.encode(picture), encoder.encode(np.ascontiguousarray(picture[::-1]))]


def test_every_codec_has_its_worst_case_here() -> None:
    # `gan` costs what the model costs that the receiver's owner installed.
    assert {case[0] for case in WORST} | {"gan"} == set(CODECS_BY_NAME)


@pytest.mark.parametrize("case", WORST, ids=label)
def test_noise_at_the_finest_setting_decodes_in_time(
    case: tuple[str, str, str, dict[str, Any]],
) -> None:
    packets = packets_of(case, SMALL)
    for number in range(len(packets)):

        def decode(last: int = number) -> None:
            decoder = Decoder(Limits())
            for packet in packets[: last + 1]:
                decoder.decode(packet)

        samples = (number + 1) * SMALL[0] * SMALL[1]
        # A sequence of two has twice the constant part too, which this leaves out.
        assert share_of_limit(decode, samples) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("case", WORST, ids=label)
def test_a_large_picture_of_noise_takes_what_its_samples_may(
    case: tuple[str, str, str, dict[str, Any]],
) -> None:
    packet = packets_of(case, LARGE)[0]
    most = SLOWER_PER_SAMPLE.get(case[0], 1)
    samples = LARGE[0] * LARGE[1]
    assert share_of_limit(lambda: Decoder(Limits()).decode(packet), samples, most) <= most


@pytest.mark.skipif(not has_torch(), reason="torch is not installed")
def test_a_small_model_of_gan_decodes_in_time() -> None:
    encoder = Encoder("gan", model=str(MODELS / "gan.rkm"), step=0.25)
    packet = encoder.encode(_noise((200, 200, 3), "uint8"))
    decoder = Decoder(Limits(), models=MODELS)
    assert share_of_limit(lambda: decoder.decode(packet), 200 * 200 * 3) <= 1


def _filled(codec: str, shape: tuple[int, int], dtype: str, fill: bytes, bytes_: int) -> bytes:
    """A packet whose body repeats `fill`, after what its codec reads first."""
    header = unpack(Encoder(codec).encode(np.zeros((64, 64), dtype))).header
    params, body = header.params, (fill * (bytes_ // len(fill) + 1))[:bytes_]
    if codec == "lossless":
        body = struct.pack("<I", bytes_ // 2) + body  # two bands
    elif codec == "svd-patch":
        params, body = (0, 4, 8, 0), b"\1" + body
    return pack(replace(header, shape=shape, params=params, checksum=None), body)


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\xaa", b"\x7f", b"\0\xff"], ids=bytes.hex)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("codec", ["lossless", "svd-patch"])
def test_bytes_of_one_kind_take_no_longer_than_noise(codec: str, dtype: str, fill: bytes) -> None:
    shape = (1000, 1000)
    samples = shape[0] * shape[1]
    # As many bytes as a body of this shape may have, about.
    packet = _filled(codec, shape, dtype, fill, (1 + np.dtype(dtype).itemsize) * samples)

    def decode() -> None:
        with pytest.raises(PayloadError):
            Decoder(Limits()).decode(packet)

    most = SLOWER_PER_SAMPLE[codec]
    assert share_of_limit(decode, samples, most) <= most


def test_a_body_of_more_bytes_than_any_encoder_writes_is_refused_before_it_is_decoded() -> None:
    packet = _filled("svd-patch", (1000, 1000), "uint8", b"\0", 2_100_000)
    with pytest.raises(PayloadError, match="got 2100001 bytes, the limit of"):
        Decoder(Limits()).decode(packet)
