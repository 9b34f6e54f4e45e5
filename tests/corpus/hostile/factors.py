"""Factors, ranks and slices of `svd` and `svd-patch` that do not hold."""

from __future__ import annotations

import struct
import zlib

from corpus.hostile.messages import HUGE, Files, changed, frames, seed
from rankcast.codec.svd_patch.picture import FRESH_MODELS
from rankcast.wire import pack


def svd() -> Files:
    """Factors that are none, ranks that do not fit, products without end."""
    for form, number, item in (("float16", 1, "e"), ("float32", 2, "f"), ("float64", 3, "d")):
        first = seed("svd", f"deep_{form}")[0]
        body = bytes(first.body)
        s_item = "d" if form == "float64" else "f"
        at_u = 2 + first.header.rank[0] * struct.calcsize(s_item)
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
            yield f"svd/{form}_s_{label}.msg", changed(first, body[:2] + s + body[2 + len(s) :])
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
    # Two bytes of bands, the step, two tables of a size that their classes tell.
    tables, second = 10, 10 + _tables_bytes(body, 10)
    at = second + _tables_bytes(body, second)
    lengths = at + 4 * first.header.rank[0]
    for label, step in {"zero": 0.0, "minus": -1.0, "nan": float("nan"), "inf": float("inf"),
                        "huge": 1e39}.items():  # fmt: skip
        yield (
            f"svd/step_{label}.msg",
            changed(first, body[:2] + struct.pack("<d", step) + body[10:]),
        )
    for label, where in (("first_s", at), ("u_length", lengths), ("v_length", lengths + 4)):
        yield (
            f"svd/{label}_2_32.msg",
            changed(first, body[:where] + b"\xff" * 4 + body[where + 4 :]),
        )
    for label, head in {"no_class": struct.pack("<QII", 0, 1 << 15, 1 << 15),
                        "all_classes": struct.pack("<QII", 2**64 - 1, 1 << 15, 1 << 15),
                        "state": body[10:18] + struct.pack("<II", 2**31, 1)}.items():  # fmt: skip
        yield f"svd/{label}.msg", changed(first, body[:tables] + head + body[tables + 16 :])
    for label, table in {"frequency_0": (0, 0, 1, 0), "frequency_4096": (4096, 0, 1, 0),
                         "decay_0": (1, 0, 0, 0), "shift_25": (1, 0, 1, 25)}.items():  # fmt: skip
        bad = body[: tables + 16] + struct.pack("<HBBB", *table) + body[tables + 21 :]
        yield f"svd/table_{label}.msg", changed(first, bad)
    for form in ("coded", "float16"):
        yield from _bands(form)
    yield "svd/bomb_of_products.msg", changed(first, rank=(8192,), shape=HUGE)
    yield "svd/bomb_of_planes.msg", changed(first, rank=(1449,) * 64, shape=(1449, 1447, 64))
    # Within 2^38 products, and 3 s of them for half a second's worth of samples.
    deep = seed("svd", "deep_float64")[0]
    yield "svd/bomb_of_ranks.msg", changed(deep, rank=(4000,), shape=(4000, 4000))
    one = struct.pack("<QII", 1, 1 << 15, 1 << 15) + struct.pack("<HBBB", 4095, 0, 255, 0)
    zeros = b"\1\0" + struct.pack("<d", 1.0) + one + one + struct.pack("<f", 1.0) * 100 + bytes(8)
    yield "svd/bomb_of_zeros.msg", changed(first, zeros, rank=(100,), shape=HUGE)


def _tables_bytes(body: bytes, at: int) -> int:
    """Size of the tables of a coded matrix."""
    return 16 + 5 * int.from_bytes(body[at : at + 8], "little").bit_count()


