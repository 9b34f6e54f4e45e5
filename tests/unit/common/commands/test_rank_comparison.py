"""`compare`: the table, the gallery, the plot, and what they say of odd pictures."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.commands.codec_choice import choose_codec
from rankcast.commands.compare import gallery, rank_comparison
from rankcast.commands.compare.article_count import article_count
from rankcast.commands.compare.command import parse_ranks
from rankcast.commands.compare.gallery import Panel, draw_gallery
from rankcast.commands.compare.measurement import Measurement
from rankcast.commands.compare.rank_comparison import RankGroup
from rankcast.commands.compare.rank_plot import draw_rank_plot
from rankcast.commands.compare.rank_report import article_line
from rankcast.commands.compare.reference_format import FORMATS, JPEG, WEBP, Reference, refusal
from rankcast.errors import ImageFileError, RankcastError, SettingsError
from rankcast.images import read_image, write_image
from support.comparing import invoke, picture, refused, table_of
from support.later import later


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    write_image(path, picture((48, 64, 3)))
    return path


def test_compare_writes_gallery_plot_and_table(image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    result = invoke(image, "--ranks", "24,8,2", "--out", folder)
    assert result.exit_code == 0, repr(result.exception)
    assert sorted(path.name for path in folder.iterdir()) == [
        "scene-gallery.png", "scene-plot.png",
    ]  # fmt: skip
    sheet = read_image(folder / "scene-gallery.png")
    assert sheet.shape[0] > 300
    assert sheet.shape[1] > 600
    assert float(sheet.std()) > 10, "the sheet is blank"
    assert all(f"rank {k}" in result.output for k in (24, 8, 2))
    assert result.output.count("jpeg") == 3
    assert result.output.count("webp") == 3


def test_more_rank_means_more_bytes_quality_and_energy(image: Path) -> None:
    _, document = table_of(image, "--ranks", "2,24,8")
    rows = document["ranks"]
    assert [row["rank"] for row in rows] == [24, 8, 2]
    for better, worse in itertools.pairwise(rows):
        for key in ("bytes", "psnr_db", "ssim", "energy"):
            assert better[key] > worse[key], key


def test_json_and_table_agree_and_ratios_are_those_of_the_bytes(image: Path) -> None:
    output, document = table_of(image, "--ranks", "8")
    row = document["ranks"][0]
    assert document["raw_bytes"] == 48 * 64 * 3
    assert row["ratio"] == pytest.approx(document["raw_bytes"] / row["bytes"])
    assert row["bits_per_pixel"] == pytest.approx(8 * row["bytes"] / (48 * 64))
    assert f"{row['bytes']:,}" in output
    assert f"{row['psnr_db']:.2f}" in output
    assert f"{row['ssim']:.4f}" in output


def test_the_article_line_puts_its_count_beside_the_true_bytes() -> None:
    pixels = np.zeros((512, 512, 3), np.uint8)
    coded = Measurement("svd", "rank 51", 78_643, 30.126, None, 1.0, 1.0, rank=51)
    line = article_line(pixels, RankGroup(coded, article_count(512, 512, 3, 51), ()))
    assert "k = 0.1 (51 singular values)" in line
    assert "6,291,456 -> 1,254,600 bytes of float64, 5.01 : 1" in line
    assert "786,432 -> 78,643, 10.00 : 1, PSNR 30.13 dB" in line


def test_the_tenth_of_the_article_is_coded_beside_the_ranks_asked_for(image: Path) -> None:
    output, document = table_of(image, "--ranks", "20")
    article = document["article"]
    assert article["rank"] == 4
    assert article["article_compressed_bytes"] == 3 * 8 * (48 * 4 + 4 + 4 * 64)
    assert 0 < article["bytes"] < article["article_compressed_bytes"]
    assert f"-> {article['bytes']:,}" in " ".join(output.split())


@pytest.mark.slow
def test_a_grey_run_has_one_channel_and_names_its_files_so(image: Path, tmp_path: Path) -> None:
    result = invoke(image, "--grey", "--ranks", "4", "--out", tmp_path)
    assert result.exit_code == 0, repr(result.exception)
    assert "grey" in result.output
    assert (tmp_path / "scene-grey-gallery.png").exists()
    assert (tmp_path / "scene-grey-plot.png").exists()


def test_16_bit_pictures_are_compared_and_the_missing_references_named(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    write_image(path, picture((40, 30), np.uint16))
    output, document = table_of(path, "--ranks", "20,5")
    assert document["dtype"] == "uint16"
    assert document["ranks"][0]["matched_bytes"] == []
    assert "JPEG supports only 8 bits per sample: left out" in output
    assert "WebP supports only 8 bits per sample: left out" in output


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 1), np.uint16), later((1, 1, 3), np.uint8), later((2, 3, 3), np.uint8),
     later((1, 40), np.uint8), later((40, 1, 3), np.uint16)],
)  # fmt: skip
def test_tiny_pictures_are_drawn_too(tmp_path: Path, shape: tuple[int, ...], dtype: type) -> None:
    path = tmp_path / "tiny.png"
    write_image(path, picture(shape, dtype))
    result = invoke(path, "--out", tmp_path)
    assert result.exit_code == 0, repr(result.exception)
    assert "above the" in result.output


@pytest.mark.parametrize("colour", [(0, 0, 0), later((255, 255, 255)), later((0, 0, 200))])
def test_constant_pictures_are_drawn_too_and_their_few_singular_values_named(
    tmp_path: Path, colour: tuple[int, int, int]
) -> None:
    path = tmp_path / "flat.png"
    write_image(path, np.full((20, 30, 3), colour, np.uint8))
    result = invoke(path, "--ranks", "10,1", "--out", tmp_path)
    assert result.exit_code == 0, repr(result.exception)
    assert "fewer singular values kept than requested: rank 10" in result.output


@pytest.mark.slow
def test_a_picture_of_five_channels_shows_its_first_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "five.tiff"
    write_image(path, picture((20, 30, 5)))
    result = invoke(path, "--ranks", "10,2", "--out", tmp_path)
    assert result.exit_code == 0, repr(result.exception)
    assert "first channel shown" in result.output
    assert "JPEG supports only 1 or 3 channels: left out" in result.output


@pytest.mark.parametrize(
    ("wanted", "want", "words"),
    [
        ([4, 2], [4, 2], []),
        ([2, 4, 4], [4, 2], []),
        ([500, 100, 4], [10, 4], ["ranks 500, 100", "full rank 10"]),
        ([500], [10], ["rank 500 "]),
        ([11, 10], [10], ["rank 11 "]),
    ],
)
def test_ranks_above_the_picture_become_its_full_rank_with_a_note(
    wanted: Sequence[int], want: list[int], words: list[str]
) -> None:
    ranks, notes = rank_comparison.usable_ranks(wanted, 10)
    assert ranks == want
    assert len(notes) == bool(words)
    assert all(word in notes[0] for word in words)


@pytest.mark.parametrize("text", ["", ",", "0", "-3", "1.5", "ten", "5,x", "٣", "9" * 12])
def test_ranks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="rank"):
        parse_ranks(text)


def test_more_ranks_than_a_sheet_holds_are_refused() -> None:
    with pytest.raises(SettingsError, match="1 to 24"):
        parse_ranks(",".join(map(str, range(1, 26))))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--codec", "jpeg"], "no option 'rank'"),
        (["--codec", "nope"], "nope"),
        (["--set", "codec.rank=3"], "--ranks"),
        (["--set", "codec.energy=0.9"], "--ranks"),
        (["--set", "codec.nope=3"], "nope"),
        (["--ranks", "a"], "--ranks"),
    ],
)
def test_wrong_usage_is_refused_before_the_picture_is_read(
    tmp_path: Path, arguments: list[str], word: str
) -> None:
    error = refused(tmp_path / "missing.png", *arguments)
    assert isinstance(error, SettingsError)
    assert word in str(error)


def test_what_is_no_picture_is_one_line_and_makes_no_folder(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    assert isinstance(refused(text, "--out", tmp_path / "out"), ImageFileError)
    assert not (tmp_path / "out").exists()


def test_without_matplotlib_the_hint_comes_first_and_the_table_is_still_to_be_had(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def no_matplotlib(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    error = refused(image, "--out", tmp_path / "out")
    assert "rankcast[plots]" in str(error)
    assert not (tmp_path / "out").exists()
    assert invoke(image, "--ranks", "2", "--no-pictures").exit_code == 0


def test_the_progress_bar_ends_full(image: Path) -> None:
    pixels = read_image(image)
    choice = choose_codec(None, [])
    steps: list[int] = []
    rank_comparison.compare_ranks(pixels, choice, [8, 2], advance=lambda: steps.append(1))
    assert len(steps) == rank_comparison.step_count([8, 2], pixels, choice)


def test_the_curves_are_coded_and_float32_factors_and_both_references(image: Path) -> None:
    choice = choose_codec(None, [])
    result = rank_comparison.compare_ranks(read_image(image), choice, [8, 2])
    assert [curve.label for curve in result.curves] == [
        "svd, coded factors", "svd, float32 factors", "JPEG", "WebP",
    ]  # fmt: skip
    for curve in result.curves:
        sizes = [point.coded_bytes for point in curve.points]
        assert sizes == sorted(sizes)
    other = rank_comparison.compare_ranks(
        read_image(image), choose_codec(None, ["codec.factors=float32"]), [8]
    )
    assert [curve.label for curve in other.curves[:2]] == [
        "svd, float32 factors", "svd, coded factors",
    ]  # fmt: skip


def test_spectra_hold_all_the_energy_of_each_channel() -> None:
    pixels = picture((20, 30, 3))
    result = rank_comparison.compare_ranks(pixels, choose_codec(None, []), [2])
    energies = [float((values**2).sum()) for values in result.spectra]
    want = (pixels.astype(np.float64) ** 2).sum(axis=(0, 1))
    assert energies == pytest.approx(list(want), rel=1e-12)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_bisection_finds_the_file_nearest_in_size(kind: Any) -> None:
    reference = Reference(kind, picture((64, 80, 3)))
    sizes = [len(reference.at_quality(quality).data) for quality in range(1, 101)]
    for want in (0, sizes[0], sizes[30] + 1, (sizes[60] + sizes[61]) // 2, 10 * sizes[-1]):
        found = len(Reference(kind, picture((64, 80, 3))).nearest(want).data)
        best = min(abs(size - want) for size in sizes)
        # Sizes do not quite grow with quality: a step of it beside the best is allowed.
        assert abs(found - want) <= best + 0.05 * want


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3)])
@pytest.mark.parametrize("kind", [JPEG, WEBP], ids=lambda kind: kind.name)
def test_reference_files_come_back_in_the_shape_of_the_picture(
    kind: Any, shape: tuple[int, ...]
) -> None:
    reference = Reference(kind, picture(shape))
    decoded, _ = reference.decode(reference.at_quality(95))
    assert decoded.shape == shape
    assert float(np.abs(decoded.astype(int) - reference.pixels).mean()) < 8


def test_a_picture_wider_than_a_webp_is_left_out() -> None:
    assert (
        refusal(WEBP, np.zeros((2, 16_384), np.uint8)) == "supports at most 16383 pixels per side"
    )
    assert refusal(JPEG, np.zeros((2, 16_384), np.uint8)) is None


def test_gallery_shows_every_panel_at_its_place_in_its_own_colours(tmp_path: Path) -> None:
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 255, 255)]
    panels = [
        Panel(np.full((427, 640, 3), colour, np.uint8), f"rank {number}", ("a", "b"))
        for number, colour in enumerate(colours)
    ]
    path = tmp_path / "sheet.png"
    draw_gallery(path, "$title$ with _dollars_", "subtitle", panels)
    sheet = read_image(path)
    for colour in colours:
        share = np.mean(np.all(sheet == np.array(colour), axis=2))
        assert share * sheet.shape[0] * sheet.shape[1] == pytest.approx(427 * 640, rel=0.02)


def test_gallery_stretches_16_bits_by_the_range_of_the_original(tmp_path: Path) -> None:
    ramp = np.linspace(1000, 1400, 120 * 160).reshape(120, 160).astype(np.uint16)
    path = tmp_path / "sheet.png"
    draw_gallery(path, "t", "s", [Panel(ramp, "original", ("a", "b"))])
    sheet = read_image(path)
    assert sheet.min() < 10
    assert len(np.unique(sheet)) > 200


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (2, 3), (480, 640), (768, 512), (3000, 4000), (1, 8192), (8192, 1)],
)
def test_a_panel_of_any_picture_has_a_sensible_size(height: int, width: int) -> None:
    shown_width, shown_height = gallery._picture_size(height, width)
    assert 8 <= shown_height <= 900
    assert 8 <= shown_width <= 900
    assert shown_width * shown_height <= 1.01 * gallery.PANEL_AREA


@pytest.mark.slow
def test_a_plot_that_cannot_be_written_leaves_nothing(image: Path, tmp_path: Path) -> None:
    result = rank_comparison.compare_ranks(read_image(image), choose_codec(None, []), [2])
    folder = tmp_path / "plot.png"
    folder.mkdir()
    with pytest.raises(RankcastError, match=r"plot\.png: cannot be written"):
        draw_rank_plot(folder, "title", result)
    assert sorted(tmp_path.iterdir()) == sorted([image, folder])
