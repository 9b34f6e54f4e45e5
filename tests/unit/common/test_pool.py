"""The pool of kernel threads: order, failures, budget, and no deadlock."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_info

from rankcast import pool
from rankcast.errors import SettingsError


@pytest.fixture(autouse=True)
def _own_pool() -> Iterator[None]:
    before = pool.threads()
    yield
    pool.set_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(threads: int) -> None:
    pool.set_threads(threads)
    assert pool.threads() == threads
    assert pool.run([lambda n=n: n * n for n in range(50)]) == [n * n for n in range(50)]
    assert pool.run([]) == []


def test_tasks_run_side_by_side_and_the_caller_is_one_of_them() -> None:
    pool.set_threads(3)
    meeting = threading.Barrier(3, timeout=10)

    def meet() -> str:
        meeting.wait()  # passes only when three tasks are under way at once
        return threading.current_thread().name

    names = pool.run([meet] * 3)
    assert threading.current_thread().name in names
    assert sum(name.startswith("rankcast-pool") for name in names) == 2


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_threads_than_the_limit_work_on_a_list_of_tasks(limit: int) -> None:
    pool.set_threads(4)
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(limit, timeout=10)

    def count() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait()  # all that are allowed are under way at once
        with lock:
            now -= 1

    pool.run([count] * 8, limit)
    assert most == limit


def test_the_first_failure_is_raised_after_all_tasks_have_ended() -> None:
    pool.set_threads(2)
    released, ended = threading.Event(), []

    def fail() -> None:
        released.set()
        raise ZeroDivisionError("on purpose")

    def finish() -> None:
        assert released.wait(10)
        ended.append(1)

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        pool.run([fail, finish, finish])
    assert ended == [1, 1]


def test_a_task_may_run_tasks_of_its_own() -> None:
    pool.set_threads(2)

    def outer() -> int:
        return sum(pool.run([lambda: 1] * 4))

    assert pool.run([outer] * 4) == [4] * 4


def test_several_cameras_share_the_pool() -> None:
    pool.set_threads(2)
    results: list[list[int]] = []
    cameras = [
        threading.Thread(
            target=lambda: results.append(pool.run([lambda n=n: n for n in range(200)]))
        )
        for _ in range(4)
    ]
    for camera in cameras:
        camera.start()
    for camera in cameras:
        camera.join(20)
    assert results == [list(range(200))] * 4


@pytest.mark.parametrize("count", [-1, 65])
def test_a_count_of_threads_out_of_range_is_a_settings_error(count: int) -> None:
    with pytest.raises(SettingsError, match=f"got {count} threads, want 1 to 64"):
        pool.set_threads(count)


def test_shutdown_ends_the_threads_and_the_next_run_starts_them_again() -> None:
    pool.set_threads(3)
    pool.run([lambda: 1] * 3)
    pool.shutdown()
    assert not [t for t in threading.enumerate() if t.name.startswith("rankcast-pool")]
    assert pool.run([lambda: 2] * 3) == [2] * 3
    pool.shutdown()
    pool.shutdown()


def test_the_default_is_what_this_process_may_use() -> None:
    assert pool.processors() >= 1


def test_blas_gets_one_thread_because_the_pool_cuts_the_work_itself() -> None:
    pool.set_threads(2)
    blas = [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
    assert blas
    assert set(blas) == {1}


def test_zero_threads_mean_all_processors() -> None:
    pool.set_threads(0)
    assert pool.threads() == pool.processors()
