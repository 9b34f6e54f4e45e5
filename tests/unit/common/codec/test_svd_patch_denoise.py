"""Option `denoise` of `svd-patch`: the noise of what stands still is not coded again and again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast.errors import SettingsError
from rankcast.frame import Frame, Pixels
from rankcast.numerics import psnr_db
from rankcast.wire import Kind, unpack
from support.noisy_view import view, with_noise

SIGMA = 3.0
COUNT = 12
FORMS = ("grey", "colour", "mosaic", "five channels", "12 bits")


def clean_picture(form: str) -> Any:
    plane = view()
    if form == "12 bits":
        return plane * 16
    if form in ("grey", "mosaic"):
        return plane
    return plane[:, :, None] * np.linspace(0.7, 1.0, 3 if form == "colour" else 5)


def frames(form: str, count: int = COUNT) -> Iterator[Frame]:
    """Frames of a still view, of a camera at 10 Hz."""
    clean = clean_picture(form)
    for number in range(count):
        deep = form == "12 bits"
        noisy = with_noise(clean, 16 * SIGMA if deep else SIGMA, number, 12 if deep else 8)
        pixels: Pixels = noisy if deep else noisy.astype(np.uint8)
        yield Frame(
            pixels, frame=number, t_capture_mono_ns=(number + 1) * 100_000_000,
            cfa="RGGB" if form == "mosaic" else "", significant_bits=12 if deep else 0,
        )  # fmt: skip


def coded(form: str, **options: Any) -> tuple[int, Pixels]:
    """Return the bytes of the later half of a stream, and the last picture of it."""
    encoder, decoder = rankcast.Encoder("svd-patch", **options), rankcast.Decoder()
    sizes = []
    for frame in frames(form):
        packet = encoder.encode(frame)
        sizes.append(len(packet))
        picture = decoder.decode(packet)
    return sum(sizes[COUNT // 2 :]), picture


@pytest.mark.parametrize("form", FORMS)
def test_a_still_view_takes_less_than_half_the_bytes_and_is_nearer_to_what_is_there(
    form: str,
) -> None:
    step = 16.0 if form == "12 bits" else 1.0
    plain_bytes, plain = coded(form, step=step)
    fewer_bytes, picture = coded(form, step=step, denoise=True)
    assert fewer_bytes < plain_bytes / 2
    clean = np.clip(np.rint(clean_picture(form)), 0, np.iinfo(plain.dtype).max).astype(plain.dtype)
    assert psnr_db(clean, picture) > psnr_db(clean, plain) + 2


def test_a_coarse_step_codes_the_same_bytes_as_ever() -> None:
    assert coded("grey", step=12.0)[0] == coded("grey", step=12.0, denoise=True)[0]


def test_it_is_switched_in_mid_stream_without_a_key_frame() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", step=1.0), rankcast.Decoder()
    sizes = []
    for number, frame in enumerate(frames("grey", 24)):
        if number in (8, 16):
            encoder.set(denoise=number == 8)
        packet = encoder.encode(frame)
        sizes.append(len(packet))
        decoder.decode(packet)
        assert (unpack(packet).header.kind is Kind.KEY) == (number == 0)
    before, denoised, after = (sum(sizes[n : n + 4]) for n in (4, 12, 20))
    assert denoised < before / 2
    assert after == pytest.approx(before, rel=0.2)


def test_a_bit_rate_buys_a_better_picture_of_a_still_view() -> None:
    clean = clean_picture("grey").round().astype(np.uint8)
    plain, denoised = (
        psnr_db(clean, coded("grey", bitrate="300 kbit/s", denoise=on)[1]) for on in (False, True)
    )
    assert denoised > plain


def test_the_error_that_the_header_tells_counts_the_noise_that_was_removed() -> None:
    encoder = rankcast.Encoder("svd-patch", step=1.0, denoise=True)
    for frame in frames("grey"):
        header = encoder.encode_packet(frame).header
    assert header.psnr_db == pytest.approx(20 * np.log10(255 / SIGMA), abs=0.7)


def test_a_psnr_target_is_refused() -> None:
    text = "got denoise with psnr, which counts noise as picture: give quality, step or bitrate"
    with pytest.raises(SettingsError, match=re.escape(text)):
        rankcast.Encoder("svd-patch", psnr=40.0, denoise=True)


def test_more_significant_bits_begin_anew() -> None:
    """The same levels stand for another brightness."""
    plain, denoised = (rankcast.Encoder("svd-patch", step=32.0, denoise=on) for on in (False, True))
    sizes = [0, 0]
    for number in range(20):
        scale = 4 if number < 8 else 16
        frame = Frame(
            with_noise(view() * scale, SIGMA * scale, number, 12),
            frame=number, t_capture_mono_ns=(number + 1) * 100_000_000,
        )  # fmt: skip
        for index, encoder in enumerate((plain, denoised)):
            packet = encoder.encode(frame)
            sizes[index] += len(packet) if number > 12 else 0
    assert sizes[1] < sizes[0] / 2


def test_somebody_whose_frames_it_never_changes_hears_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    encoder = rankcast.Encoder("svd-patch", step=1.0, denoise=True)
    clean = view(16, 16).round().astype(np.uint8)
    for _ in range(400):
        encoder.encode(clean)
    told = [record.getMessage() for record in caplog.records if "denoise" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("denoise has changed none of 300 frames")
