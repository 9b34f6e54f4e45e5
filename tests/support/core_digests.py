"""Digests of what the native core makes of fixed pictures, every codec and mode, as JSON.

    RANKCAST_LEVEL=2 python -m support.core_digests

Two runs must agree wherever the core alone computes; LAPACK and OpenCV are the same libraries
within one installation.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

import rankcast
from rankcast.codec.gan.layout import channel_table, context_count
from rankcast.codec.gan.symbols import coder_from, encode_code
from rankcast.core import LEVEL
from rankcast.errors import RankcastError
from rankcast.frame import Frame, Pixels
from rankcast.numerics import metrics
from rankcast.wire import pack, unpack
from rankcast_sender.sources.synthetic import ConveyorOptions, ConveyorSource
from support.moving_scene import scene

SHAPES: tuple[tuple[int, ...], ...] = ((1, 1), (9, 67), (45, 58, 3), (33, 38, 5))
STREAMS: tuple[dict[str, Any], ...] = (
    {}, {"quality": 20}, {"quality": 98}, {"step": 0.25}, {"psnr": 38}, {"bitrate": "300 kbit/s"},
    {"rank": 3}, {"refs": 2}, {"colour": "ycc444"}, {"gop": 2, "quality": 60},
)  # fmt: skip
FACTORS: tuple[dict[str, Any], ...] = (
    {}, {"rank": 1.0}, {"psnr": 40, "engine": "exact"}, {"engine": "randomized", "rank": 0.3},
    {"engine": "exact", "factors": "float32"}, {"factors": "float64"}, {"energy": 0.99},
)  # fmt: skip
COLOURS: tuple[dict[str, Any], ...] = (
    {}, {"k": 3}, {"k": 40, "max_iter": 3}, {"start": "random", "seed": 5},
)  # fmt: skip
COMPONENTS: tuple[dict[str, Any], ...] = (
    {}, {"layout": "patches", "patch": 8}, {"components": 1, "engine": "exact"},
)  # fmt: skip


def _digest(*parts: Any) -> str:
    return hashlib.sha256(b"".join(map(bytes, parts))).hexdigest()[:16]


def _stream(codec: str, pictures: list[Frame], **options: Any) -> str:
    """Bodies, parameters and pixels of a stream, and what becomes of a damaged last packet."""
    encoder, decoder = rankcast.Encoder(codec, **options), rankcast.Decoder()
    found: list[bytes] = []
    for picture in pictures:
        coded = encoder.encode_packet(picture)
        packet = unpack(coded.data)
        header, said = packet.header, coded.header
        found.append(bytes(packet.body))
        found.append(repr((said.params, said.rank, said.checksum)).encode())
        found.append(decoder.decode(pack(header, bytes(packet.body))).tobytes())
        body = bytearray(packet.body)
        if body:
            body[len(body) // 2] ^= 16
        try:
            found.append(rankcast.Decoder().decode(pack(header, bytes(body))).tobytes())
        except RankcastError as exc:
            found.append(type(exc).__name__.encode())
    return _digest(*found)


def _frame(picture: Pixels, number: int, cfa: str = "") -> Frame:
    """A frame of a camera at 10 Hz: a bit rate depends on the times of frames."""
    at_ns = (number + 1) * 100_000_000
    return Frame(picture, frame=number, t_capture_mono_ns=at_ns, t_capture_utc_ns=at_ns, cfa=cfa)


def _pictures(shape: tuple[int, ...], dtype: str) -> Iterator[tuple[str, list[Frame]]]:
    peak = int(np.iinfo(dtype).max)
    moving = [scene(number, shape, dtype) for number in range(3)] if min(shape[:2]) > 1 else []
    if moving:
        yield "moving", [_frame(picture, number) for number, picture in enumerate(moving)]
        yield "drawn", [_frame(moving[0] // (peak // 3) * (peak // 3), 0)]
    rng = np.random.default_rng(0)
    yield "noise", [_frame(rng.integers(0, peak + 1, shape).astype(dtype), 0)]


def _codecs() -> Iterator[tuple[str, str]]:
    for shape, dtype in itertools.product(SHAPES, ("uint8", "uint16")):
        colour = shape[2:] == (3,)
        for kind, pictures in _pictures(shape, dtype):
            where = f"{kind} {dtype} {shape}"
            # Options meet moving pictures; the other kinds meet what differs by sample.
            few = None if kind == "moving" else 1
            yield f"lossless, {where}", _stream("lossless", pictures[:1])
            for options in STREAMS[:few]:
                yield f"svd-patch {options}, {where}", _stream("svd-patch", pictures, **options)
            for options in FACTORS[:few]:
                yield f"svd {options}, {where}", _stream("svd", pictures[:2], **options)
            if colour:
                options = {"colour": "ycc420"}
                yield f"svd {options}, {where}", _stream("svd", pictures[:1], **options)
            for options in COLOURS[:few]:
                chosen = {"fewer_colours": "code", **options}
                yield f"kmeans {options}, {where}", _stream("kmeans", pictures[:1], **chosen)
            for options in COMPONENTS[:few]:
                yield f"pca {options}, {where}", _stream("pca", pictures[:1], **options)


def _mosaics() -> Iterator[tuple[str, str]]:
    for dtype, options in itertools.product(("uint8", "uint16"), ({}, {"quality": 95})):
        pictures = [_frame(scene(n, (66, 90), dtype), n, "RGGB") for n in range(3)]
        yield f"svd-patch {options}, mosaic {dtype}", _stream("svd-patch", pictures, **options)
        yield f"lossless, mosaic {dtype}", _stream("lossless", pictures[:1])


def _noisy() -> Iterator[tuple[str, str]]:
    for dtype, shape in itertools.product(("uint8", "uint16"), ((72, 104), (130, 164, 3))):
        pictures = [_frame(scene(n, shape, dtype), n) for n in range(6)]
        options = {"quality": 97, "denoise": True}
        yield f"svd-patch {options}, {dtype} {shape}", _stream("svd-patch", pictures, **options)


def _codes() -> Iterator[tuple[str, str]]:
    rng = np.random.default_rng(0)
    table = channel_table(15, 6)
    priors = np.full(context_count(len(table)), 1 << 15, np.uint16)
    for scale in (0.5, 5.0, 2000.0):
        values = rng.laplace(0, scale, (9, 11, len(table))).astype(np.float32)
        for price in (0.0, 0.15, 2.0):
            body, levels = encode_code(coder_from(priors), values, table, price)
            yield f"gan {scale} {price}", _digest(body, levels.tobytes())


def _measures() -> Iterator[tuple[str, str]]:
    for dtype in ("uint8", "uint16"):
        one, other = scene(0, (61, 83, 3), dtype), scene(1, (61, 83, 3), dtype)
        yield f"squared error {dtype}", repr(metrics.squared_error(one, other))
        yield f"ssim {dtype}", repr(metrics.ssim(one, other))
    source = ConveyorSource("conveyor", ConveyorOptions(width=160, height=120))
    yield "conveyor", _digest(*(source.render(number).tobytes() for number in range(3)))


def digests() -> dict[str, str]:
    """By codec, options and picture."""
    return {"level": str(LEVEL)} | dict(
        itertools.chain(_codecs(), _mosaics(), _noisy(), _codes(), _measures())
    )


if __name__ == "__main__":
    print(json.dumps(digests()))
