"""`train pca`: pictures and clips to a model file that streams can use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import rankcast
from rankcast.commands.train import pca as module
from rankcast.commands.train import train
from rankcast.commands.train.pca import parse_size, read_pictures
from rankcast.errors import RankcastError, SettingsError, SourceError
from rankcast.frame import Pixels
from rankcast.images import write_image
from rankcast.numerics import psnr_db


def pictures(count: int = 12, shape: tuple[int, ...] = (20, 24, 3)) -> list[Pixels]:
    """A bright bar that moves over a gradient."""
    found = []
    for number in range(count):
        picture = np.zeros(shape, np.uint8)
        picture[:] = (
            np.linspace(20, 120, shape[1]).astype(np.uint8).reshape(1, -1, *[1] * (len(shape) - 2))
        )
        picture[:, number : number + 4] += 90
        found.append(picture)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "clip"
    path.mkdir()
    for number, picture in enumerate(pictures()):
        write_image(path / f"{number:03}.png", picture)
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(train, ["pca", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_folder_becomes_a_model_that_codes_its_frames(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.rkm"
    said = run("--data", folder, "--out", out)
    assert "11 of 11 components of 12 pictures of shape (20, 24, 3)" in said
    assert "90 % in" in said
    encoder = rankcast.Encoder("pca", layout="frames", model=str(out), components=11)
    for picture in pictures()[:3]:
        packet = encoder.encode(picture)
        assert psnr_db(picture, rankcast.Decoder().decode(packet)) > 40


def test_pictures_are_scaled_and_turned_grey(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.rkm"
    assert "shape (6, 8)" in run(
        "--data", folder, "--out", out, "--grey", "--size", "8x6", "--components", "3"
    )
    model = str(out)
    assert rankcast.Encoder("pca", layout="frames", model=model, components=3).encode(
        np.zeros((6, 8), np.uint8)
    )


@pytest.mark.slow
def test_a_clip_is_read_too(data: Path) -> None:
    clip = data / "video" / "bottle-detection.mp4"
    found = read_pictures([clip], grey=True, size=(28, 28))
    assert len(found) > 500
    assert found[0].shape == (28, 28)


def test_too_many_pictures_are_thinned_out_evenly(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PICTURES", 5)
    found = read_pictures([folder], grey=False, size=None)
    want = pictures()[::4]
    assert len(found) == len(want)
    assert all(np.array_equal(a, b) for a, b in zip(found, want, strict=True))


@pytest.mark.parametrize("text", ["28", "0x5", "5x0", "axb", "5x5x5", "-1x5", "٣x٣", "999999x1"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--size"):
        parse_size(text)


def test_what_cannot_be_learnt_from_is_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.rkm"
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for path, word in (
        (empty, "at least 2"), (tmp_path / "missing", "not an image"),
        (text, "not a video file"), (folder / "000.png", "at least 2"),
    ):  # fmt: skip
        with pytest.raises(SourceError, match=word) as error:
            run("--data", path, "--out", out)
        assert "\n" not in str(error.value)
    same = tmp_path / "same"
    same.mkdir()
    for number in range(3):
        write_image(same / f"{number}.png", np.full((4, 5), 9, np.uint8))
    with pytest.raises(SourceError, match="3 identical pictures"):
        run("--data", same, "--out", out)
    write_image(folder / "zzz.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(SourceError, match="as of the first picture: use --size"):
        run("--data", folder, "--out", out)
    monkeypatch.setattr(module, "MAX_VARIABLES", 100)
    with pytest.raises(SourceError, match="--size"):
        run("--data", folder, "--out", out)
    assert not out.exists()


def test_the_place_of_the_model_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.rkm"):
        run("--data", tmp_path / "missing", "--out", tmp_path / "m.bin")
    with pytest.raises(RankcastError, match="nowhere"):
        run("--data", tmp_path / "missing", "--out", tmp_path / "nowhere" / "m.rkm")
