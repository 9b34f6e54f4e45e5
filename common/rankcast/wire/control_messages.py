"""Messages of the control channel: docs/wire.md, "Control channel", in code. No sockets here."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgpack

from rankcast.errors import LimitError, SettingsError, UnknownVersionError, WireError
from rankcast.frame import Scalar
from rankcast.printable import printable
from rankcast.wire.packet import Limits, string_map, uint, unpack_msgpack
from rankcast.wire.topic import check_name

MAGIC: Final = b"RKT\xa5"
VERSION: Final = 1
PREFIX: Final = struct.Struct("<4sBBHII")
MAX_REQUEST_BYTES: Final = 8192
MAX_MAP_BYTES: Final = 60_000
"""Of a reply: below the 65,535 that its length field holds."""
MAX_REPLY_OVERHEAD_BYTES: Final = 65_536
"""What a reply may have beyond the packet that comes with it."""
MAX_ID: Final = 2**32 - 1
MAX_ERROR_CHARS: Final = 500

OPERATIONS: Final = ("get", "set", "status", "keyframe", "original", "ping", "report")
"""What can be asked for; who may ask for what stands in docs/wire.md."""

Value: TypeAlias = Scalar | Mapping[str, Scalar]

_OPERATION = re.compile(r"[a-z][a-z0-9_]{0,31}")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants."""

    id: int
    """0 to 2^32 - 1, chosen by the client: the reply carries it again."""
    op: str
    camera: str = ""
    """Empty is the only camera of the sender."""
    args: Mapping[str, Scalar] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the sender says to it."""

    id: int
    ok: bool
    error: str = ""
    """Why not, in one line."""
    result: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    packet: bytes = b""
    """A complete wire packet, of `original`."""


def pack_request(request: Request) -> bytes:
    """Serialise a request.

    Raises
    ------
    SettingsError
        If it does not fit into 8 KiB, or a value cannot be sent.
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
    if PREFIX.size + len(body) > MAX_REQUEST_BYTES:
        raise SettingsError(
            f"got a request of {PREFIX.size + len(body)} bytes, the limit is {MAX_REQUEST_BYTES}"
        )
    return _frame(body)


def parse_request(data: bytes | memoryview) -> Request:
    """Read a request; an operation that is unknown is for the sender to answer.

    Raises
    ------
    WireError
        If it is none. Children: UnknownVersionError, LimitError.
    """
    body, packet = _unframe(data, MAX_REQUEST_BYTES)
    if packet:
        raise WireError(f"got a request with a packet of {len(packet)} bytes, want none")
    values = _exactly(body, "request", ("id", "op", "camera", "args"))
    args = string_map(_given(values["args"], "args"), "args")
    for name, value in args.items():
        _scalar(value, f"args.{printable(name):.40}")
    return Request(uint(values["id"], "id", MAX_ID), _op(values["op"]),
                   _camera(values["camera"]), args)  # fmt: skip


def pack_reply(reply: Reply) -> bytes:
    """Serialise a reply.

    Raises
    ------
    WireError
        If the result does not fit: whoever made it is at fault.
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
    return _frame(body, reply.packet)


def parse_reply(data: bytes | memoryview, limits: Limits = Limits()) -> Reply:  # noqa: B008 - frozen
    """Read a reply; a packet that comes with it is not looked into.

    Raises
    ------
    WireError
        If it is none. Children: UnknownVersionError, LimitError.
    """
    body, packet = _unframe(data, max_reply_bytes(limits))
    values = _exactly(body, "reply", ("id", "ok", "error", "result"))
    ok, error = values["ok"], values["error"]
    if type(ok) is not bool:
        raise WireError(f"ok is {ok!r:.40}, want true or false")
    if type(error) is not str or len(error) > MAX_ERROR_CHARS:
        raise WireError(f"error is {error!r:.40}, want text of at most {MAX_ERROR_CHARS}")
    result = string_map(_given(values["result"], "result"), "result")
    for name, value in result.items():
        where = f"result.{printable(name):.40}"
        if type(value) is dict:
            for item in string_map(value, where).values():
                _scalar(item, where)
        else:
            _scalar(value, where)
    return Reply(uint(values["id"], "id", MAX_ID), ok, printable(error), result, bytes(packet))


def max_reply_bytes(limits: Limits) -> int:
    """The longest reply that a client takes."""
    return limits.max_packet_bytes + MAX_REPLY_OVERHEAD_BYTES


def _frame(body: bytes, packet: bytes = b"") -> bytes:
    crc = zlib.crc32(packet, zlib.crc32(body))
    return b"".join((PREFIX.pack(MAGIC, VERSION, 0, len(body), len(packet), crc), body, packet))


def _unframe(data: bytes | memoryview, most: int) -> tuple[memoryview, memoryview]:
    """Check the frame; return its map, still packed, and the packet behind it."""
    view = memoryview(data).cast("B")
    if len(view) > most:
        raise LimitError(f"got a control message of {len(view)} bytes, the limit is {most}")
    if len(view) < PREFIX.size:
        raise WireError(f"got {len(view)} bytes, a control message has at least {PREFIX.size}")
    magic, version, flags, body_bytes, packet_bytes, crc = PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise WireError(f"got magic {magic.hex()}, want {MAGIC.hex()}: no control message")
    if version != VERSION:
        raise UnknownVersionError(
            f"got control version {version}, this is version {VERSION}: update the older end"
        )
    if flags:
        raise WireError(f"got flags {flags:#04x}, version {VERSION} has none")
    if body_bytes > MAX_MAP_BYTES:
        raise LimitError(f"got a map of {body_bytes} bytes, the limit is {MAX_MAP_BYTES}")
    end = PREFIX.size + body_bytes
    if len(view) != end + packet_bytes:
        raise WireError(f"got {len(view)} bytes, the prefix promises {end + packet_bytes}")
    if zlib.crc32(view[PREFIX.size :]) != crc:
        raise WireError(f"CRC-32 differs from {crc:08x}: the message was damaged on its way")
    return view[PREFIX.size : end], view[end:]


def _exactly(body: memoryview, what: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    values = string_map(_given(unpack_msgpack(body, what), what), what)
    if set(values) != set(keys):
        got = ", ".join(sorted(printable(key)[:40] for key in values)) or "nothing"
        raise WireError(f"got a {what} of {got:.200}, want exactly {', '.join(keys)}")
    return values


def _given(value: object, name: str) -> object:
    if value is None:
        raise WireError(f"{name} is nil, want a map with string keys")
    return value


def _scalar(value: object, name: str) -> None:
    if value is not None and type(value) not in (bool, int, float, str, bytes):
        raise WireError(f"{name} is {type(value).__name__}, want a scalar")


def _op(value: object) -> str:
    if type(value) is not str or not _OPERATION.fullmatch(value):
        raise WireError(f"op is {value!r:.40}, want the name of an operation")
    return value


def _camera(value: object) -> str:
    if type(value) is not str:
        raise WireError(f"camera is {type(value).__name__}, want text")
    if value:
        try:
            check_name(value)
        except SettingsError as exc:
            raise WireError(str(exc)) from None
    return value
