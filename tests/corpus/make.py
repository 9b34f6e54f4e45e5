"""Writes the malicious corpus: `python tests/corpus/make.py`.

Every file must be refused: by a WireError or, where only a sequence is wrong, by a counted loss.
They are made of the checked-in seeds and of packets put together by hand, so that they come out
the same everywhere. `.msg` is one message (topic, NUL, packet), `.seq` several (tests/intake.py),
`.ctl` one message of the control channel.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import packets  # noqa: E402
from intake import join_messages, split_messages  # noqa: E402
from rankcast.wire import Header, Kind, Packet, pack, unpack  # noqa: E402

CORPUS = TESTS / "corpus"
MALICIOUS = CORPUS / "malicious"
REGRESSIONS = CORPUS / "regressions"
MAX_FILE_BYTES = 65_536
HUGE = (8192, 16384)
"""As many samples as the limits allow."""

Files = Iterator[tuple[str, bytes]]


def frames(packet: bytes, topic: bytes = b"cam/frames") -> bytes:
    """A message of a frame."""
    return topic + b"\0" + packet


def seed(target: str, name: str) -> list[Packet]:
    """Packets of the frames in a seed."""
    data = (CORPUS / "seeds" / target / f"{name}.seq").read_bytes()
    return [unpack(message.partition(b"\0")[2]) for message in split_messages(data)]


def changed(packet: Packet, body: bytes | None = None, **changes: Any) -> bytes:
    """The message of a packet with another body or header, its CRC right."""
    header: Header = replace(packet.header, **changes)
    return frames(pack(header, bytes(packet.body) if body is None else body))


def nested(depth: int) -> bytes:
    """msgpack of arrays within each other."""
    return b"\x91" * depth + b"\xc0"


def with_field(name: str, packed: bytes) -> bytes:
    """A packet one field of which is this msgpack."""
    parts = [msgpack.packb(value) for value in packets.header()]
    parts[packets.FIELDS.index(name)] = packed
    return packets.assemble(b"\xdc" + struct.pack(">H", len(parts)) + b"".join(parts))


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
        "layer_0": b"cam/frames.0", "layer_text": b"cam/frames.x", "viewer": b"/viewer/cam/00",
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
    for size in (1, 4, 8, 15, 16, 17, 40, len(good) - 1):
        yield f"wire/cut_{size}.msg", frames(good[:size])
    yield "wire/longer.msg", frames(good + b"\0" * 1000)
    for at, label in ((0, "magic"), (4, "version"), (5, "flags"), (6, "header_length"),
                      (8, "body_length"), (12, "crc"), (20, "header"),
                      (len(good) - 1, "body")):  # fmt: skip
        flipped = bytearray(good)
        flipped[at] ^= 0x40
        yield f"wire/flipped_{label}.msg", frames(bytes(flipped))
    for depth in (17, 400, 1000, 1020, 5000):
        yield f"wire/nested_{depth}.msg", frames(packets.assemble(nested(depth)))
    for name in ("kind", "sequence", "params", "shape", "rank", "meta", "x", "checksum"):
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
        "kind": [4, -1, True, 1.0, "0", None],
        "stream_id": [b"", b"\0" * 17, "0" * 16, None, 0],
        "sequence": [-1, 1.5, True, None, "1", b"1"],
        "frame": [-1, 0.0, None],
        "ref_sequence": [0, -1, "1"],
        "layer": [256, -1, None],
        "codec": [None, 65_536, -1, 5, 60_000, 0.0],
        "params": [None, 5, ["a"], [None], [[1]], [True], {}],
        "shape": [None, [], [4], [0, 4], [4, 0], [2, 3, 0], [2, 3, 65], [2, 3, 1, 1], [-1, 3],
                  [2.0, 3], ["2", "3"], [True, True], [2**64 - 1] * 2, [65_536, 1], [2**16] * 2,
                  [65_535, 65_535, 64]],
        "dtype": [0, 3, -1, 8, None, 1.0, "u1", True],
        "significant_bits": [-1, 9, 17, None],
        "cfa": [5, -1, None, "RGGB"],
        "t_capture_mono_ns": [-1, None, 1e18],
        "t_capture_utc_ns": [-1, None, "now"],
        "device_frame_id": [-1, 0.5],
        "device_time_ns": [-1, b""],
        "squared_error": [-1, float("nan")],
        "energy_ppb": [10**9 + 1, -1, 0.5],
        "rank": [None, [-1], [65_536], [1.0], ["1"], [[1]], 3],
        "model_id": [b"", b"x" * 33, "x", 1],
        "checksum": [-1, 2**32, "x"],
        "meta": [[], "x", {"a": [1]}, {"a": {}}, {"k": b"x" * 4096}],
        "x": [[], 1, "x"],
    }  # fmt: skip
    for name, values in wrong.items():
        for number, value in enumerate(values):
            yield f"wire/{name}_{number}.msg", frames(packets.packet(**{name: value}))
    for number, head in enumerate(([], {}, 5, None, "x", packets.header()[:-1],
                                   [*packets.header(), None], [packets.header()])):  # fmt: skip
        yield f"wire/header_{number}.msg", frames(packets.assemble(head))


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
        yield f"status/{label}.msg", _status(msgpack.packb(full))
    yield "status/empty.msg", _status(b"")
    yield "status/two_maps.msg", _status(b"\x80\x80")
    yield "status/nested.msg", _status(b"\x81\xa3fps" + nested(1000))
    yield "status/nested_lost.msg", _status(b"\x81\xa4lost\x81\xa1a" + nested(1000))
    yield "status/bomb_of_maps.msg", _status(b"\xdc\xff\x00" + b"\x80" * 0xFF00)
    yield "status/on_frames.msg", _status(msgpack.packb(right), b"cam/frames")


def _status(body: bytes, topic: bytes = b"cam/status") -> bytes:
    header = Header(Kind.STATUS, packets.STREAM_ID, 4, 5)
    return frames(pack(header, body), topic)


def any_decoder(target: str, name: str) -> Files:
    """What is wrong for every codec."""
    first = seed(target, name)[0]
    body = bytes(first.body)
    label = f"{target}/{name}"
    yield f"{label}_empty.msg", changed(first, b"")
    yield f"{label}_huge_and_empty.msg", changed(first, b"", shape=HUGE)
    yield f"{label}_half.msg", changed(first, body[: len(body) // 2])
    yield f"{label}_long.msg", changed(first, body + b"\xa5" * 4000)
    yield f"{label}_65_params.msg", changed(first, params=(1,) * 63)
    yield f"{label}_nan_params.msg", changed(first, params=(float("nan"),) * 3)
    yield f"{label}_inf_params.msg", changed(first, params=(float("inf"), -float("inf")))
    yield f"{label}_huge_params.msg", changed(first, params=(2**64 - 1,) * 3)


def raw() -> Files:
    """Bodies of another size than promised."""
    first = seed("raw", "grey")[0]
    for extra in (-1, 1, 60_000):
        body = (bytes(first.body) + bytes(60_000))[: len(first.body) + extra]
        yield f"raw/bytes_{extra}.msg", changed(first, body)
    for shape in (HUGE, (1, 65_535), (65_535, 1), (1, 1, 64), (65_535, 2048)):
        yield f"raw/shape_{'x'.join(map(str, shape))}.msg", changed(first, shape=shape)
    yield "raw/dtype.msg", changed(first, dtype_bytes=2)


def jpeg() -> Files:
    """Files that are no such picture, and files that say so only to libjpeg."""
    first = seed("jpeg", "grey")[0]
    body = bytes(first.body)
    frame = body.index(b"\xff\xc0")
    height, width = first.header.shape[:2]

    def size(h: int, w: int) -> bytes:
        return body[: frame + 5] + struct.pack(">HH", h, w) + body[frame + 9 :]

    yield "jpeg/size_65500.msg", changed(first, size(65_500, 65_500))
    yield "jpeg/size_0.msg", changed(first, size(0, width))
    yield "jpeg/no_soi.msg", changed(first, b"\xff\xd9" + body[2:])
    yield "jpeg/png.msg", changed(first, b"\x89PNG\r\n\x1a\n" + body[8:])
    yield "jpeg/bmp.msg", changed(first, b"BM" + body[2:])
    yield "jpeg/only_soi.msg", changed(first, body[:2])
    yield "jpeg/no_scan.msg", changed(first, body[: body.index(b"\xff\xda")] + b"\xff\xd9")
    yield "jpeg/components_3.msg", changed(first, body[: frame + 9] + b"\3" + body[frame + 10 :])
    yield "jpeg/12_bits.msg", changed(first, body[: frame + 4] + b"\x0c" + body[frame + 5 :])
    yield "jpeg/as_16_bit.msg", changed(first, dtype_bytes=2)
    yield "jpeg/as_colour.msg", changed(first, shape=(height, width, 3))
    yield "jpeg/as_5_channels.msg", changed(first, shape=(height, width, 5))
    yield "jpeg/length_1.msg", changed(first, body[:4] + b"\0\1" + body[6:])
    for marker in (0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xCB, 0xCD, 0xCF, 0xCC, 0xD8,
                   0xD9, 0xDA, 0xD0, 0x01, 0x00):  # fmt: skip
        other = body[: frame + 1] + bytes((marker,)) + body[frame + 2 :]
        yield f"jpeg/marker_{marker:02x}.msg", changed(first, other)
    # Two readings of one file: libjpeg skips the fill byte, a careless look takes ffff for a
    # marker and e010 for its length, and finds the small frame header behind.
    large = body[: frame + 5] + struct.pack(">HH", 4000, 4000) + body[frame + 9 :]
    hidden = b"\xff\xd8\xff\xff\xe0\x10\x00" + bytes(0x0FFE) + large[2:]
    hidden += bytes(4 + 0xE010 - len(hidden)) + body[frame : frame + 13]
    yield "jpeg/hidden_frame_header.msg", changed(first, hidden)
    for label, filler in {"restart": b"\xff\xd0", "tem": b"\xff\x01", "zero": b"\xff\0"}.items():
        yield f"jpeg/before_it_{label}.msg", changed(first, body[:2] + filler + body[2:])


def lossless() -> Files:
    """Parameters that do not fit, bands that lie, streams that end early or never."""
    first = seed("lossless", "grey")[0]
    colour = seed("lossless", "colour")[0]
    for number, params in enumerate(
        ((), (0,), (2, 0), (0, 2), (1, 0), (-1, 0), (0.5, 0), (0, 0, 0))
    ):
        yield f"lossless/params_{number}.msg", changed(first, params=params)
    yield "lossless/colour_as_5.msg", changed(colour, shape=(3, 9, 5))
    yield "lossless/one_byte.msg", changed(first, bytes(first.body)[:1])
    yield "lossless/huge.msg", changed(first, bytes(first.body), shape=HUGE)
    yield "lossless/wide.msg", changed(first, b"\0" * 12, shape=(16, 65_535))
    yield "lossless/64_channels.msg", changed(first, b"\0" * 40, shape=(1024, 2048, 64))
    for number, lengths in enumerate(((2**32 - 1,) * 3, (0, 0, 50), (50, 50, 50), (1, 1, 2**31))):
        body = struct.pack("<3I", *lengths) + bytes(100)
        yield f"lossless/bands_{number}.msg", changed(first, body, shape=(2160, 3840))
    yield "lossless/cut_lengths.msg", changed(first, bytes(11), shape=(2160, 3840))


def svd() -> Files:
    """Factors that are none, ranks that do not fit, products without end."""
    for form, number, item in (("float16", 1, "e"), ("float32", 2, "f"), ("float64", 3, "d")):
        first = seed("svd", f"deep_{form}")[0]
        body = bytes(first.body)
        s_item = "d" if form == "float64" else "f"
        at_u = first.header.rank[0] * struct.calcsize(s_item)
        for label, value in {"nan": float("nan"), "inf": float("inf"), "minus": -float("inf"),
                             "large": 60_000.0}.items():  # fmt: skip
            vector = struct.pack(f"<{item}", value)
            yield (
                f"svd/{form}_u_{label}.msg",
                changed(first, body[:at_u] + vector + body[at_u + len(vector) :]),
            )
            yield f"svd/{form}_v_{label}.msg", changed(first, body[: -len(vector)] + vector)
        for label, value in {"nan": float("nan"), "inf": float("inf"), "zero": 0.0, "minus": -1.0,
                             "large": 1e30}.items():  # fmt: skip
            s = struct.pack(f"<{s_item}", value)
            yield f"svd/{form}_s_{label}.msg", changed(first, s + body[len(s) :])
        yield f"svd/{form}_short.msg", changed(first, body[:-1])
        yield f"svd/{form}_as_another.msg", changed(first, params=(number % 3 + 1, 0))
    first = seed("svd", "grey_coded")[0]
    body = bytes(first.body)
    for number, params in enumerate(
        ((), (0,), (4, 0), (0, 2), (-1, 0), (0.5, 0), (0, 1), (0, 0, 0))
    ):
        yield f"svd/params_{number}.msg", changed(first, params=params)
    for number, rank in enumerate(((), (1, 1), (10,), (65_535,), (0,))):
        yield f"svd/rank_{number}.msg", changed(first, rank=rank)
    for at, label in ((0, "length"), (12, "first_s")):
        yield f"svd/{label}_2_32.msg", changed(first, body[:at] + b"\xff" * 4 + body[at + 4 :])
    rank = first.header.rank[0]
    for label, step in {"zero": 0.0, "minus": -1.0, "nan": float("nan"), "inf": float("inf"),
                        "huge": 1e39}.items():  # fmt: skip
        yield (
            f"svd/step_{label}.msg",
            changed(first, body[:4] + struct.pack("<d", step) + body[12:]),
        )
    at = 12 + 4 * rank
    yield "svd/u_length.msg", changed(first, body[:at] + b"\xff" * 4 + body[at + 4 :])
    matrix = at + 4
    for label, head in {"no_class": struct.pack("<QII", 0, 1 << 15, 1 << 15),
                        "all_classes": struct.pack("<QII", 2**64 - 1, 1 << 15, 1 << 15),
                        "state": struct.pack("<QII", 1, 2**31, 1 << 15)}.items():  # fmt: skip
        yield f"svd/{label}.msg", changed(first, body[:matrix] + head + body[matrix + 16 :])
    for label, table in {"frequency_0": (0, 0, 1, 0), "frequency_4096": (4096, 0, 1, 0),
                         "decay_0": (1, 0, 0, 0), "shift_25": (1, 0, 1, 25)}.items():  # fmt: skip
        bad = body[: matrix + 16] + struct.pack("<HBBB", *table) + body[matrix + 21 :]
        yield f"svd/table_{label}.msg", changed(first, bad)
    yield "svd/bomb_of_products.msg", changed(first, rank=(8192,), shape=HUGE)
    yield "svd/bomb_of_planes.msg", changed(first, rank=(1449,) * 64, shape=(1449, 1447, 64))
    coded = struct.pack("<d", 1.0) + struct.pack("<f", 1.0) * 100
    one = struct.pack("<QII", 1, 1 << 15, 1 << 15) + struct.pack("<HBBB", 4095, 0, 255, 0)
    coded += struct.pack("<I", len(one)) + one + one
    yield (
        "svd/bomb_of_zeros.msg",
        changed(first, struct.pack("<I", len(coded)) + coded, rank=(100,), shape=HUGE),
    )


def svd_patch() -> Files:
    """Parameters, flags, lengths and slices of one picture."""
    first, second = seed("svd-patch", "still")[:2]
    body = bytes(first.body)
    bases = seed("svd-patch", "own_bases")[0]
    for number, params in enumerate((
        (), (0, 64), (5, 64, 8), (-1, 64, 8), (0, 3, 8), (0, 2**20 + 1, 8), (0, 64, 0), (0, 64, 9),
        (0.0, 64, 8), (1, 64, 8), (2, 64, 8), (4, 64, 8), (0, 64, 8, 0),
    )):  # fmt: skip
        yield f"svd-patch/params_{number}.msg", changed(first, params=params)
    yield "svd-patch/bayer_of_one_row.msg", changed(first, params=(3, 64, 8), shape=(1, 40))
    yield "svd-patch/flags.msg", changed(first, b"\x04" + body[1:])
    yield "svd-patch/not_kept.msg", changed(first, b"\0" + body[1:])
    yield "svd-patch/bases_without_end.msg", changed(first, b"\3" + b"\xff" * 40)
    yield "svd-patch/bases_too_long.msg", changed(first, b"\3\xff\xff\x7f" + body[1:])
    yield "svd-patch/bases_cut.msg", changed(bases, bytes(bases.body)[:5])
    yield "svd-patch/bases_of_ones.msg", changed(bases, b"\3\x20" + b"\xff" * 32)
    yield "svd-patch/checksum.msg", changed(first, checksum=1)
    yield "svd-patch/predicted_first.msg", frames(pack(second.header, second.body))
    for number in range(4):
        noise = b"".join(
            zlib.crc32(b"%d %d" % (number, k)).to_bytes(4, "little") for k in range(500)
        )
        yield f"svd-patch/noise_{number}.msg", changed(first, b"\1" + noise)
    yield "svd-patch/ones.msg", changed(first, b"\1" + b"\xff" * 3000)
    yield "svd-patch/huge.msg", changed(first, body, shape=HUGE)
    yield "svd-patch/64_channels.msg", changed(first, body, shape=(1024, 2048, 64),
                                               params=(4, 64, 8))  # fmt: skip
    for number, lengths in enumerate((b"\xff\xff\x03" * 3, b"\x80" * 9, b"\x05\x05")):
        yield f"svd-patch/slices_{number}.msg", changed(first, b"\1" + lengths, shape=(2160, 3840))


def sequences() -> Files:
    """Right packets in a wrong order."""
    first, second, third = seed("svd-patch", "still")
    raw = seed("raw", "grey")[0]

    def sequence(*messages: bytes) -> bytes:
        return join_messages(messages)

    def plain(packet: Packet) -> bytes:
        return frames(pack(packet.header, packet.body))

    yield "sequence/lost_between.seq", sequence(plain(first), plain(third))
    yield (
        "sequence/predicted_of_another_shape.seq",
        sequence(plain(first), changed(second, shape=(32, 24), checksum=None)),
    )
    yield (
        "sequence/predicted_of_another_layout.seq",
        sequence(
            plain(first), changed(second, params=(3, *second.header.params[1:]), checksum=None)
        ),
    )
    yield (
        "sequence/predicted_with_bases.seq",
        sequence(plain(first), changed(second, b"\3\1\0" + bytes(second.body)[1:])),
    )
    yield (
        "sequence/predicted_of_another_stream.seq",
        sequence(plain(first), changed(second, stream_id=b"\7" * 16)),
    )
    yield "sequence/predicted_of_another_codec.seq", sequence(plain(raw), plain(second))
    yield (
        "sequence/codec_changed.seq",
        sequence(plain(first), changed(raw, sequence=1), changed(third, ref_sequence=0)),
    )
    yield (
        "sequence/reference_of_the_future.seq",
        sequence(plain(first), changed(second, ref_sequence=2**64 - 1)),
    )
    yield "sequence/jump_to_the_end.seq", sequence(plain(first), changed(first, sequence=2**64 - 1))
    yield (
        "sequence/wrong_checksum_then_more.seq",
        sequence(plain(first), changed(second, checksum=5), plain(third)),
    )
    yield (
        "sequence/refused_then_predicted.seq",
        sequence(changed(first, b"\1"), plain(second), plain(third)),
    )
    yield (
        "sequence/many_streams.seq",
        sequence(*(changed(raw, bytes(3), stream_id=bytes((k,)) * 16) for k in range(40))),
    )
    yield (
        "sequence/many_cameras.seq",
        sequence(*(frames(pack(raw.header, raw.body), b"cam%d/frames" % k) for k in range(80))),
    )
    yield (
        "sequence/many_shapes.seq",
        sequence(
            *(changed(first, b"\1\0", shape=(16 + 8 * k, 4000), sequence=k) for k in range(20))
        ),
    )
    yield (
        "sequence/status_goes_back.seq",
        sequence(
            changed(raw, bytes(1)), _status(msgpack.packb({"published": 2**64 - 1})), plain(second)
        ),
    )


def _control(body: bytes, packet: bytes = b"", magic: bytes = b"RKT\xa5", version: int = 1,
             flags: int = 0) -> bytes:  # fmt: skip
    crc = zlib.crc32(body + packet)
    prefix = struct.pack("<4sBBHII", magic, version, flags, len(body), len(packet), crc)
    return prefix + body + packet


def control() -> Files:
    """Requests and replies that are none."""
    request = {"id": 1, "op": "get", "camera": "", "args": {}}
    reply = {"id": 1, "ok": True, "error": "", "result": {}}
    good = _control(msgpack.packb(request))
    for size in (0, 1, 15, 16, 20, len(good) - 1):
        yield f"control/cut_{size}.ctl", good[:size]
    yield "control/longer.ctl", good + b"\0"
    yield "control/magic.ctl", _control(msgpack.packb(request), magic=b"RKC\xa5")
    yield "control/version.ctl", _control(msgpack.packb(request), version=2)
    yield "control/flags.ctl", _control(msgpack.packb(request), flags=128)
    yield "control/crc.ctl", good[:12] + b"\0\0\0\0" + good[16:]
    yield "control/no_map.ctl", _control(b"")
    yield "control/nil.ctl", _control(b"\xc0")
    yield "control/array.ctl", _control(b"\x90")
    yield "control/request_9000.ctl", _control(msgpack.packb(request | {"args": {
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
                yield f"control/{what}_{key}_{number}.ctl", _control(body)
        for key in right:
            less = {name: value for name, value in right.items() if name != key}
            yield f"control/{what}_without_{key}.ctl", _control(msgpack.packb(less))
        more = msgpack.packb(right | {"token": "x"})
        yield f"control/{what}_with_more.ctl", _control(more)
        deep = msgpack.packb(right)[:-1] + nested(1000)
        yield f"control/{what}_nested.ctl", _control(deep)
        yield f"control/{what}_nested_scalar.ctl", _control(msgpack.packb(right)[:-1] + b"\x81\xa1a"
                                                            + nested(1000))  # fmt: skip
    for key in (b"\xa2id", b"\xa2op", b"\xa2ok", b"\xa5error", b"\xa6camera"):
        yield f"control/nested_{key[1:].decode()}.ctl", _control(b"\x81" + key + nested(1000))


def build() -> dict[str, bytes]:
    """Every file of the malicious corpus by its path below `malicious`."""
    parts: tuple[Callable[[], Files], ...] = (
        topics, wire, status, raw, jpeg, lossless, svd, svd_patch, sequences, control,
    )  # fmt: skip
    files: dict[str, bytes] = {}
    for make in parts:
        for name, data in make():
            assert name not in files, name
            files[name] = data
    for target, name in (("lossless", "deep"), ("svd", "grey_coded"), ("svd-patch", "grey"),
                         ("jpeg", "grey"), ("raw", "deep")):  # fmt: skip
        files |= dict(any_decoder(target, name))
    # Parameters of which these codecs have none.
    for name in [name for name in files if name.endswith("_params.msg")]:
        if name.startswith(("raw/", "jpeg/")):
            del files[name]
    # libjpeg stops where the picture ends.
    del files["jpeg/grey_long.msg"]
    return files


def main() -> None:
    """Write all files and remove those that are made no more."""
    files = build()
    for path in MALICIOUS.rglob("*.*"):
        if path.is_file() and path.relative_to(MALICIOUS).as_posix() not in files:
            path.unlink()
    for name, data in files.items():
        path = MALICIOUS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"{len(files)} files, {sum(map(len, files.values()))} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
