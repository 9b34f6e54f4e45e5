"""Writes the seeds of the fuzz targets, and their models: `python tests/corpus/seeds.py`.

Each is a short sequence of right messages (tests/support/intake.py) of tiny pictures. They are
checked in, because factors differ in their last bits between processors and BLAS libraries.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from zmq.utils import z85

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import rankcast  # noqa: E402
from corpus.hostile.control import framed  # noqa: E402
from rankcast.codec.pca.components import principal_components  # noqa: E402
from rankcast.codec.pca.frames import write_frame_model  # noqa: E402
from rankcast.codec.svd import cut  # noqa: E402
from rankcast.codec.svd_patch.basis import BASIS_BITS_8, make_basis, table_basis  # noqa: E402
from rankcast.codec.svd_patch.payload import write_bases  # noqa: E402
from rankcast.frame import Frame, Pixels  # noqa: E402
from rankcast.models.gan.architecture import Architecture  # noqa: E402
from rankcast.models.gan.model import new_model  # noqa: E402
from rankcast.models.gan.network import GanNetwork  # noqa: E402
from rankcast.net import Role  # noqa: E402
from rankcast.recordings import SegmentReader  # noqa: E402
from rankcast.wire import (  # noqa: E402
    Kind,
    Reply,
    Request,
    Status,
    pack,
    pack_reply,
    pack_request,
    pack_status,
    unpack,
)
from support import packets  # noqa: E402
from support.fakelink import FakeClock  # noqa: E402
from support.intake import join_messages  # noqa: E402

SEEDS = TESTS / "corpus" / "seeds"
MODELS = TESTS / "corpus" / "models"
_UTC_NS = 1_795_179_415_123_456_789


def _pictures(shape: tuple[int, ...], dtype: type = np.uint8, count: int = 3) -> list[Pixels]:
    """A slope with some noise and a bar that moves."""
    rng = np.random.default_rng(7)
    peak = int(np.iinfo(dtype).max)
    slope = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) / sum(shape[:2])
    made = []
    for number in range(count):
        plane = slope + rng.normal(0, 0.02, shape[:2])
        plane[:, 3 * number : 3 * number + 4] += 0.4
        picture = plane if len(shape) == 2 else np.stack([plane] * shape[2], axis=2)
        made.append((picture.clip(0, 1) * peak).astype(dtype))
    return made


def _stream(codec: str, pictures: list[Pixels], cfa: str = "", **options: object) -> list[bytes]:
    """Messages of a stream, always with the same identity."""
    encoder = rankcast.Encoder(codec, **options)
    encoder.stream_id = packets.STREAM_ID
    frames = [
        Frame(pixels, number, 1000 + number, _UTC_NS + number, cfa=cfa)
        for number, pixels in enumerate(pictures)
    ]
    return [b"cam/frames\0" + encoder.encode(frame) for frame in frames]


def _status(
    kind: Kind,
    stream_id: bytes = packets.STREAM_ID,
    times: tuple[int, int] = (5, 6),
    **changes: Any,
) -> bytes:
    status = Status(120, 100, {"mailbox": 20}, 2, "live", "synthetic:conveyor", "svd", 19.5)
    packed = pack_status(kind, stream_id, replace(status, **changes), *times)
    return b"cam/status\0" + packed


def _joined_late(messages: list[bytes]) -> list[bytes]:
    """What a viewer gets that joins after two frames: a reference, then the third frame."""
    decoder = rankcast.Decoder()
    for message in messages[:2]:
        decoder.decode(message.partition(b"\0")[2])
    return [b"cam/frames\0" + decoder.reference_packet(), *messages[2:]]


def _with_own_bases(message: bytes) -> bytes:
    """A key frame of `svd-patch` with factor matrices; small pictures never are worth them."""
    packet = unpack(message.partition(b"\0")[2])
    factors = table_basis(False).factors.copy()
    factors[:, 1] = -factors[:, 1]
    factors[:, 2, :4] += 1 << (BASIS_BITS_8 - 6)
    part = write_bases([make_basis(factors[0], factors[1], False)], False)
    assert len(part) < 128
    body = bytes((packet.body[0] | 2, len(part))) + part + bytes(packet.body[1:])
    return b"cam/frames\0" + pack(replace(packet.header, checksum=None), body)


def _sequences() -> Iterator[tuple[str, str, list[bytes]]]:
    """Target, name and messages of every seed."""
    shapes = {"grey": (9, 12), "colour": (7, 9, 3), "deep": (6, 7), "many": (4, 5, 5)}
    for name, shape in shapes.items():
        dtype = np.uint16 if name == "deep" else np.uint8
        pictures = _pictures(shape, dtype)
        yield "raw", name, _stream("raw", pictures[:2])
        yield "lossless", name, _stream("lossless", pictures[:2])
        yield "svd-patch", name, _stream("svd-patch", pictures, quality=60)
        for factors in ("coded", "float16", "float32", "float64"):
            if name in ("grey", "deep") or factors in ("coded", "float16"):
                yield (
                    "svd",
                    f"{name}_{factors}",
                    _stream("svd", pictures[:2], rank=2, factors=factors),
                )
        if name in ("grey", "colour"):
            yield "jpeg", name, _stream("jpeg", pictures[:2])
    flat = [np.full((6, 8), 200, np.uint8)] * 2
    repeated = (np.random.default_rng(3).random((8, 10)) > 0.8).astype(np.uint8) * 255
    yield "lossless", "binary", _stream("lossless", [repeated])
    yield "lossless", "flat", _stream("lossless", flat)
    for factors in ("coded", "float16"):
        # One packet of two bands, and one that lost the second.
        bands = _stream("svd", _pictures((18, 20))[:2], rank=16, factors=factors)
        topic, _, packet = bands[1].partition(b"\0")
        left = cut(unpack(packet), 1)
        yield "svd", f"bands_{factors}", [bands[0], topic + b"\0" + pack(left.header, left.body)]
    yield "svd", "ycc420", _stream("svd", _pictures((6, 7, 3))[:1], rank=2, colour="ycc420")
    yield "svd", "zero", _stream("svd", [np.zeros((8, 8), np.uint8)], rank=2)
    bayer = _pictures((10, 12))
    yield "raw", "bayer", _stream("raw", bayer[:1], cfa="RGGB")
    yield "svd-patch", "bayer", _stream("svd-patch", bayer, cfa="RGGB")
    yield "svd-patch", "ycc444", _stream("svd-patch", _pictures((8, 9, 3)), colour="ycc444")
    yield "svd-patch", "fine", _stream("svd-patch", _pictures((16, 24)), quality=95)
    grey = _stream("svd-patch", _pictures((16, 24)), quality=60)
    yield "svd-patch", "own_bases", [_with_own_bases(grey[0]), *grey[1:]]
    yield "svd-patch", "reference", _joined_late(_stream("svd-patch", _pictures((9, 12, 3))))
    yield "svd-patch", "still", _stream("svd-patch", [_pictures((24, 32))[0]] * 3, quality=50)
    raw = _stream("raw", _pictures((4, 6)))
    yield "status", "live", [_status(Kind.STATUS)]
    yield "status", "ended", [raw[0], _status(Kind.STATUS, published=1), raw[1],
                              _status(Kind.END, published=2, state="ended")]  # fmt: skip
    yield "status", "failed", [_status(Kind.STATUS, published=0, state="failed", viewers=0)]
    full = unpack(raw[0].partition(b"\0")[2])
    header = replace(full.header, meta={"serial": "A17", "gain": -1.5, "raw": b"\0\xff"},
                     x={"later": (1, "two")}, device_frame_id=7, device_time_ns=9,
                     significant_bits=7, model_id=b"m", checksum=1, energy_ppb=5)  # fmt: skip
    yield "wire", "full", [b"cam/frames\0" + pack(header, full.body)]
    yield "wire", "key", raw[:1]
    yield "wire", "predicted", [grey[1]]
    yield "wire", "status", [_status(Kind.STATUS)]
    yield "wire", "svd", _stream("svd", _pictures((8, 9, 3))[:1], rank=2)
    for request in (
        Request(1, "ping", args={"t0": 5}),
        Request(2, "set", "cam", {"quality": 60, "gain": 1.5, "trigger": True}),
        Request(3, "keyframe", "cam", {"stream": packets.STREAM_ID, "sequence": 41}),
        Request(4, "report", args={"delivered": 9, "lost": 1, "latency_p99_ms": 4.5}),
    ):
        yield "control", f"request_{request.op}", [pack_request(request)]
    for name, reply in (
        ("ping", Reply(1, True, result={"t0": 5, "t1": 6, "t2": 7})),
        ("refused", Reply(2, False, "got quality 900, want 1 to 100")),
        ("status", Reply(3, True, result={"cameras": {"cam": "live"}, "fps": 19.5})),
        ("original", Reply(4, True, result={"frame": 5}, packet=raw[0].partition(b"\0")[2])),
    ):
        yield "control", f"reply_{name}", [pack_reply(reply)]


def write_models() -> None:
    """Write models of small pictures."""
    pictures = [np.roll(_pictures((6, 7))[0], k, axis=1) for k in range(7)]
    found = principal_components(np.stack([p.reshape(-1) for p in pictures]))
    write_frame_model(MODELS / "pca.rkm", found, 4, (6, 7), np.dtype(np.uint8))
    torch.manual_seed(1)
    network = GanNetwork(Architecture(("cam",), ((0, 0),), luma=6, chroma=2, width=4))
    new_model(network).save(MODELS / "gan.rkm", {})


def _methods() -> Iterator[tuple[str, str, list[bytes]]]:
    """Seeds of the decoders that are not svd's."""
    shapes = {"grey": (9, 12), "colour": (7, 9, 3), "deep": (6, 7)}
    for name, shape in shapes.items():
        pictures = _pictures(shape, np.uint16 if name == "deep" else np.uint8)[:2]
        yield "kmeans", name, _stream("kmeans", pictures, k=5)
    # The coder of factors takes milliseconds a matrix where it is interpreted.
    for name, shape in {"grey": (4, 5), "colour": (3, 4, 3), "deep": (3, 4)}.items():
        pictures = _pictures(shape, np.uint16 if name == "deep" else np.uint8)[:1]
        yield "pca", f"rows_{name}", _stream("pca", pictures, components=1)
        patches = {"layout": "patches", "patch": 2, "components": 2}
        yield "pca", f"patches_{name}", _stream("pca", pictures, **patches)
    yield "kmeans", "one_colour", _stream("kmeans", [np.full((4, 5), 7, np.uint8)], k=1)
    yield "kmeans", "two_colours", _stream("kmeans", _pictures((12, 16))[:1], k=2)
    frames = {"layout": "frames", "model": str(MODELS / "pca.rkm")}
    yield "pca", "frames", _stream("pca", _pictures((6, 7)), components=4, **frames)
    yield "pca", "frame_of_none", _stream("pca", _pictures((6, 7))[:1], components=1, **frames)
    for name, shape in {"grey": (9, 12), "colour": (8, 16, 3)}.items():
        options = {"model": str(MODELS / "gan.rkm")}
        yield "gan", name, _stream("gan", _pictures(shape)[:2], step=0.5, **options)
    yield "gan", "fine", _stream("gan", _pictures((8, 8))[:1], step=0.25, **options)


