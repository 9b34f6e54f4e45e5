"""Rate control of `svd-patch`: what was asked for is met, or it is said that it is not."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast.codec.svd_patch.rate import nearest_psnr_db
from rankcast.frame import Frame, Pixels
from rankcast.imagefile import read_image
from rankcast.opencv import cv2
from rankcast.wire import Kind, unpack

pytestmark = pytest.mark.timeout(300)


def belt(number: int, shape: tuple[int, ...] = (88, 136, 3), dtype: str = "uint8") -> Pixels:
    """A textured square that moves over a smooth background, with noise of a fixed seed."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(float)
    picture = 0.45 + 0.2 * np.sin(x / 17) + 0.15 * np.cos(y / 11 + x / 29)
    left = (5 + 4 * number) % (shape[1] - 30)
    picture[20:50, left : left + 30] += 0.2 * np.sign(np.sin(np.arange(30) * 1.1))
    picture = picture + np.random.default_rng(number).normal(0, 0.01, picture.shape)
    if len(shape) == 3:
        picture = picture[:, :, None] * np.linspace(0.7, 1.1, shape[2])
    samples: Pixels = (np.clip(picture, 0, 1) * np.iinfo(dtype).max).astype(dtype)
    return samples


def reached_db(images: list[Pixels], **options: Any) -> list[float]:
    encoder = rankcast.Encoder("svd-patch", **options)
    reached = [unpack(encoder.encode(image)).header.psnr_db for image in images]
    return [math.nan if value is None else value for value in reached]


# ---- psnr


@pytest.mark.parametrize(
    ("shape", "dtype", "colour", "targets"),
    [
        ((88, 136), "uint8", "ycc420", (28.0, 36.0, 44.0, 52.0)),
        ((88, 136), "uint16", "ycc420", (32.0, 48.0, 64.0, 76.0)),
        ((88, 136, 3), "uint8", "ycc420", (28.0, 34.0)),
        ((88, 136, 3), "uint8", "ycc444", (28.0, 36.0, 44.0, 50.0)),
        ((88, 136, 3), "uint16", "ycc444", (36.0, 60.0, 80.0)),
        ((88, 136, 5), "uint8", "ycc420", (30.0, 45.0)),
    ],
)
def test_a_psnr_that_can_be_reached_is_met_in_every_frame(
    shape: tuple[int, ...], dtype: str, colour: str, targets: tuple[float, ...]
) -> None:
    images = [belt(number, shape, dtype) for number in range(5)]
    # Another scene in mid-stream: the step of the frame before is of no use.
    images.insert(3, np.ascontiguousarray(np.iinfo(dtype).max - images[0][::-1, ::-1]))
    for target in targets:
        reached = reached_db(images, psnr=target, colour=colour)
        assert reached == pytest.approx([target] * len(images), abs=0.3)


def test_a_psnr_is_met_on_photographs_clips_and_deep_scans(data: Path) -> None:
    clip = cv2.VideoCapture(str(data / "video" / "03_blocks_720p.mp4"))
    video = [np.ascontiguousarray(clip.read()[1][200:440, 400:720]) for _ in range(4)]
    clip.release()
    deep = read_image(data / "raw16" / "ccd12bit_16923029-f10.tif")
    photographs = [read_image(data / "kodak" / f"kodim{n:02}.png")[:240, :320] for n in (1, 5)]
    for images, target, colour in (
        (photographs, 33.0, "ycc420"),
        (photographs, 46.0, "ycc444"),
        ([image[:, :, 1] for image in photographs], 50.0, "ycc420"),
        (video, 42.0, "ycc420"),
        (video, 48.0, "ycc444"),
        ([deep[k : k + 240, k : k + 240] for k in (200, 300, 301)], 72.0, "ycc420"),
    ):
        images = [np.ascontiguousarray(image) for image in images]
        reached = reached_db(images, psnr=target, colour=colour)
        assert reached == pytest.approx([target] * len(images), abs=0.3)


