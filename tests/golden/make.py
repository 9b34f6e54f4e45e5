"""Writes golden packets: `python tests/golden/make.py [svd_patch] [headers]`, all without a name.

`svd_patch` writes the streams in `svd_patch/` and the CRC-32 of their pictures, with the encoder of
this checkout: run it after a change of the bodies of `svd-patch` or `lossless`. `headers` puts
packets together by hand (tests/support/packets.py), right ones and those that must be refused: run
it after a change of the header. Bodies of other codecs are as they were once coded, because factors
differ in their last bits between machines.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import rankcast  # noqa: E402
from rankcast.frame import Frame, Pixels  # noqa: E402
from rankcast.wire import Status, unpack  # noqa: E402
from support import packets  # noqa: E402
from support.moving_scene import belt, scene  # noqa: E402

GOLDEN = TESTS / "golden"
_UTC_NS = 1_795_179_415_123_456_789


def frames(pictures: list[Pixels], cfa: str = "") -> list[Frame]:
    """Frames of a camera at 10 Hz, whose clocks never differ."""
    return [
        Frame(pixels, number, number * 10**8 + 10**9, _UTC_NS + number * 10**8, cfa=cfa)
        for number, pixels in enumerate(pictures)
    ]


def _scenes(count: int, shape: tuple[int, ...], dtype: str = "uint8") -> list[Pixels]:
    return [scene(number, shape, dtype) for number in range(count)]


def _wide(noisy_rows: int) -> list[Pixels]:
    """Pictures of two slices; work in the upper rows alone moves the border between them."""
    made = []
    for number in range(4):
        picture = scene(0, (736, 1280)) if not noisy_rows else np.full((736, 1280), 90, np.uint8)
        noise = np.random.default_rng(number).integers(60, 120, (noisy_rows, 1280))
        picture[:noisy_rows] = noise
        made.append(picture)
    return made


def _woven(count: int) -> list[Pixels]:
    """Patches of three products of the same vectors, which fade into waves and noise.

    For the first ones factors of their own pay, for the last ones those of the table.
    """
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.normal(size=(8, 8)))[0][:, :3] for _ in range(2))
    strengths = rng.normal(0, 120, (16, 16, 3))
    woven = np.einsum("ijk,ak,bk->iajb", strengths, u, v).reshape(128, 128)
    y, x = np.mgrid[0:128, 0:128]
    made = []
    for number in range(count):
        share = 1.0 if number < 2 else max(0.0, 1 - 0.2 * number)
        waves = 60 * np.sin((x + 5 * number) / 13) * np.cos((y - 3 * number) / 11)
        waves += np.random.default_rng(number).normal(0, 8, waves.shape)
        picture = 128 + share * woven + (1 - share) * waves
        made.append(picture.clip(0, 255).astype(np.uint8))
    return made


def streams() -> Iterator[tuple[str, str, list[Frame], dict[str, Any]]]:
    """Name, codec, frames and options of every stream."""
    belts = [belt(number) for number in range(6)]
    plain: dict[str, Any] = {"quality": 50}
    for name, shape, dtype, options in (
        ("channels5", (40, 57, 5), "uint8", {"quality": 60}),
        ("colour16_420", (75, 90, 3), "uint16", {"quality": 50, "colour": "ycc420"}),
        ("colour16_444", (51, 66, 3), "uint16", {"quality": 50, "colour": "ycc444"}),
        ("colour8_444", (72, 104, 3), "uint8", {"quality": 70, "colour": "ycc444"}),
        ("colour8_refs2", (120, 168, 3), "uint8", {"refs": 2, "gop": 4}),
        ("deep_grey", (136, 152), "uint16", {"step": 20.0}),
        ("rank3", (64, 96), "uint8", {"rank": 3, "quality": 90}),
        ("tiny_colour16_420", (18, 21, 3), "uint16", plain | {"colour": "ycc420"}),
        ("tiny_colour16_444", (17, 16, 3), "uint16", plain | {"colour": "ycc444"}),
        ("tiny_colour8", (18, 27, 3), "uint8", plain | {"gop": 1}),
        ("tiny_colour8_predicted", (19, 28, 3), "uint8", {"quality": 80}),
        ("tiny_grey16", (16, 24), "uint16", plain),
        ("tiny_grey8", (16, 24), "uint8", plain),
    ):
        yield name, "svd-patch", frames(_scenes(5, shape, dtype)), options
    for name, dtype in (("tiny_reference", "uint8"), ("deep_reference", "uint16")):
        yield name, "svd-patch", frames(_scenes(6, (33, 46, 3), dtype)), plain
    yield "tiny_bayer", "svd-patch", frames(_scenes(3, (33, 46), "uint16"), "RGGB"), plain
    for effort in ("fast", "default", "best"):
        yield f"effort_{effort}", "svd-patch", frames(belts), {"effort": effort}
    yield "two_slices", "svd-patch", frames(_wide(0)), {"step": 40.0}
    yield "moved_borders", "svd-patch", frames(_wide(32)), {"step": 30.0}
    yield "own_basis", "svd-patch", frames(_woven(2)), {"step": 8.0}
    yield "tiny_table_again", "svd-patch", frames(_woven(12)), {"step": 16.0}
    yield "lossless_channels5", "lossless", frames(_scenes(1, (30, 31, 5), "uint16")), {}
    yield "lossless_two_bands", "lossless", frames([np.full((736, 1280), 90, np.uint8)]), {}
    yield "tiny_lossless16", "lossless", frames(_scenes(1, (12, 15), "uint16")), {}
    yield "tiny_lossless8", "lossless", frames(_scenes(1, (13, 17, 3))), {}


def write_streams() -> None:
    """Write all streams, and remove those that are made no more."""
    folder = GOLDEN / "svd_patch"
    made = set()
    for name, codec, pictures, options in streams():
        encoder, decoder = rankcast.Encoder(codec, **options), rankcast.Decoder()
        encoder.stream_id = packets.STREAM_ID
        sent = [encoder.encode(frame) for frame in pictures]
        if name.endswith("_reference"):
            # A viewer that joins after the third frame begins with a reference.
            for packet in sent[:3]:
                decoder.decode(packet)
            sent = [decoder.reference_packet(), *sent[3:]]
        data = b"".join(len(packet).to_bytes(4, "little") + packet for packet in sent)
        decoder, crc = rankcast.Decoder(), 0
        for packet in sent:
            crc = zlib.crc32(decoder.decode(packet).tobytes(), crc)
        (folder / f"{name}.rks").write_bytes(data)
        (folder / f"{name}.crc").write_text(f"{crc:08x}\n", encoding="ascii")
        made.add(name)
    for path in folder.iterdir():
        if path.stem not in made:
            path.unlink()


def headers() -> Iterator[tuple[str, bytes]]:
    """Right packets, by name."""
    grey = bytes(range(0, 240, 10))
    plain = {"shape": [4, 6], "t_capture_mono_ns": 7, "t_capture_utc_ns": 8}
    clocks = {"t_capture_mono_ns": 3_600_000_000_123, "t_capture_utc_ns": _UTC_NS}
    yield "raw_grey8", packets.packet(grey, **plain | clocks, sequence=41, frame=43)
    yield "raw_bayer", packets.packet(grey, **plain, cfa=1, significant_bits=8)
    yield "raw_colour16_meta_device", packets.packet(
        (np.arange(18) * 3855).astype("<u2").tobytes(),
        sequence=70_000, frame=70_002, shape=[2, 3, 3], dtype=2, significant_bits=12,
        t_capture_mono_ns=1, t_capture_utc_ns=_UTC_NS, device_frame_id=123_456,
        device_time_ns=9_876_543_210,
        meta={"serial": "A17", "good": True, "none": None, "gain": -1.5, "count": -3,
              "word": "Größe", "raw": b"\x00\xff"},
        x={"later": [1, "two"]},
    )  # fmt: skip
    jpeg = bytes(unpack((GOLDEN / "jpeg_grey.rkc").read_bytes()).body)
    yield (
        "jpeg_grey",
        packets.packet(jpeg, sequence=2, frame=2, codec=2, shape=[8, 16], squared_error=None),
    )
    predicted = {
        "kind": 1, "sequence": 10, "frame": 12, "ref_sequence": 9, "t_capture_utc_ns": 8,
        "squared_error": 987_654_321, "energy_ppb": 987_654_321,
    }  # fmt: skip
    body = b"body of some codec"
    yield "predicted", packets.packet(body, **predicted, picture=None)
    yield "predicted_whole", packets.packet(
        body, **predicted, layer=2, codec=65_535, params=[75, 0.5, -1], shape=[720, 1280, 3],
        rank=[8, 4, 4], model_id=b"model-1", checksum=0xDEADBEEF,
    )  # fmt: skip
    totals = Status(
        120, 100, {"camera_gap": 3, "mailbox": 15, "encode": 1, "nobody_watching": 1},
        source="synthetic:conveyor", codec="svd",
    )  # fmt: skip
    names = ("grabbed", "published", "lost", "viewers", "state", "source", "codec", "fps")
    for name, kind, changes in (
        ("status", 2, {"viewers": 2, "state": "live", "fps": 19.5}),
        ("end", 3, {"viewers": 0, "state": "ended", "fps": 0.0}),
    ):
        said = {key: value for key, value in (totals.as_map() | changes).items() if key in names}
        yield name, packets.packet(
            msgpack.packb(said), kind=kind, sequence=100, frame=120, t_capture_mono_ns=5,
            t_capture_utc_ns=6, codec=None, shape=None, squared_error=None,
        )  # fmt: skip


def refused() -> Iterator[tuple[str, bytes]]:
    """Packets whose prefix or header is wrong, by what is wrong."""
    good, fields, start = packets.packet(), packets.header(), packets.start()
    yield "empty", b""
    yield "prefix_cut", good[:7]
    yield "header_cut", good[:30]
    yield "body_cut", good[:-1]
    yield "one_byte_more", good + b"\0"
    yield "magic", b"PNG" + good[3:]
    yield "version_1", b"RKC\xa5\1\0" + bytes(10)
    yield "version_3", packets.assemble(fields, version=3)
    for name, at in (("body", len(good) - 1), ("header", 20), ("crc", 5)):
        flipped = bytearray(good)
        flipped[at] ^= 1
        yield f"bit_flipped_in_{name}", bytes(flipped)
    yield "kind_5", packets.assemble(fields, begin=b"\5" + start[1:])
    yield "stream_id_cut", packets.assemble(b"", b"", begin=start[:6])
    yield "numbers_cut", packets.assemble(b"", b"", begin=start[:12])
    yield "number_2_64", packets.assemble(fields, begin=start[:9] + packets.leb128(2**64))
    yield "number_in_a_long_form", packets.assemble(fields, begin=start[:9] + b"\x85\0")
    yield "squared_error_2_64", packets.packet(squared_error=2**64 - 1)
    yield "energy_below_zero", packets.packet(energy_ppb=-1)
    yield "fields_8193_bytes", packets.assemble(fields, head_bytes=8193)
    yield "fields_longer_than_packet", packets.assemble(fields, head_bytes=8000)
    for name, packed in {
        "no_msgpack": b"\xc1", "deep_nesting": b"\x91" * 5000 + b"\xc0",
        "claims_2_32_elements": b"\xdd\xff\xff\xff\xff", "extension_type": b"\xc7\1\5\0",
    }.items():  # fmt: skip
        yield name, packets.assemble(packed)
    yield "header_8_fields", packets.assemble([*fields, None])
    yield "header_is_a_map", packets.assemble({})
    yield "picture_missing", packets.packet(picture=None)
    yield "picture_7_elements", packets.packet(picture=[0] * 7)
    yield "status_with_picture", packets.packet(kind=2)
    yield "status_with_params", packets.packet(kind=2, picture=None, params=[1])
    for name, change in _WRONG_FIELDS.items():
        yield name, packets.packet(**change)


_WRONG_FIELDS: dict[str, dict[str, Any]] = {
    "layer_256": {"layer": 256}, "codec_missing": {"codec": None}, "shape_missing": {"shape": None},
    "params_text": {"params": ["a"]}, "shape_zero": {"shape": [0, 3]},
    "shape_one_side": {"shape": [3]}, "shape_2_31": {"shape": [2**31, 2**31]},
    "shape_100000": {"shape": [100_000, 100_000]}, "shape_product": {"shape": [65_535, 65_535]},
    "channels_65": {"shape": [2, 3, 65]}, "dtype_3": {"dtype": 3},
    "significant_bits_9_of_8": {"significant_bits": 9}, "cfa_5": {"cfa": 5},
    "rank_65_planes": {"rank": [1] * 65}, "rank_65536": {"rank": [65_536]},
    "model_id_33_bytes": {"model_id": b"x" * 33}, "checksum_2_32": {"checksum": 2**32},
    "device_frame_id_true": {"device_frame_id": True}, "meta_nested": {"meta": {"a": [1]}},
    "meta_number_key": {"meta": {1: 2}},
    "meta_5000_bytes": {"meta": {"a": b"x" * 2500, "b": b"x" * 2500}},
    "meta_65_entries": {"meta": {str(number): 0 for number in range(65)}},
    "x_is_a_list": {"x": []},
}  # fmt: skip


def write_headers() -> None:
    """Write the packets made by hand."""
    for name, data in headers():
        (GOLDEN / f"{name}.rkc").write_bytes(data)
    for name, data in refused():
        (GOLDEN / "refused" / f"{name}.rkc").write_bytes(data)


def main() -> None:
    """Write what the command line names."""
    parts = {"svd_patch": write_streams, "headers": write_headers}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
