"""Topics, prefixes, headers and status bodies that are none."""

from __future__ import annotations

from typing import Any

import msgpack

from corpus.hostile.messages import Files, frames, nested, status_message, with_field
from support import packets


def topics() -> Files:
    """Names that are none, also such as would lead out of a folder."""
    good = packets.packet()
    for label, topic in {
        "empty": b"", "no_channel": b"cam", "parent": b"../../etc/frames",
        "parent_dots": b"..%2f..%2fx/frames", "absolute": b"/etc/passwd/frames",
        "backslash": b"..\\x/frames", "drive": b"c:x/frames", "upper_case": b"CAM/frames",
        "space": b"a b/frames", "newline": b"a\nb/frames", "escape": b"a\x1b[2J/frames",
        "unicode": "kämera/frames".encode(), "no_utf8": b"\xff\xfe/frames",
        "33_characters": b"a" * 33 + b"/frames", "no_name": b"/frames", "dot": b"./frames",
        "other_channel": b"cam/passwords", "channel_twice": b"cam/frames/frames",
        "stream_main": b"cam/frames.main", "stream_capital": b"cam/frames.X",
        "viewer": b"/viewer/cam/00",
        "percent": b"%s%n/frames", "wildcard": b"*/frames", "shell": b"$(id)/frames",
    }.items():  # fmt: skip
        yield f"topic/{label}.msg", frames(good, topic)
    yield "topic/no_nul.msg", b"cam/frames" + good
    yield "topic/only.msg", b"cam/frames\0"
    yield "topic/nothing.msg", b""
    yield "topic/frame_as_status.msg", frames(good, b"cam/status")


def wire() -> Files:
    """Prefix, msgpack and every field of the header."""
    good = packets.packet()
    for size in (1, 3, 4, 7, 8, 9, 16, 17, 24, 30, len(good) - 1):
        yield f"wire/cut_{size}.msg", frames(good[:size])
    yield "wire/longer.msg", frames(good + b"\0" * 1000)
    for at, label in ((0, "magic"), (3, "version"), (4, "crc"), (8, "kind"), (10, "stream_id"),
                      (17, "sequence"), (30, "header"), (len(good) - 1, "body")):  # fmt: skip
        flipped = bytearray(good)
        flipped[at] ^= 0x40
        yield f"wire/flipped_{label}.msg", frames(bytes(flipped))
    version_1 = b"RKC\xa5\1\0" + bytes(10)
    yield "wire/version_1.msg", frames(version_1)
    yield from _numbers()
    for depth in (17, 400, 1000, 1020, 5000):
        yield f"wire/nested_{depth}.msg", frames(packets.assemble(nested(depth)))
    for name in ("params", "picture", "shape", "rank", "meta", "x", "checksum"):
        yield f"wire/nested_in_{name}.msg", frames(with_field(name, nested(1000)))
    for label, packed in {
        "array_2_32": b"\xdd\xff\xff\xff\xff", "map_2_32": b"\xdf\xff\xff\xff\xff",
        "bin_2_32": b"\xc6\xff\xff\xff\xff", "str_2_32": b"\xdb\xff\xff\xff\xff",
        "ext": b"\xc7\x01\x05\0", "ext_empty": b"\xc7\0\x05", "timestamp": b"\xd6\xff\0\0\0\0",
        "never_used": b"\xc1", "bin_5000": msgpack.packb(bytes(5000)),
        "str_5000": msgpack.packb("x" * 5000), "array_65": msgpack.packb([0] * 65),
        "map_65": msgpack.packb({str(k): 0 for k in range(65)}), "bad_utf8": b"\xa2\xff\xfe",
        "number_keys": b"\x81\x01\x01", "maps": b"\xdc\x1f\x00" + b"\x80" * 0x1F00,
    }.items():  # fmt: skip
        yield f"wire/x_{label}.msg", frames(with_field("x", packed))
    wrong: dict[str, list[Any]] = {
        "layer": [256, -1, None],
        "picture": [None, [], 5, [0] * 8, [[0] * 8], {}],
        "codec": [None, 65_536, -1, 5, 60_000, 0.0],
        "params": [5, ["a"], [None], [[1]], [True], {}],
        "shape": [None, [], [4], [0, 4], [4, 0], [2, 3, 0], [2, 3, 65], [2, 3, 1, 1], [-1, 3],
                  [2.0, 3], ["2", "3"], [True, True], [2**64 - 1] * 2, [65_536, 1], [2**16] * 2,
                  [65_535, 65_535, 64]],
        "dtype": [0, 3, -1, 8, None, 1.0, "u1", True],
        "significant_bits": [-1, 9, 17, None],
        "cfa": [5, -1, None, "RGGB"],
        "device_frame_id": [-1, 0.5],
        "device_time_ns": [-1, b""],
        "rank": [None, [-1], [65_536], [1.0], ["1"], [[1]], 3],
        "model_id": [b"", b"x" * 33, "x", 1],
        "checksum": [-1, 2**32, "x"],
        "meta": [[], "x", {"a": [1]}, {"a": {}}, {"k": b"x" * 4096}],
        "x": [[], 1, "x"],
    }  # fmt: skip
    for name, values in wrong.items():
        for number, value in enumerate(values):
            yield f"wire/{name}_{number}.msg", frames(packets.packet(**{name: value}))
    for number, head in enumerate(([], {}, 5, None, "x", packets.header()[:1], b"",
                                   [*packets.header(), None], [packets.header()])):  # fmt: skip
        yield f"wire/header_{number}.msg", frames(packets.assemble(head))


