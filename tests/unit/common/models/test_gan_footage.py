"""Footage that codec `gan` learns from: backgrounds, labels and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

from rankcast.errors import SettingsError, SourceError
from rankcast.images import write_image
from rankcast.models.gan.footage import Footage, read_footage
from support.gan_camera import HEIGHT, WIDTH, clip


def test_a_camera_gets_a_background_and_a_mixed_bag_does_not() -> None:
    background = Footage("belt", clip(20)).background()
    assert background is not None
    assert background.shape == (3, HEIGHT, WIDTH)
    rng = np.random.default_rng(2)
    noise = [rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(20)]
    assert Footage("noise", noise).background() is None
    assert Footage("few", clip(4)).background() is None
    assert Footage("sizes", [*clip(9), np.zeros((8, 8, 3), np.uint8)]).background() is None


def test_footage_is_thinned_out_evenly_to_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, frame in enumerate(clip(20)):
        write_image(tmp_path / f"{number:02d}.png", frame)
    (everything,) = read_footage([tmp_path], ["cam"])
    assert (everything.label, len(everything.frames)) == ("cam", 20)
    monkeypatch.setattr("rankcast.models.gan.footage.MAX_BYTES", 8 * everything.frames[0].nbytes)
    (thinned,) = read_footage([tmp_path], [])
    assert 4 <= len(thinned.frames) <= 8
    assert (everything.found, thinned.found) == (20, 20)
    assert np.array_equal(thinned.frames[1], everything.frames[20 // len(thinned.frames) // 2 * 2])


def write_clip(folder: Path, count: int = 2) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(clip(count)):
        write_image(folder / f"{number:02d}.png", frame)
    return folder


def test_paths_of_one_name_need_labels_that_say_whether_they_are_one_camera(
    tmp_path: Path,
) -> None:
    paths = [write_clip(tmp_path / "a" / "cam"), write_clip(tmp_path / "b" / "cam", 3)]
    with pytest.raises(SettingsError, match="2 paths named 'cam': give --label NAME"):
        read_footage(paths, [])
    (one,) = read_footage(paths, ["belt", "belt"])
    assert (one.label, len(one.frames), one.found) == ("belt", 5, 5)
    assert [two.label for two in read_footage(paths, ["belt", "door"])] == ["belt", "door"]


def test_the_whole_name_of_a_folder_is_its_label(tmp_path: Path) -> None:
    paths = [write_clip(tmp_path / "cam.1"), write_clip(tmp_path / "cam.2")]
    assert [one.label for one in read_footage(paths, [])] == ["cam.1", "cam.2"]


def test_a_missing_path_is_reported_before_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankcast.models.gan.footage.read_image", None)  # a call would fail
    with pytest.raises(SourceError, match=r"none\.mp4: not an image, a video or a folder"):
        read_footage([write_clip(tmp_path / "cam"), tmp_path / "none.mp4"], [])


def test_the_end_of_each_clip_is_held_out(tmp_path: Path) -> None:
    paths = [write_clip(tmp_path / name, 10) for name in ("a", "b")]
    whole = [read_footage([path], [])[0].frames for path in paths]
    (camera,) = read_footage(paths, ["cam", "cam"], 0.3)
    assert (len(camera.frames), len(camera.held_out), camera.found) == (14, 6, 20)
    assert all(map(np.array_equal, camera.frames, [*whole[0][:7], *whole[1][:7]]))
    assert all(map(np.array_equal, camera.held_out, [*whole[0][7:], *whole[1][7:]]))
    (little,) = read_footage(paths[:1], [], 0.001)
    assert len(little.held_out) == 1


def test_of_one_image_nothing_can_be_held_out(tmp_path: Path) -> None:
    write_image(tmp_path / "one.png", clip(1)[0])
    with pytest.raises(SettingsError, match=r"one\.png: has one frame, from which no share"):
        read_footage([tmp_path / "one.png"], [], 0.2)


def test_held_out_frames_of_another_size_leave_no_background() -> None:
    other = np.zeros((8, 8, 3), np.uint8)
    assert Footage("belt", clip(20)).background() is not None
    assert Footage("belt", clip(20), held_out=[other]).background() is None
