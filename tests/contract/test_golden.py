"""Golden packets: bytes that were written once and must be read for ever.

They were put together by hand (tests/golden/make.py), not by the code they test. A file that no
longer parses means that old recordings and old stations no longer work.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rankcast
from rankcast.decoder import frame_of
from rankcast.errors import (
    LimitError,
    PayloadError,
    RankcastError,
    UnknownCodecError,
    UnknownModelError,
    UnknownVersionError,
    WireError,
)
from rankcast.opencv import cv2
from rankcast.wire import Header, Kind, Status, pack, pack_status, parse_status, unpack
from support import packets

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
UTC_NS = 1_795_179_415_123_456_789

HEADERS = {
    "raw_grey8": Header(
        Kind.KEY,
        packets.STREAM_ID,
        sequence=41,
        frame=43,
        codec=0,
        shape=(4, 6),
        t_capture_mono_ns=3_600_000_000_123,
        t_capture_utc_ns=UTC_NS,
        squared_error=0,
    ),
    "raw_colour16_meta_device": Header(
        Kind.KEY,
        packets.STREAM_ID,
        sequence=70_000,
        frame=70_002,
        codec=0,
        shape=(2, 3, 3),
        dtype_bytes=2,
        significant_bits=12,
        t_capture_mono_ns=1,
        t_capture_utc_ns=UTC_NS,
        device_frame_id=123_456,
        device_time_ns=9_876_543_210,
        squared_error=0,
        meta={
            "serial": "A17",
            "good": True,
            "none": None,
            "gain": -1.5,
            "count": -3,
            "word": "Größe",
            "raw": b"\x00\xff",
        },
        x={"later": (1, "two")},
    ),
    "raw_bayer": Header(
        Kind.KEY,
        packets.STREAM_ID,
        sequence=5,
        frame=6,
        codec=0,
        shape=(4, 6),
        significant_bits=8,
        cfa=1,
        t_capture_mono_ns=7,
        t_capture_utc_ns=8,
        squared_error=0,
    ),
    "jpeg_grey": Header(
        Kind.KEY,
        packets.STREAM_ID,
        sequence=2,
        frame=2,
        codec=2,
        shape=(8, 16),
        t_capture_mono_ns=7,
        t_capture_utc_ns=8,
    ),
    "predicted": Header(
        Kind.PREDICTED,
        packets.STREAM_ID,
        sequence=10,
        frame=12,
        ref_sequence=9,
        t_capture_mono_ns=7,
        utc_drift_ns=8,
        squared_error=987_654_321,
        energy_ppb=987_654_321,
    ),
    "predicted_whole": Header(
        Kind.PREDICTED,
        packets.STREAM_ID,
        sequence=10,
        frame=12,
        ref_sequence=9,
        layer=2,
        codec=65_535,
        params=(75, 0.5, -1),
        shape=(720, 1280, 3),
        t_capture_mono_ns=7,
        utc_drift_ns=8,
        squared_error=987_654_321,
        energy_ppb=987_654_321,
        rank=(8, 4, 4),
        model_id=b"model-1",
        checksum=0xDEADBEEF,
    ),
    "status": Header(
        Kind.STATUS,
        packets.STREAM_ID,
        sequence=100,
        frame=120,
        t_capture_mono_ns=5,
        t_capture_utc_ns=6,
    ),
    "end": Header(
        Kind.END,
        packets.STREAM_ID,
        sequence=100,
        frame=120,
        t_capture_mono_ns=5,
        t_capture_utc_ns=6,
    ),
}

STATUSES = {
    "status": Status(
        grabbed=120,
        published=100,
        lost={"camera_gap": 3, "mailbox": 15, "encode": 1, "nobody_watching": 1},
        viewers=2,
        state="live",
        source="synthetic:conveyor",
        codec="svd",
        fps=19.5,
    ),
    "end": Status(
        grabbed=120,
        published=100,
        lost={"camera_gap": 3, "mailbox": 15, "encode": 1, "nobody_watching": 1},
        viewers=0,
        state="ended",
        source="synthetic:conveyor",
        codec="svd",
        fps=0.0,
    ),
}

# What each refused file is refused for: a child of WireError where there is one.
REFUSED: dict[str, tuple[type[RankcastError], str]] = {
    "empty": (WireError, "got 0 bytes"),
    "prefix_cut": (WireError, "got 7 bytes"),
    "header_cut": (WireError, "cut or damaged"),
    "body_cut": (WireError, "cut or damaged"),
    "one_byte_more": (WireError, "cut or damaged"),
    "magic": (WireError, "a Rankcast packet begins with"),
    "version_1": (UnknownVersionError, "packet of version 1, this is version 2: update the sender"),
    "version_3": (UnknownVersionError, "packet of version 3, this is version 2: update this end"),
    "bit_flipped_in_body": (WireError, "CRC-32"),
    "bit_flipped_in_header": (WireError, "CRC-32"),
    "bit_flipped_in_crc": (WireError, "CRC-32"),
    "kind_5": (WireError, "kind is 5, want 0 to 4"),
    "stream_id_cut": (WireError, "its kind or stream_id is missing"),
    "numbers_cut": (WireError, "squared_error is not an LEB128 number"),
    "number_2_64": (WireError, "sequence is not an LEB128 number below 2^64"),
    "number_in_a_long_form": (WireError, "sequence is not an LEB128 number below 2^64 in its"),
    "squared_error_2_64": (WireError, "squared_error is not an LEB128 number below 2^64"),
    "energy_below_zero": (WireError, "energy_ppb is -1"),
    "fields_8193_bytes": (LimitError, "header fields of 8193 bytes"),
    "fields_longer_than_packet": (WireError, "for header fields of 8000"),
    "no_msgpack": (WireError, "not msgpack"),
    "deep_nesting": (WireError, "not msgpack"),
    "claims_2_32_elements": (WireError, "not msgpack"),
    "extension_type": (WireError, "not msgpack"),
    "header_8_fields": (WireError, "header of 8 fields"),
    "header_is_a_map": (WireError, "header of dict fields"),
    "picture_missing": (WireError, "KEY without a picture"),
    "picture_7_elements": (WireError, "picture of 7 elements"),
    "status_with_picture": (WireError, "STATUS with a picture or params"),
    "status_with_params": (WireError, "STATUS with a picture or params"),
    "layer_256": (WireError, "layer is 256"),
    "codec_missing": (WireError, "codec is None"),
    "shape_missing": (WireError, "shape is None"),
    "params_text": (WireError, "params is"),
    "shape_zero": (WireError, "shape is 0"),
    "shape_one_side": (WireError, "2 or 3 integers"),
    "shape_2_31": (LimitError, "2147483648 x 2147483648"),
    "shape_100000": (LimitError, "100000 x 100000"),
    "shape_product": (LimitError, "65535 x 65535 x 1 samples"),
    "channels_65": (LimitError, "65 channels"),
    "dtype_3": (WireError, "dtype is 3"),
    "significant_bits_9_of_8": (WireError, "significant_bits is 9"),
    "cfa_5": (WireError, "cfa is 5"),
    "rank_65_planes": (WireError, "not msgpack within the limits"),
    "rank_65536": (WireError, "rank is 65536"),
    "model_id_33_bytes": (WireError, "model_id"),
    "checksum_2_32": (WireError, "checksum is 4294967296"),
    "device_frame_id_true": (WireError, "device_frame_id is True"),
    "meta_nested": (WireError, "not nil, bool, int"),
    "meta_number_key": (WireError, "not msgpack within the limits"),
    "meta_5000_bytes": (LimitError, "metadata of"),
    "meta_65_entries": (WireError, "not msgpack within the limits"),
    "x_is_a_list": (WireError, "x is tuple"),
    "unknown_codec": (UnknownCodecError, "codec id 60000"),
    "raw_body_too_short": (PayloadError, "got 5 bytes of samples"),
    "jpeg_of_another_size": (PayloadError, "the header promises"),
    "jpeg_that_is_none": (PayloadError, "no JPEG"),
    "kmeans_no_colours": (PayloadError, "want colours 1..1551"),
    "kmeans_more_colours_than_pixels": (PayloadError, "want colours 1..1551"),
    "kmeans_band_cut": (PayloadError, "a band ends early"),
    "kmeans_palette_longer_than_body": (PayloadError, "the lengths inside promise"),
    "pca_unknown_layout": (PayloadError, "pca parameters (3,)"),
    "pca_rank_above_sides": (PayloadError, "at most 33"),
    "pca_statistics_longer_than_body": (PayloadError, "the statistics alone promise"),
    "pca_frames_without_model": (PayloadError, "without a model id"),
    "pca_frames_unknown_model": (UnknownModelError, "000102030405060708090a0b0c0d0e0f"),
}


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.rkc").read_bytes()


@pytest.mark.parametrize("name", HEADERS)
def test_a_golden_packet_says_what_it_always_said(name: str) -> None:
    data = golden(name)
    packet = unpack(data)
    assert packet.header == HEADERS[name]
    assert pack(packet.header, packet.body) == data
    assert pack(HEADERS[name], packet.body) == data


@pytest.mark.parametrize("name", STATUSES)
def test_golden_totals_say_what_they_always_said(name: str) -> None:
    data = golden(name)
    assert parse_status(unpack(data)) == STATUSES[name]
    assert pack_status(HEADERS[name].kind, packets.STREAM_ID, STATUSES[name], 5, 6) == data


def test_golden_raw_pictures_are_rebuilt_to_the_sample() -> None:
    grey = rankcast.Decoder().decode(golden("raw_grey8"))
    assert np.array_equal(grey, np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6))
    colour = rankcast.Decoder().decode(golden("raw_colour16_meta_device"))
    assert colour.dtype == np.uint16
    assert np.array_equal(colour, (np.arange(18) * 3855).astype(np.uint16).reshape(2, 3, 3))


def test_a_golden_bayer_frame_keeps_its_mosaic() -> None:
    packet = unpack(golden("raw_bayer"))
    frame = frame_of(packet, rankcast.Decoder().decode_packet(packet), "cam")
    assert (frame.cfa, frame.bits, frame.camera) == ("RGGB", 8, "cam")
    assert frame.coding is not None
    assert not frame.coding.lossy
    assert frame.coding.packet_bytes == packet.size


def test_a_golden_jpeg_is_rebuilt() -> None:
    got = rankcast.Decoder().decode(golden("jpeg_grey")).astype(int)
    want = np.tile(np.arange(16) * 16, (8, 1))
    # libjpeg versions differ by a step of the transform; quality 75 itself stays below 8.
    assert np.abs(got - want).max() <= 8


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("kmeans_*.rkc")))
def test_golden_palettes_are_rebuilt_to_the_sample(name: str) -> None:
    rebuilt = rankcast.Decoder().decode(golden(name))
    want = cv2.imread(str(GOLDEN / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    assert rebuilt.dtype == want.dtype
    assert np.array_equal(rebuilt, want)


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("pca_*.rkc")))
def test_golden_components_are_rebuilt(name: str) -> None:
    rebuilt = rankcast.Decoder().decode(golden(name))
    want = cv2.imread(str(GOLDEN / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    assert rebuilt.dtype == want.dtype
    # BLAS sums in an order of its own: a value near a half may round to either side.
    assert np.abs(rebuilt.astype(int) - want).max() <= 1
    assert np.mean(rebuilt != want) < 0.01


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_packet_is_refused_for_its_own_reason(name: str) -> None:
    data = (GOLDEN / "refused" / f"{name}.rkc").read_bytes()
    error, reason = REFUSED[name]
    with pytest.raises(WireError) as caught:
        rankcast.Decoder().decode(data)
    assert type(caught.value) is error
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_golden_file_has_its_test() -> None:
    names = {path.stem for path in GOLDEN.glob("*.rkc")}
    assert names >= set(HEADERS)
    assert {name.split("_")[0] for name in names} >= {"kmeans", "pca"}
    assert {path.stem for path in (GOLDEN / "refused").glob("*.rkc")} == set(REFUSED)
