"""Every codec and mode gives the same bytes and pixels at every SIMD level of the native core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rankcast.core import LEVEL

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("common", "sender", "tests")


def run_at(level: int) -> subprocess.Popen[str]:
    paths = os.pathsep.join(str(REPOSITORY / source) for source in SOURCES)
    return subprocess.Popen(
        [sys.executable, "-m", "support.core_digests"],
        env={**os.environ, "RANKCAST_LEVEL": str(level), "PYTHONPATH": paths},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.skipif(LEVEL < 3, reason="this processor has one level")
def test_all_codecs_are_the_same_at_every_level() -> None:
    found = []
    with run_at(2) as first, run_at(3) as second:
        for child in (first, second):
            said, errors = child.communicate(timeout=300)
            assert child.returncode == 0, errors
            found.append(json.loads(said))
    lowest, highest = found
    assert (lowest.pop("level"), highest.pop("level")) == ("2", "3")
    assert lowest.keys() == highest.keys()
    assert len(lowest) > 200
    assert [name for name in lowest if lowest[name] != highest[name]] == []
