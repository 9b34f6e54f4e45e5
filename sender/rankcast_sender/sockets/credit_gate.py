"""CreditGate: holds the frames of a lossless camera until every keeper has room for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

INITIAL_CREDIT: Final = 4
"""Frames that a keeper is sent before its first `credit` request arrives."""


@dataclass(slots=True)
class _Keeper:
    """Credit of one keeper."""

    until: int
    """First sequence that must not be sent yet."""
    held_s: float | None = None
    """Since when it has held the camera up without sending credit; None while it does not."""
    counts: bool = True
    """False once it has held the camera up for too long."""


class CreditGate:
    """Tracks how far the keepers of one camera let the sender go.

    libzmq cannot do it: back-pressure needs a bounded receive pipe, with which a peer can abort
    the process (docs/adr/0014).

    Parameters
    ----------
    camera : str
        Name, for the log.
    patience_s : float
        A keeper that holds the camera up and sends no credit for this long stops counting, until
        its next credit.
    on_credit : callable
        Called after credit was raised, in the thread that raised it.
    """

    def __init__(
        self,
        camera: str,
        patience_s: float,
        on_credit: Callable[[], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera = camera
        self._patience_s = patience_s
        self._on_credit = on_credit
        self._now_s = now_s
        self._lock = threading.Lock()
        self._keepers: dict[bytes, _Keeper] = {}
        """Keepers by token."""

    def follow(self, tokens: Set[bytes], next_sequence: int) -> None:
        """Forget keepers that have left; give new ones their initial credit."""
        with self._lock:
            if tokens == self._keepers.keys():
                return
            self._keepers = {
                token: self._keepers.get(token) or _Keeper(next_sequence + INITIAL_CREDIT)
                for token in tokens
            }

    def credit(self, token: bytes, until: int) -> None:
        """Let the keeper have frames before sequence `until`; from any thread.

        Credit never falls. A token that is not subscribed is ignored: its keeper repeats the
        request once a second.
        """
        with self._lock:
            keeper = self._keepers.get(token)
            if keeper is None:
                return
            keeper.until = max(keeper.until, until)
            keeper.held_s, keeper.counts = None, True
        self._on_credit()

    def allows(self, sequence: int) -> bool:
        """Return True if every keeper that counts has room for the frame `sequence`."""
        with self._lock:
            now_s = self._now_s()
            # Of all of them: each notes for itself since when it holds the camera up.
            holding = [self._holds(k, sequence, now_s) for k in self._keepers.values()]
            return True not in holding

    def _holds(self, keeper: _Keeper, sequence: int, now_s: float) -> bool:
        if sequence < keeper.until:
            keeper.held_s = None
            return False
        if keeper.held_s is None:
            keeper.held_s = now_s
        if keeper.counts and now_s - keeper.held_s > self._patience_s:
            keeper.counts = False
            log.warning(
                "%s: a viewer that keeps every frame has sent no credit for %g s: the stream no "
                "longer waits for it", self._camera, self._patience_s,
            )  # fmt: skip
        return keeper.counts
