"""Checks that every codec must pass, shared by the codec tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rankcast
from rankcast.frame import Pixels
from rankcast.wire import Kind, unpack


def psnr_db(want: Pixels, got: Pixels) -> float:
    """Return the PSNR on the full scale of the dtype; infinite for equal arrays."""
    error = np.mean((want.astype(np.float64) - got.astype(np.float64)) ** 2)
    peak = float(np.iinfo(want.dtype).max)
    return float("inf") if error == 0 else float(10 * np.log10(peak * peak / error))


def check_codec(
    name: str, images: Sequence[Pixels], least_psnr_db: float, **options: Any
) -> list[bytes]:
    """Encode and decode a stream of `images` and check the promises of every codec.

    Shape and dtype survive, PSNR is at least `least_psnr_db` (infinity: exact), the header is
    true, the input is not modified, and a fresh decoder decodes the first packet.
    Return the bodies of the packets.
    """
    bodies = []
    encoder, decoder = rankcast.Encoder(name, **options), rankcast.Decoder()
    for number, image in enumerate(images):
        original = image.copy()
        packet = encoder.encode(image, meta={"number": number})
        assert np.array_equal(image, original), "the encoder modified its input"
        parsed = decoder.complete(unpack(packet))
        header = parsed.header
        bodies.append(bytes(parsed.body))
        assert header.sequence == number
        assert header.shape == image.shape
        assert header.stream_id == encoder.stream_id
        assert header.meta == {"number": number}
        if number == 0:
            assert header.kind is Kind.KEY
        pixels = decoder.decode(packet)
        assert pixels.shape == image.shape
        assert pixels.dtype == image.dtype
        reached = psnr_db(image, pixels)
        assert reached >= least_psnr_db, f"{reached:.2f} dB for {image.shape} {image.dtype}"
        if header.squared_error == 0:
            assert np.array_equal(image, pixels)
    return bodies
