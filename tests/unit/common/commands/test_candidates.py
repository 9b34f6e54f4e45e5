"""What `compare --codecs` tries and shows: nothing that another setting beats at no more cost."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.codec import CODECS_BY_NAME
from rankcast.commands.compare import candidate
from rankcast.commands.compare.candidate import Choice, png_size, setting_text
from rankcast.commands.compare.candidate_choice import candidates_for
from rankcast.commands.compare.codec_comparison import Match, choose, compare_codecs
from rankcast.commands.compare.measurement import Measurement
from rankcast.frame import Pixels
from rankcast.images import write_image
from rankcast.numerics import psnr_db, ssim
from rankcast.opencv import cv2
from support.comparing import picture, table_of
from support.later import later

EVERY = ["svd", "svd-patch", "pca", "pca-patches", "kmeans", "jpeg", "webp", "lossless"]


def png_by_hand(pixels: Pixels) -> bytes:
    """A PNG file as ISO/IEC 15948 and its hint of filters have it: least sum of differences."""
    rows = np.ascontiguousarray(pixels[:, :, ::-1]).reshape(pixels.shape[0], -1).astype(np.int64)
    step, width = pixels.shape[2], rows.shape[1]
    lines, above = [], np.zeros(width, np.int64)
    for row in rows:
        left = np.concatenate([np.zeros(step, np.int64), row[:-step]])
        corner = np.concatenate([np.zeros(step, np.int64), above[:-step]])
        guess = left + above - corner
        distances = np.abs(np.stack([guess - left, guess - above, guess - corner]))
        paeth = np.choose(distances.argmin(axis=0), [left, above, corner])
        predicted = [0 * row, left, above, (left + above) // 2, paeth]
        filtered = [((row - each) % 256).astype(np.uint8) for each in predicted]
        kind = min(range(5), key=lambda n: int(np.abs(filtered[n].view(np.int8).astype(int)).sum()))
        lines.append(bytes([kind]) + filtered[kind].tobytes())
        above = row
    head = struct.pack(">2I5B", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def few_colours(count: int, shape: tuple[int, int] = (48, 64)) -> Pixels:
    """Noise of `count` colours that no palette can do without."""
    rng = np.random.default_rng(count)
    palette = rng.integers(0, 256, (count, 3)).astype(np.uint8)
    return palette[rng.integers(0, count, shape)]


@pytest.mark.parametrize("k", [4, 20])
def test_the_articles_measure_is_what_another_writer_of_png_makes(k: int) -> None:
    pixels = picture((96, 128, 3))
    (kmeans,), _ = candidates_for(["kmeans"], pixels, {})
    rebuilt = kmeans.coders[""](k).pixels
    assert rebuilt is not None
    for each in (pixels, rebuilt):
        # zlib-ng, which OpenCV may use, finds other matches at the same level.
        assert png_size(each) == pytest.approx(len(png_by_hand(each)), rel=0.1)


@pytest.mark.parametrize("count", [3, 7, 82, 333])
def test_the_palette_of_all_colours_is_tried(count: int) -> None:
    pixels = few_colours(count)
    candidates, _ = candidates_for(["kmeans"], pixels, {})
    comparison = compare_codecs(pixels, candidates, "bytes", 100.0)
    assert comparison.results[0].setting == f"k {len(np.unique(pixels.reshape(-1, 3), axis=0))}"
    assert comparison.results[0].psnr_db == float("inf")


@pytest.mark.parametrize(("match", "target"), [("bytes", 0.02), ("bytes", 2.0), ("psnr", 60.0)])
def test_three_colours_are_shown_exactly_and_not_two(match: Match, target: float) -> None:
    # Two of them alternate where a palette of two would need its index as often.
    pixels = np.zeros((256, 192, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2], pixels[:16] = (200, 30, 30), (10, 10, 200), 255
    candidates, _ = candidates_for(["kmeans"], pixels, {})
    comparison = compare_codecs(pixels, candidates, match, target)
    two, three = (candidates[0].tried[Choice("", k)] for k in (2, 3))
    assert three.coded_bytes <= two.coded_bytes, "the picture does not show what it is for"
    assert comparison.results[0].setting == "k 3"
    assert comparison.elbow is not None
    assert comparison.elbow.squared_errors[-1] == 0


@pytest.mark.slow
def test_no_large_palette_is_fitted_for_a_small_target() -> None:
    pixels = picture((80, 96, 3))
    candidates, _ = candidates_for(["kmeans"], pixels, {})
    compare_codecs(pixels, candidates, "bytes", 1.0)
    colours = len(np.unique(pixels.reshape(-1, 3), axis=0))
    assert colours > 4096
    tried = sorted(choice.setting for choice in candidates[0].tried)
    assert tried[-1] == colours
    assert tried[-2] <= 256


@pytest.mark.parametrize(("match", "target"), [("bytes", 1.0), ("bytes", 6.0), later("psnr", 40.0)])
@pytest.mark.parametrize(
    "kind", ["grey", later("posterised"), "constant", "three colours", later("deep")]
)
def test_nothing_is_shown_that_another_setting_beats(
    kind: str, match: Match, target: float
) -> None:
    pixels = {
        "grey": picture((40, 48)),
        "posterised": picture((24, 40, 3)) & 0xE0,
        "constant": np.full((48, 64, 3), (10, 200, 30), np.uint8),
        "three colours": few_colours(3),
        "deep": picture((20, 16, 3), np.uint16),
    }[kind]
    candidates, _ = candidates_for(EVERY, pixels, {})
    comparison = compare_codecs(pixels, candidates, match, target)
    assert len(comparison.results) == len(candidates)
    for each, row in zip(candidates, comparison.results, strict=True):
        for other in each.tried.values():
            more, fewer = other.psnr_db > row.psnr_db, other.coded_bytes < row.coded_bytes
            no_worse = other.psnr_db >= row.psnr_db and other.coded_bytes <= row.coded_bytes
            assert not (no_worse and (more or fewer)), (row.codec, row.setting, other.setting)


def test_a_constant_picture_is_not_shown_at_the_worst_of_equal_files() -> None:
    pixels = np.full((48, 64, 3), (10, 200, 30), np.uint8)
    candidates, _ = candidates_for(["jpeg"], pixels, {})
    row = compare_codecs(pixels, candidates, "bytes", 1.0).results[0]
    assert row.psnr_db > 40
    assert row.coded_bytes < 310


def coded(coded_bytes: int, db: float) -> Measurement:
    return Measurement("x", "", coded_bytes, db, None, 0.0, 0.0)


def test_of_equal_results_the_setting_that_promises_least_is_shown() -> None:
    tried = {Choice("", k): coded(100, 30.0) for k in (9, 5, 7)}
    assert choose(tried, "bytes", lambda c: c.coded_bytes - 300) == Choice("", 5)
    assert choose(tried, "psnr", lambda c: c.psnr_db - 20) == Choice("", 5)


def test_matched_bytes_are_those_of_the_nearest_at_most() -> None:
    tried = {
        Choice("", 1): coded(100, 30.0), Choice("", 2): coded(95, 33.0),
        Choice("", 3): coded(120, 40.0),
    }  # fmt: skip
    assert choose(tried, "bytes", lambda c: c.coded_bytes - 101) == Choice("", 2)
    assert choose(tried, "psnr", lambda c: c.psnr_db - 30) == Choice("", 2)
    assert choose(tried, "psnr", lambda c: c.psnr_db - 41) == Choice("", 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_targets_above_what_half_size_chroma_reaches_take_it_whole(
    tmp_path: Path, dtype: type
) -> None:
    path = tmp_path / "colour.tiff"
    # Each channel of its own: chroma that no half size can hold.
    write_image(path, picture((64, 96, 3), dtype))
    names = "svd-patch" if dtype is np.uint16 else "svd-patch,jpeg,webp"
    output, found = table_of(path, "--codecs", names, "--match", "psnr", "--target", "44")
    for row in found["results"][:2]:
        assert row["at"].endswith(" 4:4:4")
        assert row["psnr_db"] == pytest.approx(44, abs=0.5)
    half = next(curve for curve in found["curves"] if curve["label"] == "svd-patch")
    assert max(point["psnr_db"] for point in half["points"]) < 43
    if dtype is np.uint8:
        assert "note: webp always halves chroma" in output


def test_half_size_chroma_is_shown_where_it_is_better() -> None:
    # Chroma that changes slowly, below grey texture.
    coarse = np.random.default_rng(5).integers(96, 160, (4, 6, 3)).astype(np.uint8)
    tint = cv2.resize(coarse, (192, 128), interpolation=cv2.INTER_CUBIC).astype(int)
    texture = picture((128, 192))[:, :, np.newaxis].astype(int) - 128
    pixels = np.clip(tint + texture, 0, 255).astype(np.uint8)
    candidates, _ = candidates_for(["jpeg"], pixels, {})
    comparison = compare_codecs(pixels, candidates, "bytes", 0.5)
    assert comparison.results[0].setting.endswith(" 4:2:0")
    assert {choice.chroma for choice in candidates[0].tried} == {"4:2:0", "4:4:4"}


def test_grey_pictures_have_no_choice_of_chroma(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    write_image(path, picture((48, 64)))
    output, found = table_of(path, "--codecs", "svd-patch,jpeg")
    assert "4:2:0" not in output
    assert [curve["label"] for curve in found["curves"]] == ["svd-patch", "jpeg"]


def test_what_a_packet_kept_is_told_where_the_knob_says_more(tmp_path: Path) -> None:
    path = tmp_path / "black.png"
    write_image(path, np.zeros((48, 64, 3), np.uint8))
    _, found = table_of(path, "--codecs", "svd,pca,kmeans")
    assert [row["at"] for row in found["results"]] == [
        "rank 1 (kept 0)", "n 1 (kept 0)", "k 1",
    ]  # fmt: skip
    names = ("svd", "pca", "svd-patch")
    rank, components, quality = (CODECS_BY_NAME[name].sweeps[0] for name in names)
    assert setting_text(rank, 9, kept=(9, 9, 9)) == "rank 9"
    assert setting_text(components, 9, kept=(0, 9, 3)) == "n 9 (kept 0/9/3)"
    assert setting_text(rank, 9, kept=tuple(range(9))) == "rank 9 (kept 0 to 8)"
    assert setting_text(quality, 75, "4:4:4", kept=(8, 8, 8)) == "q 75 4:4:4"


def test_ssim_is_measured_of_what_is_shown_and_of_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []

    def counted(a: Pixels, b: Pixels) -> float:
        calls.append(b)
        return ssim(a, b)

    monkeypatch.setattr(candidate, "ssim", counted)
    pixels = picture((40, 48, 3))
    candidates, _ = candidates_for(EVERY, pixels, {})
    comparison = compare_codecs(pixels, candidates, "bytes", 2.0)
    assert len(calls) == len(comparison.results) == len(EVERY)
    for row in comparison.results:
        assert row.pixels is not None
        assert row.ssim == ssim(pixels, row.pixels)
        assert row.psnr_db == psnr_db(pixels, row.pixels)
