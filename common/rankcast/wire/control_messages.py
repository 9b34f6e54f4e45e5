"""Messages of the control channel, as docs/wire.md defines them, without sockets."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgpack

from rankcast.errors import LimitError, SettingsError, UnknownVersionError, WireError
from rankcast.frame import Scalar
from rankcast.printable import printable
from rankcast.wire.fields import EMPTY, check_scalar, required_map, string_map, uint, unpack_msgpack
from rankcast.wire.limits import Limits
from rankcast.wire.topic import check_stream

MAX_REQUEST_BYTES: Final = 8192
MAX_MAP_BYTES: Final = 60_000
"""Largest map; its length field could state up to 65,535."""
MAX_REPLY_OVERHEAD_BYTES: Final = 65_536
"""Most bytes that a reply adds to the packet it contains."""
MAX_ID: Final = 2**32 - 1
MAX_ERROR_CHARS: Final = 500
_MAGIC: Final = b"RKT\xa5"
_VERSION: Final = 1
_PREFIX: Final = struct.Struct("<4sBBHII")
"""Magic, version, flags, bytes of the map, bytes of the packet, CRC-32 of both."""

OPERATIONS: Final = (
    "get", "set", "status", "keyframe", "original", "record", "ping", "report", "credit",
)  # fmt: skip
"""Operations a client may request; docs/wire.md states the role that each one needs."""

Value: TypeAlias = Scalar | Mapping[str, Scalar]

_OPERATION: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a client."""

    id: int
    """0 to 2^32 - 1, chosen by the client; the reply repeats it."""
    op: str
    camera: str = ""
    """Empty selects the sender's only camera."""
    args: Mapping[str, Scalar] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Reply:
    """The sender's reply to one request."""

    id: int
    ok: bool
    error: str = ""
    """Reason for a refusal, one line."""
    result: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    packet: bytes = b""
    """A complete wire packet, in the reply to `original`."""


def pack_request(request: Request) -> bytes:
    """Serialise a request.

    Raises
    ------
    SettingsError
        If it exceeds 8 KiB or a value cannot be sent.
    """
    try:
        body = msgpack.packb(
            {
                "id": request.id,
                "op": request.op,
                "camera": request.camera,
                "args": dict(request.args),
            }
        )
    except (TypeError, OverflowError, UnicodeEncodeError) as exc:
        raise SettingsError(f"got a value that cannot be sent: {exc}") from exc
    if _PREFIX.size + len(body) > MAX_REQUEST_BYTES:
        raise SettingsError(
            f"got a request of {_PREFIX.size + len(body)} bytes, the limit is {MAX_REQUEST_BYTES}"
        )
    return _join(body)


def parse_request(data: bytes | memoryview) -> Request:
    """Parse a request; unknown operations are accepted here and refused by the sender.

    Raises
    ------
    WireError
        If it is not a valid request. Subclasses: UnknownVersionError, LimitError.
    """
    body, packet = _split(memoryview(data).cast("B"), MAX_REQUEST_BYTES)
    if packet:
        raise WireError(f"got a request with a packet of {len(packet)} bytes, want none")
    values = _exactly(body, "request", ("id", "op", "camera", "args"))
    args = required_map(values["args"], "args")
    for name, value in args.items():
        check_scalar(value, f"args.{printable(name):.40}")
    return Request(uint(values["id"], "id", MAX_ID), _op(values["op"]),
                   _camera(values["camera"]), args)  # fmt: skip


def pack_reply(reply: Reply) -> bytes:
    """Serialise a reply.

    Raises
    ------
    WireError
        If the result exceeds its limit, which is a defect of the sender.
    """
    body = msgpack.packb(
        {
            "id": reply.id,
            "ok": reply.ok,
            "error": printable(reply.error)[:MAX_ERROR_CHARS],
            "result": {
                name: dict(value) if isinstance(value, Mapping) else value
                for name, value in reply.result.items()
            },
        }
    )
    if len(body) > MAX_MAP_BYTES:
        raise LimitError(f"got a result of {len(body)} bytes, the limit is {MAX_MAP_BYTES}")
    return _join(body, reply.packet)


