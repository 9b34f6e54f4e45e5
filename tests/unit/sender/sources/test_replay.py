"""Replays: every file is a frame or a counted, named loss, and nothing else ends the stream."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rankcast_sender
from rankcast.errors import SourceError
from rankcast.images import read_image, write_image
from rankcast_sender.sources.replay import ReplayOptions, ReplaySource
from support.clips import gradients, write_clip
from support.replays import first_samples, picture, play, replay


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """img1 .. img12, in an order that only a natural sort gets right."""
    images = tmp_path / "frames"
    images.mkdir()
    for number in range(1, 13):
        write_image(images / f"img{number}.png", picture(number))
    return images


def test_a_folder_plays_its_images_in_natural_order(folder: Path) -> None:
    (folder / "notes.txt").write_text("no image")
    (folder / "._img1.png").write_bytes(b"left by another system")
    (folder / "sub.png").mkdir()
    with replay(folder) as source:
        frames = list(source)
        assert source.gaps == 0
        assert source.description == "replay of 12 images in frames"
        assert source.live is False
        assert source.fps == 20.0
    assert first_samples(frames) == list(range(1, 13))
    assert [frame.frame for frame in frames] == list(range(12))
    assert [frame.meta["file"] for frame in frames[:2]] == ["img1.png", "img2.png"]


def test_a_glob_plays_what_matches(folder: Path) -> None:
    assert first_samples(play(folder / "img?.png")) == list(range(1, 10))
    assert first_samples(play(folder / "img1*.png")) == [1, 10, 11, 12]
    assert len(play(folder.parent / "**" / "*.png")) == 12


def test_a_glob_passes_over_what_a_folder_passes_over(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "notes.txt").write_text("no image")
    with replay(folder / "*") as source:
        frames = list(source)
        assert source.gaps == 0
    assert first_samples(frames) == list(range(1, 13))
    (record,) = caplog.records
    assert "skipping 1 entries" in record.getMessage()
    assert "notes.txt" in record.getMessage()


def test_a_glob_that_matches_no_image_is_refused(folder: Path) -> None:
    (folder / "notes.txt").write_text("no image")
    with pytest.raises(SourceError, match="matches no image or clip with a known suffix"):
        play(folder / "*.txt")
    with pytest.raises(SourceError, match="no file matches"):
        play(folder / "*.doc")


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    write_image(tmp_path / "a[1].png", picture(5))
    write_image(tmp_path / "a1.png", picture(6))
    assert first_samples(play(tmp_path / "a[1].png")) == [5]


def test_loop_counts_on(folder: Path) -> None:
    with replay(folder, loop=True) as source:
        frames = list(itertools.islice(source, 30))
    assert [frame.frame for frame in frames] == list(range(30))
    assert first_samples(frames) == [i % 12 + 1 for i in range(30)]


def test_one_image_in_a_loop_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, picture(7))
    with replay(path, loop=True, fps=3) as source:
        frames = source.__iter__()
        first = next(frames)
        path.unlink()
        more = list(itertools.islice(frames, 5))
        assert source.fps == 3
    assert first_samples([first, *more]) == [7] * 6
    assert [frame.frame for frame in more] == [1, 2, 3, 4, 5]


def test_images_of_different_sizes_and_depths_come_as_they_are(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png", picture(1, (4, 6, 3)))
    write_image(tmp_path / "2.png", picture(300, (5, 7), np.uint16))
    write_image(tmp_path / "3.jpg", picture(9, (20, 30)))
    frames = play(tmp_path, bits=12)
    assert [frame.pixels.shape for frame in frames] == [(4, 6, 3), (5, 7), (20, 30)]
    assert [frame.significant_bits for frame in frames] == [0, 12, 0]
    assert frames[1].pixels.dtype == np.uint16
    assert play(tmp_path / "2.png")[0].significant_bits == 0


def test_a_damaged_file_is_a_named_gap(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "img3.png").write_bytes(b"damaged")
    (folder / "img12.png").write_bytes(b"")
    with replay(folder) as source:
        frames = list(source)
        assert source.gaps == 2
    assert [frame.frame for frame in frames] == [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2
    assert "img3.png" in warnings[0]
    assert "img12.png" in warnings[1]
    assert not any("\n" in warning for warning in warnings)


def test_thousands_of_damaged_files_make_a_few_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    write_image(tmp_path / "z.png", picture(1))
    with replay(tmp_path) as source:
        assert [frame.frame for frame in source] == [1000]
        assert source.gaps == 1000
    assert 8 < len(caplog.records) < 20


def test_a_folder_of_damaged_files_is_an_error_even_in_a_loop(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"damaged")
    for loop in (False, True):
        with pytest.raises(SourceError, match="none of the 2 files can be decoded") as caught:
            play(tmp_path, loop=loop)
        assert "\n" not in str(caught.value)


def test_one_damaged_image_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"a\.png"):
        play(tmp_path / "a.png")


def test_a_file_deleted_meanwhile_is_a_gap(folder: Path) -> None:
    with replay(folder) as source:
        frames = source.__iter__()
        next(frames)
        (folder / "img5.png").unlink()
        rest = list(frames)
        assert source.gaps == 1
    assert len(rest) == 10


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "does not exist"), ("empty", "contains no image"), ("*.png", "no file matches")],
)
def test_nothing_to_play_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    with pytest.raises(SourceError, match=message) as caught:
        ReplaySource(str(tmp_path / name), ReplayOptions())
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        ReplaySource(str(tmp_path / "a.png"), ReplayOptions())
    with pytest.raises(SourceError, match="contains no image"):
        ReplaySource(str(tmp_path), ReplayOptions())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_from_disk_are_made_printable(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture(1))
    (tmp_path / "a.png").rename(tmp_path / "\x1b[31mred\n.png")
    with replay(tmp_path / "\x1b[31mred\n.png") as source:
        (frame,) = source
        assert frame.meta["file"] == r"\x1b[31mred\n.png"
        assert source.description.isprintable()


def test_close_ends_the_stream(folder: Path) -> None:
    with replay(folder, loop=True) as source:
        frames = source.__iter__()
        next(frames)
        source.close()
        source.close()
        assert list(frames) == []


def test_an_image_under_a_strange_name_is_still_an_image(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture(9))
    (tmp_path / "a.png").rename(tmp_path / "shot01.dat")
    assert first_samples(play(tmp_path / "shot01.dat")) == [9]


def half_a_jpeg(path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    write_image(path, noise)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 60] = bytes(60)
    path.write_bytes(data)


@pytest.mark.parametrize(("damaged", "sent"), [("skip", False), ("send", True)])
def test_a_damaged_jpeg_is_lost_or_sent_marked(
    tmp_path: Path, damaged: str, sent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    write_image(tmp_path / "a.png", picture(1))
    half_a_jpeg(tmp_path / "b.jpg")
    write_image(tmp_path / "c.png", picture(2))
    with replay(tmp_path, damaged=damaged) as source:
        frames = list(source)
        assert source.gaps == (0 if sent else 1)
    marks = [(frame.meta["file"], frame.meta.get("damaged")) for frame in frames]
    middle = [("b.jpg", True)] if sent else []
    assert marks == [("a.png", None), *middle, ("c.png", None)]
    (record,) = caplog.records
    assert "b.jpg" in record.getMessage()


def test_clips_stand_beside_images_in_the_order_of_their_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_image(tmp_path / "shot1.png", picture(10, (8, 12, 3)))
    write_clip(tmp_path / "shot2.avi", gradients(3), "mjpeg")
    write_image(tmp_path / "shot10.png", picture(11, (8, 12, 3)))
    write_clip(tmp_path / "shot11.mp4", gradients(2), "mpeg4", pixel_format="yuv420p")
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes(b"left by an editor")
    (tmp_path / "folder.png").mkdir()
    with replay(tmp_path) as source:
        assert source.description == f"replay of 2 images and 2 clips in {tmp_path.name}"
        frames = list(source)
    assert [frame.frame for frame in frames] == list(range(7))
    assert [frame.meta["file"] for frame in frames] == [
        "shot1.png", *["shot2.avi"] * 3, "shot10.png", *["shot11.mp4"] * 2,
    ]  # fmt: skip
    assert {frame.pixels.shape for frame in frames} == {(8, 12, 3), (48, 64, 3)}
    (record,) = caplog.records
    message = record.getMessage()
    assert "skipping 3 entries" in message
    assert all(name in message for name in ("notes.txt", ".hidden.png", "folder.png"))


def test_a_glob_of_clips_plays_them(tmp_path: Path) -> None:
    write_clip(tmp_path / "a1.avi", gradients(3), "mjpeg")
    write_clip(tmp_path / "a2.avi", gradients(2), "mjpeg")
    frames = play(tmp_path / "a*.avi")
    assert [frame.frame for frame in frames] == list(range(5))


def test_a_folder_whose_name_looks_like_a_glob_is_that_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run[1]"
    folder.mkdir()
    write_image(folder / "a.png", picture(5))
    write_image(folder / "b.png", picture(6))
    assert first_samples(play(folder)) == [5, 6]
    assert first_samples(play(folder / "[ab].png")) == [5, 6]


def test_a_clip_that_is_not_one_is_a_named_gap_among_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_clip(tmp_path / "a.avi", gradients(2), "mjpeg")
    (tmp_path / "b.avi").write_bytes(b"no clip")
    write_clip(tmp_path / "c.avi", gradients(2), "mjpeg")
    with replay(tmp_path) as source:
        assert [frame.frame for frame in source] == [0, 1, 3, 4]
        assert source.gaps == 1
    (record,) = caplog.records
    assert "b.avi is neither a video nor an image" in record.getMessage()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["run:1.avi", "http:a.avi", "-a.avi", "concat:b.avi", "a%d.avi"])
def test_a_relative_name_is_a_path_and_no_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_clip(tmp_path / "clip.avi", gradients(3), "mjpeg")
    (tmp_path / "clip.avi").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(play(name)) == 3


def test_orientation_is_applied_and_16_bits_are_kept(data: Path) -> None:
    (frame,) = play(data / "edge" / "pil_hopper_orientation_6.jpg")
    assert np.array_equal(frame.pixels, read_image(data / "edge" / "pil_hopper_orientation_6.jpg"))
    (frame,) = play(data / "edge" / "made_white_641x479_grey16.png")
    assert frame.pixels.dtype == np.uint16


def test_real_clip_and_sequence_play(data: Path) -> None:
    with replay(data / "video" / "bottle-detection.mp4") as source:
        assert source.fps == pytest.approx(29.83, abs=0.01)
        frames = list(itertools.islice(source, 20))
    assert {frame.pixels.shape for frame in frames} == {(360, 640, 3)}
    assert len(play(data / "seq" / "bulk_water")) == 30


PLAY_EDGE = """
import logging, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from rankcast_sender.sources.replay import ReplayOptions, ReplaySource
source = ReplaySource(sys.argv[1], ReplayOptions())
frames = [frame.frame for frame in source]
source.close()
print("frames", len(frames), "gaps", source.gaps, "last", frames[-1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS bounds memory on Linux only")
@pytest.mark.parametrize("pattern", ["", "*"])
def test_the_hostile_folder_plays_to_its_end_within_3_gib(data: Path, pattern: str) -> None:
    sender = Path(rankcast_sender.__file__).resolve().parents[1]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(sender), str(sender.parent / "common")]),
        # Threads of BLAS reserve address space for every processor.
        "OPENBLAS_NUM_THREADS": "1",
    }
    folder = data / "edge"
    done = subprocess.run(
        [sys.executable, "-c", PLAY_EDGE, str(folder / pattern)],
        env=environment, capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *warnings, last = done.stdout.splitlines()
    _, frames, _, gaps, *_ = last.split()
    assert int(frames) >= 15
    assert int(gaps) >= 4
    if pattern:
        assert int(frames) + int(gaps) == len(list(folder.iterdir()))
    assert all(warning.startswith("frame ") for warning in warnings), warnings
    assert any("made_bomb_png_65535x65535.png" in warning for warning in warnings)
