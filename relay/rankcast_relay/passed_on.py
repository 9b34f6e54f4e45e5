"""PassedOn: the control requests that only the senders can carry out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rankcast.wire import Reply, Request
from rankcast_receiver.subscriber import Subscriber
from rankcast_sender.control import Client, Finish
from rankcast_sender.peers import RateLimit

log = logging.getLogger(__name__)

REQUESTS_S: Final = 50
REQUESTS_AT_ONCE: Final = 100
"""Budget of all viewers together: what they ask counts against the key of this relay."""


class PassedOn:
    """Passes control requests on to senders, with the key of this relay, and returns the replies.

    Parameters
    ----------
    subscriber : callable
        Returns what receives; None while nothing does.
    arriving_name : callable
        Returns the name at the subscriber of a camera of this relay.
    one_station : bool
        True if all cameras are those of one sender.
    """

    def __init__(
        self,
        subscriber: Callable[[], Subscriber | None],
        arriving_name: Callable[[str], str],
        *,
        one_station: bool,
    ) -> None:
        self._subscriber = subscriber
        self._arriving_name = arriving_name
        self._one_station = one_station
        self._budget = RateLimit[str](REQUESTS_S, REQUESTS_AT_ONCE)
        self.requests = 0

    def __call__(self, camera: str, request: Request, client: Client, finish: Finish) -> str:
        """Pass a request on, whose reply goes to `finish`; return why it was refused, if it was."""
        subscriber = self._subscriber()
        if subscriber is None:
            return "this relay receives nothing at the moment: try again later"
        if not camera:
            if not self._one_station:
                return "this relay has several senders: name a camera of the one that is to record"
            arriving = next(iter(subscriber.streams), "")
        else:
            arriving = self._arriving_name(camera)
        if not self._budget.take(""):
            return f"this relay passes on at most {REQUESTS_S} requests a second: try again later"
        self.requests += 1
        log.debug("%s: %s of %s is passed on", arriving, request.op, client)

        def answer(reply: Reply) -> None:
            finish(replace(reply, id=request.id))

        subscriber.ask(arriving, request.op, request.args, answer)
        return ""
