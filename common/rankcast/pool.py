"""The threads of this process that compute: the budget of processors that all streams share."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

from rankcast.errors import SettingsError

T = TypeVar("T")
MAX_THREADS: Final = 64

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_threads = 0


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Return the number of threads that the core, BLAS and OpenCV may use in this process."""
    return _threads or processors()


def set_threads(count: int = 0) -> None:
    """Let the core and OpenCV use `count` threads in this process, and limit BLAS to one.

    Results never depend on the count. Call it before streams run, because it waits for the old
    pool to finish its work.

    Parameters
    ----------
    count : int
        1 to 64, or 0 for all processors that this process may use.

    Raises
    ------
    SettingsError
        If `count` is not in 0..64.

    Notes
    -----
    The pool itself splits matrix products into bands. OpenBLAS threads would spin while waiting
    for each other: with sender and receiver on two processors, frames of 24 ms took seconds.
    """
    global _pool, _threads
    if not 0 <= count <= MAX_THREADS:
        raise SettingsError(f"got {count} threads, want 1 to {MAX_THREADS}, or 0 for all")
    count = count or processors()
    with _lock:
        old, _pool, _threads = _pool, None, count
    if old is not None:
        old.shutdown(wait=True)
    from threadpoolctl import threadpool_limits

    from rankcast.opencv import cv2  # not before: decoding alone may need neither

    # OpenCV brings a BLAS of its own: it is loaded by now, and limited too.
    threadpool_limits(limits=1, user_api="blas")
    cv2.setNumThreads(count)


def run(tasks: Sequence[Callable[[], T]], limit: int | None = None) -> list[T]:
    """Run `tasks` on the caller's thread and the pool, on `limit` threads at most.

    Results are returned in the order of the tasks.

    The first exception is raised after all tasks have ended, so that no task
    still writes into buffers that the caller is about to reuse.
    """
    workers = min(threads(), len(tasks), limit or MAX_THREADS)
    if workers <= 1:
        return [task() for task in tasks]
    results: dict[int, T] = {}
    failures: list[BaseException] = []
    # next() of a counter is atomic under the GIL, so each task runs exactly once, on any free
    # thread. If the pool is busy with another camera, the caller simply runs more tasks.
    turns = itertools.count()

    def work() -> None:
        while (turn := next(turns)) < len(tasks):
            try:
                results[turn] = tasks[turn]()
            except BaseException as exc:
                failures.append(exc)

    futures = [_executor().submit(work) for _ in range(workers - 1)]
    work()
    wait(future for future in futures if not future.cancel())
    if failures:
        raise failures[0]
    return [results[turn] for turn in range(len(tasks))]


def _executor() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            # One fewer than the budget: the caller of `run` works too.
            _pool = ThreadPoolExecutor(max(1, threads() - 1), thread_name_prefix="rankcast-pool")
        return _pool


def shutdown() -> None:
    """End the pool's threads; the next `run` starts them again."""
    global _pool
    with _lock:
        old, _pool = _pool, None
    if old is not None:
        old.shutdown(wait=True)
