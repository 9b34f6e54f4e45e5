"""What stands before the body of a predicted frame stays small: 48 bytes at most."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest

import rankcast
from rankcast.boot_clock import boot_ns
from rankcast.frame import Frame, Pixels
from rankcast.wire import unpack
from support.moving_scene import noisy, scene

MOST_BYTES = 48
MOST_BYTES_16 = 51
"""Of 16 bits, where a step takes 3 bytes: in the frame after a key frame, whose step is finer."""
LATER = 70_000
"""Sequences from here on, as after an hour at 20 Hz."""
UP_NS = 60 * 86_400 * 10**9
"""The station was started so long before."""
PERIOD_NS = 33_333_333
MOST_APART_NS = 8000
"""A process that is not interrupted reads a clock in less than a microsecond."""
FRAMES = 20
"""More than there are from one checksum to the next."""


def still(_number: int) -> Pixels:
    return scene(0, (120, 160, 3))


def moving(number: int) -> Pixels:
    return scene(number, (120, 160, 3))


def deep(number: int) -> Pixels:
    return scene(number, (60, 80), "uint16")


def _frames(picture: Any) -> Iterator[Frame]:
    mono_ns, utc_ns = boot_ns() + UP_NS, time.time_ns()
    rng = random.Random(1)
    for number in range(FRAMES):
        # Some were lost before the encoder, and both clocks are read one after the other.
        yield Frame(
            picture(number),
            frame=LATER + number + 100,
            t_capture_mono_ns=mono_ns + number * PERIOD_NS,
            t_capture_utc_ns=utc_ns + number * PERIOD_NS + rng.randrange(MOST_APART_NS),
        )


@pytest.mark.parametrize("picture", [still, moving, noisy, deep])
@pytest.mark.parametrize("options", [{}, {"quality": 95}, {"bitrate": "500 kbit/s"}, {"refs": 2}])
def test_a_predicted_frame_has_at_most_48_bytes_before_its_body(
    picture: Any, options: dict[str, Any]
) -> None:
    encoder = rankcast.Encoder("svd-patch", **options)
    encoder._sequence = LATER
    sizes = []
    for frame in _frames(picture):
        packet = unpack(encoder.encode(frame))
        header = packet.header
        assert header.sequence >= LATER
        if header.ref_sequence is not None and header.checksum is None:
            sizes.append(packet.size - len(packet.body))
    assert sizes
    assert max(sizes) <= (MOST_BYTES_16 if picture is deep else MOST_BYTES)
    assert statistics.median(sizes) <= MOST_BYTES
