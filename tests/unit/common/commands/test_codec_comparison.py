"""`compare --codecs`: matching, table, plots, the HTML page, and what is refused."""

from __future__ import annotations

import itertools
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from rankcast.commands.compare.candidate import Choice, png_size
from rankcast.commands.compare.candidate_choice import NAMES, candidates_for, parse_codecs
from rankcast.commands.compare.codec_comparison import compare_codecs, step_count
from rankcast.commands.compare.html_page import Figure, HtmlPage, HtmlTable, write_page
from rankcast.commands.compare.measurement import Measurement
from rankcast.errors import LimitError, SettingsError, UnsupportedImageError
from rankcast.images import read_image, write_image
from rankcast.numerics import squared_error
from support.comparing import invoke, picture, refused, table_of
from support.later import later

ALL = "svd,svd-patch,pca,pca-patches,kmeans,jpeg,webp,lossless"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    write_image(path, picture())
    return path


def test_every_method_is_in_table_sheet_plot_page_and_json(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    page, table = tmp_path / "page.html", tmp_path / "table.json"
    result = invoke(image, "--codecs", ALL, "--out", out, "--html", page, "--json", table)
    assert result.exit_code == 0, repr(result.exception)
    assert sorted(path.name for path in out.iterdir()) == [
        "scene-codecs-plot.png", "scene-codecs.png",
    ]  # fmt: skip
    for path in out.iterdir():
        assert float(read_image(path).std()) > 10, "the picture is blank"
    html = page.read_text()
    rows = json.loads(table.read_text())["results"]
    assert [row["codec"] for row in rows] == ALL.split(",")
    for row in rows:
        assert f"{row['bytes']:,}" in result.output
        assert f"{row['bytes']:,}" in html
    # The original, each method, and the plot.
    assert html.count("data:image/png;base64,") == 1 + len(rows) + 1
    assert "PNG (zlib level 9) before and after kmeans" in result.output
    assert "engine=exact" in result.output
    assert "a first frame" in result.output


def test_bytes_are_matched_as_near_as_each_method_comes(image: Path) -> None:
    _, found = table_of(image, "--codecs", "svd,kmeans,webp", "--target", "4")
    want = 4 * 48 * 64 / 8
    for row, curve in zip(found["results"], found["curves"], strict=True):
        nearest = min(curve["points"], key=lambda point: abs(np.log(point["bytes"] / want)))
        assert row["bytes"] <= nearest["bytes"]
        assert row["bytes"] == pytest.approx(want, rel=0.25)


@pytest.mark.slow
def test_psnr_is_matched_too(image: Path) -> None:
    _, found = table_of(
        image, "--codecs", "svd,kmeans,jpeg,webp", "--match", "psnr", "--target", "30"
    )
    assert (found["match"], found["target"]) == ("psnr", 30)
    for row in found["results"]:
        assert row["psnr_db"] == pytest.approx(30, abs=1.5)


def test_what_comes_nowhere_near_is_said_in_one_line(image: Path) -> None:
    output, found = table_of(image, "--codecs", "lossless,jpeg,svd", "--target", "0.01")
    assert "note: more bytes than the target, the fewest possible: lossless, jpeg at q 1" in output
    assert ", svd at rank 1" in " ".join(output.split())
    assert len(found["notes"]) == 1


def test_few_bytes_are_fewer_not_less(tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    write_image(path, np.full((48, 64, 3), (10, 200, 30), np.uint8))
    output, found = table_of(path, "--codecs", "kmeans,lossless")
    assert "fewer bytes than the target" in output
    assert "kmeans at k 1, lossless" in found["notes"][0]


def test_elbow_and_scree_are_those_of_the_picture(image: Path) -> None:
    _, found = table_of(image, "--codecs", "pca,kmeans")
    elbow = found["elbow"]
    assert elbow["k"] == sorted(elbow["k"])
    assert all(a > b for a, b in itertools.pairwise(elbow["within_cluster_squares"]))
    assert elbow["original_png_bytes"] == png_size(picture())
    assert elbow["png_bytes"][0] < elbow["original_png_bytes"]
    assert list(found["scree"]) == ["pca"]
    assert len(found["scree"]["pca"]) == 3
    for shares in found["scree"]["pca"]:
        assert sum(shares) == pytest.approx(1)
        assert shares == sorted(shares, reverse=True)
    _, without = table_of(image, "--codecs", "svd")
    assert without["elbow"] is None
    assert without["scree"] == {}


def test_the_scree_of_patches_is_that_of_patches(image: Path) -> None:
    _, found = table_of(image, "--codecs", "pca-patches,pca")
    patches, rows = (found["scree"][name] for name in ("pca-patches", "pca"))
    plane = picture()[:, :, 1].astype(np.float64)
    # Six by eight patches of 64 samples; 48 rows of 64.
    cut = plane.reshape(6, 8, 8, 8).swapaxes(1, 2).reshape(48, 64)
    for shares, matrix in ((patches[1], cut), (rows[1], plane)):
        variances = np.linalg.eigvalsh(np.corrcoef(matrix, rowvar=False))[::-1]
        want = (variances / variances.sum())[: len(shares)]
        assert np.allclose(shares, want, atol=1e-9)
    assert not np.allclose(patches[1][:8], rows[1][:8], atol=1e-3)


def test_the_elbow_is_measured_on_what_comes_back() -> None:
    pixels = picture()
    (candidate,), _ = candidates_for(["kmeans"], pixels, {})
    rebuilt = candidate.coders[""](10).pixels
    assert rebuilt is not None
    candidate.at(Choice("", 10))
    assert candidate.squared_errors[10] == squared_error(pixels, rebuilt)
    assert candidate.png_bytes[10] == png_size(rebuilt)
    assert candidate.tried[Choice("", 10)].pixels is None


def test_methods_that_cannot_code_the_picture_are_left_out_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    write_image(path, picture((40, 30), np.uint16))
    output, found = table_of(path, "--codecs", "svd,kmeans,jpeg,webp")
    assert [row["codec"] for row in found["results"]] == ["svd", "kmeans"]
    assert "jpeg  left out: JPEG supports only 8 bits per sample" in output
    assert [row["codec"] for row in found["left_out"]] == ["jpeg", "webp"]
    page = tmp_path / "page.html"
    assert invoke(path, "--no-pictures", "--codecs", "svd,jpeg", "--html", page).exit_code == 0
    assert (
        '<td class="word long" colspan="8">left out: JPEG supports only 8 bits' in page.read_text()
    )
    error = refused(path, "--codecs", "jpeg,webp")
    assert isinstance(error, UnsupportedImageError)
    assert "jpeg: JPEG supports only" in str(error)
    assert "webp: WebP supports only" in str(error)


def test_a_method_that_fails_on_its_way_leaves_the_others_be() -> None:
    pixels = picture((24, 32))
    candidates, _ = candidates_for(["jpeg", "svd"], pixels, {})
    real = candidates[0].coders[""]

    def failing(setting: float) -> Measurement:
        if setting > 50:
            raise LimitError("a packet of 9 bytes, the limit is 8")
        return real(setting)

    candidates[0].coders = {"": failing}
    steps: list[int] = []
    comparison = compare_codecs(pixels, candidates, "bytes", 1.0, advance=lambda: steps.append(1))
    assert [coded.codec for coded in comparison.results] == ["svd"]
    assert [(each.name, each.reason) for each in comparison.left_out] == [
        ("jpeg", "a packet of 9 bytes, the limit is 8")
    ]
    assert len(steps) == step_count(candidates)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [later((1, 1), np.uint16), ((1, 1, 3), np.uint8), later((2, 3, 3), np.uint8),
     later((1, 40), np.uint8), later((20, 30, 5), np.uint8)],
)  # fmt: skip
def test_tiny_and_odd_pictures_are_drawn_too(
    tmp_path: Path, shape: tuple[int, ...], dtype: type
) -> None:
    path = tmp_path / "tiny.tiff"
    write_image(path, picture(shape, dtype))
    result = invoke(path, "--codecs", ALL, "--out", tmp_path, "--html", tmp_path / "p.html")
    assert result.exit_code == 0, repr(result.exception)


@pytest.mark.parametrize("level", [0, later(255)])
def test_constant_pictures_are_drawn_too(tmp_path: Path, level: int) -> None:
    path = tmp_path / "flat.png"
    write_image(path, np.full((20, 30, 3), level, np.uint8))
    result = invoke(path, "--codecs", ALL, "--out", tmp_path)
    assert result.exit_code == 0, repr(result.exception)
    assert "exact" in result.output


def test_a_grey_run_names_its_files_so(image: Path, tmp_path: Path) -> None:
    result = invoke(image, "--grey", "--codecs", "svd,kmeans", "--out", tmp_path)
    assert result.exit_code == 0, repr(result.exception)
    assert "grey" in result.output
    assert (tmp_path / "scene-grey-codecs.png").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--codecs", "svd,nope"], "nope"),
        (["--codecs", ","], "no --codecs"),
        (["--codecs", "gan"], "--model"),
        (["--codecs", "svd", "--model", "a.rkm"], "--model"),
        (["--codecs", "svd", "--label", "belt"], "--label"),
        (["--codecs", "gan,svd", "--label", "belt"], "--label without --model"),
        (["--label", "belt"], "--label without"),
        (["--codecs", "svd", "--ranks", "5"], "--ranks together"),
        (["--codecs", "svd", "--codec", "svd"], "--codec together"),
        (["--codecs", "svd", "--set", "codec.rank=3"], "--set together"),
        (["--codecs", "svd", "--target", "0"], "--target"),
        (["--codecs", "svd", "--target", "nan"], "--target"),
        (["--match", "psnr"], "--match without"),
        (["--target", "3"], "--target without"),
    ],
)
def test_wrong_usage_is_refused(image: Path, arguments: list[str], word: str) -> None:
    error = refused(image, "--no-pictures", *arguments)
    assert isinstance(error, SettingsError)
    assert word in str(error)


