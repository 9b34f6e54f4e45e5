"""Basler's emulator behind a real sender, and receivers of its frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.frame import Frame
from rankcast.images import read_image
from rankcast.net import control_endpoint
from rankcast_receiver import Subscriber
from support.basler import EMULATORS, SERIAL, emulated_station, needs_pypylon
from support.processes import rankcast, read_report, run
from support.viewers import Sender, check_received, sending

pytestmark = needs_pypylon

STEP = 16
"""Of the emulator's moving test picture of 12 bits: sample = 16 * ((x + y + n) mod 256)."""
PERIOD = 256


class MovingTestPicture:
    """Checks that frames of Mono12 are whole pictures, and which of them."""

    def __init__(self, height: int, width: int) -> None:
        line = np.arange(width + height + PERIOD) % PERIOD * STEP
        self._line = line.astype(np.uint16)
        self._shape = height, width
        self._offset: int | None = None

    def check(self, frame: Frame) -> None:
        """Raise unless every sample is of the picture that the camera's frame number names."""
        height, width = self._shape
        assert frame.pixels.shape == self._shape
        number = int(frame.pixels[0, 0]) // STEP
        whole = np.lib.stride_tricks.sliding_window_view(self._line[number:], width)[:height]
        np.testing.assert_array_equal(frame.pixels, whole)
        assert frame.device_frame_id is not None
        offset = (number - frame.device_frame_id) % PERIOD
        assert self._offset in (None, offset), "the picture of another frame"
        self._offset = offset


@contextmanager
def emulating(folder: Path, query: str, *arguments: str, **features: Any) -> Iterator[Sender]:
    """Start a sender of the emulator's first camera."""
    source = f"basler:{SERIAL}?{query}"
    with sending(
        folder, *arguments, source=source, **emulated_station(folder, **features)
    ) as sender:
        yield sender


def control(address: str, *words: str) -> Any:
    done = run("control", control_endpoint(address), *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_five_megapixels_of_twelve_bits_at_20_fps_are_all_accounted_for_and_none_is_torn(
    tmp_path: Path,
) -> None:
    frames = 200
    picture = MovingTestPicture(2048, 2448)
    with emulating(
        tmp_path, "pixel_format=Mono12&width=2448&height=2048&fps=20",
        "--codec", "raw", "--frames", str(frames), "--wait-viewers", "1",
    ) as sender:  # fmt: skip
        with Subscriber(sender.address) as subscriber:
            delivered = 0
            for frame in subscriber:
                picture.check(frame)
                assert (frame.pixels.dtype, frame.significant_bits) == ("uint16", 12)
                delivered += 1
            balance = subscriber.balance()
        assert sender.process.wait() == 0
        report = sender.report()
    print(report["lost"], report["duration_s"], report["cpu_s"], balance)
    assert balance.passed == delivered
    assert balance.under_way == 0
    assert balance.entered == report["published"]