def _stations() -> Iterator[tuple[str, str, list[bytes]]]:
    """Yield seeds of control requests, ZAP requests, model files and recordings."""
    session = (
        (b"v1", Request(1, "ping", args={"t0": 5})),
        (b"v1", Request(2, "report", "left", {"delivered": 9, "lost": 1, "latency_p99_ms": 4.5})),
        (b"o1", Request(3, "set", "left", {"quality": 60, "gain": 1.5})),
        (b"v1", Request(4, "keyframe", "left", {"stream": packets.STREAM_ID, "sequence": 1})),
        (b"o1", Request(5, "get", "left", {"name": "gain"})),
        (b"o2", Request(6, "original", "left")),
        (b"v2", Request(7, "status", "left")),
    )
    yield "requests", "session", [c + b"\0" + pack_request(r) for c, r in session]
    others = (
        (b"v1", Request(1, "set", "left", {"quality": 60})),
        (b"x", Request(2, "status")),
        (b"o1", Request(3, "set", "left", {"psnr": 38.0, "gop": 5})),
        (b"o1", Request(4, "set", "left", {"bitrate": "2 Mbit/s"})),
        (b"o2", Request(5, "set", "left", {"gain": 99})),
        (b"o2", Request(6, "set", "left", {"gain": 2})),
        (b"o2", Request(7, "get", "right")),
    )
    yield "requests", "roles", [c + b"\0" + pack_request(r) for c, r in others]
    for client, request in (*session, *others):
        yield "requests", f"{request.op}_{request.id}", [client + b"\0" + pack_request(request)]
    keys = [z85.encode(bytes((k,)) * 32).decode() for k in (1, 2)]
    pub = [f'public = "{key}"\nrole = "{r}"\n' for key, r in zip(keys, Role, strict=True)]
    known = [b"1.0", b"1", b"rankcast", b"10.0.0.1", b"", b"CURVE", b"\1" * 32]
    other = [*known[:6], b"\2" * 32]
    life: list[Any] = [
        {"file": "anna.pub", "text": pub[0]}, known, other, {"file": "bob.pub", "text": pub[1]},
        other, {"file": "anna.pub"}, known, other,
    ]  # fmt: skip
    yield "key-policy", "life", [framed(head) for head in life]
    bad = [{"file": "anna.pub", "text": pub[0]}, {"file": "bad.pub", "text": "x"},
           {"file": "anna.pub"}, known, {"file": "bad.pub"}, known]  # fmt: skip
    yield "key-policy", "malformed", [framed(head) for head in bad]
    loose = [*known[:5], b"PLAIN", b"user", b"password"]
    yield "key-policy", "plain", [framed(life[0]), framed(loose), framed(known)]
    for name in ("pca", "gan"):
        yield "model", name, [_model_message(MODELS / f"{name}.rkm")]
    for path in sorted((TESTS / "golden" / "recordings").glob("*.mcap")):
        yield "recording", path.stem, _parts_of(path)


