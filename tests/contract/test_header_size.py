"""What stands before the body of a predicted frame stays small: 48 bytes at most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast.frame import Frame, Pixels
from rankcast.wire import unpack
from support.moving_scene import scene

MOST_BYTES = 48
LATER = 70_000
"""Sequences from here on, as after an hour at 20 Hz."""
FRAMES = 20
"""More than there are from one checksum to the next."""


def still(_number: int) -> Pixels:
    return scene(0, (120, 160, 3))


def moving(number: int) -> Pixels:
    return scene(number, (120, 160, 3))


def noise(number: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 256, (120, 160), np.uint8)


def deep(number: int) -> Pixels:
    return scene(number, (60, 80), "uint16")


def _frames(picture: Any) -> Iterator[Frame]:
    # Read from an encoder of its own, so that both clocks are those of now, one after the other.
    stamps = rankcast.Encoder("raw")
    for number in range(FRAMES):
        frame = stamps.frame_of(picture(number))
        yield Frame(
            frame.pixels,
            frame=LATER + number + 100,  # some were lost before the encoder
            t_capture_mono_ns=frame.t_capture_mono_ns,
            t_capture_utc_ns=frame.t_capture_utc_ns,
        )


@pytest.mark.parametrize("picture", [still, moving, noise, deep])
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
    assert max(sizes) <= MOST_BYTES
