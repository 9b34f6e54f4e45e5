"""The guard's notes and what it reads from a dump of stacks."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from rankcast.runtime.guard import stop_signals, stuck_in_dump
from rankcast.runtime.last_words import MAX_REPORT_BYTES, MAX_THREADS, LastWords

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX has forks")

DUMP = """Timeout (0:00:00.001000)!
Thread 0x00000000000000aa (most recent call first):
  File "/opt/driver.py", line 21 in grab
  File "/lib/python3/threading.py", line 982 in run

Thread 0x00000000000000bb [named by later Pythons] (most recent call first):
  File "/lib/python3/threading.py", line 327 in wait
  File "/opt/rankcast/runtime/mailbox.py", line 70 in get
  File "/opt/rankcast_sender/pipeline.py", line 22 in _encode

Thread 0x00000000000000cc (most recent call first):
  File "/opt/rankcast/runtime/stop_watch.py", line 22 in _run
"""


def test_the_thread_that_works_is_named_with_its_task_and_place() -> None:
    threads = {0xAA: "reading source of cam", 0xBB: "encoder of cam"}
    assert stuck_in_dump(DUMP, threads) == ["reading source of cam, in grab (driver.py:21)"]


def test_without_a_stack_something_is_named() -> None:
    assert stuck_in_dump("", {}) == ["a library that keeps Python from running"]


def test_only_signals_that_stop_a_command_count() -> None:
    data = bytes([signal.SIGUSR1, signal.SIGTERM, signal.SIGWINCH, signal.SIGHUP])
    assert stop_signals(data) == [signal.SIGTERM, signal.SIGHUP]


def test_notes_survive_a_fork_and_are_replaced_and_forgotten() -> None:
    words = LastWords()
    words.note_thread(1, "opening ü")
    words.note_thread(2, "x" * 500)
    words.note_thread(3, "over")
    words.note_thread(3, "")
    words.note_thread(1, "reading")
    words.keep_report("/a", {"n": 1})
    words.keep_report("/b", {"n": 2})
    for _ in range(257):
        words.beat()
    child = os.fork()
    if not child:
        threads, report = words.threads(), words.report()
        right = threads[1] == "reading" and set(threads) == {1, 2} and threads[2].startswith("xxx")
        os._exit(0 if right and words.beats == 1 and report == ("/b", {"n": 2}) else 1)
    assert os.waitpid(child, 0)[1] == 0
    words.drop_report()
    assert words.report() is None


def test_more_threads_and_longer_reports_than_there_is_room_for_are_left_out() -> None:
    words = LastWords()
    for ident in range(1, MAX_THREADS + 10):
        words.note_thread(ident, "busy")
    assert len(words.threads()) == MAX_THREADS
    words.note_thread(1, "")
    words.note_thread(MAX_THREADS + 20, "new")
    assert words.threads()[MAX_THREADS + 20] == "new"
    words.keep_report("/a", {"n": 1})
    words.keep_report("/a", {"n": "x" * MAX_REPORT_BYTES})
    assert words.report() == ("/a", {"n": 1})
