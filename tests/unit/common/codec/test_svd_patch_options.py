"""Options of `svd-patch`: what is asked for is held, and what cannot be is refused."""

from __future__ import annotations

import numpy as np
import pytest

import rankcast
from rankcast import pool
from rankcast.frame import Frame
from rankcast.wire import Kind, unpack
from support.moving_scene import scene

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("target", [36.0, 40.0, 46.0])
@pytest.mark.parametrize("colour", ["ycc444", "grey"])
def test_a_psnr_is_met_within_0_3_db(target: float, colour: str) -> None:
    grey = colour == "grey"
    encoder = rankcast.Encoder("svd-patch", psnr=target, colour="ycc444")
    for number in range(5):
        image = scene(number, (144, 208) if grey else (144, 208, 3))
        header = encoder.encode_packet(image).header
        assert header.psnr_db == pytest.approx(target, abs=0.3)


def test_a_bit_rate_is_met_and_bursts_fit_the_bucket() -> None:
    rate, fps, buffer_s = 400_000, 25, 0.5
    encoder = rankcast.Encoder("svd-patch", bitrate="400 kbit/s", buffer_s=buffer_s, gop=50)
    bucket, total, highest = 0.0, 0, 0.0
    for number in range(100):
        image = scene(number, (120, 160, 3))
        noise = np.random.default_rng(number).integers(-20, 21, image.shape)
        image = np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)
        packet = encoder.encode(Frame(image, t_capture_mono_ns=number * 40_000_000))
        bucket = max(bucket - rate / fps, 0) + 8 * len(packet)
        highest = max(highest, bucket)
        total += 8 * len(packet)
    assert highest <= 1.001 * rate * buffer_s
    assert 0.6 * rate <= total / 4 <= 1.1 * rate


def test_quality_is_monotonic() -> None:
    image = scene(0)
    headers = []
    for quality in (5, 30, 60, 90, 100):
        packet = rankcast.Encoder("svd-patch", quality=quality, colour="ycc444").encode(image)
        headers.append((len(packet), unpack(packet).header.psnr_db))
    assert headers == sorted(headers)


def test_settings_change_in_mid_stream_without_a_key_frame() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", quality=90), rankcast.Decoder()
    decoder.decode(encoder.encode(scene(0)))
    encoder.set(quality=30)
    packet = encoder.encode(scene(1))
    decoder.decode(packet)
    assert unpack(packet).header.kind is Kind.PREDICTED
    encoder.set(psnr=38.0)
    packet = encoder.encode(scene(2))
    decoder.decode(packet)
    assert unpack(packet).header.kind is Kind.PREDICTED
    encoder.set(colour="ycc444")
    assert encoder.encode_packet(scene(3)).header.kind is Kind.KEY
    with pytest.raises(rankcast.SettingsError):
        encoder.set(quality=101)
    with pytest.raises(rankcast.SettingsError):
        encoder.set(speed=3)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 0}, {"quality": 50, "psnr": 40.0}, {"rank": 9}, {"bitrate": "fast"},
        {"refs": 3},
        *({"significant_bits": bits} for bits in (-1, 1, 7, 17)),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(rankcast.SettingsError):
        rankcast.Encoder("svd-patch", **options)


@pytest.mark.parametrize(
    ("text", "bits_per_second"),
    [
        ("8 Mb/s", 8e6), ("8 mbit/s", 8e6), ("8 MBit/s", 8e6), ("8MBITS/S", 8e6), ("8 Mbps", 8e6),
        ("8 mb/s", 8e6), ("8 M", 8e6), ("2500 K", 2.5e6), ("2.5kb/s", 2500.0), ("1 Gbit/s", 1e9),
        (" 64000 ", 64e3), ("64000 b/s", 64e3),
    ],
)  # fmt: skip
def test_a_bit_rate_may_be_written_in_capitals_or_small(text: str, bits_per_second: float) -> None:
    encoder = rankcast.Encoder("svd-patch", bitrate=text)
    assert encoder.options["bitrate"] == bits_per_second


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("8 MB/s", "64 Mbit/s"), ("1.5 MBps", "12 Mbit/s"), ("500 KB/s", "4000 Kbit/s"),
        ("100000 B/s", "800000 bit/s"), ("2 Mbyte/s", "16 Mbit/s"), ("2 MBytes/s", "16 Mbit/s"),
        ("8 MB", "64 Mbit/s"),
    ],
)  # fmt: skip
def test_a_rate_in_bytes_is_refused_with_the_same_in_bits(text: str, bits: str) -> None:
    with pytest.raises(rankcast.SettingsError, match=f"in bytes: want bits, such as '{bits}'"):
        rankcast.Encoder("svd-patch", bitrate=text)


@pytest.mark.parametrize("text", ["8 MiB/s", "8 Mbit", "8 m/s", "8 Tbit/s", "-8 M", "", "8 bs"])
def test_what_is_no_bit_rate_is_refused_with_one(text: str) -> None:
    with pytest.raises(rankcast.SettingsError, match="want a number such as '8 Mbit/s'"):
        rankcast.Encoder("svd-patch", bitrate=text)


def test_significant_bits_of_16_bit_pictures_are_refused_for_8_bit_ones() -> None:
    encoder = rankcast.Encoder("svd-patch", significant_bits=12)
    deep = scene(0, (72, 104), "uint16") >> 4
    encoder.encode(deep)
    with pytest.raises(rankcast.UnsupportedImageError, match="significant_bits=12, want 0: it is"):
        encoder.encode(scene(0))
    # The stream goes on, and the options can be set right.
    assert encoder.encode_packet(deep).header.kind is Kind.PREDICTED
    encoder.set(significant_bits=0)
    encoder.encode(scene(0))
    rankcast.Encoder("svd-patch", significant_bits=8).encode(scene(0))


def test_one_thread_is_one_where_a_target_is_missed_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise AssertionError("a thread of the pool was asked for")

    monkeypatch.setattr(pool, "threads", lambda: 2)
    monkeypatch.setattr(pool, "_executor", refuse)
    # Large enough for two bands; half-size chroma cannot come near such a target.
    rng = np.random.default_rng(0)
    colours = rng.integers(60, 200, (90, 160, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    encoder = rankcast.Encoder("svd-patch", psnr=80.0, threads=1)
    encoder.encode(colours)
    assert "use colour=ycc444" in caplog.text
    with pytest.raises(AssertionError, match="of the pool"):
        rankcast.Encoder("svd-patch", threads=2).encode(colours)
