"""Requests and replies of the control channel that are none."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgpack

from corpus.hostile.messages import Files, nested


def _frame(body: bytes, packet: bytes = b"", magic: bytes = b"RKT\xa5", version: int = 1,
             flags: int = 0) -> bytes:  # fmt: skip
    crc = zlib.crc32(body + packet)
    prefix = struct.pack("<4sBBHII", magic, version, flags, len(body), len(packet), crc)
    return prefix + body + packet


def framed(head: Any, packet: bytes = b"") -> bytes:
    """A right frame around any msgpack."""
    return _frame(msgpack.packb(head), packet)


def control() -> Files:
    """Requests and replies that are none."""
    request = {"id": 1, "op": "get", "camera": "", "args": {}}
    reply = {"id": 1, "ok": True, "error": "", "result": {}}
    good = _frame(msgpack.packb(request))
    for size in (0, 1, 15, 16, 20, len(good) - 1):
        yield f"control/cut_{size}.ctl", good[:size]
    yield "control/longer.ctl", good + b"\0"
    yield "control/magic.ctl", _frame(msgpack.packb(request), magic=b"RKC\xa5")
    yield "control/version.ctl", _frame(msgpack.packb(request), version=2)
    yield "control/flags.ctl", _frame(msgpack.packb(request), flags=128)
    yield "control/crc.ctl", good[:12] + b"\0\0\0\0" + good[16:]
    yield "control/no_map.ctl", _frame(b"")
    yield "control/nil.ctl", _frame(b"\xc0")
    yield "control/array.ctl", _frame(b"\x90")
    yield "control/request_9000.ctl", _frame(msgpack.packb(request | {"args": {
        f"{k}": b"x" * 3000 for k in range(3)}}))  # fmt: skip
    wrong_request: dict[str, list[Any]] = {
        "id": [-1, 2**32, True, 1.0, "1", None, b"1"],
        "op": ["", "GET", "a b", "get\n", "x" * 33, None, 1, b"get", "../x", "__class__"],
        "camera": [None, 1, b"cam", "../../x", "A", "x" * 33, "a/b", "a\0", "\x1b[2J"],
        "args": [None, [], 1, {"a": []}, {"a": {}}, {"a": {"b": 1}},
                 {str(k): 0 for k in range(65)}],
    }  # fmt: skip
    wrong_reply: dict[str, list[Any]] = {
        "id": [-1, 2**32, None, "1"],
        "ok": [None, 1, 0, "true", []],
        "error": [None, 1, b"", "x" * 501, []],
        "result": [None, [], {"a": []}, {"a": {"b": {}}}, {"a": {"b": []}}],
    }
    for what, right, wrong in (("request", request, wrong_request), ("reply", reply, wrong_reply)):
        for key, values in wrong.items():
            for number, value in enumerate(values):
                body = msgpack.packb(right | {key: value})
                yield f"control/{what}_{key}_{number}.ctl", _frame(body)
        for key in right:
            less = {name: value for name, value in right.items() if name != key}
            yield f"control/{what}_without_{key}.ctl", _frame(msgpack.packb(less))
        more = msgpack.packb(right | {"token": "x"})
        yield f"control/{what}_with_more.ctl", _frame(more)
        deep = msgpack.packb(right)[:-1] + nested(1000)
        yield f"control/{what}_nested.ctl", _frame(deep)
        yield f"control/{what}_nested_scalar.ctl", _frame(msgpack.packb(right)[:-1] + b"\x81\xa1a"
                                                            + nested(1000))  # fmt: skip
    for key in (b"\xa2id", b"\xa2op", b"\xa2ok", b"\xa5error", b"\xa6camera"):
        yield f"control/nested_{key[1:].decode()}.ctl", _frame(b"\x81" + key + nested(1000))
