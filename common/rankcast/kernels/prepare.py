"""Kernels made ready before a stream starts, in a way that a signal can end."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterable

from rankcast.kernels.jit import CACHED, compiled_before
from rankcast.kernels.warm import warm, warm_decoder

log = logging.getLogger(__name__)

POLL_S = 0.1


def prepare_kernels(
    names: Iterable[str], stopped: Callable[[], bool], *, decoders_only: bool = False
) -> bool:
    """Load the kernels of the codecs `names`; compile all of them first where none are kept.

    Compiling takes one to two minutes and cannot be interrupted, so a child process does it.

    Parameters
    ----------
    names : iterable of str
    stopped : callable
        Asked ten times a second; True ends the wait.
    decoders_only : bool, optional
        Load what decoding takes, which is half the time.

    Returns
    -------
    bool
        False when it was stopped.
    """
    if not compiled_before():
        log.info("compiling kernels: the first start takes one to two minutes")
    if CACHED and not compiled_before():
        command = [sys.executable, "-m", "rankcast.kernels.warm"]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as child:
            while child.poll() is None:
                if stopped():
                    child.kill()
                    return False
                try:
                    child.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    continue
        if child.returncode:
            log.warning("compiling ahead ended with %d: kernels compile as they are used",
                        child.returncode)  # fmt: skip
    for name in names:
        if stopped():
            return False
        if decoders_only:
            warm_decoder(name)
        else:
            warm([name])
    return True
