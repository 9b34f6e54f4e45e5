"""The clip of `rankcast compare`: read frame by frame, as often as needed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rankcast.commands.compare.clips import Clip, is_clip
from rankcast.errors import SourceError, UnsupportedImageError
from rankcast.images import write_image
from support.clips import gradients, write_clip
from support.comparing import picture


def folder_of(path: Path, shapes: list[tuple[int, ...]], dtype: type = np.uint8) -> Path:
    """Write pictures whose natural order differs from that of their names."""
    path.mkdir()
    for number, shape in enumerate(shapes):
        write_image(path / f"img{number + 8}.png", picture(shape, dtype, seed=number))
    return path


def test_a_folder_is_read_in_natural_order_at_20_frames_a_second(tmp_path: Path) -> None:
    clip = Clip(folder_of(tmp_path / "seq", [(48, 64)] * 4), 10)
    frames = list(clip)
    assert clip.format.fps == 20
    assert len(frames) == 4
    for number, frame in enumerate(frames):
        assert np.array_equal(frame, picture((48, 64), seed=number))


def test_a_clip_can_be_read_again_and_only_its_first_seconds_are(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, gradients(30), "h264", pixel_format="yuv420p", rate=10)
    clip = Clip(path, 2)
    first, second = list(clip), list(clip)
    assert len(first) == 20
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert clip.format.shape == (48, 64, 3)
    assert clip.format.fps == 10
    assert clip.damaged == 0


def test_grey_converts_colour(tmp_path: Path) -> None:
    clip = Clip(folder_of(tmp_path / "seq", [(48, 64, 3)] * 2), 10, grey=True)
    assert next(iter(clip)).shape == (48, 64)


def test_deep_clips_keep_their_depth(tmp_path: Path) -> None:
    clip = Clip(folder_of(tmp_path / "seq", [(48, 64)] * 2, np.uint16), 10)
    assert clip.format.bits == 16
    assert next(iter(clip)).dtype == np.uint16


def test_odd_sides_are_cropped_for_every_coder(tmp_path: Path) -> None:
    clip = Clip(folder_of(tmp_path / "seq", [(47, 65)] * 2), 10)
    assert clip.cropped
    assert clip.format.shape == (46, 64)
    assert next(iter(clip)).shape == (46, 64)


def test_what_is_a_clip_and_what_a_picture(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.avi", gradients(3))
    (tmp_path / "clip.avi").rename(tmp_path / "clip.bin")
    write_image(tmp_path / "picture.png", picture())
    (tmp_path / "text.txt").write_text("no clip")
    assert is_clip(tmp_path)
    assert is_clip(tmp_path / "clip.bin"), "by its content"
    assert is_clip(tmp_path / "missing.mp4"), "by its name"
    assert not is_clip(tmp_path / "picture.png")
    assert not is_clip(tmp_path / "text.txt")
    assert not is_clip(tmp_path / "missing")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(SourceError, match="no picture or clip with a known suffix"):
        Clip(tmp_path, 10)


def test_a_single_frame_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a single frame, want a clip of at least 2"):
        Clip(folder_of(tmp_path / "seq", [(48, 64)]), 10)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_file_that_is_no_video_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no video" * 100)
    with pytest.raises(SourceError, match="not a video file") as caught:
        Clip(tmp_path / name, 10)
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="cannot be read"):
        Clip(tmp_path / f"missing-{name}", 10)


def test_frames_of_different_sizes_are_refused_with_both_sizes(tmp_path: Path) -> None:
    clip = Clip(folder_of(tmp_path / "seq", [(48, 64), (48, 64), (48, 80)]), 10)
    with pytest.raises(SourceError, match="frame 2 is 80 x 48 grey of 8 bits, the first is 64 x"):
        list(clip)


def test_pictures_of_five_channels_are_refused(tmp_path: Path) -> None:
    (tmp_path / "seq").mkdir()
    for number in range(2):
        write_image(tmp_path / "seq" / f"{number}.tif", picture((48, 64, 5)))
    with pytest.raises(UnsupportedImageError, match="5 channels, want 1 or 3"):
        Clip(tmp_path / "seq", 10)
