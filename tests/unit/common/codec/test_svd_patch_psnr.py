"""PSNR targets of `svd-patch`: what was asked for is met, or it is said that it is not."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rankcast
from rankcast.codec.svd_patch.psnr import TOLERANCE_DB, PsnrSearch
from rankcast.codec.svd_patch.step import Subject
from rankcast.frame import Pixels
from rankcast.images import read_image
from rankcast.opencv import cv2
from support.moving_scene import belt, colourful

pytestmark = pytest.mark.timeout(300)


def reached_db(images: list[Pixels], **options: Any) -> list[float]:
    encoder = rankcast.Encoder("svd-patch", **options)
    reached = [encoder.encode_packet(image).header.psnr_db for image in images]
    return [math.nan if value is None else value for value in reached]


@pytest.mark.parametrize(
    ("shape", "dtype", "colour", "targets"),
    [
        ((88, 136), "uint8", "ycc420", (30.0, 36.0, 44.0, 52.0)),
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


def test_a_step_that_gives_more_than_the_target_in_fewer_bytes_is_taken() -> None:
    # One of these pictures has 28.5 dB in 67 bytes and 27.9 dB in 71.
    images = [belt(number, (88, 136), "uint8") for number in range(5)]
    images.insert(3, np.ascontiguousarray(255 - images[0][::-1, ::-1]))
    reached = reached_db(images, psnr=28.0)
    assert min(reached) >= 27.7
    assert max(reached) <= 28.5


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


# ---- pictures that are exact, or nearly, at any step


def flat(value: int, shape: tuple[int, ...], dtype: str) -> Pixels:
    return np.full(shape, value, dtype)


def ramp(shape: tuple[int, ...], dtype: str, across: int, down: int) -> Pixels:
    """Brighter towards one corner, over the whole scale."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    slope = across * x + down * y
    samples = (slope * np.iinfo(dtype).max // slope.max()).astype(dtype)
    return np.repeat(samples[:, :, None], 3, axis=2) if len(shape) == 3 else samples


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(120, 160), (120, 160, 3)])
@pytest.mark.parametrize("colour", ["ycc420", "ycc444"])
def test_flat_pictures_are_better_than_asked_for_and_cost_nothing(
    shape: tuple[int, ...], dtype: str, colour: str
) -> None:
    for value in (0, 1, np.iinfo(dtype).max):
        for target in (30.0, 45.0, 50.0):
            encoder = rankcast.Encoder("svd-patch", psnr=target, colour=colour)
            for _ in range(2):
                coded = encoder.encode_packet(flat(value, shape, dtype))
                assert (coded.header.psnr_db or 0.0) > target + 10
                assert len(coded.data) < 130


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(120, 160), (120, 160, 3)])
@pytest.mark.parametrize(("across", "down"), [(1, 0), (2, 1)])
def test_ramps_are_never_worse_than_asked_for(
    shape: tuple[int, ...], dtype: str, across: int, down: int
) -> None:
    image = ramp(shape, dtype, across, down)
    for target in (30.0, 40.0, 50.0, *((60.0, 70.0) if dtype == "uint16" else ())):
        (reached,) = reached_db([image], psnr=target, colour="ycc444")
        assert reached >= target - TOLERANCE_DB


def test_an_exact_black_picture_does_not_blame_the_rank(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "rankcast"):
        (reached,) = reached_db([flat(0, (120, 160), "uint8")], psnr=45.0, rank=2)
    assert reached == math.inf
    assert not caplog.messages


SUBJECT = Subject(key=True, bits=8, peak=255, samples=100_000, grain=1 / 16, t_ns=0)


@given(
    st.floats(20, 60),
    st.lists(st.tuples(st.floats(10, 70), st.integers(10, 100_000)), min_size=1, max_size=20),
)
def test_no_try_that_reached_the_target_is_given_up_for_one_that_did_not(
    asked_db: float, outcomes: list[tuple[float, int]]
) -> None:
    # Steps that answer as they like: PSNR and bytes need not follow them at all.
    answers: dict[float, tuple[float, int]] = {}
    search = PsnrSearch(SUBJECT, asked_db, truncated=False)
    step: float | None = SUBJECT.nearest_step(search.first_step())
    codings = 0
    while step is not None:
        codings += 1
        sent = answers.setdefault(step, outcomes[len(answers) % len(outcomes)])
        step = search.better_step(step, *sent, lambda: math.inf)
    assert codings <= 9
    enough = [answer for answer in answers.values() if answer[0] >= asked_db - TOLERANCE_DB]
    if enough:
        assert sent[0] >= asked_db - TOLERANCE_DB
        assert 0.98 * sent[1] <= min(size for _, size in enough)
    else:
        assert sent[0] == max(psnr for psnr, _ in answers.values())


# ---- targets that the planes do not allow


def assert_more_gives_no_less(image: Pixels, targets: list[float]) -> None:
    reached = [reached_db([image], psnr=target)[0] for target in targets]
    assert reached == sorted(reached)
    (ceiling,) = reached_db([image], step=0.25)
    for target, got in zip(targets, reached, strict=True):
        assert got >= min(target, ceiling) - 0.3


def test_asking_for_more_never_gives_less() -> None:
    assert_more_gives_no_less(colourful(0), [10.0, 12.0, 14.0, 16.0, 18.0, 25.0, 40.0, 70.0, 100.0])
    assert_more_gives_no_less(belt(0), [float(db) for db in range(30, 60, 2)])


def test_asking_for_more_never_gives_less_on_photographs(data: Path) -> None:
    for number in (3, 8):
        image = np.ascontiguousarray(
            read_image(data / "kodak" / f"kodim{number:02}.png")[100:340, 200:520]
        )
        assert_more_gives_no_less(
            image, [38.0, 40.0, 41.0, 42.0, 43.0, 44.0, 46.0, 50.0, 55.0, 70.0]
        )


def test_a_target_that_is_set_after_a_very_coarse_step_is_met_at_once() -> None:
    encoder = rankcast.Encoder("svd-patch", step=200)
    for number in range(2):
        encoder.encode(belt(number, (88, 136, 3)))
    encoder.set(psnr=48.0, colour="ycc444")
    assert encoder.encode_packet(belt(2, (88, 136, 3))).header.psnr_db == pytest.approx(48, abs=0.3)


def test_a_rank_that_is_set_after_a_miss_is_told_of_too(caplog: pytest.LogCaptureFixture) -> None:
    encoder = rankcast.Encoder("svd-patch", psnr=60.0)
    encoder.encode(belt(0, (88, 136, 3)))
    encoder.set(rank=1)
    encoder.encode(belt(1, (88, 136, 3)))
    chroma, rank = [record.getMessage() for record in caplog.records]
    assert "half-size chroma" in chroma
    assert "rank=1 leaves too little" in rank