def test_gan_without_a_model_is_left_out_and_the_others_be(image: Path) -> None:
    output, found = table_of(image, "--codecs", "svd,gan,jpeg")
    assert [row["codec"] for row in found["results"]] == ["svd", "jpeg"]
    assert "gan  left out: no model: name one with --model FILE.rkm" in output


def test_names_are_taken_once_and_in_order() -> None:
    assert parse_codecs(" kmeans, svd,kmeans ") == ["kmeans", "svd"]
    assert set(ALL.split(",")) | {"gan"} == set(NAMES)


def test_the_progress_bar_ends_full() -> None:
    pixels = picture((24, 32))
    candidates, _ = candidates_for(["svd", "pca", "kmeans", "jpeg", "lossless"], pixels, {})
    steps: list[int] = []
    want = step_count(candidates)
    compare_codecs(pixels, candidates, "bytes", 1.0, (), lambda: steps.append(1))
    assert len(steps) == want


@pytest.mark.slow
def test_the_run_over_ranks_has_a_page_too(image: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = invoke(image, "--ranks", "8,2", "--out", tmp_path, "--html", page)
    assert result.exit_code == 0, repr(result.exception)
    html = page.read_text()
    assert "rank 8" in html
    assert html.count("data:image/png;base64,") == 3 + 1


class _Resources(HTMLParser):
    """Everything that a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_loads_nothing_and_shows_hostile_names_as_text(tmp_path: Path) -> None:
    name = '<script>alert(1)</script>&".png'
    page = tmp_path / "page.html"
    write_page(
        page,
        HtmlPage(
            name, name, HtmlTable(("a", name), [(name, "1")]), [name],
            [Figure(b"png", name, (name,))], [b"plot"],
        ),
    )  # fmt: skip
    parser = _Resources()
    parser.feed(page.read_text())
    assert "script" not in parser.tags
    assert parser.found
    assert all(value.startswith("data:image/png;base64,") for value in parser.found)
    assert "default-src 'none'" in page.read_text()
