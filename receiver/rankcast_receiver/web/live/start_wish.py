"""StartWish: gets a packet to begin with for viewers of one camera that cannot go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from rankcast.boot_clock import boot_s

KEYFRAME_S: Final = 0.4
"""Time in which the sender may answer with a key frame. A reference packet may cost more: the
receiver has to decode all pictures since the last one."""
REFERENCE_INTERVAL_S: Final = 1.0
"""A reference packet of 1280 x 720 takes 0.1 s of processor time, in the thread that decodes."""


class StartWish:
    """Asks the sender for a key frame, and then the own decoder for a reference packet.

    Parameters
    ----------
    want_keyframe, want_reference : callable
        Called with True to ask, with False to ask no longer.
    """

    def __init__(
        self,
        want_keyframe: Callable[[bool], object],
        want_reference: Callable[[bool], object],
    ) -> None:
        self._want_keyframe = want_keyframe
        self._want_reference = want_reference
        self._timer: asyncio.TimerHandle | None = None
        self._asked_sender = self._asked_decoder = False
        self._reference_s = float("-inf")

    @property
    def pending(self) -> bool:
        """True from the wish until a beginning came."""
        return self._timer is not None or self._asked_decoder

    def wish(self, *, ask_sender: bool) -> None:
        """Get a beginning; viewers that wish meanwhile share it.

        Parameters
        ----------
        ask_sender : bool
            False for a viewer that is too slow: a key frame would cost all others.
        """
        if ask_sender and not self._asked_sender:
            self._asked_sender = True
            self._want_keyframe(True)
        if self.pending:
            return
        pause_s = KEYFRAME_S if ask_sender else 0.0
        pause_s = max(pause_s, self._reference_s + REFERENCE_INTERVAL_S - boot_s())
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._ask_decoder)

    def fulfilled(self) -> None:
        """Ask no longer: a beginning came, or nobody waits for one any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asked_sender:
            self._asked_sender = False
            self._want_keyframe(False)
        if self._asked_decoder:
            self._asked_decoder = False
            self._want_reference(False)

    def _ask_decoder(self) -> None:
        self._timer = None
        self._asked_decoder = True
        self._reference_s = boot_s()
        self._want_reference(True)
