"""CameraClient: sends requests for one camera through a NATS server and gets its replies."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from rankcast.boot_clock import boot_s
from rankcast.errors import WireError
from rankcast.frame import Scalar
from rankcast.nats import control_subject, split_stream_name
from rankcast.wire import (
    MAX_ID,
    Limits,
    Reply,
    Request,
    pack_request,
    parse_reply,
    stream_name,
)

log = logging.getLogger(__name__)

MAX_REPLIES: Final = 256
ABSENT_S: Final = 1.5
"""The server says at once that nobody takes a request; a sender that reconnects is away for less
than this."""

_NOTHING: Final[Mapping[str, Scalar]] = MappingProxyType({})


class CameraClient:
    """The requests for one camera, see `RequestClient`.

    Parameters
    ----------
    site, camera : str
    send : callable
        Sends a request to a subject, soon; False without a connection.
    limits : Limits
        Limits of the packet in a reply.
    """

    def __init__(
        self,
        site: str,
        camera: str,
        send: Callable[[str, bytes], bool],
        limits: Limits,
        now_s: Callable[[], float] = boot_s,
    ) -> None:
        self.sessions = 0
        """How often the connection was established; its owner counts them."""
        self.refused = 0
        """Malformed replies."""
        self._camera = camera
        self._site = site
        self._send = send
        self._limits = limits
        self._now_s = now_s
        self._next_id = 0
        self._replies: deque[Reply] = deque(maxlen=MAX_REPLIES)
        self._absent_since_s: float | None = None

    @property
    def absent(self) -> bool:
        """True while nobody at the server takes requests for this camera."""
        since_s = self._absent_since_s
        return since_s is not None and self._now_s() - since_s > ABSENT_S

    def take(self, data: memoryview) -> None:
        """Take the reply to a request."""
        self._absent_since_s = None
        try:
            self._replies.append(parse_reply(data, self._limits))
        except WireError as exc:
            self.refused += 1
            log.debug("ignored a reply: %s", exc)

    def note_unanswered(self) -> None:
        """Note that nobody takes the requests for this camera."""
        if self._absent_since_s is None:
            self._absent_since_s = self._now_s()

    def send(
        self,
        op: str,
        camera: str = "",
        args: Mapping[str, Scalar] = _NOTHING,
    ) -> int | None:
        """Send one request without blocking; return its id, None without a connection.

        Of `camera`, ``SITE.CAMERA.SUB``, only the substream counts: the camera is that of this
        client.
        """
        number = self._next_id
        stream = split_stream_name(camera)[1]
        request = Request(number, op, stream_name(self._camera, stream), args)
        if not self._send(control_subject(self._site, self._camera, op), pack_request(request)):
            return None
        self._next_id = (number + 1) & MAX_ID
        return number

    def replies(self) -> list[Reply]:
        """Return the replies received so far."""
        found = list(self._replies)
        self._replies.clear()
        return found

    def tick(self) -> bool:
        """Do nothing: the owner keeps the connection."""
        return False

    def worked(self) -> None:
        """Do nothing: the connection is the server's."""

    def close(self) -> None:
        """Do nothing: the connection is the owner's."""
