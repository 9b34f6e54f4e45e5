"""Models loaded before a stream names them: its first packet would wait for torch as well."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rankcast.codec.gan.halves import INSTALL, has_torch, load_said
from rankcast.codec.gan.options import KIND
from rankcast.errors import RankcastError
from rankcast.models import ModelFolder
from rankcast.printable import printable

log = logging.getLogger(__name__)

LOADED_AHEAD: Final = 4
"""As many as stay in memory; others are loaded when a packet names them, in some 20 ms."""


def load_ahead(folder: Path, stopped: Callable[[], bool]) -> bool:
    """Load the newest models of codec `gan` in a folder, and decode a picture with each.

    Importing torch takes more than a second of processor time, several on a busy machine; a
    thread that receives would stand still for as long. Without such a model nothing is imported.

    Parameters
    ----------
    folder : Path
        Of ``.rkm`` files. What is wrong with one is said in the log: no stream may need it.
    stopped : callable
        Asked before each model; True ends it.

    Returns
    -------
    bool
        False when it was stopped.
    """
    files = ModelFolder(folder).newest(KIND, LOADED_AHEAD)
    if files:
        log.info("loading torch for the models of %s", printable(folder))
        if not has_torch():
            log.warning("%s cannot be used: %s", printable(files[0]), INSTALL)
            return True
    for file in files:
        if stopped():
            return False
        try:
            load_said(file).try_out()
        except RankcastError as exc:
            log.warning("%s", exc)
    return True
