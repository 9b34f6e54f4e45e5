"""The page reads packets as Python does: same pictures, same refusals, no end after them."""

from __future__ import annotations

import itertools
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

import rankcast
from rankcast.errors import NeedKeyframe, UnknownCodecError, WireError
from rankcast.wire import Limits, unpack
from support import packets as made
from support.core_packets import CORPUS, GOLDEN
from support.intake import split_messages
from support.moving_scene import scene
from support.packets import packets_of
from support.page_in_node import NODE, page_copy, page_results
from support.replaying import REPOSITORY, module_of

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(NODE is None, reason="Node.js is missing: apt-get install nodejs"),
]
IN_THE_CORE = {"raw", "svd", "svd-patch", "lossless"}
GOOD = rankcast.Encoder("svd-patch").encode(scene(0))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_copy(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def wasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = module_of(REPOSITORY / "scripts" / "build_core.py")
    module: Path = builder.build_wasm(tmp_path_factory.mktemp("wasm"))
    return module


def python_result(decoder: rankcast.Decoder, packet: bytes) -> str | dict[str, Any]:
    """What Python makes of a packet, in the words of the page."""
    try:
        short = unpack(packet, Limits())
        if not short.header.kind.is_picture:
            return "WireError"
        header = decoder.complete(short).header
        pixels = decoder.decode_packet(short)
    except (WireError, NeedKeyframe) as exc:
        return type(exc).__name__
    return {
        "crc": zlib.crc32(np.ascontiguousarray(pixels).tobytes()),
        "sequence": str(header.sequence), "frame": str(header.frame),
        "utc": str(header.t_capture_utc_ns), "psnr": header.psnr_db, "energy": header.energy,
        "rank": list(header.rank), "meta": len(header.meta),
    }  # fmt: skip


def python_results(streams: list[list[bytes]]) -> list[str | dict[str, Any]]:
    found = []
    for stream in streams:
        decoder = rankcast.Decoder(Limits())
        found += [python_result(decoder, packet) for packet in stream]
    return found


def codec_of(packet: bytes) -> str:
    """The codec that a packet names; empty if its header is refused."""
    try:
        header = unpack(packet, Limits()).header
    except WireError:
        return ""
    known = {0: "raw", 1: "svd", 2: "jpeg", 3: "svd-patch", 4: "lossless"}
    return known.get(3 if header.codec is None else header.codec, "other")


def assert_alike(streams: list[list[bytes]], found: list[str | dict[str, Any]]) -> None:
    wanted = python_results(streams)
    assert len(found) == len(wanted)
    for packet, page, python in zip(itertools.chain(*streams), found, wanted, strict=True):
        codec = codec_of(packet)
        if not codec:
            assert page == python
        elif codec not in IN_THE_CORE:
            assert isinstance(page, dict) or page in ("UnknownCodecError", "PayloadError", python)
        elif isinstance(python, str):
            assert isinstance(page, str), (python, page)
        else:
            assert isinstance(page, dict), (python, page)
            approximate = {"psnr", "energy"}
            for name in set(python) - approximate:
                assert page[name] == python[name], name
            for name in approximate:
                expected = None if python[name] in (None, float("inf")) else python[name]
                assert page[name] == pytest.approx(expected)


def golden_streams() -> list[list[bytes]]:
    files = [[path.read_bytes()] for path in sorted(GOLDEN.glob("*.rkc"))]
    return files + [list(packets_of(path)) for path in sorted(GOLDEN.glob("svd_patch/*.rks"))]


def hostile_streams() -> list[list[bytes]]:
    streams = []
    for path in sorted((CORPUS / "malicious").rglob("*.*")):
        if path.suffix not in (".msg", ".seq"):
            continue
        data = path.read_bytes()
        messages = [data] if path.suffix == ".msg" else split_messages(data)
        packets = [message.partition(b"\0")[2] for message in messages]
        streams.append(packets)
    return streams


def test_golden_packets_give_the_pictures_of_python(page: Path, wasm: Path, tmp_path: Path) -> None:
    streams = golden_streams()
    found = page_results(page, wasm, tmp_path, streams)
    assert_alike(streams, found)
    assert sum(isinstance(one, dict) and one["crc"] is not None for one in found) > 50


def test_after_every_hostile_message_the_next_key_frame_decodes(
    page: Path, wasm: Path, tmp_path: Path
) -> None:
    hostile = hostile_streams()
    assert len(hostile) > 100
    found = iter(page_results(page, wasm, tmp_path, [[*stream, GOOD] for stream in hostile]))
    kinds = set()
    for stream in hostile:
        results = list(itertools.islice(found, len(stream)))
        kinds |= {one for one in results if isinstance(one, str)}
        good = next(found)
        assert isinstance(good, dict)
        assert good["crc"] == python_results([[GOOD]])[0]["crc"]  # type: ignore[index]
    assert kinds >= {"WireError", "LimitError", "UnknownVersionError", "PayloadError"}


def test_hostile_messages_are_refused_as_in_python(page: Path, wasm: Path, tmp_path: Path) -> None:
    streams = [[packet] for stream in hostile_streams() for packet in stream]
    assert_alike(streams, page_results(page, wasm, tmp_path, streams))


def damaged(rng: random.Random, packet: bytes) -> bytes:
    """A packet with a few other bytes and a CRC-32 that fits."""
    content = bytearray(packet[8:])
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(min(len(content), 120) if rng.random() < 0.8 else len(content))
        match rng.randrange(3):
            case 0:
                content[at] = rng.randrange(256)
            case 1:
                del content[at]
            case _:
                content.insert(at, rng.randrange(256))
    return packet[:4] + struct.pack("<I", zlib.crc32(content)) + bytes(content)


def test_random_damage_is_judged_alike(page: Path, wasm: Path, tmp_path: Path) -> None:
    rng = random.Random(5)
    small = [packet for stream in golden_streams() for packet in stream if len(packet) < 4000]
    streams = [[damaged(rng, rng.choice(small))] for _ in range(1500)]
    assert_alike(streams, page_results(page, wasm, tmp_path, streams))


VALUES = [
    None, True, 0, 127, 128, 2**31, 2**64 - 1, -1, -2**63, 1.5, "", "ä" * 40, "x" * 4097, b"",
    b"\1",
    [], [1, [2, [3]]], {}, {"a": {"b": 1}}, {1: 2}, {"k" * 31: "v" * 300}, [0] * 65,
    msgpack.ExtType(1, b""), msgpack.Timestamp(1, 2),
]  # fmt: skip


def nested(levels: int) -> object:
    value: object = []
    for _ in range(levels):
        value = [value]
    return value


def test_values_of_any_type_in_any_field_are_judged_alike(
    page: Path, wasm: Path, tmp_path: Path
) -> None:
    values = [*VALUES, {f"k{i}": "v" * 60 for i in range(62)}]
    values += [{"deep": nested(levels)} for levels in range(9, 18)]
    fields = made.FIELDS + made.PICTURE
    streams = []
    for name, value in itertools.product(fields, values):
        try:
            packet = made.packet(**{name: value})
        except (ValueError, OverflowError, TypeError):
            continue
        streams.append([packet])
    assert len(streams) > 300
    assert_alike(streams, page_results(page, wasm, tmp_path, streams))


@pytest.mark.parametrize("name", ["meta", "x"])
def test_a_text_that_is_no_utf_8_is_refused_as_in_python(
    name: str, page: Path, wasm: Path, tmp_path: Path
) -> None:
    plain = made.packet(**{name: {"key": "plain"}})
    content = plain[8:].replace(b"plain", b"pl\xffin")
    other = plain[:4] + struct.pack("<I", zlib.crc32(content)) + content
    streams = [[plain], [other]]
    found = page_results(page, wasm, tmp_path, streams)
    assert_alike(streams, found)
    assert found[1] == "WireError"


def test_a_chain_that_lost_a_frame_waits_for_its_key_frame(
    page: Path, wasm: Path, tmp_path: Path
) -> None:
    encoder = rankcast.Encoder("svd-patch", gop=8)
    packets = [encoder.encode(scene(number)) for number in range(20)]
    del packets[3]
    found = page_results(page, wasm, tmp_path, [packets])
    assert_alike([packets], found)
    assert "NeedKeyframe" in found
    assert isinstance(found[-1], dict)


@pytest.mark.parametrize("factors", ["coded", "float16", "float32", "float64"])
@pytest.mark.parametrize("colour", ["bgr", "ycc420"])
def test_singular_values_come_from_the_packet(
    factors: str, colour: str, page: Path, wasm: Path, tmp_path: Path
) -> None:
    image = scene(3, (120, 168, 3))
    encoder = rankcast.Encoder("svd", factors=factors, colour=colour, rank=0.3)
    (found,) = page_results(page, wasm, tmp_path, [[encoder.encode(image)]])
    assert isinstance(found, dict)
    assert [len(plane) for plane in found["spectrum"]] == found["rank"]
    if colour == "bgr":
        for channel, plane in enumerate(found["spectrum"]):
            exact = np.linalg.svd(image[:, :, channel].astype(float), compute_uv=False)
            assert plane == pytest.approx(exact[: len(plane)], rel=2e-3)
    for plane in found["spectrum"]:
        assert plane == sorted(plane, reverse=True)


def test_other_codecs_send_no_singular_values(page: Path, wasm: Path, tmp_path: Path) -> None:
    (found,) = page_results(page, wasm, tmp_path, [[GOOD]])
    assert isinstance(found, dict)
    assert found["spectrum"] is None


def test_an_unknown_codec_has_an_error_of_its_own(page: Path, wasm: Path, tmp_path: Path) -> None:
    packet = made.packet(codec=99)
    with pytest.raises(UnknownCodecError):
        rankcast.Decoder().decode(packet)
    assert page_results(page, wasm, tmp_path, [[packet]]) == ["UnknownCodecError"]
