"""`compare CLIP`: table, plot, page and JSON, coders and their options, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.commands.compare.clips import NAMES, parse_coders
from rankcast.errors import SettingsError, SourceError, UnsupportedImageError
from rankcast.images import read_image, write_image
from rankcast.rate_distortion import PEERS
from support.clips import write_clip
from support.comparing import invoke, picture, refused, table_of


def textures(count: int, shape: tuple[int, ...] = (64, 96, 3), dtype: type = np.uint8) -> list[Any]:
    """A texture that moves by two pixels a frame."""
    return [np.roll(picture(shape, dtype), 2 * number, axis=1) for number in range(count)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "belt.mp4"
    write_clip(path, textures(6), "h264", pixel_format="yuv420p", options={"crf": "4"}, rate=25)
    return path


def folder_of(path: Path, frames: list[Any]) -> Path:
    path.mkdir()
    for number, frame in enumerate(frames):
        write_image(path / f"{number}.png", frame)
    return path


def test_a_clip_is_in_table_plot_page_and_json(clip: Path, tmp_path: Path) -> None:
    out, page, table = tmp_path / "made", tmp_path / "page.html", tmp_path / "table.json"
    names = ["svd-patch", "svd-patch:effort=fast", "h264", "mjpeg", "lossless"]
    result = invoke(
        clip, "--codecs", ",".join(names), "--out", out, "--html", page, "--json", table
    )
    assert result.exit_code == 0, repr(result.exception)
    assert [path.name for path in out.iterdir()] == ["belt-clip-plot.png"]
    assert float(read_image(out / "belt-clip-plot.png").std()) > 10, "the plot is blank"
    document = json.loads(table.read_text())
    assert document["frames"] == 6
    assert document["fps"] == 25
    assert document["base"] == "svd-patch"
    assert [row["codec"] for row in document["results"]] == names
    html = page.read_text()
    for row in document["results"]:
        assert row["codec"] in result.output
        assert row["codec"] in html
        assert all(trial["delay_frames"] == 0 for trial in row["trials"])
    assert html.count("data:image/png;base64,") == 1
    assert "x264 veryfast, zero latency" in result.output


def test_bytes_are_compared_at_equal_psnr_and_ssim_with_the_base(clip: Path) -> None:
    names = "h264,h264-ultrafast,lossless"
    _, found = table_of(clip, "--codecs", names, "--base", "h264-ultrafast")
    rows = {row["codec"]: row for row in found["results"]}
    assert found["base"] == "h264-ultrafast"
    assert rows["h264-ultrafast"]["equal_psnr"]["ratio"] == pytest.approx(1)
    assert rows["h264"]["equal_psnr"]["ratio"] != pytest.approx(1, abs=1e-3)
    # Both ways round, one ratio is the inverse of the other.
    _, back = table_of(clip, "--codecs", names)
    other = {row["codec"]: row for row in back["results"]}
    for measure in ("equal_psnr", "equal_ssim"):
        product = rows["h264"][measure]["ratio"] * other["h264-ultrafast"][measure]["ratio"]
        assert product == pytest.approx(1)
    exact = rows["lossless"]
    assert exact["equal_psnr"] is None
    assert [trial["lossless"] for trial in exact["trials"]] == [True]


def test_settings_run_from_few_bytes_to_many(clip: Path) -> None:
    _, found = table_of(clip, "--codecs", "svd-patch,h264,mjpeg,svd")
    for row in found["results"]:
        sizes = [trial["bytes"] for trial in row["trials"]]
        assert len(sizes) >= 4
        assert sizes == sorted(sizes)
        assert row["shown_at"] in [trial["at"] for trial in row["trials"]]


def test_only_the_seconds_asked_for_are_coded(clip: Path) -> None:
    _, found = table_of(clip, "--codecs", "mjpeg", "--seconds", "0.16")
    assert found["frames"] == 4


def test_a_folder_of_grey_pictures_is_a_clip(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", textures(3, (64, 96)))
    _, found = table_of(folder, "--codecs", "svd-patch,h264")
    assert found["shape"] == [64, 96]
    assert found["fps"] == 20
    assert len(found["results"]) == 2


def test_peers_that_cannot_code_a_depth_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", textures(3, (64, 96), np.uint16))
    output, found = table_of(folder, "--codecs", "lossless,svd-patch,h264,mjpeg")
    assert [row["codec"] for row in found["results"]] == ["lossless", "svd-patch"]
    assert {each["codec"] for each in found["left_out"]} == {"h264", "mjpeg"}
    assert "mjpeg  left out: JPEG takes 8 bits a sample; this clip has 16" in output
    assert "PSNR and SSIM on the scale of 16 bits" in output


def test_a_missing_encoder_is_named_and_the_others_go_on(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(PEERS["h265"].encoder), "missing", lambda self: (
        "PyAV 99 has no libx265" if self.encoder == "libx265" else None))  # fmt: skip
    output, found = table_of(clip, "--codecs", "h265,h264")
    assert [row["codec"] for row in found["results"]] == ["h264"]
    assert found["base"] == "h264"
    assert "h265  left out: PyAV 99 has no libx265" in output


def test_a_comparison_without_any_coder_fails_with_all_reasons(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", textures(3, (64, 96), np.uint16))
    error = refused(folder, "--no-pictures", "--codecs", "h264,mjpeg")
    assert isinstance(error, UnsupportedImageError)
    assert "h264: " in str(error)
    assert "mjpeg: " in str(error)
    error = refused(folder, "--no-pictures", "--codecs", "lossless,mjpeg", "--base", "mjpeg")
    assert "--base mjpeg, which cannot code the clip" in str(error)


def test_cropping_is_noted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "frames", textures(3, (65, 97)))
    output, _ = table_of(folder, "--codecs", "mjpeg,lossless")
    assert "cropped to 96 x 64" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--codecs", "webp"), "want for a clip some of"),
        (("--codecs", ","), "got no --codecs"),
        (("--codecs", "h264:preset=slow"), "the options of h264 are fixed"),
        (("--codecs", "svd-patch:best"), "want NAME:OPTION=VALUE"),
        (("--codecs", "svd-patch:effort=most"), "effort = 'most'"),
        (("--codecs", "svd-patch:speed=1"), "no option 'speed'"),
        (("--codecs", "svd-patch:step=4"), "compare varies the quality itself"),
        (("--base", "mjpeg", "--codecs", "h264"), "want one of the codecs: h264"),
        (("--seconds", "0"), "want more than 0"),
        (("--seconds", "nan"), "want more than 0"),
        (("--match", "psnr"), "got --match with a clip"),
        (("--ranks", "5"), "got --ranks with a clip"),
        (("--set", "codec.rank=5"), "got --set with a clip"),
    ],
)
def test_wrong_options_of_a_clip_are_refused_in_one_line(
    clip: Path, arguments: tuple[str, ...], message: str
) -> None:
    error = refused(clip, "--no-pictures", *arguments)
    assert isinstance(error, SettingsError)
    assert message in str(error)


def test_options_of_clips_are_refused_with_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    write_image(path, picture())
    for option, value in (("--seconds", "3"), ("--base", "jpeg")):
        error = refused(path, "--no-pictures", option, value)
        assert f"got {option} with a picture" in str(error)


def test_a_damaged_clip_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"\0" * 4096)
    assert isinstance(refused(path, "--no-pictures"), SourceError)


def test_every_name_can_be_parsed_and_repeated_ones_count_once() -> None:
    assert [coder.name for coder in parse_coders(",".join((*NAMES, *NAMES)))] == list(NAMES)
    assert parse_coders("svd-patch:effort=best:colour=ycc444")[0].options == {
        "effort": "best",
        "colour": "ycc444",
    }
