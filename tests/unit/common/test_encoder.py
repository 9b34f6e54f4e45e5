"""Encoder: options, counters, clocks and what the header says of the frame."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import rankcast
from rankcast import encoder as encoder_module
from rankcast.boot_clock import boot_ns
from rankcast.codec import CODECS_BY_NAME, DEFAULT_CODEC
from rankcast.encoder import check_options
from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Frame
from rankcast.wire import Kind, unpack

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
READY = sorted(CODECS_BY_NAME.keys() - {"gan"})
"""Codecs that code with their defaults; `gan` codes nothing without a model."""


def test_the_default_codec_is_svd_patch() -> None:
    assert DEFAULT_CODEC == "svd-patch"
    assert rankcast.Encoder().codec == "svd-patch"


def test_an_unknown_codec_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"got codec 'webm', want one of .*raw.*svd") as caught:
        rankcast.Encoder("webm")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("codec", sorted(CODECS_BY_NAME))
def test_an_unknown_option_is_an_error_that_lists_the_known_ones(codec: str) -> None:
    known = ", ".join(CODECS_BY_NAME[codec].options.model_fields) or "none"
    with pytest.raises(SettingsError) as caught:
        rankcast.Encoder(codec, colour_depth=3)
    assert str(caught.value) == (
        f"codec {codec} has no option 'colour_depth'; its options are: {known}"
    )


@pytest.mark.parametrize("quality", [0, 101, "75", 75.5, True, None])
def test_a_wrong_value_is_an_error_that_names_option_and_value(quality: Any) -> None:
    with pytest.raises(SettingsError, match="codec jpeg, quality = ") as caught:
        check_options("jpeg", {"quality": quality})
    assert "\n" not in str(caught.value)


def test_sequences_count_packets_and_a_refused_picture_leaves_no_hole() -> None:
    encoder = rankcast.Encoder("jpeg")
    assert encoder.sequence == 0
    assert encoder.encode_packet(PIXELS).header.sequence == 0
    with pytest.raises(UnsupportedImageError):
        encoder.encode(PIXELS.astype(np.uint16))
    with pytest.raises(SettingsError):
        encoder.encode(PIXELS, meta={"a": [1]})  # type: ignore[dict-item]
    assert encoder.encode_packet(PIXELS).header.sequence == 1
    assert encoder.sequence == 2


def test_an_encoded_packet_holds_the_bytes_of_encode_and_the_header_that_readers_unpack() -> None:
    encoder = rankcast.Encoder("svd-patch", gop=2)
    twin = rankcast.Encoder("svd-patch", gop=2)
    twin.stream_id = encoder.stream_id
    frames = [Frame(PIXELS.repeat(8, 0).repeat(8, 1), frame=n, t_capture_mono_ns=1) for n in (0, 1)]
    packets = [encoder.encode_packet(frame, meta={"n": 1}) for frame in frames]
    assert [packet.data for packet in packets] == [twin.encode(f, meta={"n": 1}) for f in frames]
    decoder = rankcast.Decoder()
    for packet in packets:
        assert decoder.complete(unpack(packet.data)).header == packet.header
        decoder.decode(packet.data)
    assert [packet.header.kind for packet in packets] == [Kind.KEY, Kind.PREDICTED]


def test_an_array_is_stamped_with_the_clocks_of_now() -> None:
    before_mono, before_utc = boot_ns(), time.time_ns()
    header = unpack(rankcast.Encoder("raw").encode(PIXELS)).header
    assert before_mono <= header.t_capture_mono_ns <= boot_ns()
    assert before_utc <= header.t_capture_utc_ns <= time.time_ns()


def test_a_frame_without_clocks_is_stamped_and_one_with_clocks_is_not() -> None:
    before_mono, before_utc = boot_ns(), time.time_ns()
    header = unpack(rankcast.Encoder("raw").encode(Frame(PIXELS, frame=5))).header
    assert header.frame == 5
    assert before_mono <= header.t_capture_mono_ns <= boot_ns()
    assert before_utc <= header.t_capture_utc_ns <= time.time_ns()
    known = Frame(PIXELS, t_capture_mono_ns=3)
    header = unpack(rankcast.Encoder("raw").encode(known)).header
    assert (header.t_capture_mono_ns, header.t_capture_utc_ns) == (3, 0)


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (np.int64(1), 1),
        (np.uint8(3), 3),
        (np.float32(0.5), 0.5),
        (np.longdouble(0.25), 0.25),
    ],
)
def test_a_numpy_scalar_counts_as_the_number_that_it_is(value: Any, want: float) -> None:
    rank = check_options("svd", {"rank": value}).model_dump()["rank"]
    assert rank == want
    assert type(rank) is type(want)
    assert check_options("svd", {"rank": value}) == check_options("svd", {"rank": want})


def test_options_of_every_codec_take_numpy_scalars() -> None:
    assert check_options("jpeg", {"quality": np.int32(50)}).model_dump() == {"quality": 50}
    assert check_options("svd-patch", {"gop": np.int64(5)}).model_dump()["gop"] == 5
    assert check_options("svd", {"engine": np.str_("exact")}).model_dump()["engine"] == "exact"
    with pytest.raises(SettingsError, match="want"):
        check_options("jpeg", {"quality": np.bool_(True)})


def test_metadata_takes_numpy_scalars() -> None:
    meta: dict[str, Any] = {"n": np.int64(3), "x": np.float32(0.5), "s": np.str_("a"),
                            "b": np.bool_(True), "raw": np.bytes_(b"c")}  # fmt: skip
    want = {"n": 3, "x": 0.5, "s": "a", "b": True, "raw": b"c"}
    encoder = rankcast.Encoder("raw")
    for packet in (encoder.encode(PIXELS, meta=meta), encoder.encode(Frame(PIXELS, meta=meta))):
        assert dict(unpack(packet).header.meta) == want


@pytest.mark.parametrize("codec", READY)
def test_what_counts_without_options_is_what_counts_when_it_is_said(codec: str) -> None:
    effective = check_options(codec, {}).effective()
    assert None not in effective.values()
    assert check_options(codec, effective).effective() == effective
    image = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    default, said = rankcast.Encoder(codec), rankcast.Encoder(codec, **effective)
    assert unpack(default.encode(image)).body == unpack(said.encode(image)).body


def test_a_frame_keeps_everything_it_knows() -> None:
    frame = Frame(
        PIXELS[:, :, 0].astype(np.uint16),
        frame=9,
        t_capture_mono_ns=10,
        t_capture_utc_ns=11,
        significant_bits=12,
        cfa="GRBG",
        device_frame_id=13,
        device_time_ns=14,
        meta={"a": 1},
    )
    header = unpack(rankcast.Encoder("raw").encode(frame)).header
    assert (header.frame, header.t_capture_mono_ns, header.t_capture_utc_ns) == (9, 10, 11)
    assert (header.significant_bits, header.cfa, header.dtype_bytes) == (12, 3, 2)
    assert (header.device_frame_id, header.device_time_ns) == (13, 14)
    assert header.meta == {"a": 1}
    assert header.shape == (4, 4)
    assert header.squared_error == 0


def test_meta_of_the_call_replaces_that_of_the_frame() -> None:
    frame = Frame(PIXELS, meta={"a": 1})
    encoder = rankcast.Encoder("raw")
    assert encoder.encode_packet(frame, meta={"b": 2}).header.meta == {"b": 2}
    assert encoder.encode_packet(frame, meta={}).header.meta == {}
    assert frame.meta == {"a": 1}


def test_every_encoder_starts_a_stream_of_its_own() -> None:
    first, second = rankcast.Encoder("raw"), rankcast.Encoder("raw")
    assert len(first.stream_id) == 8
    assert first.stream_id != second.stream_id
    assert unpack(first.encode(PIXELS)).header.stream_id == first.stream_id


def test_a_requested_key_frame_comes_next() -> None:
    for codec in READY:
        encoder = rankcast.Encoder(codec)
        encoder.encode(PIXELS)
        encoder.request_keyframe()
        assert encoder.encode_packet(PIXELS).header.kind is Kind.KEY


@pytest.mark.parametrize(
    ("share", "want"), [(1.0000001, 10**9), (-1e-12, 0), (0.5, 500_000_000), (1.0, 10**9)]
)
def test_an_energy_that_rounding_pushed_out_of_range_is_still_readable(
    share: float, want: int
) -> None:
    assert encoder_module._ppb(share) == want


@pytest.mark.parametrize("pixels", [PIXELS.astype(float), PIXELS[0, 0], "picture", None])
def test_what_is_no_image_is_refused(pixels: Any) -> None:
    with pytest.raises(UnsupportedImageError):
        rankcast.Encoder("raw").encode(pixels)


ODD_ARRAYS = {
    "every second column": lambda image: np.repeat(image, 2, axis=1)[:, ::2],
    "upside down": lambda image: image[::-1][::-1].copy()[::-1][::-1],
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1])[:, ::-1],
    "column by column": np.asfortranarray,
    "reversed channels": lambda image: np.ascontiguousarray(image[..., ::-1])[..., ::-1],
    "read-only": lambda image: np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape),
    "unaligned": lambda image: np.frombuffer(b"x" + image.tobytes(), image.dtype, offset=1)
    .reshape(image.shape),
    "subclass": lambda image: image.view(np.recarray) if image.ndim == 2 else image,
}  # fmt: skip


@pytest.mark.parametrize("codec", READY)
@pytest.mark.parametrize("name", ODD_ARRAYS)
@pytest.mark.parametrize("channels", [1, 3])
def test_memory_layout_makes_no_difference(codec: str, name: str, channels: int) -> None:
    ramp = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    image = ramp if channels == 1 else np.dstack([ramp, ramp[::-1], ramp // 2])
    odd = ODD_ARRAYS[name](image)
    assert np.array_equal(odd, image)
    plain = unpack(rankcast.Encoder(codec).encode(image)).body
    assert unpack(rankcast.Encoder(codec).encode(odd)).body == plain


@pytest.mark.parametrize("codec", READY)
def test_a_masked_array_is_refused_by_every_codec(codec: str) -> None:
    with pytest.raises(UnsupportedImageError, match="got a masked array, want a plain one"):
        rankcast.Encoder(codec).encode(np.ma.array(PIXELS, mask=PIXELS > 9))


def test_raw_takes_a_matrix() -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(PIXELS[:, :, 0])
    assert np.array_equal(
        rankcast.Decoder().decode(rankcast.Encoder("raw").encode(matrix)), PIXELS[:, :, 0]
    )


def test_times_and_ids_of_numpy_reach_the_packet_as_integers() -> None:
    frame = Frame(
        PIXELS, frame=np.int64(7), t_capture_mono_ns=np.uint64(8), t_capture_utc_ns=np.int32(9),
        device_frame_id=np.uint16(10), device_time_ns=np.int64(11),
    )  # fmt: skip
    header = unpack(rankcast.Encoder("raw").encode(frame)).header
    assert (header.frame, header.t_capture_mono_ns, header.t_capture_utc_ns) == (7, 8, 9)
    assert (header.device_frame_id, header.device_time_ns) == (10, 11)
