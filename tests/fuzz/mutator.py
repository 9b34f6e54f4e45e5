"""Mutations that stay valid where it matters: lengths and CRC are repaired, most pass.

An input is a sequence of messages (tests/support/intake.py). A message is `TOPIC NUL PACKET`
or, for the control channel, a frame of its own: a prefix of 16 bytes, msgpack and a packet.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgpack

from support import packets
from support.intake import join_messages, split_messages

Mutate = Callable[[bytes, int], bytes]

_CONTROL_PREFIX = struct.Struct("<4sBBHII")
_PACKET_PREFIX = struct.Struct("<3sBI")
_PACKET, _CONTROL = b"RKC", b"RKT\xa5"
_MAX_MESSAGES = 8
_PREDICTED = 1
_STATUS_KINDS = (2, 3)
_KIND, _STREAM_ID, _SEQUENCE, _REFERENCE = 0, 1, 2, 4
"""The head of a packet is a list: kind, stream, the numbers as they are sent (None without a
reference), and the fields. The first field is the one after the last number."""
_FIRST_FIELD = _SEQUENCE + len(packets.NUMBERS)
_PARAMS, _PICTURE, _CHECKSUM = (
    _FIRST_FIELD + packets.FIELDS.index(name) for name in ("params", "picture", "checksum")
)
_TELLING = (_PARAMS, _PICTURE, _PICTURE, _PICTURE, _KIND, _SEQUENCE, _REFERENCE, _CHECKSUM)
_NUMBERS = (
    0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 4095, 4096,
    65535, 65536, 2**20, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1,
    -1, -2, -(2**31), -(2**63),
)  # fmt: skip
_EXTREMES = (2**64 - 1, 2**63, 2**63 - 1, 2**32, 0)
_ODD: tuple[Any, ...] = (
    None, True, False, 0.0, 1.0, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), "", "a",
    b"", b"\0" * 16, [], [0], [[]], {}, {"a": 1}, {"a": {"b": [1]}}, "x" * 300,
)  # fmt: skip
_TOPICS = (b"cam/frames", b"cam/status", b"cam2/frames", b"../x/frames", b"cam/frames.1", b"")


@dataclass(frozen=True)
class Parts:
    """A message, parsed as far as possible."""

    topic: bytes | None
    magic: bytes
    version: int
    head: Any
    body: bytes


def take_apart(message: bytes) -> Parts | None:
    """Parse a message; None if it does not resemble one."""
    topic: bytes | None = None
    if not message.startswith((_PACKET, _CONTROL)):
        head, nul, message = message.partition(b"\0")
        if not nul:
            return None
        topic = head
    try:
        if message.startswith(_CONTROL):
            magic, version, _, head_bytes, _, _ = _CONTROL_PREFIX.unpack_from(message)
            end = _CONTROL_PREFIX.size + head_bytes
            values = _msgpack(message[_CONTROL_PREFIX.size : end])
            return Parts(topic, magic, version, values, message[end:])
        if message.startswith(_PACKET):
            magic, version, _ = _PACKET_PREFIX.unpack_from(message)
            values, body = _split_packet(message[_PACKET_PREFIX.size :])
            return Parts(topic, magic, version, values, body)
    except (ValueError, IndexError, msgpack.UnpackException, TypeError, struct.error):
        return None
    return None


def _msgpack(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False)


def _split_packet(content: bytes) -> tuple[list[Any], bytes]:
    """Return the head of a packet and its body."""
    at = 1 + len(packets.STREAM_ID)
    head: list[Any] = [content[0], content[1:at]]
    for name in (*packets.NUMBERS, "length"):
        if name == "ref_sequence" and content[0] != _PREDICTED:
            head.append(None)
            continue
        value = shift = 0
        while True:
            value |= (content[at] & 127) << shift
            shift += 7
            at += 1
            if content[at - 1] < 128:
                break
        head.append(value)
    length = head.pop()
    fields = _msgpack(content[at : at + length]) if length else []
    if type(fields) is not list:
        raise ValueError("the fields are no array")
    fields += [None] * (len(packets.FIELDS) - len(fields))
    return head + fields, content[at + length :]


def put_together(parts: Parts) -> bytes:
    """Serialise with valid lengths and a valid CRC.

    Raises
    ------
    ValueError, OverflowError, TypeError
        If an element cannot be written.
    """
    topic = b"" if parts.topic is None else parts.topic + b"\0"
    if parts.magic == _CONTROL:
        head = msgpack.packb(parts.head)[:65_535]
        crc = zlib.crc32(head + parts.body)
        prefix = _CONTROL_PREFIX.pack(
            parts.magic, parts.version & 255, 0, len(head), len(parts.body), crc
        )
        return topic + prefix + head + parts.body
    kind, stream_id, *numbers = parts.head[:_FIRST_FIELD]
    begin = bytes((kind,)) + stream_id
    for name, number in zip(packets.NUMBERS, numbers, strict=True):
        if name == "ref_sequence" and kind != _PREDICTED:
            continue
        value = 1 if number is None else number
        if type(value) is not int or value < 0:
            raise ValueError(f"{name} is {value!r}, which LEB128 does not write")
        begin += packets.leb128(value)
    fields = parts.head[_FIRST_FIELD:]
    while fields and fields[-1] is None:
        fields.pop()
    return topic + packets.assemble(
        fields if fields else b"", parts.body, magic=parts.magic, version=parts.version & 255,
        begin=begin,
    )  # fmt: skip


class Mutator:
    """Derives new inputs from old ones.

    Parameters
    ----------
    mutate : callable
        libFuzzer's own mutation of bytes, up to a size.
    seeds : list of list of bytes
        Sequences whose messages may be put between others.
    """

    def __init__(self, mutate: Mutate, seeds: list[list[bytes]]) -> None:
        self._mutate = mutate
        self._seeds = [messages for messages in seeds if messages]

    def __call__(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Mutate `data`; the same seed gives the same result."""
        rng = random.Random(seed)
        messages = split_messages(data)[:_MAX_MESSAGES]
        if not messages or rng.random() < 0.02:
            messages = list(rng.choice(self._seeds)) if self._seeds else [b"cam/frames\0"]
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            self._step(messages, rng)
        if rng.random() < 0.6:
            _renumber(messages)
        made = join_messages(messages)
        return made if len(made) <= max_size else data[:max_size]

    def _step(self, messages: list[bytes], rng: random.Random) -> None:
        at = rng.randrange(len(messages))
        choice = rng.random()
        if choice < 0.12:
            self._rearrange(messages, at, rng)
            return
        parts = take_apart(messages[at])
        if parts is None or choice < 0.15:
            # Lengths and CRC are left as they are.
            messages[at] = self._mutate(messages[at], len(messages[at]) + 64)
            return
        if choice < 0.18:
            parts = replace(parts, topic=rng.choice(_TOPICS) if parts.topic is not None else None)
        elif choice < 0.55 and parts.body:
            body = _new_map(parts, rng) if rng.random() < 0.7 else None
            parts = replace(parts, body=body or self._new_body(parts.body, rng))
            parts = self._without_checksum(parts, rng)
        else:
            parts = replace(parts, head=_new_head(parts.head, rng))
        try:
            messages[at] = put_together(parts)
        except (ValueError, OverflowError, TypeError):
            # msgpack cannot hold the result.
            return

    def _rearrange(self, messages: list[bytes], at: int, rng: random.Random) -> None:
        choice = rng.randrange(4)
        if choice == 0 and len(messages) < _MAX_MESSAGES:
            messages.insert(rng.randrange(len(messages) + 1), messages[at])
        elif choice == 1 and len(messages) > 1:
            del messages[at]
        elif choice == 2:
            other = rng.randrange(len(messages))
            messages[at], messages[other] = messages[other], messages[at]
        elif self._seeds and len(messages) < _MAX_MESSAGES:
            messages.insert(at, rng.choice(rng.choice(self._seeds)))

    def _new_body(self, body: bytes, rng: random.Random) -> bytes:
        choice = rng.random()
        if choice < 0.6:
            return self._mutate(body, len(body) + 32)
        at, size = rng.randrange(len(body)), rng.randrange(1, 17)
        if choice < 0.7:
            return body[:at]
        if choice < 0.8:
            return body[:at] + rng.randbytes(size) + body[at + size :]
        if choice < 0.9:
            return body[:at] + bytes((rng.choice((0, 255)),)) * size + body[at + size :]
        return body[:at] + body[at : at + size] + body[at:]

    @staticmethod
    def _without_checksum(parts: Parts, rng: random.Random) -> Parts:
        # Otherwise no decoder would keep a changed picture, and none would be predicted from it.
        if type(parts.head) is list and len(parts.head) > _CHECKSUM and rng.random() < 0.7:
            head = list(parts.head)
            head[_CHECKSUM] = None
            return replace(parts, head=head)
        return parts


