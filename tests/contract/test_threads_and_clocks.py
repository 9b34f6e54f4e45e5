"""Threads report how they end, and what is compared with a capture time is read from one clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted(
    path
    for room in (
        "common/rankcast",
        "sender/rankcast_sender",
        "receiver/rankcast_receiver",
        "relay/rankcast_relay",
    )
    for path in (REPOSITORY / room).rglob("*.py")
)
MAY_START_THREADS = {
    "common/rankcast/runtime/worker.py": "Worker itself",
    "common/rankcast/runtime/stop_watch.py": "ends the process where it cannot go on",
    "common/rankcast/pool.py": "its futures raise in the caller",
    "sender/rankcast_sender/devices/child.py": "standard library alone; the process ends with it",
    "common/rankcast/net/context_end.py": "the interpreter must not wait for a stuck libzmq",
    "common/rankcast/net/host_name.py": "nobody waits for a name server, nor is stuck with it",
}
AWAKE = {
    "receiver/rankcast_receiver/subscriber.py": "nobody waits for a frame during a suspend",
}
"""Modules of the receiver that need the time without suspends."""


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def names(tree: ast.AST) -> set[str]:
    """Return the names that a module calls or passes on, such as ``threading.Thread``."""
    found = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


BARE = {
    "threading.Thread", "threading.Timer", "_thread", "concurrent.futures.ThreadPoolExecutor",
    "multiprocessing",
}  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_thread_of_the_product_is_a_worker(path: Path) -> None:
    found = names(ast.parse(path.read_text(encoding="utf-8"))) & BARE
    if name_of(path) in MAY_START_THREADS:
        assert found, "take it off the list"
    else:
        assert found == set(), "use rankcast.runtime.Worker, which reports how its thread ended"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_times_that_are_compared_with_captures_are_read_from_the_boot_clock(path: Path) -> None:
    name = name_of(path)
    if name in ("common/rankcast/boot_clock.py", "sender/rankcast_sender/devices/child.py"):
        return
    found = names(ast.parse(path.read_text(encoding="utf-8")))
    assert "time.monotonic_ns" not in found, "use rankcast.boot_clock.boot_ns"
    if name.startswith("receiver/") and name not in AWAKE:
        assert "time.monotonic" not in found, "use rankcast.boot_clock.boot_s"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import threading\nthreading.Thread(target=f)", "threading.Thread"),
        ("from threading import Thread", "threading.Thread"),
        ("import _thread", "_thread"),
        ("import time\nx = time.monotonic_ns", "time.monotonic_ns"),
    ],
)
def test_what_is_looked_for_is_found(source: str, name: str) -> None:
    assert name in names(ast.parse(source))
