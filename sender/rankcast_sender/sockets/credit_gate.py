"""CreditGate: holds the frames of a lossless camera until every keeper has room for them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from rankcast.runtime import LogLimiter

log = logging.getLogger(__name__)

INITIAL_CREDIT: Final = 4
"""Frames that a keeper is sent before its first `credit` request arrives."""
MAX_KEEPERS_OF_ONE: Final = 64
"""Most keepers of one key or address for which a camera waits; a receiver is one keeper."""
MAX_SILENT: Final = 1000
"""Most keys or addresses remembered for having held a camera up for too long."""
CROWD_LOG_S: Final = 60.0


@dataclass(slots=True)
class _Keeper:
    """Credit of one keeper."""

    peer: str
    """Its key or, without keys, its address."""
    until: int
    """First sequence that must not be sent yet."""
    counts: bool
    """False once it has held the camera up for too long."""
    held_s: float | None = None
    """Since when it has held the camera up without raising its credit; None while it does not."""
    has_raised: bool = False
    """True once it has raised its credit."""


class CreditGate:
    """Tracks how far the keepers of one camera let the sender go.

    libzmq cannot do it: back-pressure needs a bounded receive pipe, with which a peer can abort
    the process (docs/adr/0014).

    Parameters
    ----------
    camera : str
        Name, for the log.
    patience_s : float
        A keeper that holds the camera up and does not raise its credit for this long stops
        counting, until it does. So do all others of its key or address that have never raised
        theirs, also those that come later: a peer must not hold the camera up by subscribing again
        and again.
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
        self._silent: OrderedDict[str, None] = OrderedDict()
        """Peers that have exhausted the patience, the latest last."""
        self._crowd_log = LogLimiter(CROWD_LOG_S, now_s=now_s)

    def follow(self, keepers: Mapping[bytes, str], next_sequence: int) -> None:
        """Forget keepers that have left; give new ones their initial credit.

        Parameters
        ----------
        keepers : mapping of bytes to str
            Their keys or addresses by token.
        next_sequence : int
        """
        with self._lock:
            if keepers.keys() == self._keepers.keys():
                return
            before, self._keepers = self._keepers, {}
            counts: Counter[str] = Counter()
            # Those that are known already first: nobody takes their places.
            for token in sorted(keepers, key=lambda token: token not in before):
                peer = keepers[token]
                counts[peer] += 1
                if counts[peer] > MAX_KEEPERS_OF_ONE:
                    self._tell_crowd()
                    continue
                self._keepers[token] = before.get(token) or _Keeper(
                    peer, next_sequence + INITIAL_CREDIT, peer not in self._silent
                )

    def restart(self, next_sequence: int) -> None:
        """Give every keeper its initial credit again: another stream begins."""
        with self._lock:
            for keeper in self._keepers.values():
                keeper.until, keeper.held_s = next_sequence + INITIAL_CREDIT, None

    def credit(self, token: bytes, until: int) -> None:
        """Let the keeper have frames before sequence `until`; from any thread.

        Credit never falls. A token that is not subscribed is ignored: its keeper repeats the
        request once a second.
        """
        with self._lock:
            keeper = self._keepers.get(token)
            if keeper is None or until <= keeper.until:
                return
            keeper.until = until
            keeper.held_s, keeper.counts, keeper.has_raised = None, True, True
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
            self._give_up(keeper)
        return keeper.counts

    def _give_up(self, keeper: _Keeper) -> None:
        keeper.counts = False
        self._silent[keeper.peer] = None
        self._silent.move_to_end(keeper.peer)
        if len(self._silent) > MAX_SILENT:
            self._silent.popitem(last=False)
        for other in self._keepers.values():
            if other.peer == keeper.peer and not other.has_raised:
                other.counts = False
        log.warning(
            "%s: a viewer that keeps every frame has raised its credit no further for %g s: the "
            "stream no longer waits for it", self._camera, self._patience_s,
        )  # fmt: skip

    def _tell_crowd(self) -> None:
        if self._crowd_log.may_log():
            log.warning(
                "%s: more than %d viewers with one key or address keep every frame: the stream "
                "does not wait for the others", self._camera, MAX_KEEPERS_OF_ONE,
            )  # fmt: skip
