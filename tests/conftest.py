"""Fixtures of all tests: real data, and the rule that nothing may leak."""

from __future__ import annotations

import gc
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from hypothesis import HealthCheck, settings

# How fast a busy machine draws examples says nothing about the code under test.
settings.register_profile("rankcast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rankcast")

# scikit-learn's scheduler warns where the system cannot tell its physical cores, and warnings fail.
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread files whose tests wait for processes evenly among files whose tests compute.

    Each worker of `make test` gets a contiguous share: in the order of folders, all workers would
    start processes at the end, more than the machine can serve in time.
    """
    files = [list(group) for _, group in itertools.groupby(items, key=lambda item: item.path)]
    places: list[tuple[float, list[pytest.Item]]] = []
    for waits in (True, False):
        kind = [file for file in files if _waits(file[0]) is waits]
        places += [((number + 0.5) / len(kind), file) for number, file in enumerate(kind)]
    places.sort(key=lambda place: place[0])
    items[:] = itertools.chain.from_iterable(file for _, file in places)


def _waits(item: pytest.Item) -> bool:
    return REPOSITORY / "tests" / "system" in item.path.parents


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real images and clips, or a visible skip."""
    folder = Path(os.environ.get("RANKCAST_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set RANKCAST_TEST_DATA")
    return folder


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread or a ZeroMQ socket behind."""
    before = set(threading.enumerate())
    # What was imported is no concern of this test; walking it costs a tenth of a second.
    gc.freeze()
    yield
    gc.collect()  # a ResourceWarning of an unclosed socket is an error
    left = [
        thread
        for thread in threading.enumerate()
        # The pool belongs to the process, not to a test.
        if thread not in before and not thread.name.startswith("rankcast-pool")
    ]
    assert not left, f"threads left running: {left}"
    assert not zmq.Context._instance or zmq.Context._instance.closed, "a global context was used"