def colourful(number: int) -> Pixels:
    """Red and blue threads one pixel wide: nothing for half-size chroma."""
    image = belt(number)
    image[:, ::2, 2] = 230
    image[:, 1::2, 0] = 220
    return image


def test_a_psnr_above_what_half_size_chroma_allows_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    encoder = rankcast.Encoder("svd-patch", psnr=45.0)
    with caplog.at_level(logging.WARNING, "rankcast"):
        for number in range(4):
            encoder.encode(colourful(number))
    (said,) = caplog.messages
    assert "psnr=45" in said
    assert "colour=ycc444" in said
    # Another target is another promise.
    encoder.set(psnr=44.0)
    with caplog.at_level(logging.WARNING, "rankcast"):
        encoder.encode(colourful(5))
    assert len(caplog.messages) == 2


def test_a_psnr_that_the_rank_does_not_allow_names_the_rank(
    caplog: pytest.LogCaptureFixture,
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64)).astype(np.uint8)
    with caplog.at_level(logging.WARNING, "rankcast"):
        rankcast.Encoder("svd-patch", psnr=40.0, rank=3).encode(noise)
    (said,) = caplog.messages
    assert "rank=3" in said


def test_a_psnr_that_is_met_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "rankcast"):
        reached_db([colourful(number) for number in range(2)], psnr=45.0, colour="ycc444")
        # Black needs no bits to be exact: above the target is no miss.
        reached_db([np.zeros((40, 40), np.uint8)] * 2, psnr=30.0)
    assert not caplog.messages


def test_a_psnr_far_out_of_reach_costs_no_more_than_its_own_error() -> None:
    image = colourful(0)
    near = len(rankcast.Encoder("svd-patch", psnr=40.0).encode(image))
    exact = len(rankcast.Encoder("svd-patch", step=0.25).encode(image))
    assert near < 0.5 * exact


def test_the_nearest_psnr_goes_on_smoothly_from_reachable_to_unreachable_targets() -> None:
    targets = np.arange(30.0, 60.0, 0.01)
    nearest = [nearest_psnr_db(target, 44.0) for target in targets]
    assert nearest[0] == 30.0
    assert all(
        got == want if want < 43.7 else got < 44.0
        for got, want in zip(nearest, targets, strict=True)
    )
    # A finer target never gives a coarser picture by more than the blend's own dip.
    assert max(abs(np.diff(nearest))) < 0.02
    assert nearest_psnr_db(50.0, math.inf) == 50.0


# ---- bit rate


def noisy(number: int, shape: tuple[int, ...] = (120, 160, 3)) -> Pixels:
    noise = np.random.default_rng(number).integers(-20, 21, shape)
    return np.clip(belt(number, shape).astype(int) + noise, 0, 255).astype(np.uint8)


def fill_of(packets: list[bytes], times_s: list[float], rate: float) -> list[float]:
    """Bits in a bucket that drains at `rate`, after each packet: whole packets, headers too."""
    bucket, before, fills = 0.0, times_s[0], []
    for packet, time_s in zip(packets, times_s, strict=True):
        bucket = max(bucket - rate * (time_s - before), 0.0) + 8 * len(packet)
        before = time_s
        fills.append(bucket)
    return fills


@pytest.mark.parametrize(("rate", "buffer_s"), [(400_000, 0.5), (400_000, 0.2), (150_000, 0.4)])
def test_no_burst_is_larger_than_the_bucket(rate: int, buffer_s: float) -> None:
    encoder = rankcast.Encoder("svd-patch", bitrate=f"{rate} bit/s", buffer_s=buffer_s, gop=30)
    times_s = [number / 25 for number in range(100)]
    packets = []
    for number, time_s in enumerate(times_s):
        # Noise that comes and goes, and a scene that changes at 60: what a bucket is there for.
        image = noisy(number) if number // 20 % 2 else belt(number, (120, 160, 3))
        if number >= 60:
            image = np.ascontiguousarray(255 - image[::-1])
        packets.append(encoder.encode(Frame(image, t_capture_mono_ns=1 + round(time_s * 1e9))))
    assert max(fill_of(packets, times_s, rate)) <= 1.001 * rate * buffer_s
    sent = 8 * sum(map(len, packets)) / 4
    assert 0.7 * rate <= sent <= 1.05 * rate