def _receptions() -> Iterator[tuple[str, str, list[bytes]]]:
    """Seeds of what a receiver lives through beside one sender (tests/fuzz/fuzz_receiver.py)."""
    clock = FakeClock()
    now = clock.monotonic_ns(), clock.time_ns()
    raw = _stream("raw", _pictures((4, 6)))
    predicted = _stream("svd-patch", _pictures((8, 9)), quality=60)
    waits = [framed({"wait_ms": 1100}), framed({"wait_ms": 300})]

    def reply(number: int, **result: Any) -> bytes:
        return pack_reply(Reply(number, True, result=result))

    def said(published: int, stream_id: bytes = packets.STREAM_ID, **changes: Any) -> bytes:
        return _status(Kind.STATUS, stream_id, published=published, **changes)

    pong = reply(0, t0=5, t1=now[1] + 10**6, t2=now[1] + 2 * 10**6)
    yield "receiver", "life", [said(0), raw[0], pong, said(1), raw[1], waits[0], raw[2],
                               _status(Kind.END, published=3, state="ended")]  # fmt: skip
    yield "receiver", "one_machine", [said(0, times=now), raw[0], waits[0], raw[1]]
    kept = {"clock_synchronised": True, "clock_error_ms": 2.5}
    yield "receiver", "synchronised", [said(0, **kept), raw[0], waits[1], raw[1], said(2, **kept)]
    key_frame = _stream("svd-patch", _pictures((8, 9)), quality=60, gop=1)[2]
    yield "receiver", "lost", [said(0), predicted[0], predicted[2], waits[1],
                               reply(0, coming=True, sequence=None), key_frame]  # fmt: skip
    yield "receiver", "kept", [framed({"wait_ms": 0, "live": False}), said(0), *raw, waits[0]]
    cameras = reply(0, cameras={"left": "live", "right": "opening"})
    yield "receiver", "no_such", [framed({"wait_ms": 900, "wanted": True}), cameras, waits[0]]
    yield "receiver", "refused", [said(0), pack_reply(Reply(0, False, "not for viewers")), raw[0]]
    streams = [bytes((k,)) * 8 for k in range(3)]
    yield "receiver", "restarts", [said(k, stream) for stream in streams for k in (1, 9)]
    others = [raw[0].replace(b"cam/", name + b"/", 1) for name in (b"left", b"right")]
    yield "receiver", "cameras", [*others, waits[0], said(1, state="stalled")]
    yield "receiver", "link", [raw[0], framed({"wait_ms": 50, "event": 3, "deaf": True}), waits[0],
                               framed({"wait_ms": 4500, "event": 2}), raw[1]]  # fmt: skip
    yield "receiver", "waits", [said(0, state=state) for state in ("opening", "waiting", "frozen")]
    doors = [framed({"wait_ms": 1200, "event": event, "value": 1}) for event in (3, 1, 6, 1, 7)]
    yield "receiver", "doors", [said(0), *doors, raw[0]]
    yield "receiver", "elsewhere", [said(0, control=7000), waits[0], waits[0], pong]


def _model_message(path: Path) -> bytes:
    """A model file as the fuzz target `model` has it: its head as a map."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    table = json.loads(data[8:end])
    about = table["__metadata__"]
    about["description"] = json.loads(about["description"])
    return framed(table, data[end:])


def _parts_of(path: Path) -> list[bytes]:
    """The file of a recording, cut before each of its messages."""
    data = path.read_bytes()
    with SegmentReader(path) as reader:
        cuts = [0, *(message.offset for message in reader), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


def main() -> None:
    """Write all seeds; files of others are left alone."""
    MODELS.mkdir(exist_ok=True)
    write_models()
    for target, name, messages in itertools.chain(
        _sequences(), _methods(), _stations(), _receptions()
    ):
        folder = SEEDS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.seq").write_bytes(join_messages(messages))


if __name__ == "__main__":
    main()
