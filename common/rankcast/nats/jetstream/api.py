"""JetStream: requests to the streams of a NATS server, through one connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rankcast.errors import NoStreamError, StoreError
from rankcast.nats.client import NatsConnection
from rankcast.printable import printable

PREFIX: Final = "$JS.API"
TIMEOUT_S: Final = 3.0
"""A cluster elects a new leader of a stream within about two."""
MAX_STREAMS: Final = 256
"""Most streams of one address that are looked at, as many as its cameras."""
MAX_CONSUMERS: Final = 10_000
"""Most consumers of a stream that are looked at."""
NO_STREAM: Final = 10_059
NO_CONSUMER: Final = 10_014
NO_MESSAGE: Final = 10_037
SUBJECTS_OVERLAP: Final = 10_065
NO_SUBSET: Final = 10_093
"""The filter of a consumer is neither a part of a subject of the stream nor the whole of some."""
CONSUMER_EXISTS: Final = 10_148

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """State and configuration of a stream."""

    name: str
    config: Json
    messages: int
    size_bytes: int
    first_sequence: int
    last_sequence: int
    t_first_ns: int
    """UTC at the server when it took the oldest message that it has; 0 without one."""
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class ConsumerFacts:
    """State and configuration of a consumer."""

    name: str
    config: Json
    t_created_ns: int
    """UTC at the server."""
    delivered: int
    """Newest message of the stream that was delivered, or the one before the first."""
    acknowledged: int
    """Newest message up to which all were acknowledged."""
    pending: int
    unacknowledged: int


class JetStream:
    """Asks for streams, consumers and single messages.

    Parameters
    ----------
    connection : NatsConnection

    Notes
    -----
    Belongs to the event loop of the connection. Every method raises `StoreError` if the server
    refuses, and `NoStreamError` if no answer came.
    """

    def __init__(self, connection: NatsConnection) -> None:
        self.connection = connection

    async def names(self, subject: str) -> list[str]:
        """Return the names of the streams that keep messages of `subject`."""
        reply = await self._ask("STREAM.NAMES", {"subject": subject})
        return _names(reply.get("streams"))[:MAX_STREAMS]

    async def subjects(self, stream: str, pattern: str) -> list[str]:
        """Return the subjects of messages in a stream that match `pattern`."""
        reply = await self._ask(f"STREAM.INFO.{stream}", {"subjects_filter": pattern})
        state = reply.get("state")
        if not isinstance(state, Mapping):
            raise StoreError("got the state of a stream without 'state'")
        return _names(state.get("subjects"))

    async def stream(self, name: str) -> StreamFacts | None:
        """Return the state of a stream; None if there is no such stream."""
        try:
            return _stream(await self._ask(f"STREAM.INFO.{name}"))
        except StoreError as exc:
            if exc.number == NO_STREAM:
                return None
            raise

    async def create(self, config: Json) -> StreamFacts:
        """Create a stream, or return that of the same configuration."""
        return _stream(await self._ask(f"STREAM.CREATE.{config['name']}", config))

    async def update(self, config: Json) -> StreamFacts:
        """Change the configuration of a stream."""
        return _stream(await self._ask(f"STREAM.UPDATE.{config['name']}", config))

    async def consumer(self, stream: str, name: str) -> ConsumerFacts | None:
        """Return the state of a consumer; None if there is no such consumer."""
        try:
            return _consumer(await self._ask(f"CONSUMER.INFO.{stream}.{name}"))
        except StoreError as exc:
            if exc.number == NO_CONSUMER:
                return None
            raise

    async def consumers(self, stream: str) -> list[str]:
        """Return the names of all consumers of a stream."""
        names: list[str] = []
        while len(names) < MAX_CONSUMERS:
            reply = await self._ask(f"CONSUMER.NAMES.{stream}", {"offset": len(names)})
            page = _names(reply.get("consumers"))
            names += page
            if not page or len(names) >= _number(reply.get("total", 0), "total of consumers"):
                break
        return names

    async def create_consumer(self, stream: str, config: Json) -> ConsumerFacts:
        """Create a consumer of one subject filter."""
        name, subject = config["name"], config["filter_subject"]
        asked = {"stream_name": stream, "config": config}
        try:
            return _consumer(await self._ask(f"CONSUMER.CREATE.{stream}.{name}.{subject}", asked))
        except StoreError as exc:
            if exc.number != NO_SUBSET:
                raise
            camera = subject.removesuffix("*")
            raise StoreError(
                f"stream {stream} has subjects with * or >, of which the server cannot read one "
                f"camera: list {camera}frames and {camera}status in it",
                exc.number,
            ) from exc

    async def delete_consumer(self, stream: str, name: str) -> None:
        """Delete a consumer; it need not exist any more."""
        try:
            await self._ask(f"CONSUMER.DELETE.{stream}.{name}")
        except StoreError as exc:
            if exc.number != NO_CONSUMER:
                raise

    async def message(self, stream: str, sequence: int) -> bytes | None:
        """Return one message of a stream; None if it is not there (any more)."""
        try:
            reply = await self._ask(f"STREAM.MSG.GET.{stream}", {"seq": sequence})
        except StoreError as exc:
            if exc.number == NO_MESSAGE:
                return None
            raise
        try:
            return base64.b64decode(reply["message"].get("data", ""), validate=True)
        except (KeyError, AttributeError, TypeError, ValueError) as exc:
            raise StoreError("got a message that the server did not encode") from exc

    async def _ask(self, what: str, data: Json | None = None) -> Json:
        body = b"" if data is None else json.dumps(data).encode("ascii")
        try:
            reply = await self.connection.request(f"{PREFIX}.{what}", body, TIMEOUT_S)
        except NoStreamError as exc:
            raise NoStreamError(f"no reply of JetStream: {exc}") from exc
        if reply.unanswered:
            raise StoreError(
                "JetStream is off at this NATS server, or for this user: give the server a "
                "jetstream block with a store_dir"
            )
        try:
            answer = json.loads(reply.data)
            error = answer.get("error")
        except (ValueError, AttributeError, RecursionError) as exc:
            raise StoreError("got a reply of JetStream that is not a JSON object") from exc
        if error:
            if not isinstance(error, Mapping):
                raise StoreError(f"got an error of JetStream as {error!r:.80}, want an object")
            text = printable(str(error.get("description", "no reason")))[:200]
            number = _number(error.get("err_code", 0), "number of an error")
            raise StoreError(_explained(text, number), number)
        return answer  # type: ignore[no-any-return]


def _names(found: object) -> list[str]:
    """Return the names in a list, or those that an object has a value for.

    Raises
    ------
    StoreError
        If it is neither, as of no server that works.
    """
    if found is None:
        return []
    if not isinstance(found, list | Mapping):
        raise StoreError(f"got names as {found!r:.40}, want a list")
    return [str(name) for name in found]


def _number(found: object, what: str) -> int:
    if not isinstance(found, int):
        raise StoreError(f"got {what} {found!r:.40}, want a whole number")
    return found


def _explained(text: str, number: int) -> str:
    if number in (10_039, 10_076):
        return "JetStream is off at this NATS server, or for this user: give the server a " \
               "jetstream block with a store_dir"  # fmt: skip
    return text


def _stream(reply: Json) -> StreamFacts:
    try:
        state, config = reply["state"], reply["config"]
        return StreamFacts(
            str(config["name"]), config, int(state["messages"]), int(state["bytes"]),
            int(state["first_seq"]), int(state["last_seq"]), parse_time_ns(state["first_ts"]),
            int(config.get("num_replicas") or 1),
        )  # fmt: skip
    except (KeyError, AttributeError, ArithmeticError, TypeError, ValueError) as exc:
        raise StoreError(f"got the state of a stream without {exc}") from exc


def _consumer(reply: Json) -> ConsumerFacts:
    try:
        return ConsumerFacts(
            str(reply["name"]), dict(reply["config"]), parse_time_ns(reply["created"]),
            int(reply["delivered"]["stream_seq"]), int(reply["ack_floor"]["stream_seq"]),
            int(reply["num_pending"]), int(reply["num_ack_pending"]),
        )  # fmt: skip
    except (KeyError, ArithmeticError, TypeError, ValueError) as exc:
        raise StoreError(f"got the state of a consumer without {exc}") from exc


def parse_time_ns(text: str) -> int:
    """Return the time of a server, RFC 3339 with up to nine digits of a second; 0 for year 1.

    Raises
    ------
    ValueError
        If `text` is no such time.
    """
    if not isinstance(text, str):
        raise ValueError(f"got time {text!r:.40}, want a string")
    whole, _, rest = text.partition(".")
    digits = rest.rstrip("Z") if rest else ""
    fraction, zone = digits, "+00:00"
    for sign in ("+", "-"):
        if sign in digits:
            fraction, _, offset = digits.partition(sign)
            zone = sign + offset
    moment = datetime.fromisoformat(whole.rstrip("Z") + zone if rest else whole)
    if moment.year == 1:
        return 0
    return int(moment.timestamp()) * 10**9 + int((fraction or "0").ljust(9, "0")[:9])


def time_text(t_ns: int) -> str:
    """Return a time as servers take it."""
    moment = datetime.fromtimestamp(t_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{t_ns % 10**9:09d}Z"
