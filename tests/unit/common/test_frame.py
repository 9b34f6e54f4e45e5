"""Frame: what it refuses, that its pixels are read-only, and that it can be pickled."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.errors import SettingsError, UnsupportedImageError
from rankcast.frame import Coding, Frame, channels_of, check_pixels, full_scale


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (3, 4, 1), (3, 4, 64), (1, 1, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_of_every_kind_are_taken(shape: tuple[int, ...], dtype: type) -> None:
    frame = Frame(np.zeros(shape, dtype))
    assert channels_of(frame.pixels.shape) == (shape[2] if len(shape) == 3 else 1)
    assert full_scale(frame.pixels.dtype) == (255 if dtype is np.uint8 else 65_535)
    assert frame.bits == 8 * np.dtype(dtype).itemsize


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        ([[1, 2]], "got list"),
        (np.zeros((3, 4), np.float32), "got dtype float32"),
        (np.zeros((3, 4), np.int16), "got dtype int16"),
        (np.zeros((3, 4), bool), "got dtype bool"),
        (
            np.zeros((3, 4), np.dtype(np.uint16).newbyteorder()),
            r"want native byte order: array\.astype\(np\.uint16\)",
        ),
        (np.zeros((), np.uint8), "got shape"),
        (np.zeros(3, np.uint8), "got shape"),
        (np.zeros((3, 4, 3, 1), np.uint8), "got shape"),
        (np.zeros((0, 4), np.uint8), "no side of 0"),
        (np.zeros((3, 4, 0), np.uint8), "no side of 0"),
        (np.zeros((3, 4, 65), np.uint8), "got 65 channels, want at most 64"),
    ],
)
def test_what_is_no_image_is_refused(pixels: Any, reason: str) -> None:
    for make in (check_pixels, Frame):
        with pytest.raises(UnsupportedImageError, match=reason):
            make(pixels)


@pytest.mark.parametrize(
    ("dtype", "bits", "taken"),
    [
        (np.uint8, 8, True),
        (np.uint8, 9, False),
        (np.uint16, 12, True),
        (np.uint16, 16, True),
        (np.uint16, 17, False),
        (np.uint16, -1, False),
    ],
)
def test_significant_bits_fit_the_dtype(dtype: type, bits: int, taken: bool) -> None:
    pixels = np.zeros((2, 2), dtype)
    if taken:
        assert Frame(pixels, significant_bits=bits).bits == bits
    else:
        with pytest.raises(UnsupportedImageError, match="significant bits"):
            Frame(pixels, significant_bits=bits)


def test_an_unknown_mosaic_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedImageError, match="want one of RGGB, BGGR, GRBG, GBRG"):
        Frame(np.zeros((2, 2), np.uint8), cfa="XTRANS")


def test_pixels_are_read_only_but_the_callers_array_is_not() -> None:
    pixels = np.zeros((2, 2), np.uint8)
    frame = Frame(pixels)
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 1
    pixels[0, 0] = 1
    assert frame.pixels[0, 0] == 1, "a view, not a copy"
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.sequence = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("psnr_db", "lossy"), [(None, True), (40.0, True), (float("inf"), False), (0.0, True)]
)
def test_only_an_infinite_psnr_is_lossless(psnr_db: float | None, lossy: bool) -> None:
    assert Coding("svd", 10, psnr_db=psnr_db).lossy is lossy


IDS = ("frame", "sequence", "t_capture_mono_ns", "t_capture_utc_ns", "device_frame_id",
       "device_time_ns", "clock_error_ns")  # fmt: skip
PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    "value", [1.0, -1, True, "7", b"7", 2**64, float("nan"), np.float64(3), np.bool_(True), [1]]
)
def test_ids_and_times_that_no_receiver_takes_are_refused(name: str, value: Any) -> None:
    with pytest.raises(
        SettingsError, match=rf"got {name} = .*, want an integer from 0 to 18446744073709551615"
    ):
        Frame(PIXELS, **{name: value})


@pytest.mark.parametrize("name", [name for name in IDS if not name.startswith("device")])
def test_ids_and_times_that_are_always_there_are_not_none(name: str) -> None:
    with pytest.raises(SettingsError, match=f"got {name} = None"):
        Frame(PIXELS, **{name: None})


@pytest.mark.parametrize("name", [*IDS, "significant_bits"])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint64, np.int64])
def test_integers_of_numpy_are_integers(name: str, kind: type) -> None:
    value = getattr(Frame(PIXELS, **{name: kind(7)}), name)
    assert value == 7
    assert type(value) is int


@pytest.mark.parametrize("bits", [True, 8.0, "8", None])
def test_significant_bits_are_an_integer(bits: Any) -> None:
    with pytest.raises(UnsupportedImageError, match="significant bits, want 0 to 8"):
        Frame(PIXELS, significant_bits=bits)


def test_metadata_takes_scalars_of_numpy_and_is_copied() -> None:
    given: dict[str, Any] = {"n": np.int64(3), "x": np.float32(0.5), "b": np.bool_(True)}
    frame = Frame(PIXELS, meta=given)
    given["n"] = 4
    assert frame.meta == {"n": 3, "x": 0.5, "b": True}
    assert [type(value) for value in frame.meta.values()] == [int, float, bool]


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({1: "a"}, "want string keys"),
        ({"a": [1]}, "want string keys and None, bool, int"),
        ({"a": np.zeros(2)}, "want string keys and None, bool, int"),
        ({"a": 2**64}, "integer outside"),
        ({"a": -(2**63) - 1}, "integer outside"),
        ([("a", 1)], "metadata of type list, want a mapping"),
        ("abc", "metadata of type str, want a mapping"),
    ],
)
def test_metadata_that_no_receiver_takes_is_refused(meta: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        Frame(PIXELS, meta=meta)


def test_a_masked_array_is_refused_with_what_to_do() -> None:
    for mask in (False, PIXELS > 7):
        masked: Any = np.ma.array(PIXELS, mask=mask)
        for make in (check_pixels, Frame):
            with pytest.raises(
                UnsupportedImageError, match=r"choose a value .* array\.filled\(0\)"
            ):
                make(masked)


def test_subclasses_of_ndarray_become_plain_arrays(tmp_path: Path) -> None:
    plain = np.arange(12, dtype=np.uint8).reshape(3, 4)
    plain.tofile(tmp_path / "raw")
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(plain)
    for pixels in (matrix, np.memmap(tmp_path / "raw", np.uint8, "r", shape=(3, 4))):
        frame = Frame(pixels)
        assert type(frame.pixels) is np.ndarray
        assert frame.pixels.shape == (3, 4)
        assert np.array_equal(frame.pixels, plain)


def test_a_writable_frame_owns_its_pixels() -> None:
    frozen = PIXELS.copy()
    frozen.flags.writeable = False
    frame = Frame(frozen, writable=True)
    frame.pixels[0, 0] = 9
    assert frozen[0, 0].tolist() == [0, 1, 2]
    assert dataclasses.replace(frame, frame=3).pixels.flags.writeable


@pytest.mark.parametrize(
    "duplicate",
    [lambda frame: pickle.loads(pickle.dumps(frame)), copy.deepcopy, copy.copy],  # noqa: S301
)
@pytest.mark.parametrize("writable", [False, True])
def test_a_frame_survives_pickling_and_copying(duplicate: Any, writable: bool) -> None:
    frame = Frame(
        PIXELS[::-1, ::2], frame=3, meta={"a": 1}, camera="cam", stream_id=bytes(16),
        coding=Coding("svd", 10, rank=(1, 2, 3)), t_capture_here_ns=-5, writable=writable,
    )  # fmt: skip
    again = duplicate(frame)
    assert np.array_equal(again.pixels, frame.pixels)
    assert again.pixels.flags.writeable is writable
    for item in dataclasses.fields(frame):
        if item.name != "pixels":
            assert getattr(again, item.name) == getattr(frame, item.name), item.name
    assert dict(duplicate(Frame(PIXELS)).meta) == {}