def _bands(form: str) -> Files:
    """Bands that are too many, fall, overlap or end within their columns, of two bands."""
    whole, cut = seed("svd", f"bands_{form}")
    body = bytes(whole.body)
    rank, size, error, energy = struct.unpack_from("<HIQI", body, 2)
    label = f"svd/bands_{form}"

    def with_entry(*numbers: int) -> bytes:
        return changed(whole, body[:2] + struct.pack("<HIQI", *numbers) + body[20:])

    for count in (0, 1, 3, 8, 9, 255):
        yield f"{label}_count_{count}.msg", changed(whole, bytes((count,)) + body[1:])
    yield f"{label}_mark_2.msg", changed(whole, body[:1] + b"\2" + body[2:])
    top = whole.header.rank[0]
    for wrong in (0, rank - 1, rank + 1, top, top + 1, 65_535):
        yield f"{label}_rank_{wrong}.msg", with_entry(wrong, size, error, energy)
    for by in (-size, -20, -2, -1, 1, 2, 20, len(body) - 20 - size, 2**32 - 1 - size):
        yield f"{label}_length_{by}.msg", with_entry(rank, size + by, error, energy)
    yield f"{label}_energy.msg", with_entry(rank, size, error, 10**9 + 1)
    for kept in (0, 1, 2, 12, 19, 20, 21, 20 + size // 2, 20 + size):
        yield f"{label}_ends_at_{kept}.msg", changed(whole, body[:kept])
    yield f"{label}_second_alone.msg", changed(whole, b"\1\1" + body[20 + size :])
    yield f"{label}_first_of_more.msg", changed(whole, b"\1\1" + body[20 : 20 + size])
    left = bytes(cut.body)
    yield f"{label}_cut_again_within.msg", changed(cut, left[:-2])
    yield f"{label}_cut_of_lower_rank.msg", changed(cut, rank=(rank - 1,))
    if form == "coded":  # floats have bands of one length, and no end to miss
        yield f"{label}_swapped.msg", with_entry(rank, len(body) - 20 - size, error, energy)
        yield f"{label}_cut_called_whole.msg", changed(cut, b"\1\0" + left[2:])


def _references() -> Files:
    """Reference packets that lie about their parts, models and samples."""
    first = seed("svd-patch", "reference")[0]
    body = bytes(first.body)
    # Lengths of the bases and of the models of the one slice, then those of two planes of three.
    bases, models, *_ = struct.unpack_from("<4I", body)
    at = 16 + bases

    def with_models(data: bytes) -> bytes:
        sizes = body[:4] + struct.pack("<I", len(data)) + body[8:16]
        return sizes + body[16:at] + data + body[at + models :]

    # A bit for each model, and five bytes for each of those that changed.
    plain = body[at : at + models]
    bitmap = -(-len(FRESH_MODELS) // 8)
    count = (models - bitmap) // 5
    for label, changed_body in {
        "empty": b"", "lengths_cut": body[:15], "cut": body[:-1], "half": body[: len(body) // 2],
        "longer": body + b"\xa5" * 400, "part_2_32": b"\xff" * 4 + body[4:],
        "models_cut": with_models(plain[:-1]), "models_longer": with_models(plain + b"\0"),
        "models_huge": with_models(bytes(10_000)), "models_none": with_models(b""),
        "models_of_one_more": with_models(b"\xff" + plain[1:]),
        "models_damaged": body[:at] + b"\0" * models + body[at + models :],
        "count_96": with_models(plain[:-1] + b"\x60"),
        "probability_0": with_models(
            plain[:bitmap] + bytes(2 * count) + plain[bitmap + 2 * count :]
        ),
    }.items():  # fmt: skip
        yield f"svd-patch/reference_{label}.msg", changed(first, changed_body)
    yield "svd-patch/reference_checksum.msg", changed(first, checksum=1)
    for label, codec in (("raw", 0), ("lossless", 4)):
        yield f"svd-patch/reference_of_{label}.msg", changed(first, codec=codec)
    yield "svd-patch/reference_huge.msg", changed(first, shape=HUGE)


def svd_patch() -> Files:
    """Parameters, flags, lengths and slices of one picture."""
    first, second = seed("svd-patch", "still")[:2]
    body = bytes(first.body)
    bases = seed("svd-patch", "own_bases")[0]
    for number, params in enumerate((
        (), (0, 64), (5, 64, 8, 0), (-1, 64, 8, 0), (0, 3, 8, 0), (0, 2**20 + 1, 8, 0),
        (0, 64, 0, 0), (0, 64, 9, 0), (0.0, 64, 8, 0), (1, 64, 8, 0), (2, 64, 8, 0), (4, 64, 8, 0),
        (0, 64, 8), (0, 64, 8, 52), (0, 64, 8, -1), (0, 64, 8, 2**63), (0, 64, 8, 0, 0),
    )):  # fmt: skip
        yield f"svd-patch/params_{number}.msg", changed(first, params=params)
    yield "svd-patch/bayer_of_one_row.msg", changed(first, params=(3, 64, 8, 0), shape=(1, 40))
    yield "svd-patch/flags.msg", changed(first, b"\x11" + body[1:])
    yield "svd-patch/table_again_in_key.msg", changed(first, b"\x11" + body[1:])
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
    yield "svd-patch/zeros.msg", changed(first, b"\1" + bytes(30_000), shape=(160, 160))
    yield "svd-patch/huge.msg", changed(first, body, shape=HUGE)
    yield "svd-patch/64_channels.msg", changed(first, body, shape=(1024, 2048, 64),
                                               params=(4, 64, 8, 0))  # fmt: skip
    for number, lengths in enumerate((b"\xff\xff\x03" * 3, b"\x80" * 9, b"\x05\x05")):
        yield f"svd-patch/slices_{number}.msg", changed(first, b"\1" + lengths, shape=(2160, 3840))
    # Of 68 rows of cells: falling, beyond the last, without end, cut, all at the end (so that bytes
    # are left for slices without rows), the usual ones.
    for number, borders in enumerate(
        (b"\x22\x11\x33", b"\x11\x22\x45", b"\xff" * 9, b"\x11", b"\x44\x44\x44", b"\x10\x22\x32")
    ):
        yield (
            f"svd-patch/borders_{number}.msg",
            changed(first, b"\5" + borders + b"\1\1\1\xff\xff\xff\xff", shape=(2160, 3840)),
        )
    yield from _references()
    # Second bodies of what can be said shorter: borders of one slice, bytes where no rows are (16
    # rows of samples leave the first of two slices none).
    yield "svd-patch/borders_of_one_slice.msg", changed(first, bytes((body[0] | 4,)) + body[1:])
    yield "svd-patch/slice_without_rows.msg", changed(first, b"\1\1\xff", shape=(16, 60_000))
