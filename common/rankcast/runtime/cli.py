"""Entry points of the command line, which install signal handlers before slow imports."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from rankcast.errors import RankcastError
from rankcast.runtime.signals import hold_signals, interrupted, note_interrupts
from rankcast.runtime.standard_streams import open_standard_streams

_STREAMING: Final = ("demo", "receive", "send")
"""Commands that end cleanly on a signal; the others keep Python's default Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `rankcast` with the arguments `argv`, by default `sys.argv[1:]`.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 2 wrong usage or settings, 4 no stream.
    """
    open_standard_streams()
    arguments = sys.argv[1:] if argv is None else list(argv)
    command = next((word for word in arguments if not word.startswith("-")), "")
    if command in _STREAMING:
        hold_signals()
    else:
        note_interrupts()
    return _load_and_run("rankcast.runtime.runner", "rankcast", "rankcast", arguments)


def main_of(module: str, command: str) -> int:
    """Run the streaming command `command` of `module`, even if nothing is installed.

    Returns
    -------
    int
        Exit code, as in `main`.
    """
    open_standard_streams()
    hold_signals()
    return _load_and_run(module, command, f"rankcast {command}", sys.argv[1:])


def _load_and_run(module: str, command: str, name: str, arguments: Sequence[str]) -> int:
    try:
        # Imports take half a second.
        from rankcast.runtime.runner import report_failure, run

        try:
            loaded = getattr(import_module(module), command)
        except (RankcastError, OSError, ImportError) as exc:
            return report_failure(name, exc)
        return run(loaded, arguments, name)
    except (KeyboardInterrupt, Exception) as exc:
        if not isinstance(exc, KeyboardInterrupt) and not interrupted():
            raise
        sys.stderr.write(f"{name}: interrupted\n")
        return 1