def _numbers() -> Files:
    """Kinds, numbers and lengths that are none."""
    fields, start = packets.header(), packets.start()
    for kind in (5, 127, 255):
        wrong = packets.assemble(fields, begin=bytes((kind,)) + start[1:])
        yield f"wire/kind_{kind}.msg", frames(wrong)
    identity = start[:9]
    for label, numbers in {
        "none": b"", "without_end": b"\xff" * 100, "ten_bytes_of_ones": b"\xff" * 9 + b"\x7f",
        "2_64": packets.leb128(2**64), "long_form": b"\x85\0" + start[10:],
        "only_the_sequence": packets.leb128(2**64 - 1),
    }.items():  # fmt: skip
        yield (
            f"wire/numbers_{label}.msg",
            frames(packets.assemble(b"", b"", begin=identity + numbers)),
        )
    for name, value in {"squared_error": 2**64 - 1, "energy_ppb": -1}.items():
        yield f"wire/{name}_{value}.msg", frames(packets.packet(**{name: value}))
    for length in (1, 8192, 8193, 2**32, 2**64 - 1, 2**64):
        wrong = packets.assemble(fields, head_bytes=length)
        yield f"wire/fields_of_{length}.msg", frames(wrong)
    # A key frame has a picture, a status has none, a predicted frame alone cannot be completed.
    for kind, reference in ((0, None), (1, 4), (2, None), (3, None)):
        begin = packets.start(kind=kind, ref_sequence=reference)
        part = packets.header() if kind else b""
        yield (
            f"wire/kind_{kind}_with_{'picture' if kind else 'none'}.msg",
            frames(packets.assemble(part, begin=begin)),
        )


def status() -> Files:
    """Bodies of status and end."""
    right = {"grabbed": 5, "published": 4, "lost": {}, "viewers": 1, "state": "live",
             "source": "s", "codec": "raw", "fps": 1.0}  # fmt: skip
    bodies: dict[str, Any] = {
        "nil": None, "array": [], "number": 1, "grabbed_negative": {"grabbed": -1},
        "grabbed_text": {"grabbed": "1"}, "grabbed_true": {"grabbed": True},
        "published_2_64": {"published": 2.0**64}, "lost_nil": {"lost": None},
        "lost_array": {"lost": []}, "lost_text": {"lost": {"a": "b"}},
        "lost_negative": {"lost": {"a": -1}}, "viewers_nil": {"viewers": None},
        "state_bytes": {"state": b"live"}, "source_list": {"source": []},
        "codec_number": {"codec": 1}, "fps_nan": {"fps": float("nan")},
        "fps_inf": {"fps": float("inf")}, "fps_int": {"fps": 1}, "fps_text": {"fps": "1"},
        "source_5000": {"source": "x" * 5000},
        "keys_65": {str(k): 0 for k in range(65)},
    }  # fmt: skip
    for label, body in bodies.items():
        full = right | body if type(body) is dict else body
        yield f"status/{label}.msg", status_message(msgpack.packb(full))
    yield "status/empty.msg", status_message(b"")
    yield "status/two_maps.msg", status_message(b"\x80\x80")
    yield "status/nested.msg", status_message(b"\x81\xa3fps" + nested(1000))
    yield "status/nested_lost.msg", status_message(b"\x81\xa4lost\x81\xa1a" + nested(1000))
    yield "status/bomb_of_maps.msg", status_message(b"\xdc\xff\x00" + b"\x80" * 0xFF00)
    yield "status/on_frames.msg", status_message(msgpack.packb(right), b"cam/frames")
