"""Entry points of the command line, which install signal handlers before slow imports."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final

from rankcast.errors import RankcastError
from rankcast.runtime.activity import doing
from rankcast.runtime.signals import (
    hold_signals,
    interrupted,
    note_interrupts,
    release_signals,
)
from rankcast.runtime.standard_streams import open_standard_streams
from rankcast.runtime.stop_watch import StopWatch
from rankcast.runtime.worker import log_unexpected_ends, workers_running

_STREAMING: Final = ("demo", "receive", "send")
"""Commands that end cleanly on a signal; the others keep Python's default Ctrl-C."""
_WATCHED: Final = (*_STREAMING, "control")
"""Commands that end within 3 s of a signal, even if a library is stuck."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rankcast` with the arguments `argv`, by default `sys.argv[1:]`.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 2 wrong usage or settings, 4 no stream.
    """
    open_standard_streams()
    if argv is None:
        _limit_blas()
    arguments = sys.argv[1:] if argv is None else list(argv)
    command = next((word for word in arguments if not word.startswith("-")), "")

    def work() -> int:
        return _load_and_run("rankcast.runtime.runner", "rankcast", "rankcast", arguments)

    return _watched(command, work, owns_process=argv is None)


def main_of(module: str, command: str) -> int:
    """Run the streaming command `command` of `module`, even if nothing is installed.

    Returns
    -------
    int
        Exit code, as in `main`.
    """
    open_standard_streams()
    _limit_blas()

    def work() -> int:
        return _load_and_run(module, command, f"rankcast {command}", sys.argv[1:])

    return _watched(command, work, owns_process=True)


def _limit_blas() -> None:
    # OpenBLAS starts its threads while numpy is loaded, and they spin: 0.14 s of processor time a
    # start. No stream uses more than one, see `rankcast.numerics.linalg`.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _watched(command: str, work: Callable[[], int], *, owns_process: bool) -> int:
    """Run `work` and return its exit code, or end the process with it."""
    if command not in _WATCHED or threading.current_thread() is not threading.main_thread():
        note_interrupts()
        return work()
    # Made before the handlers are installed, so that it sees every signal that they see.
    watch = StopWatch(f"rankcast {command}", guarded=owns_process)
    flag = hold_signals() if command in _STREAMING else note_interrupts()
    watch.start(flag)
    if owns_process:
        log_unexpected_ends()
    try:
        with doing("the main thread"):
            code = work()
    except BaseException:
        if not watch.guarded:
            watch.close()
            raise
        code = 1
        sys.excepthook(*sys.exc_info())
    if watch.guarded or workers_running():
        # Python's own end would wait for a thread that is stuck, and for the guard.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        flag.say_goodbye()
        os._exit(code)
    watch.close()
    release_signals()
    return code


def _load_and_run(module: str, command: str, name: str, arguments: Sequence[str]) -> int:
    try:
        # Imports take half a second.
        from rankcast.runtime.runner import report_failure, run

        try:
            loaded = getattr(import_module(module), command)
        except (RankcastError, OSError, ImportError) as exc:
            return report_failure(name, exc)
        if interrupted():  # and the exception got lost while a library was loading
            raise KeyboardInterrupt
        return run(loaded, arguments, name)
    except (KeyboardInterrupt, Exception) as exc:
        why = "interrupted"
        if not isinstance(exc, KeyboardInterrupt) and not interrupted():
            if not isinstance(exc, OSError | ImportError):
                raise
            # What reports errors could not be loaded, so nothing more is loaded here.
            why = str(exc)
        sys.stderr.write(f"{name}: {why}\n")
        return 1
