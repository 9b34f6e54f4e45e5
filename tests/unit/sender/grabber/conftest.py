"""Grabber processes and their memory end with their sources."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil
import pytest


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """Fail a test that leaves a process or a file of shared memory behind."""
    before = set(psutil.Process().children())
    memory = set(os.listdir("/dev/shm"))
    yield
    assert set(psutil.Process().children()) <= before
    assert {name for name in os.listdir("/dev/shm") if "rankcast" in name} <= memory
