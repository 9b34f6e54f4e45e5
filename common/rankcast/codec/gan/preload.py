"""Models loaded before a stream needs them: its first packet would have to wait for torch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rankcast.codec.gan.halves import INSTALL, has_torch, load_said
from rankcast.codec.gan.layout import KIND
from rankcast.errors import RankcastError
from rankcast.models import ModelFolder

log = logging.getLogger(__name__)

LOADED_AHEAD: Final = 4
"""As many as stay in memory; others load when a packet needs them, in about 20 ms."""


def load_ahead(folder: Path, stopped: Callable[[], bool]) -> bool:
    """Load the newest models of codec `gan` in a folder, and decode one picture with each.

    Importing torch takes a second or more, in which a receiving thread would lose frames. Without
    such a model nothing is imported.

    Parameters
    ----------
    folder : Path
        Folder of ``.rkm`` files. A bad file is only logged: perhaps no stream needs it.
    stopped : callable
        Polled before each model; True ends the loading.

    Returns
    -------
    bool
        False if it was stopped.
    """
    files = ModelFolder(folder).newest(KIND, LOADED_AHEAD)
    if files:
        log.info("loading torch for the models in %s", folder)
        if not has_torch():
            log.warning("%s cannot be used: %s", files[0], INSTALL)
            return True
    for file in files:
        if stopped():
            return False
        try:
            load_said(file).try_out()
        except RankcastError as exc:
            log.warning("%s", exc)
    return True
