"""A camera that repeats one frame is found; one that shows a still scene is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from rankcast.frame import Frame, Pixels
from rankcast_sender.grabber.freeze_detector import FreezeDetector

STILL = np.full((60, 80), 100, np.uint8)


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def looks(pictures: list[Pixels], step_s: float = 1.0, freeze_s: float = 5.0) -> list[bool]:
    clock = Clock()
    detector = FreezeDetector(freeze_s, now_s=clock)
    seen = []
    for picture in pictures:
        seen.append(detector.look(Frame(picture.copy())))
        clock.now_s += step_s
    return seen


def test_identical_frames_are_a_freeze_after_the_time_given() -> None:
    assert looks([STILL] * 8) == [False] * 5 + [True] * 3


def test_one_other_sample_ends_it() -> None:
    other = STILL.copy()
    other[59, 79] += 1
    assert (
        looks([STILL] * 7 + [other] + [other] * 6)
        == [False] * 5 + [True] * 2 + [False] * 5 + [True] * 2
    )


def test_noise_in_a_still_scene_is_no_freeze() -> None:
    rng = np.random.default_rng(0)
    noisy = [STILL + rng.integers(0, 3, STILL.shape).astype(np.uint8) for _ in range(20)]
    assert not any(looks(noisy))


def test_two_slow_frames_alone_are_no_freeze() -> None:
    assert looks([STILL] * 5, step_s=10.0) == [False, False, False, True, True]


def test_zero_switches_it_off() -> None:
    assert not any(looks([STILL] * 50, freeze_s=0))


def test_another_shape_is_another_frame() -> None:
    assert not any(looks([STILL, STILL.reshape(80, 60)] * 20))


@pytest.mark.parametrize("counter", ["device_frame_id", "device_time_ns"])
def test_a_device_that_counts_on_while_its_picture_stands_is_frozen(counter: str) -> None:
    clock = Clock()
    detector = FreezeDetector(5.0, now_s=clock)
    seen = []
    for number in range(8):
        seen.append(detector.look(Frame(STILL, **{counter: number})))  # type: ignore[arg-type]
        clock.now_s += 1
    assert seen == [False] * 5 + [True] * 3
