"""Encoders of PyAV leave the rest of the machine alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from rankcast.rate_distortion.clip_format import ClipFormat
from rankcast.rate_distortion.peers import PEERS


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs the threads of Linux")
@pytest.mark.parametrize("name", ["h264", "av1"])
def test_no_encoder_takes_real_time_priority(name: str) -> None:
    clip = ClipFormat(shape=(64, 96, 3), dtype_bits=8, bits=8, fps=25.0)
    reason = PEERS[name].refusal(clip)
    if reason:
        pytest.skip(reason)
    coder = PEERS[name].start(clip, 30, 250)
    assert coder.encode(np.zeros((64, 96, 3), np.uint8))
    policies = {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()}
    assert policies == {os.SCHED_OTHER}
    coder.finish()