def parse_reply(data: bytes | memoryview, limits: Limits = Limits()) -> Reply:  # noqa: B008 - frozen
    """Parse a reply, but not the packet it contains.

    Raises
    ------
    WireError
        If it is not a valid reply. Subclasses: UnknownVersionError, LimitError.
    """
    body, packet = _split(memoryview(data).cast("B"), max_reply_bytes(limits))
    values = _exactly(body, "reply", ("id", "ok", "error", "result"))
    ok, error = values["ok"], values["error"]
    if type(ok) is not bool:
        raise WireError(f"ok is {ok!r:.40}, want true or false")
    if type(error) is not str or len(error) > MAX_ERROR_CHARS:
        raise WireError(f"error is {error!r:.40}, want text of at most {MAX_ERROR_CHARS}")
    result = required_map(values["result"], "result")
    for name, value in result.items():
        where = f"result.{printable(name):.40}"
        if type(value) is dict:
            for item in string_map(value, where).values():
                check_scalar(item, where)
        else:
            check_scalar(value, where)
    return Reply(uint(values["id"], "id", MAX_ID), ok, printable(error), result, bytes(packet))


def max_reply_bytes(limits: Limits) -> int:
    """Return the size of the longest reply that a client accepts."""
    return limits.max_packet_bytes + MAX_REPLY_OVERHEAD_BYTES


def _join(body: bytes, packet: bytes = b"") -> bytes:
    crc = zlib.crc32(packet, zlib.crc32(body))
    prefix = _PREFIX.pack(_MAGIC, _VERSION, 0, len(body), len(packet), crc)
    return b"".join((prefix, body, packet))


def _split(view: memoryview, max_bytes: int) -> tuple[memoryview, memoryview]:
    """Check the prefix of a complete message and return its map and packet."""
    if len(view) > max_bytes:
        raise LimitError(f"got a control message of {len(view)} bytes, the limit is {max_bytes}")
    if len(view) < _PREFIX.size:
        raise WireError(f"got {len(view)} bytes, a control message has at least {_PREFIX.size}")
    magic, version, flags, map_bytes, packet_bytes, crc = _PREFIX.unpack_from(view)
    if magic != _MAGIC:
        raise WireError(f"got magic {magic.hex()}, a control message begins with {_MAGIC.hex()}")
    if version != _VERSION:
        raise UnknownVersionError(
            f"got a control message of version {version}, this is version {_VERSION}: "
            "update the older end"
        )
    if flags:
        raise WireError(f"got flags {flags:#04x}, version {version} defines none")
    if map_bytes > MAX_MAP_BYTES:
        raise LimitError(f"got a map of {map_bytes} bytes, the limit is {MAX_MAP_BYTES}")
    promised_bytes = _PREFIX.size + map_bytes + packet_bytes
    if len(view) != promised_bytes:
        raise WireError(f"got {len(view)} bytes, the prefix promises {promised_bytes}")
    content = view[_PREFIX.size :]
    if zlib.crc32(content) != crc:
        raise WireError(f"CRC-32 differs from {crc:08x}: a control message was damaged in transit")
    return content[:map_bytes], content[map_bytes:]


def _exactly(body: memoryview, what: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    values = required_map(unpack_msgpack(body, what), what)
    if set(values) != set(keys):
        got = ", ".join(sorted(printable(key)[:40] for key in values)) or "no keys"
        raise WireError(f"got a {what} with {got:.200}, want exactly {', '.join(keys)}")
    return values


def _op(value: object) -> str:
    if type(value) is not str or not _OPERATION.fullmatch(value):
        raise WireError(f"op is {value!r:.40}, want the name of an operation")
    return value


def _camera(value: object) -> str:
    if type(value) is not str:
        raise WireError(f"camera is {type(value).__name__}, want text")
    if value:
        try:
            check_stream(value)
        except SettingsError as exc:
            raise WireError(str(exc)) from None
    return value
