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


def dotted_name(node: ast.expr) -> str:
    """Return ``a.b.c`` of that expression; empty where something else than a name is in it."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (of := dotted_name(node.value)):
        return f"{of}.{node.attr}"
    return ""


def names(source: str) -> set[str]:
    """Return the names that a module calls or passes on, such as ``threading.Thread``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and (dotted := dotted_name(node)):
            found.add(dotted)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


BARE = {
    "threading.Thread", "threading.Timer", "_thread", "concurrent.futures.ThreadPoolExecutor",
    "multiprocessing",
}  # fmt: skip


@pytest.fixture(scope="module")
def used() -> dict[str, set[str]]:
    """Names that each module uses."""
    return {name_of(path): names(path.read_text(encoding="utf-8")) for path in MODULES}


def test_every_thread_of_the_product_is_a_worker(used: dict[str, set[str]]) -> None:
    bare = {module for module, found in used.items() if found & BARE}
    assert bare - MAY_START_THREADS.keys() == set(), "Worker reports how its thread ended"
    assert MAY_START_THREADS.keys() - bare == set(), "take them off the list"


def test_times_that_are_compared_with_captures_are_read_from_the_boot_clock(
    used: dict[str, set[str]],
) -> None:
    own = {"common/rankcast/boot_clock.py", "sender/rankcast_sender/devices/child.py"}
    modules = {module: found for module, found in used.items() if module not in own}
    asleep = [module for module, found in modules.items() if "time.monotonic_ns" in found]
    assert asleep == [], "use rankcast.boot_clock.boot_ns"
    asleep = [
        module
        for module, found in modules.items()
        if module.startswith("receiver/") and module not in AWAKE and "time.monotonic" in found
    ]
    assert asleep == [], "use rankcast.boot_clock.boot_s"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import threading\nthreading.Thread(target=f)", "threading.Thread"),
        ("from threading import Thread", "threading.Thread"),
        ("import _thread", "_thread"),
        ("x = concurrent.futures.ThreadPoolExecutor(2)", "concurrent.futures.ThreadPoolExecutor"),
        ("import time\nx = time.monotonic_ns", "time.monotonic_ns"),
    ],
)
def test_what_is_looked_for_is_found(source: str, name: str) -> None:
    assert name in names(source)
