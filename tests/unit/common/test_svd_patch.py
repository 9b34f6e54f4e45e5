"""The codec `svd-patch`: both ends agree to the bit, whatever happens in between."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rankcast
from conformance import check_codec, psnr_db
from rankcast.codec.svd_patch import encoder as svd_patch_encoder
from rankcast.codec.svd_patch.basis import choose_basis, table_basis
from rankcast.codec.svd_patch.encoder import SvdPatchEncoder
from rankcast.codec.svd_patch.engine import BIT_PRICE
from rankcast.codec.svd_patch.payload import HAS_BASES
from rankcast.frame import Frame, Pixels
from rankcast.wire import Kind, pack, unpack

pytestmark = pytest.mark.timeout(600)

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "svd_patch"


def scene(number: int, shape: tuple[int, ...] = (72, 104, 3), dtype: str = "uint8") -> Pixels:
    """A smooth background, a textured square that moves, and noise from a fixed seed."""
    height, width = shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    full = np.iinfo(dtype).max
    picture = 0.45 + 0.2 * np.sin(x / 17) + 0.15 * np.cos(y / 11 + x / 29)
    left, top = (7 + 3 * number) % max(width - 20, 1), max(height // 3, 0)
    square = picture[top : top + 20, left : left + 20]
    square += 0.2 * np.sign(np.sin(np.arange(square.shape[1]) * 1.1))[None, :]
    picture = picture + np.random.default_rng(number).normal(0, 0.006, picture.shape)
    if len(shape) == 3:
        gains = np.linspace(0.7, 1.1, shape[2])
        picture = picture[:, :, None] * gains
    return (np.clip(picture, 0, 1) * full).astype(dtype)


def stream(count: int, **options: object) -> list[bytes]:
    """Packets of a moving scene."""
    encoder = rankcast.Encoder("svd-patch", **options)
    return [encoder.encode(scene(number)) for number in range(count)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 9), (8, 8), (33, 47), (64, 64, 1), (1, 1, 3), (35, 66, 3), (40, 17, 5)],
)
def test_every_shape_comes_back(shape: tuple[int, ...], dtype: str) -> None:
    check_codec("svd-patch", [scene(k, shape, dtype) for k in range(3)], 25.0, quality=85)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_full_size_chroma_reaches_high_quality(dtype: str) -> None:
    images = [scene(k, (40, 56, 3), dtype) for k in range(2)]
    check_codec("svd-patch", images, 44.0, quality=97, colour="ycc444")


@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (41, 54)])
def test_a_mosaic_is_coded_as_four_planes(shape: tuple[int, int]) -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", quality=90), rankcast.Decoder()
    frame = Frame(scene(1, shape, "uint16"), significant_bits=16, cfa="RGGB")
    packet = encoder.encode(frame)
    assert unpack(packet).header.params[0] == 3
    pixels = decoder.decode(packet)
    assert pixels.shape == shape
    assert psnr_db(frame.pixels, pixels) > 30


def test_twelve_bits_get_the_step_of_twelve_bits() -> None:
    picture = scene(0, (64, 80), "uint16") >> 4
    for options, frame in (
        ({"significant_bits": 12}, picture),
        ({}, Frame(picture, significant_bits=12)),
        ({}, picture),
    ):
        header = unpack(rankcast.Encoder("svd-patch", **options).encode(frame)).header
        assert header.params[1] == 8 * 16 * 16


def test_a_header_of_a_predicted_frame_takes_at_most_128_bytes() -> None:
    encoder = rankcast.Encoder("svd-patch")
    now = 1_800_000_000_000_000_000
    for number in range(40):
        frame = Frame(
            scene(number, (1080, 1920, 3)) if number < 0 else scene(number),
            frame=5_000_000_000 + number,
            t_capture_mono_ns=now + number,
            t_capture_utc_ns=now + number,
        )
        packet = encoder.encode(frame)
        parsed = unpack(packet)
        if parsed.header.kind is Kind.PREDICTED:
            assert len(packet) - len(parsed.body) <= 128


def test_the_header_tells_error_energy_and_rank() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", rank=3), rankcast.Decoder()
    image = scene(0)
    packet = encoder.encode(image)
    header = unpack(packet).header
    error = np.sum((decoder.decode(packet).astype(np.int64) - image) ** 2)
    assert header.squared_error == error
    assert header.rank == (3, 3, 3)
    want = 1 - error / np.sum(image.astype(np.int64) ** 2)
    assert header.energy_ppb == pytest.approx(want * 1e9, abs=2)


def test_a_smaller_rank_keeps_less_and_takes_fewer_bytes() -> None:
    image = scene(0)
    packets = [rankcast.Encoder("svd-patch", quality=95, rank=r).encode(image) for r in (1, 3, 8)]
    sizes = [len(packet) for packet in packets]
    errors = [unpack(packet).header.squared_error for packet in packets]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)  # type: ignore[type-var]


def test_a_still_scene_costs_next_to_nothing() -> None:
    encoder = rankcast.Encoder("svd-patch")
    image = scene(0)
    first = len(encoder.encode(image))
    later = [len(unpack(encoder.encode(image)).body) for _ in range(5)]
    assert first > 300
    assert max(later[1:]) < 40


def test_a_square_that_moves_is_predicted_from_where_it_was() -> None:
    packets = stream(8)
    key = len(unpack(packets[0]).body)
    predicted = [len(unpack(packet).body) for packet in packets[1:]]
    assert max(predicted) < 0.5 * key


def _striped() -> Pixels:
    """Patches of two values in columns, at random strength: one vector, many cosines."""
    rng = np.random.default_rng(5)
    column = np.array([1, 1, -1, 1, -1, -1, 1, -1])
    strength = rng.integers(-60, 61, (40, 40))
    return (128 + np.kron(strength, np.ones((8, 1)) * column)).astype(np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_factors_of_a_frames_own_travel_with_it(
    monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    image = _striped().astype(dtype)
    step = 6.0
    own = choose_basis(image.astype(np.uint16), step, dtype == "uint16")
    assert own.own
    monkeypatch.setattr(SvdPatchEncoder, "_cost", lambda _self, _picture, body, _step: -len(body))
    monkeypatch.setattr(svd_patch_encoder, "choose_basis", lambda *_: own)
    encoder, decoder = rankcast.Encoder("svd-patch", step=step), rankcast.Decoder()
    for number in range(3):
        packet = encoder.encode(image)
        assert bool(unpack(packet).body[0] & HAS_BASES) == (number == 0)
        pixels = decoder.decode(packet)
        assert np.abs(pixels.astype(int) - image).max() <= 4 * step


@pytest.mark.parametrize("own_wins", [True, False])
def test_later_frames_rest_on_the_coding_of_the_key_frame_that_was_sent(
    monkeypatch: pytest.MonkeyPatch, *, own_wins: bool
) -> None:
    image = _striped()
    own = choose_basis(image.astype(np.uint16), 6.0, False)
    monkeypatch.setattr(svd_patch_encoder, "choose_basis", lambda *_: own)
    sign = -1 if own_wins else 1
    monkeypatch.setattr(
        SvdPatchEncoder, "_cost",
        lambda _self, _picture, body, _step: sign * bool(body[0] & HAS_BASES),
    )  # fmt: skip
    encoder = rankcast.Encoder("svd-patch", step=6.0, gop=3)
    decoder = rankcast.Decoder()
    for number in range(8):
        image[:40] = np.roll(image[:40], 1, axis=1)
        packet = unpack(encoder.encode(image))
        assert bool(packet.body[0] & HAS_BASES) == (number % 3 == 0 and own_wins)
        pixels = decoder.decode_packet(packet)
        error = image.astype(np.int64) - pixels
        # What the encoder says is measured on its own planes: any other reference would show.
        assert np.sum(error * error) == packet.header.squared_error


def test_factors_of_its_own_are_sent_only_where_the_bytes_say_so() -> None:
    image = _striped()
    chosen = rankcast.Encoder("svd-patch", step=6.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svd_patch_encoder, "choose_basis", lambda _p, _s, deep: table_basis(deep))
        plain = rankcast.Encoder("svd-patch", step=6.0).encode(image)

    def cost(packet: bytes) -> float:
        parsed = unpack(packet)
        assert parsed.header.squared_error is not None
        return 8 * len(parsed.body) + parsed.header.squared_error / (BIT_PRICE * 36)

    assert cost(chosen.encode(image)) <= cost(plain)


def test_a_smooth_frame_keeps_the_table() -> None:
    packet = rankcast.Encoder("svd-patch").encode(scene(0, (136, 200)))
    assert not unpack(packet).body[0] & HAS_BASES


# ---- key frames and losses


def test_key_frames_come_at_the_start_by_count_and_on_request() -> None:
    encoder = rankcast.Encoder("svd-patch", gop=4)
    kinds = []
    for number in range(10):
        if number == 6:
            encoder.request_keyframe()
        kinds.append(unpack(encoder.encode(scene(number))).header.kind)
    assert [n for n, kind in enumerate(kinds) if kind is Kind.KEY] == [0, 4, 6]


def test_key_frames_come_by_capture_time() -> None:
    encoder = rankcast.Encoder("svd-patch", keyframe_interval_s=1.0)
    keys = []
    for number in range(9):
        frame = Frame(scene(number), t_capture_mono_ns=(number + 1) * 300_000_000)
        if unpack(encoder.encode(frame)).header.kind is Kind.KEY:
            keys.append(number)
    assert keys == [0, 4, 8]


def test_another_scene_starts_with_a_key_frame() -> None:
    encoder = rankcast.Encoder("svd-patch")
    encoder.encode(scene(0))
    other = np.ascontiguousarray(255 - scene(0)[::-1, ::-1])
    other[::2] = other[::2] // 3
    assert unpack(encoder.encode(other)).header.kind is Kind.KEY


def test_another_shape_starts_with_a_key_frame() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    for shape in ((40, 40, 3), (48, 40, 3), (40, 40)):
        packet = encoder.encode(scene(0, shape))
        assert unpack(packet).header.kind is Kind.KEY
        assert decoder.decode(packet).shape == shape


def test_gop_1_makes_key_frames_only() -> None:
    assert all(unpack(packet).header.kind is Kind.KEY for packet in stream(3, gop=1))


def test_a_lost_frame_asks_for_a_key_frame_until_one_comes() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", gop=5), rankcast.Decoder()
    packets = [encoder.encode(scene(number)) for number in range(7)]
    decoder.decode(packets[0])
    for packet in packets[2:5]:
        with pytest.raises(rankcast.NeedKeyframe):
            decoder.decode(packet)
    decoder.decode(packets[5])
    decoder.decode(packets[6])


def test_with_refs_2_every_second_frame_can_be_dropped() -> None:
    packets = stream(9, refs=2)
    complete, thinned = rankcast.Decoder(), rankcast.Decoder()
    shown = [complete.decode(packet) for packet in packets]
    for number in range(0, 9, 2):
        assert np.array_equal(thinned.decode(packets[number]), shown[number])


def test_a_wrong_checksum_asks_for_a_key_frame_and_drops_the_reference() -> None:
    packets = stream(20)
    decoder = rankcast.Decoder()
    for packet in packets[:16]:
        decoder.decode(packet)
    parsed = unpack(packets[16])
    assert parsed.header.checksum is not None
    forged = pack(replace(parsed.header, checksum=parsed.header.checksum ^ 1), parsed.body)
    with pytest.raises(rankcast.NeedKeyframe, match="checksum"):
        decoder.decode(forged)
    with pytest.raises(rankcast.NeedKeyframe):
        decoder.decode(packets[17])


def test_a_packet_of_another_stream_is_not_predicted_from_ours() -> None:
    ours, theirs = stream(3), stream(3)
    decoder = rankcast.Decoder()
    decoder.decode(ours[0])
    with pytest.raises(rankcast.NeedKeyframe):
        decoder.decode(theirs[1])
    decoder.decode(ours[1])


_sequence: list[bytes] = []
_pictures: dict[int, Pixels] = {}


def _reference_sequence() -> list[bytes]:
    """Forty packets and, from a decoder that misses nothing, what each must show."""
    if not _sequence:
        encoder = rankcast.Encoder("svd-patch", gop=9, refs=2)
        decoder = rankcast.Decoder()
        for number in range(40):
            packet = encoder.encode(scene(number, (40, 56, 3)))
            _sequence.append(packet)
            _pictures[number] = decoder.decode(packet)
    return _sequence


@given(st.lists(st.integers(0, 39), max_size=60), st.floats(0, 0.5), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_whatever_is_shown_is_what_the_encoder_saw(
    order: list[int], loss: float, seed: int
) -> None:
    packets = _reference_sequence()
    rng = np.random.default_rng(seed)
    # First a stream with losses and duplicates, then packets in any order.
    numbers = [n for n in range(40) for _ in range(1 + (rng.random() < 0.1))]
    numbers = [n for n in numbers if rng.random() >= loss] + order
    decoder = rankcast.Decoder()
    for number in numbers:
        try:
            pixels = decoder.decode(packets[number])
        except rankcast.NeedKeyframe:
            assert unpack(packets[number]).header.kind is Kind.PREDICTED
            continue
        assert np.array_equal(pixels, _pictures[number])


# ---- rate control


@pytest.mark.parametrize("target", [34.0, 40.0, 46.0])
@pytest.mark.parametrize("colour", ["ycc444", "grey"])
def test_a_psnr_is_met_within_0_3_db(target: float, colour: str) -> None:
    grey = colour == "grey"
    encoder = rankcast.Encoder("svd-patch", psnr=target, colour="ycc444")
    for number in range(5):
        image = scene(number, (72, 104) if grey else (72, 104, 3))
        header = unpack(encoder.encode(image)).header
        assert header.psnr_db == pytest.approx(target, abs=0.3)


def test_a_bit_rate_is_met_and_bursts_fit_the_bucket() -> None:
    rate, fps, buffer_s = 400_000, 25, 0.5
    encoder = rankcast.Encoder("svd-patch", bitrate="400 kbit/s", buffer_s=buffer_s, gop=50)
    bucket, total, highest = 0.0, 0, 0.0
    for number in range(100):
        image = scene(number, (120, 160, 3))
        noise = np.random.default_rng(number).integers(-20, 21, image.shape)
        image = np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8)
        packet = encoder.encode(Frame(image, t_capture_mono_ns=number * 40_000_000))
        bucket = max(bucket - rate / fps, 0) + 8 * len(packet)
        highest = max(highest, bucket)
        total += 8 * len(packet)
    assert highest <= 1.25 * rate * buffer_s
    assert 0.6 * rate <= total / 4 <= 1.1 * rate


def test_quality_is_monotonic() -> None:
    image = scene(0)
    headers = []
    for quality in (5, 30, 60, 90, 100):
        packet = rankcast.Encoder("svd-patch", quality=quality, colour="ycc444").encode(image)
        headers.append((len(packet), unpack(packet).header.psnr_db))
    assert headers == sorted(headers)


def test_settings_change_in_mid_stream_without_a_key_frame() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch", quality=90), rankcast.Decoder()
    decoder.decode(encoder.encode(scene(0)))
    encoder.set(quality=30)
    packet = encoder.encode(scene(1))
    decoder.decode(packet)
    assert unpack(packet).header.kind is Kind.PREDICTED
    encoder.set(psnr=38.0)
    packet = encoder.encode(scene(2))
    decoder.decode(packet)
    assert unpack(packet).header.kind is Kind.PREDICTED
    encoder.set(colour="ycc444")
    assert unpack(encoder.encode(scene(3))).header.kind is Kind.KEY
    with pytest.raises(rankcast.SettingsError):
        encoder.set(quality=101)
    with pytest.raises(rankcast.SettingsError):
        encoder.set(speed=3)


@pytest.mark.parametrize(
    "options",
    [{"quality": 0}, {"quality": 50, "psnr": 40.0}, {"rank": 9}, {"bitrate": "fast"}, {"refs": 3}],
)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(rankcast.SettingsError):
        rankcast.Encoder("svd-patch", **options)


# ---- bad input


def _forge(packet: bytes, body: bytes) -> bytes:
    return pack(unpack(packet).header, body)


def _survives(decoder: rankcast.Decoder, packet: bytes) -> None:
    try:
        decoder.decode(packet)
    except (rankcast.WireError, rankcast.NeedKeyframe):
        return


def test_a_key_frame_decodes_after_any_truncated_body() -> None:
    packets = stream(2)
    decoder = rankcast.Decoder()
    for packet in packets:
        body = bytes(unpack(packet).body)
        for end in range(0, len(body), max(1, len(body) // 150)):
            decoder.decode(packets[0])
            _survives(decoder, _forge(packet, body[:end]))
    expected = rankcast.Decoder().decode(packets[0])
    assert np.array_equal(decoder.decode(packets[0]), expected)


@given(st.integers(0, 1), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), min_size=1))
@settings(max_examples=60, deadline=None)
def test_flipped_bits_are_refused_or_harmless(which: int, flips: list[tuple[int, int]]) -> None:
    packets = _reference_sequence()
    body = bytearray(unpack(packets[which]).body)
    for position, bit in flips:
        body[position % len(body)] ^= 1 << bit
    decoder = rankcast.Decoder()
    decoder.decode(packets[0])
    _survives(decoder, _forge(packets[which], bytes(body)))
    assert np.array_equal(decoder.decode(packets[0]), _pictures[0])


@given(st.binary(max_size=400), st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_random_bodies_are_refused_or_harmless(body: bytes, which: int) -> None:
    packets = _reference_sequence()
    decoder = rankcast.Decoder()
    decoder.decode(packets[0])
    _survives(decoder, _forge(packets[which], body))
    assert np.array_equal(decoder.decode(packets[0]), _pictures[0])


@pytest.mark.parametrize(
    "params",
    [
        (),
        (1, 128),
        (1, 128, 9),
        (9, 128, 8),
        (1, 0, 8),
        (1, 1 << 30, 8),
        (1.0, 128, 8),
        (0, 128, 8),
    ],
)
def test_wrong_parameters_are_refused(params: tuple[int, ...]) -> None:
    parsed = unpack(stream(1)[0])
    with pytest.raises(rankcast.PayloadError):
        rankcast.Decoder().decode(pack(replace(parsed.header, params=params), parsed.body))


# ---- the same bits everywhere


def golden_files() -> list[Path]:
    """Streams whose pictures must never change: packets, each behind its length."""
    return sorted(GOLDEN.glob("*.rks"))


def decode_golden(path: Path) -> int:
    """CRC-32 of all pictures of a golden stream."""
    data, crc, position = path.read_bytes(), 0, 0
    decoder = rankcast.Decoder()
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        packet = data[position + 4 : position + 4 + size]
        position += 4 + size
        crc = zlib.crc32(decoder.decode(packet).tobytes(), crc)
    return crc


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
@pytest.mark.parametrize("threads", [1, 4])
def test_golden_streams_decode_to_the_same_pixels(path: Path, threads: int) -> None:
    before = rankcast.pool.threads()
    rankcast.set_threads(threads)
    try:
        assert decode_golden(path) == int(path.with_suffix(".crc").read_text(), 16)
    finally:
        rankcast.set_threads(before)


_SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from test_svd_patch import GOLDEN, decode_golden
for name in {names!r}:
    path = GOLDEN / name
    assert decode_golden(path) == int(path.with_suffix(".crc").read_text(), 16), name
print("same")
"""


