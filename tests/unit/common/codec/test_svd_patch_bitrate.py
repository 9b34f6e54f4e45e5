"""Bit rates of `svd-patch`: the bucket is never overfull, and the step moves little."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch.options import SvdPatchOptions
from rankcast.codec.svd_patch.rate import RateControl
from rankcast.codec.svd_patch.step import MAX_PLANE_STEP, Subject
from rankcast.frame import Pixels
from rankcast.opencv import cv2
from rankcast.wire import unpack
from support.later import later
from support.limited_stream import mean_rate, send, step_ratios
from support.moving_scene import belt, colourful, noisy

pytestmark = pytest.mark.timeout(300)

FULL = 1.001
"""Of the bucket: times in nanoseconds are rounded."""


def evenly(count: int, fps: float) -> list[float]:
    return [number / fps for number in range(count)]


# ---- the controller against pictures that answer by a formula


class Pictures:
    """Takes bits as the codec does: a power of the step, and again for what becomes finer."""

    def __init__(self, rate: float, buffer_s: float, slope: float = 0.85) -> None:
        self.rate, self.size, self.slope = rate, rate * buffer_s, slope
        self.control = RateControl(SvdPatchOptions(bitrate=rate, buffer_s=buffer_s))
        self.fill = self.now_s = 0.0
        self.reference = math.inf
        self.steps: list[float] = []
        self.sizes: list[int] = []
        self.codings: list[int] = []

    def body_bytes(self, step: float, *, key: bool, busy: float, moving: float) -> int:
        # Even noise takes no more than some bits a sample.
        whole = min(30_000 * busy * (8 / step) ** self.slope, 600_000)
        if key:
            return 10 + round(whole)
        finer = max(math.log(self.reference / step), 0.0)
        return 5 + round(whole * (moving + min(2 * finer * finer, 1)))

    def send(self, interval_s: float, *, key: bool, busy: float = 1.0, moving: float = 0.1) -> int:
        """Code a picture; return its codings."""
        self.now_s += interval_s
        subject = Subject(key, 8, 255, 300_000, 1 / 16, round(self.now_s * 1e9))
        step: float | None = self.control.propose(subject)
        codings = 0
        while step is not None:
            codings, used = codings + 1, step
            body = self.body_bytes(step, key=key, busy=busy, moving=moving)
            psnr = 48 - 20 * math.log10(step)
            step = self.control.review(subject, body, psnr, lambda: math.inf)
        self.control.sent(subject, body)
        self.control.packet_made(body + 70)
        self.fill = max(self.fill - self.rate * interval_s, 0.0) + 8 * (body + 70)
        self.reference = used
        self.steps.append(used)
        self.sizes.append(body + 70)
        self.codings.append(codings)
        return codings


PICTURE = st.tuples(
    st.sampled_from([0.0, 0.004, 1 / 120, 1 / 30, 0.2, 1.0, 60.0]),
    st.booleans(),
    st.floats(0.01, 30),
    st.floats(0.0, 1.0),
)


@given(
    st.floats(1e4, 1e8),
    st.sampled_from([0.05, 0.2, 2.0]),
    st.sampled_from([0.85, 4.0, 15.0]),
    st.lists(PICTURE, min_size=1, max_size=40),
)
def test_no_picture_overfills_the_bucket_where_a_coarser_step_can_prevent_it(
    rate: float, buffer_s: float, slope: float, pictures: list[tuple[float, bool, float, float]]
) -> None:
    stream = Pictures(rate, buffer_s, slope)
    for number, (interval_s, key, busy, moving) in enumerate(pictures):
        key = key or number == 0
        codings = stream.send(interval_s, key=key, busy=busy, moving=moving)
        assert codings <= 8
        if stream.fill > FULL * stream.size:
            assert stream.steps[-1] == MAX_PLANE_STEP / 16


@pytest.mark.parametrize("fps", [1, 2, 5, 30, 120])
def test_the_step_settles_at_any_frame_rate(fps: int) -> None:
    stream = Pictures(1.5e6, 0.2)
    for number in range(300):
        stream.send(1 / fps, key=number == 0, busy=5)
    later = stream.steps[60:]
    assert max(stream.codings[60:]) == 1
    assert max(max(a, b) / min(a, b) for a, b in itertools.pairwise(later)) < 1.05
    # A frame is at most the bucket; where that is no limit all of the rate is used.
    rate = 8 * fps * float(np.mean(stream.sizes[60:]))
    assert 0.6 * min(1.5e6, fps * stream.size) <= rate <= 1.05 * min(1.5e6, fps * stream.size)
    if fps >= 30:
        assert rate == pytest.approx(1.5e6, rel=0.05)


def test_frames_that_take_longer_when_they_are_finer_do_not_grow_without_end() -> None:
    stream = Pictures(8e6, 0.2)
    interval_s, intervals = 1 / 30, []
    for number in range(300):
        codings = stream.send(interval_s, key=number == 0)
        # 15 ms a coding and 0.4 us a byte: at 30 fps and one coding just within the interval.
        interval_s = max(1 / 30, codings * (0.015 + 0.4e-6 * stream.sizes[-1]))
        intervals.append(interval_s)
    assert max(intervals[60:]) < 1.1 / 30
    assert np.ptp(np.log(stream.steps[60:])) < 0.2


def test_a_pause_is_no_frame_rate() -> None:
    stream = Pictures(1.5e6, 0.2)
    for number in range(100):
        stream.send(3600.0 if number == 60 else 1 / 30, key=number == 0)
    around = stream.steps[50:]
    assert max(max(a, b) / min(a, b) for a, b in itertools.pairwise(around)) < 1.3
    assert max(stream.codings[50:]) == 1


def test_a_clock_that_goes_back_does_not_stop_the_stream() -> None:
    stream = Pictures(1.5e6, 0.2)
    stream.now_s = 3600.0
    for number in range(100):
        if number == 50:
            stream.now_s = 0.0
        stream.send(1 / 30, key=number == 0)
    assert 8 * 30 * np.mean(stream.sizes[60:]) == pytest.approx(1.5e6, rel=0.05)


def test_a_scene_that_gets_busier_is_followed_without_coding_twice_for_long() -> None:
    stream = Pictures(1.5e6, 0.2)
    for number in range(200):
        stream.send(1 / 30, key=number == 0, moving=0.05 if number < 100 else 0.5)
    assert sum(stream.codings[100:]) <= 107
    assert 8 * 30 * np.mean(stream.sizes[120:]) == pytest.approx(1.5e6, rel=0.05)


# ---- the codec itself


@pytest.mark.parametrize(
    ("rate", "buffer_s"), [later(400_000, 0.5), later(400_000, 0.2), (150_000, 0.4)]
)
def test_no_burst_is_larger_than_the_bucket(rate: int, buffer_s: float) -> None:
    def picture(number: int) -> Pixels:
        # Noise that comes and goes, and a scene that changes at 60: what a bucket is there for.
        image = noisy(number) if number // 20 % 2 else belt(number, (120, 160, 3))
        return np.ascontiguousarray(255 - image[::-1]) if number >= 60 else image

    sent = send(map(picture, range(100)), evenly(100, 25), rate, buffer_s, gop=30)
    assert max(frame.fill for frame in sent) <= FULL
    # What is in the bucket at the end has not passed the link yet.
    assert 3.6 * rate <= 4 * mean_rate(sent, 25) <= (4 + buffer_s) * rate


@pytest.mark.parametrize("fps", [later(1), later(2), later(5), 30, 120])
def test_the_bucket_holds_at_any_frame_rate(fps: int) -> None:
    sent = send(map(noisy, range(80)), evenly(80, fps), 600_000)
    assert max(frame.fill for frame in sent) <= FULL
    later = sent[20:]
    assert np.mean([frame.codings for frame in later]) <= 1.15
    limit = min(1.0, fps * 0.2)
    assert 0.6 * limit <= mean_rate(later, fps) / 600_000 <= 1.05 * limit


@pytest.mark.slow
def test_a_noisy_stream_has_an_even_step_and_all_of_the_rate() -> None:
    sent = send(map(noisy, range(150)), evenly(150, 30), 800_000)[30:]
    assert mean_rate(sent, 30) == pytest.approx(800_000, rel=0.05)
    assert max(frame.codings for frame in sent) == 1
    assert max(step_ratios(sent)) < 1.3
    assert np.mean(np.log(step_ratios(sent))) < 0.08


@pytest.mark.slow
def test_clips_are_coded_once_with_an_even_step_at_their_rate(data: Path) -> None:
    for name, rate in (("03_blocks_720p", 1e6), ("05_juggle_720p", 7e5), ("bottle-detection", 3e5)):
        clip = cv2.VideoCapture(str(data / "video" / f"{name}.mp4"))
        size = (480, 270)
        images = [
            cv2.resize(clip.read()[1], size, interpolation=cv2.INTER_AREA) for _ in range(120)
        ]
        clip.release()
        sent = send(images, evenly(120, 30), rate)
        assert max(frame.fill for frame in sent) <= FULL
        later = sent[20:]
        assert np.mean([frame.codings for frame in later]) <= 1.15
        assert max(step_ratios(later)) < 1.5
        assert np.mean(np.log(step_ratios(later))) < 0.08
        assert mean_rate(later, 30) == pytest.approx(rate, rel=0.05)


@pytest.mark.parametrize("rate", [400_000, 2_000_000])
@pytest.mark.parametrize("picture", [belt, noisy])
def test_the_first_frame_makes_use_of_the_bucket(rate: int, picture: type[Pixels]) -> None:
    image = picture(0, (240, 320, 3))
    (first,) = send([image], [0.0], rate)
    assert 0.35 <= first.fill <= FULL
    assert first.codings <= 4


def test_a_still_scene_gets_finer_until_that_shows_no_more() -> None:
    image = belt(0, (240, 320, 3))
    ceiling = unpack(rankcast.Encoder("svd-patch", step=0.25).encode(image)).header.psnr_db or 0.0
    sent = send([image] * 120, evenly(120, 30), 2_000_000)
    steps = [frame.step for frame in sent]
    assert max(b / a for a, b in itertools.pairwise(steps)) < 1.15
    assert sent[-1].psnr_db > ceiling - 0.2
    # Nothing is left to do: neither bits nor codings for steps that only half-size chroma spoils.
    assert len(set(steps[-30:])) == 1
    assert mean_rate(sent[-30:], 30) < 200_000
    assert max(frame.codings for frame in sent[1:]) == 1


def test_more_rate_than_half_size_chroma_can_use_is_left() -> None:
    sent = send(map(colourful, range(30)), evenly(30, 30), 1e9)
    assert mean_rate(sent, 30) < 1e8
    assert min(frame.step for frame in sent) >= 2 * 16


def test_black_pictures_are_left_as_they_are() -> None:
    sent = send([np.zeros((88, 136, 3), np.uint8)] * 30, evenly(30, 30), 1e6)
    assert all(frame.psnr_db == math.inf for frame in sent)
    assert len({frame.step for frame in sent}) == 1


def test_scene_changes_fit_the_bucket_within_a_few_codings() -> None:
    def picture(number: int) -> Pixels:
        image = noisy(number) if number // 25 % 2 else belt(number, (120, 160, 3))
        return np.ascontiguousarray(255 - image[::-1]) if number // 25 % 2 else image

    sent = send(map(picture, range(100)), evenly(100, 25), 500_000)
    assert sum(frame.key for frame in sent) == 4
    assert max(frame.fill for frame in sent) <= FULL
    assert max(frame.codings for frame in sent) <= 4
    assert np.mean([frame.codings for frame in sent]) <= 1.2


def test_a_key_frame_that_is_asked_for_is_coded_once() -> None:
    def before(number: int, encoder: rankcast.Encoder) -> None:
        if number and number % 20 == 0:
            encoder.request_keyframe()

    sent = send(map(noisy, range(100)), evenly(100, 30), 800_000, before=before)
    keys = [frame for frame in sent if frame.key]
    assert len(keys) == 5
    assert [frame.codings for frame in keys[1:]] == [1] * 4
    assert max(frame.fill for frame in sent) <= FULL


def test_key_frames_only_share_the_rate_evenly() -> None:
    sent = send(map(noisy, range(60)), evenly(60, 30), 2_000_000, gop=1)[10:]
    assert mean_rate(sent, 30) == pytest.approx(2_000_000, rel=0.05)
    assert max(a.step / b.step for a, b in itertools.permutations(sent, 2)) < 1.3


def test_the_bucket_counts_headers_and_metadata() -> None:
    rate = 60_000
    encoder = rankcast.Encoder("svd-patch", bitrate=rate, buffer_s=1.0)
    bucket, sizes = 0.0, []
    for number in range(150):
        frame = rankcast.Frame(noisy(number, (64, 96)), t_capture_mono_ns=1 + number * 40_000_000)
        packet = encoder.encode(frame, meta={"station": "x" * 140})
        sizes.append(len(packet))
        around = sizes[-1] - len(unpack(packet).body)
        assert 8 * 25 * around > 0.5 * rate  # headers are most of it here
        bucket = max(bucket - rate / 25, 0.0) + 8 * sizes[-1]
        assert bucket <= FULL * rate
    assert 8 * sum(sizes[25:]) / 5 == pytest.approx(rate, rel=0.1)


def test_a_lower_rate_holds_from_its_first_full_bucket_on() -> None:
    def before(number: int, encoder: rankcast.Encoder) -> None:
        if number == 30:
            encoder.set(bitrate=200_000)

    sent = send(map(noisy, range(80)), evenly(80, 25), 800_000, 0.5, before=before)
    bucket = 0.0
    for frame in sent[30:]:
        bucket = max(bucket - 200_000 / 25, 0.0) + 8 * len(frame.packet)
        assert bucket <= FULL * 200_000 * 0.5
    assert mean_rate(sent[45:], 25) <= 1.1 * 200_000
    assert sum(frame.codings for frame in sent[30:]) <= 55


def test_a_rate_too_low_for_the_picture_ends_at_the_coarsest_step() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", bitrate=1000), rankcast.Decoder()
    for number in range(3):
        image = noisy(number)
        frame = rankcast.Frame(image, t_capture_mono_ns=1 + number * 40_000_000)
        coded = encoder.encode_packet(frame)
        assert decoder.decode(coded.data).shape == image.shape
        assert len(coded.data) < 400
        assert coded.header.params[1] == MAX_PLANE_STEP


# ---- what a controller must not trip over


def speckled(number: int, sigma: float) -> Pixels:
    noise = np.random.default_rng(number).normal(0, sigma, (240, 320))
    picture: Pixels = np.clip(belt(number, (240, 320)) + noise, 0, 255).astype(np.uint8)
    return picture


@pytest.mark.parametrize(("sigma", "fps", "rate"), [(25, 25, 8e5), (40, 25, 8e5), (25, 5, 1e5)])
def test_key_frames_whose_noise_vanishes_between_two_steps_use_the_rate(
    sigma: float, fps: int, rate: float
) -> None:
    sent = send([speckled(number, sigma) for number in range(40)], evenly(40, fps), rate, gop=1)
    assert max(frame.fill for frame in sent) <= FULL
    later = sent[10:]
    assert np.mean([frame.codings for frame in later]) <= 2
    assert mean_rate(later, fps) > 0.6 * rate


@pytest.mark.slow
def test_predicted_frames_of_before_do_not_hold_key_frames_back() -> None:
    def before(number: int, encoder: rankcast.Encoder) -> None:
        if number == 30:
            encoder.set(gop=1, bitrate=4_000_000)

    sent = send(map(noisy, range(60)), evenly(60, 30), 300_000, before=before)
    fresh = send(map(noisy, range(60)), evenly(60, 30), 4_000_000, gop=1)
    assert sent[-1].psnr_db == pytest.approx(fresh[-1].psnr_db, abs=0.3)


@pytest.mark.parametrize("rate", [300_000, 2_000_000])
def test_a_change_of_depth_starts_with_a_step_of_that_depth(rate: int) -> None:
    pictures = [belt(number, (88, 136)) for number in range(30)]
    pictures[10:20] = [picture.astype(np.uint16) * 257 for picture in pictures[10:20]]
    sent = send(pictures, evenly(30, 30), rate)
    assert min(frame.psnr_db or math.inf for frame in sent) > 35
    assert max(frame.codings for frame in sent[1:]) <= 3


def test_headers_above_the_rate_cost_no_codings() -> None:
    sent = send(map(noisy, range(30)), evenly(30, 30), 5000)
    assert {frame.codings for frame in sent[5:]} == {1}


def test_metadata_that_comes_and_goes_fits_the_bucket() -> None:
    encoder = rankcast.Encoder("svd-patch", bitrate=800_000)
    bucket = 0.0
    for number in range(40):
        frame = rankcast.Frame(noisy(number), t_capture_mono_ns=1 + number * 40_000_000)
        meta = {"report": "x" * 3900} if number % 10 == 0 else {}
        coded = encoder.encode_packet(frame, meta=meta)
        bucket = max(bucket - 800_000 / 25, 0.0) + 8 * len(coded.data)
        assert bucket <= FULL * 800_000 * 0.2
        assert coded.header.params[1] < 16 * 60


def test_frames_a_little_out_of_order_drain_the_bucket_once() -> None:
    times = evenly(60, 30)
    swapped = [times[number ^ 1] for number in range(60)]
    sent = send(map(noisy, range(60)), swapped, 800_000)[10:]
    assert mean_rate(sent, 30) == pytest.approx(800_000, rel=0.05)


def test_a_frame_with_the_time_of_day_alone_is_limited_by_that() -> None:
    encoder, sizes = rankcast.Encoder("svd-patch", bitrate=800_000), []
    for number in range(60):
        t_ns = 1_700_000_000_000_000_000 + number * 40_000_000
        sizes.append(len(encoder.encode(rankcast.Frame(noisy(number), t_capture_utc_ns=t_ns))))
    assert 8 * 25 * np.mean(sizes[10:]) == pytest.approx(800_000, rel=0.05)


def test_a_packet_that_could_not_be_made_is_not_charged() -> None:
    encoder = rankcast.Encoder("svd-patch", bitrate=300_000)

    def sent(number: int) -> bytes:
        t_ns = 1 + number * 40_000_000
        return encoder.encode(rankcast.Frame(noisy(number), t_capture_mono_ns=t_ns))

    encoder.max_packet_bytes = 100
    for number in range(5):
        with pytest.raises(rankcast.UnsupportedImageError):
            sent(number)
    encoder.max_packet_bytes = 1 << 20
    assert len(sent(5)) > 0.6 * 300_000 / 25 / 8


def test_the_first_picture_after_black_ones_makes_use_of_the_bucket() -> None:
    pictures = [np.zeros((88, 136, 3), np.uint8)] * 20
    pictures += [belt(number, (88, 136, 3)) for number in range(2)]
    sent = send(pictures, evenly(22, 30), 300_000)
    assert sent[20].fill > 0.5