def _new_map(parts: Parts, rng: random.Random) -> bytes | None:
    """Return a mutated body of a status or end message, which is a map; None for others."""
    kind = parts.head[_KIND] if type(parts.head) is list and parts.head else None
    if kind not in _STATUS_KINDS:
        return None
    try:
        body = msgpack.unpackb(parts.body, strict_map_key=False)
        return bytes(msgpack.packb(_new_head(body, rng)))
    except (ValueError, msgpack.UnpackException, TypeError, OverflowError):
        return None


def _new_head(head: Any, rng: random.Random) -> Any:
    if type(head) is dict and head:
        changed = dict(head)
        key = rng.choice(list(changed))
        if rng.random() < 0.15:
            changed[rng.choice(("", "a", "x" * 70))] = changed.pop(key)
        else:
            changed[key] = _new_value(changed[key], rng)
        return changed
    if type(head) is list and head:
        changed = list(head)
        if rng.random() < 0.02:
            del changed[rng.randrange(len(changed))]
            return changed
        telling = [index for index in _TELLING if index < len(changed)]
        index = rng.choice(telling) if telling and rng.random() < 0.8 else rng.randrange(len(head))
        changed[index] = _new_value(changed[index], rng)
        return changed
    return rng.choice(_ODD)


def _new_value(value: Any, rng: random.Random) -> Any:
    """Return another value, mostly of the same type and near."""
    if rng.random() < 0.06:
        return rng.choice(_ODD)
    if type(value) is int:
        near = (value + 1, value - 1, value ^ (1 << rng.randrange(16)), rng.randrange(40))
        return rng.choice((*near, rng.choice(_NUMBERS), rng.choice(_EXTREMES)))
    if type(value) is float:
        return rng.choice((value * 2, -value, rng.random(), float("nan"), 1e300, 1e307, 5e-324))
    if type(value) is bytes and value:
        at = rng.randrange(len(value))
        return value[:at] + bytes((rng.randrange(256),)) + value[at + 1 :]
    if type(value) is str:
        return rng.choice((value + "x", value[:-1], value * 3, "\x1b[2J", "é" * 40))
    if type(value) is list and value:
        changed = list(value)
        at = rng.randrange(len(changed))
        if rng.random() < 0.8:
            changed[at] = _new_value(changed[at], rng)
        elif rng.random() < 0.5:
            del changed[at]
        else:
            changed.insert(at, changed[at])
        return changed
    if type(value) is dict and value:
        return _new_head(value, rng)
    return rng.choice((rng.choice(_NUMBERS), rng.choice(_ODD)))


def _renumber(messages: list[bytes]) -> None:
    """Give frames rising sequences and let each predicted one follow the one before it."""
    last: dict[tuple[bytes | None, Any], int] = {}
    for index, message in enumerate(messages):
        parts = take_apart(message)
        if parts is None or type(parts.head) is not list or len(parts.head) <= _CHECKSUM:
            continue
        head = list(parts.head)
        if head[_KIND] not in (0, _PREDICTED):
            continue
        stream = (parts.topic, repr(head[_STREAM_ID]))
        before = last.get(stream)
        if before is None:
            last[stream] = head[_SEQUENCE] if type(head[_SEQUENCE]) is int else 0
            continue
        head[_SEQUENCE] = last[stream] = before + 1
        if head[_KIND] == _PREDICTED:
            head[_REFERENCE] = 1  # the difference is sent
        try:
            messages[index] = put_together(replace(parts, head=head))
        except (ValueError, OverflowError, TypeError):
            continue
