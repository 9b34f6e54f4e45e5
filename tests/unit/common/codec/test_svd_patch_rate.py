"""Rate control of `svd-patch`: its settings replace each other in mid-stream."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

import rankcast
from rankcast.codec.svd_patch.rate import RateControl
from rankcast.codec.svd_patch.step import key_step
from rankcast.frame import Frame
from rankcast.opencv import cv2
from rankcast.wire import Header, Kind, unpack
from support.moving_scene import belt

pytestmark = pytest.mark.timeout(300)


def fill_of(packets: list[bytes], times_s: list[float], rate: float) -> list[float]:
    """Bits in a bucket that drains at `rate`, after each packet: whole packets, headers too."""
    bucket, before, fills = 0.0, times_s[0], []
    for packet, time_s in zip(packets, times_s, strict=True):
        bucket = max(bucket - rate * (time_s - before), 0.0) + 8 * len(packet)
        before = time_s
        fills.append(bucket)
    return fills


def test_rate_settings_replace_each_other_in_mid_stream() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", quality=95), rankcast.Decoder()
    rate, buffer_s = 300_000, 0.3
    packets: list[bytes] = []
    headers: list[Header] = []
    times_s = [number / 25 for number in range(130)]
    for number, time_s in enumerate(times_s):
        if number == 40:
            encoder.set(bitrate=rate, buffer_s=buffer_s)
        elif number == 90:
            encoder.set(psnr=38.0, colour="ycc420")
        elif number == 110:
            encoder.set(step=4.0)
        image = belt(number, (120, 160))
        coded = encoder.encode_packet(Frame(image, t_capture_mono_ns=1 + round(time_s * 1e9)))
        packets.append(coded.data)
        headers.append(coded.header)
        decoder.decode(packets[-1])
    # Nothing of it needs a key frame.
    assert [n for n, header in enumerate(headers) if header.kind is Kind.KEY] == [0]
    assert {header.params[1] for header in headers[1:40]} == {round(1.6 * 16)}
    # What was sent before there was a rate is not paid back with coarse pictures.
    assert 8 * 25 * np.mean([len(packet) for packet in packets[:40]]) > 1.5 * rate
    limited = packets[40:90]
    assert max(fill_of(limited, times_s[40:90], rate)) <= 1.001 * rate * buffer_s
    assert 1.8 * rate <= 8 * sum(map(len, limited)) <= (2 + buffer_s) * rate
    assert all(abs((header.psnr_db or 0) - 38.0) <= 0.3 for header in headers[90:110])
    assert {header.params[1] for header in headers[110:]} == {4 * 16}


def test_coding_a_picture_again_at_a_step_gives_the_same_as_before() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (140, 400), np.uint8)
    wide = cv2.GaussianBlur(noise, (0, 0), 2)
    once, thrice = (rankcast.Encoder("svd-patch", step=6.0) for _ in range(2))
    tries: list[float | None] = []

    def other(*_: object) -> float | None:
        # Where the search of a try may end; it would find its way to other displacements from here.
        for work in thrice._encoder._engine.slices:
            work.moved[:] = 36, 8
        return tries.pop(0)

    for number in range(8):
        picture = np.ascontiguousarray(wide[2 * number : 2 * number + 96, 9 * number :][:, :160])
        frame = Frame(picture, t_capture_mono_ns=1 + number)
        wanted = unpack(once.encode(frame)).body
        tries[:] = [120.0, 40.0, 6.0 if number else key_step(6.0), None]
        with patch.object(RateControl, "review", other):
            got = unpack(thrice.encode(frame)).body
        assert bytes(got) == bytes(wanted)