def test_the_bucket_counts_headers_and_metadata() -> None:
    rate = 60_000
    encoder = rankcast.Encoder("svd-patch", bitrate=rate, buffer_s=1.0)
    times_s = [number / 25 for number in range(150)]
    packets = [
        encoder.encode(
            Frame(noisy(n, (64, 96)), t_capture_mono_ns=1 + round(t * 1e9)),
            meta={"station": "x" * 80},
        )
        for n, t in enumerate(times_s)
    ]
    # Headers alone are two thirds of the rate here.
    assert 0.6 * rate < 8 * 25 * 190
    assert max(fill_of(packets, times_s, rate)) <= 1.001 * rate
    assert 8 * sum(map(len, packets[25:])) / 5 == pytest.approx(rate, rel=0.1)


def test_rate_settings_replace_each_other_in_mid_stream() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", quality=95), rankcast.Decoder()
    rate, buffer_s = 300_000, 0.3
    packets: list[bytes] = []
    times_s = [number / 25 for number in range(130)]
    for number, time_s in enumerate(times_s):
        if number == 40:
            encoder.set(bitrate=rate, buffer_s=buffer_s)
        elif number == 90:
            encoder.set(psnr=38.0, colour="ycc420")
        elif number == 110:
            encoder.set(step=4.0)
        image = belt(number, (120, 160))
        packets.append(encoder.encode(Frame(image, t_capture_mono_ns=1 + round(time_s * 1e9))))
        decoder.decode(packets[-1])
    headers = [unpack(packet).header for packet in packets]
    # Nothing of it needs a key frame.
    assert [n for n, header in enumerate(headers) if header.kind is Kind.KEY] == [0]
    assert {header.params[1] for header in headers[:40]} == {round(1.6 * 16)}
    # What was sent before there was a rate is not paid back with coarse pictures.
    assert 8 * 25 * np.mean([len(packet) for packet in packets[:40]]) > 1.5 * rate
    limited = packets[40:90]
    assert max(fill_of(limited, times_s[40:90], rate)) <= 1.001 * rate * buffer_s
    assert 0.7 * rate <= 8 * sum(map(len, limited)) / 2 <= 1.05 * rate
    assert all(abs((header.psnr_db or 0) - 38.0) <= 0.3 for header in headers[90:110])
    assert {header.params[1] for header in headers[110:]} == {4 * 16}


def test_a_lower_rate_holds_from_its_first_full_bucket_on() -> None:
    encoder = rankcast.Encoder("svd-patch", bitrate=800_000, buffer_s=0.5)
    times_s = [number / 25 for number in range(80)]
    packets = []
    for number, time_s in enumerate(times_s):
        if number == 30:
            encoder.set(bitrate=200_000)
        packets.append(
            encoder.encode(Frame(noisy(number), t_capture_mono_ns=1 + round(time_s * 1e9)))
        )
    later = fill_of(packets[30:], times_s[30:], 200_000)
    assert max(later) <= 1.001 * 200_000 * 0.5
    assert 8 * 25 * np.mean([len(packet) for packet in packets[45:]]) <= 1.1 * 200_000


def test_a_rate_too_low_for_the_picture_ends_at_the_coarsest_step() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", bitrate=1000), rankcast.Decoder()
    for number in range(3):
        image = noisy(number)
        packet = encoder.encode(Frame(image, t_capture_mono_ns=1 + number * 40_000_000))
        assert decoder.decode(packet).shape == image.shape
        assert len(packet) < 400
