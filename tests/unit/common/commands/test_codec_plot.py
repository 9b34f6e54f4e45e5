"""The axes of the plots: words that can be read, and none where data may lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots need matplotlib: pip install 'rankcast[plots]'")

from matplotlib.figure import Figure

from rankcast.commands.compare import codec_plot
from rankcast.commands.compare.candidate_choice import candidates_for
from rankcast.commands.compare.codec_comparison import Elbow, Match, Scree, compare_codecs
from rankcast.commands.plotting import number_text
from support.comparing import picture


def drawn(draw: Any, *arguments: Any) -> Any:
    figure = Figure(figsize=(15, 8))
    axes = figure.add_subplot()
    draw(axes, *arguments)
    figure.draw_without_rendering()
    return axes


def tick_texts(axis: Any) -> list[str]:
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    return [label.get_text() for place, label in ticks if low <= place <= high]


@pytest.mark.parametrize(("match", "target"), [("bytes", 1.0), ("psnr", 35.0)])
def test_no_word_lies_where_a_curve_may(match: Match, target: float) -> None:
    pixels = picture((32, 48, 3)) & 0xF0
    names = ["svd", "svd-patch", "pca", "kmeans", "jpeg", "webp", "lossless"]
    candidates, _ = candidates_for(names, pixels, {})
    comparison = compare_codecs(pixels, candidates, match, target)
    axes = drawn(codec_plot._draw_quality, comparison)
    assert not axes.texts
    legend = axes.get_legend()
    words = [text.get_text() for text in legend.get_texts()]
    assert {*names, "svd-patch 4:4:4", "jpeg 4:4:4", "raw samples"} < set(words)
    assert any(word.startswith(f"target {target:g} ") for word in words)
    box = legend.get_window_extent()
    assert box.y0 >= axes.get_window_extent().y1
    titles = [axes.title, axes._left_title]
    title = next(each for each in titles if each.get_text() == "Quality against bytes")
    assert title.get_window_extent().y0 >= box.y1 - 6  # the frame of the legend is empty there


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.05, "0.05"), (20_000, "20,000"), (5e8, "5·10⁸"), (1e-8, "10⁻⁸"), (1e6, "10⁶"),
     (0.002, "0.002"), (1.5e12, "1.5·10¹²")],
)  # fmt: skip
def test_numbers_are_written_for_readers(value: float, text: str) -> None:
    assert number_text(value) == text


def test_the_elbow_is_logarithmic_and_leaves_out_what_is_exact() -> None:
    elbow = Elbow("kmeans", 20, (2, 20, 256, 333), (4e12, 3e11, 2e10, 0.0), (10, 20, 30, 40), 50)
    axes = drawn(codec_plot._draw_elbow, elbow, np.zeros((10, 10), np.uint16))
    assert axes.get_yscale() == "log"
    assert len(axes.lines[0].get_xdata()) == 3
    assert "nothing is left at 333" in axes.get_xlabel()
    texts = tick_texts(axes.yaxis)
    assert texts == ["10⁹", "10¹⁰"]


def test_an_elbow_without_any_error_says_so() -> None:
    axes = drawn(
        codec_plot._draw_elbow,
        Elbow("kmeans", 1, (1,), (0.0,), (9,), 9),
        np.zeros((4, 4), np.uint8),
    )
    assert axes.texts[0].get_text() == "Nothing is left at k = 1."


def test_small_shares_of_variance_can_be_read() -> None:
    shares = 10.0 ** -np.arange(0, 12, 0.5)
    axes = drawn(codec_plot._draw_scree, Scree("pca", "rows", (shares / shares.sum(),), 0.98))
    texts = tick_texts(axes.yaxis)
    assert "10⁻⁸ %" in texts
    assert not any("e-" in text for text in texts)
