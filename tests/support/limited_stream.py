"""Streams with a bit rate, as a link carries them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from unittest.mock import patch

import rankcast
from rankcast.codec.svd_patch.rate import RateControl
from rankcast.frame import Frame, Pixels
from rankcast.wire import Kind


@dataclass(frozen=True, slots=True)
class Sent:
    """One sent frame, and the level of the bucket after it."""

    key: bool
    step: int
    packet: bytes
    psnr_db: float
    codings: int
    fill: float
    """Share of the bucket that is full."""


def send(
    images: Iterable[Pixels],
    times_s: Iterable[float],
    rate: float,
    buffer_s: float = 0.2,
    before: Callable[[int, rankcast.Encoder], None] | None = None,
    **options: object,
) -> list[Sent]:
    """Encode a stream; pour complete packets into a bucket that drains at `rate`."""
    encoder = rankcast.Encoder("svd-patch", bitrate=rate, buffer_s=buffer_s, **options)
    review, codings, bucket, last_s = RateControl.review, 0, 0.0, None

    def counted(*args: object) -> float | None:
        nonlocal codings
        codings += 1
        return review(*args)  # type: ignore[arg-type]

    sent = []
    with patch.object(RateControl, "review", counted):
        for number, (image, time_s) in enumerate(zip(images, times_s, strict=True)):
            if before is not None:
                before(number, encoder)
            codings = 0
            frame = Frame(image, t_capture_mono_ns=1 + round(time_s * 1e9))
            coded = encoder.encode_packet(frame)
            packet, header = coded.data, coded.header
            if last_s is not None:
                bucket = max(bucket - rate * (time_s - last_s), 0.0)
            bucket, last_s = bucket + 8 * len(packet), time_s
            sent.append(
                Sent(
                    header.kind is Kind.KEY, int(header.params[1]), packet, header.psnr_db or 0.0,
                    codings, bucket / (rate * buffer_s),
                )
            )  # fmt: skip
    return sent


def mean_rate(sent: list[Sent], fps: float) -> float:
    """Return the mean bit rate in bits a second."""
    return 8 * fps * sum(len(frame.packet) for frame in sent) / len(sent)


def step_ratios(sent: list[Sent]) -> list[float]:
    """Return, for each two consecutive predicted frames, the larger step over the smaller."""
    return [
        max(a.step / b.step, b.step / a.step)
        for a, b in itertools.pairwise(sent)
        if not a.key and not b.key
    ]
