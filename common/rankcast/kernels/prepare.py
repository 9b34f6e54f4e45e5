"""Prepares kernels before a stream starts; a signal can interrupt it."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterable
from typing import Final

from rankcast.kernels.jit import CACHED, compiled_before
from rankcast.kernels.warm import warm, warm_decoder
from rankcast.python_process import python_command

log = logging.getLogger(__name__)

POLL_S: Final = 0.1


def prepare_kernels(
    names: Iterable[str], stopped: Callable[[], bool], *, decoders_only: bool = False
) -> bool:
    """Load the kernels of the codecs `names`; compile all kernels first if none are cached.

    Compiling takes one to two minutes and cannot be interrupted, so a child process does it.

    Parameters
    ----------
    names : iterable of str
    stopped : callable
        Called ten times a second; True ends the wait.
    decoders_only : bool, optional
        Load only what decoding needs, which takes half the time.

    Returns
    -------
    bool
        False if it was stopped.
    """
    if not compiled_before():
        log.info("compiling kernels: the first start takes one to two minutes")
        if CACHED and not _compile_in_child(stopped):
            return False
    for name in names:
        if stopped():
            return False
        if decoders_only:
            warm_decoder(name)
        else:
            warm([name])
    return True


def _compile_in_child(stopped: Callable[[], bool]) -> bool:
    """Compile all kernels in a child process; return False when stopped."""
    command = python_command("-m", "rankcast.kernels.warm")
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
        log.warning(
            "compiling kernels in advance failed with exit code %d: each compiles on first use",
            child.returncode,
        )
    elif not compiled_before():
        log.warning("compiled kernels could not be stored: each compiles on first use")
    return True