def _elsewhere(names: list[str], **environment: str) -> None:
    here = Path(__file__).resolve()
    root = here.parents[3]
    paths = [str(here.parent), str(root / "tests"), str(root / "common")]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(paths=paths, names=names)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "same"


def test_golden_streams_decode_without_compilation() -> None:
    names = [path.name for path in golden_files() if path.stem.startswith("tiny")]
    assert names
    _elsewhere(names, NUMBA_DISABLE_JIT="1")


@pytest.mark.slow
def test_golden_streams_touch_nothing_out_of_bounds(tmp_path: Path) -> None:
    names = [path.name for path in golden_files()]
    _elsewhere(names, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))


def test_the_number_of_threads_changes_no_byte() -> None:
    images = [scene(number, (736, 1280)) for number in range(2)]
    bodies = []
    for threads in (1, 4):
        encoder = rankcast.Encoder("svd-patch", threads=threads)
        bodies.append([bytes(unpack(encoder.encode(image)).body) for image in images])
    assert bodies[0] == bodies[1]


def test_memory_does_not_grow() -> None:
    encoder, decoder = rankcast.Encoder("svd-patch"), rankcast.Decoder()
    images = [scene(number, (64, 96, 3)) for number in range(4)]
    tracemalloc.start()
    try:
        for image in images * 5:
            decoder.decode(encoder.encode(image))
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        for number in range(200):
            decoder.decode(encoder.encode(images[number % 4]))
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - first < 64 * 1024
    finally:
        tracemalloc.stop()
