"""Bodies of `raw`, `jpeg` and `lossless` that lie, and what is wrong for every codec."""

from __future__ import annotations

import struct

from corpus.hostile.messages import HUGE, Files, changed, seed


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
    yield from _jpeg_bombs()


def _jpeg_bombs() -> Files:
    """Files that are small, and right to libjpeg, and would take it seconds or for ever."""
    colour = seed("jpeg", "colour")[0]
    body = bytes(colour.body)
    frame, tables = body.index(b"\xff\xc0"), body.index(b"\xff\xda")
    size = (3000, 4000)
    head = body[: frame + 5] + struct.pack(">HH", *size) + body[frame + 9 : tables]
    number, end = body[frame + 10], b"\xff\xd9"
    scan = b"\xff\xda" + struct.pack(">HBBB", 8, 1, number, 0) + b"\0\x3f\0" + b"\0"
    shape = (*size, 3)
    for count in (2, 4000):
        yield f"jpeg/scans_{count}.msg", changed(colour, head + scan * count + end, shape=shape)
    # Behind the picture, within what a decoder may look through before it gives up.
    behind = head + scan + b"\xff\0\xff\1" * 1000 + scan + end
    yield "jpeg/scan_behind_the_data.msg", changed(colour, behind, shape=shape)
    twice = b"\xff\xda" + struct.pack(">HBBBBB", 10, 2, number, 0, number, 0) + b"\0\x3f\0"
    yield "jpeg/component_twice.msg", changed(colour, head + twice + end, shape=shape)
    table = b"\xff\xc4\0\x13\0" + bytes(16)
    for label, segment in {"tables": table, "comments": b"\xff\xfe\0\2"}.items():
        many = body[:2] + segment * 1100 + body[2:]
        yield f"jpeg/{label}_1100.msg", changed(colour, many)


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
    # Bits that are all 1 make the longest errors: a microsecond a sample.
    yield "lossless/row.msg", changed(first, b"\0" * 12, shape=(1, 65_535))
    for number in (0, 1):
        yield f"lossless/zeros_{number}.msg", changed(first, bytes(30_000), shape=(150, 150),
                                                      params=(0, number))  # fmt: skip
        yield f"lossless/ones_{number}.msg", changed(first, b"\xff" * 3000, shape=(900, 1000),
                                                     params=(0, number))  # fmt: skip
    yield "lossless/64_channels.msg", changed(first, b"\0" * 40, shape=(1024, 2048, 64))
    for number, lengths in enumerate(((2**32 - 1,) * 3, (0, 0, 50), (50, 50, 50), (1, 1, 2**31))):
        body = struct.pack("<3I", *lengths) + bytes(100)
        yield f"lossless/bands_{number}.msg", changed(first, body, shape=(2160, 3840))
    yield "lossless/cut_lengths.msg", changed(first, bytes(11), shape=(2160, 3840))
