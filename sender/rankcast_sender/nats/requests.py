"""NatsRequests: control requests that come through a NATS server, and their replies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final

from rankcast.errors import WireError
from rankcast.nats import CONTROL, OPERATOR_CONTROL, Subject, parse_subject
from rankcast.nats.client import Message
from rankcast.runtime import LogLimiter
from rankcast.wire import TOKEN_BYTES, Reply, Request, pack_reply, parse_request, split_stream
from rankcast_sender.control import OPERATOR, OPERATOR_ONLY, VIEWER, Client, RequestHandler
from rankcast_sender.nats.presence import EXPIRES_S, Presence
from rankcast_sender.peers import RateLimit

log = logging.getLogger(__name__)

BUDGETS_S: Final[Mapping[str, int]] = MappingProxyType({"ping": 20, "status": 20, "watch": 20})
"""Requests a second of one client for one stream that are answered: each wants its own."""
OTHERS_S: Final = 1000
PENDING_S: Final = 3.0
"""Longest wait for a reply: a camera that waits for its trigger may never apply a change."""
MAX_PENDING: Final = 64
LOG_INTERVAL_S: Final = 10.0
INBOX_PREFIX: Final = "_INBOX."
"""Begins every subject that takes replies: a viewer must not choose one where frames go."""


@dataclass(frozen=True, slots=True)
class _Pending:
    reply: str
    request: Request
    until_s: float


class NatsRequests:
    """Answers the requests of one sender's cameras.

    Parameters
    ----------
    handler : RequestHandler
    presence : Presence
    max_messages_s : int
        Most messages a second of all clients together.
    send : callable
        Sends a packed reply to a subject, soon; in the event loop.
    call : callable
        Calls a function in the event loop; from any thread.
    joined : callable
        Called with camera and token when a viewer has joined.
    now_s : callable
        The monotonic clock.
    """

    def __init__(
        self,
        handler: RequestHandler,
        presence: Presence,
        max_messages_s: int,
        send: Callable[[str, bytes], object],
        call: Callable[..., object],
        joined: Callable[[str, bytes], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped = 0
        """Requests beyond a budget, which get no reply."""
        self.refused = 0
        """Malformed messages, and those that want their reply elsewhere than in an inbox."""
        self._handler = handler
        self._presence = presence
        self._send = send
        self._call = call
        self._joined = joined
        self._now_s = now_s
        # Each remembers so many clients and streams as `MAX_PEERS` says.
        self._budgets = {
            op: RateLimit[tuple[str, str]](rate_s, rate_s, now_s)
            for op, rate_s in BUDGETS_S.items()
        }
        self._others = RateLimit[str](OTHERS_S, OTHERS_S, now_s)
        self._all = RateLimit[str](max_messages_s, max_messages_s, now_s)
        self._pending: dict[int, _Pending] = {}
        self._tickets = 0
        self._refusals_log = LogLimiter(LOG_INTERVAL_S)
        self._drops_log = LogLimiter(LOG_INTERVAL_S)

    def take(self, message: Message) -> None:
        """Answer one message, now or later."""
        t1_ns = time.time_ns()
        if not self._all.take(""):
            self._drop("all clients together")
            return
        try:
            subject = parse_subject(message.subject)
            request = parse_request(message.data)
            if split_stream(request.camera or subject.camera)[0] != subject.camera:
                raise WireError(f"got camera {request.camera} on {message.subject}")
            if message.reply and not message.reply.startswith(INBOX_PREFIX):
                raise WireError(f"got reply subject {message.reply!r:.80}, want {INBOX_PREFIX}*")
        except WireError as exc:
            self.refused += 1
            if self._refusals_log.may_log():
                log.warning("refused a control message (%d so far): %s", self.refused, exc)
            return
        who = ".".join(message.reply.split(".")[:2])
        request = replace(request, camera=request.camera or subject.camera)
        if not self._within_budget(who, request):
            self._drop(request.op if request.op in BUDGETS_S else "other requests")
            return
        reply = self._answer(subject, request, who, message.reply, t1_ns)
        if reply is not None:
            self._reply(message.reply, reply)

    def tick(self) -> None:
        """Answer the requests whose time is up; call it several times a second."""
        now_s = self._now_s()
        for ticket, pending in list(self._pending.items()):
            if pending.request.op == "set" and now_s > pending.until_s:
                del self._pending[ticket]
                error = (
                    f"the camera did not confirm within {PENDING_S:g} s; "
                    "the change may still take effect, read the value back"
                )
                self._reply(pending.reply, Reply(pending.request.id, False, error))

    def _within_budget(self, who: str, request: Request) -> bool:
        budget = self._budgets.get(request.op)
        if budget is None:
            return self._others.take(who)
        # Names that are no stream share one budget: whoever makes them up gains nothing.
        camera = request.camera if self._presence.has(request.camera) else ""
        return budget.take((who, camera))

    def _answer(
        self, subject: Subject, request: Request, who: str, reply_to: str, t1_ns: int
    ) -> Reply | None:
        """Return the reply; None if it comes later."""
        if request.op == "watch":
            return self._watch(request)
        if request.op in OPERATOR_ONLY and subject.channel == CONTROL:
            error = (
                f"{request.op} changes the sender: send it to {CONTROL_OF.format(subject)} "
                "with a user that may publish there"
            )
            return Reply(request.id, False, error)
        if len(self._pending) >= MAX_PENDING and request.op in ("set", "original"):
            error = f"{MAX_PENDING} requests are pending already: try again later"
            return Reply(request.id, False, error)
        role = OPERATOR if subject.channel == OPERATOR_CONTROL else VIEWER
        client = Client(who.encode(), role, f"NATS client {who[-8:]}")
        self._tickets += 1
        ticket = self._tickets
        self._pending[ticket] = _Pending(reply_to, request, self._now_s() + PENDING_S)
        reply = self._handler.answer(request, client, t1_ns, partial(self._hand_over, ticket))
        if reply is not None:
            del self._pending[ticket]
        return reply

    def _hand_over(self, ticket: int, reply: Reply) -> None:
        """Take the reply to a pending request; called in the thread that carried it out."""
        self._call(self._finish, ticket, reply)

    def _finish(self, ticket: int, reply: Reply) -> None:
        pending = self._pending.pop(ticket, None)
        if pending is not None:
            self._reply(pending.reply, reply)

    def _watch(self, request: Request) -> Reply:
        """Count a viewer; nothing is encoded for a camera that nobody watches."""
        token, leaves = request.args.get("token"), request.args.get("leave", False)
        if (
            set(request.args) - {"token", "leave"}
            or not isinstance(token, bytes)
            or len(token) != TOKEN_BYTES
            or type(leaves) is not bool
        ):
            error = f"watch takes token ({TOKEN_BYTES} bytes) and, if wanted, leave (true or false)"
            return Reply(request.id, False, error)
        if not self._presence.has(request.camera):
            return Reply(request.id, False, f"there is no stream {request.camera} here")
        if leaves:
            self._presence.leave(request.camera, token)
        elif self._presence.watch(request.camera, token, self._now_s()):
            self._joined(request.camera, token)
        return Reply(request.id, True, result={"expires_s": EXPIRES_S})

    def _reply(self, subject: str, reply: Reply) -> None:
        if subject:
            self._send(subject, pack_reply(reply))

    def _drop(self, budget: str) -> None:
        self.dropped += 1
        if self._drops_log.may_log():
            log.warning("control messages beyond the budget of %s: %d dropped so far",
                        budget, self.dropped)  # fmt: skip


CONTROL_OF: Final = f"rankcast.{{0.site}}.{{0.camera}}.{OPERATOR_CONTROL}"
