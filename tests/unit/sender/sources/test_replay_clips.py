"""Replayed clips: each plays at its own times, and only what is damaged is lost or marked."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.errors import SourceError
from rankcast.images import write_image
from support.clips import damage_packets, gradients, packet_places, plane_frame, write_clip
from support.replays import picture, play, replay, write_video


def test_a_video_plays_at_its_own_rate(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", 10, fps=25)
    with replay(tmp_path / "clip.avi") as source:
        assert source.fps == 25.0
        assert source.description == "replay of the video clip.avi"
        frames = list(source)
        assert source.gaps == 0
    assert [frame.frame for frame in frames] == list(range(10))
    for number, frame in enumerate(frames):
        assert frame.pixels.shape == (48, 64, 3)
        assert abs(float(frame.pixels.mean()) - number * 8) < 3
    with replay(tmp_path / "clip.avi", fps=5) as source:
        assert source.fps == 5.0


def test_a_video_in_a_loop_begins_again(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", 4)
    with replay(tmp_path / "clip.avi", loop=True) as source:
        frames = list(itertools.islice(source, 10))
    assert [frame.frame for frame in frames] == list(range(10))
    assert np.array_equal(frames[1].pixels, frames[9].pixels)


def test_a_video_that_breaks_off_plays_to_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_video(tmp_path / "clip.avi", 30)
    whole = (tmp_path / "clip.avi").read_bytes()
    (tmp_path / "half.avi").write_bytes(whole[: len(whole) // 2])
    with replay(tmp_path / "half.avi") as source:
        frames = list(source)
        assert 0 < len(frames) < 25
        assert source.gaps == 30 - len(frames)
    assert "half.avi" in caplog.text
    assert f"after {len(frames)} of 30 frames" in caplog.text


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\0" * 5000])
def test_what_is_no_video_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=r"clip\.mp4 is neither a video nor an image") as caught:
        play(tmp_path / "clip.mp4")
    assert "\n" not in str(caught.value)


def test_a_video_without_a_frame_is_an_error(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", 30)
    whole = (tmp_path / "clip.avi").read_bytes()
    # The header alone: cut before the first picture.
    (tmp_path / "head.avi").write_bytes(whole[: whole.index(b"movi") + 4])
    with pytest.raises(SourceError, match=r"head\.avi"):
        play(tmp_path / "head.avi")


VARIABLE = [0.0, 0.04, 0.08, 0.5, 1.3, 1.34]


def test_an_interlaced_clip_plays_pictures(tmp_path: Path) -> None:
    pictures = gradients(25, 128, 160)
    write_clip(tmp_path / "il.mpg", pictures, "mpeg2video", pixel_format="yuv420p", interlaced=True)
    frames = play(tmp_path / "il.mpg")
    assert len(frames) == 25
    for frame, wanted in zip(frames, pictures, strict=True):
        assert np.abs(frame.pixels.astype(int) - wanted).mean() < 8


def test_a_deep_clip_keeps_its_depth_and_a_grey_one_its_channel(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(0, 1024, (48, 64)).astype(np.uint16)
    grey = plane_frame([samples], "gray10le")
    write_clip(tmp_path / "a.nut", [grey], "rawvideo", pixel_format="gray10le")
    (frame,) = play(tmp_path / "a.nut")
    assert np.array_equal(frame.pixels, samples)
    assert frame.significant_bits == 10
    (frame,) = play(tmp_path / "a.nut", bits=12)
    assert frame.significant_bits == 12


def test_a_grey_clip_may_be_a_mosaic(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(0, 256, (48, 64)).astype(np.uint8)
    grey = plane_frame([samples], "gray")
    write_clip(tmp_path / "a.nut", [grey], "rawvideo", pixel_format="gray")
    (frame,) = play(tmp_path / "a.nut", cfa="rggb")
    assert frame.cfa == "RGGB"


def due_times(path: Path, **options: Any) -> list[float]:
    with replay(path, **options) as source:
        times = [source.due_s for _ in source]
        assert source.gaps == 0
    return times


def test_a_clip_of_variable_rate_plays_at_its_own_times(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mkv"
    write_clip(path, gradients(6), "mpeg4", pixel_format="yuv420p", times=VARIABLE)
    assert due_times(path) == pytest.approx(VARIABLE, abs=2e-3)
    assert due_times(path, fps=10) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_the_announced_interval_follows_the_timestamps(tmp_path: Path) -> None:
    write_clip(tmp_path / "vfr.mp4", gradients(6), "mpeg4", pixel_format="yuv420p", times=VARIABLE)
    with replay(tmp_path / "vfr.mp4") as source:
        assert source.frame_interval_s == pytest.approx(1 / source.fps)
        intervals = [source.frame_interval_s for _ in source]
        assert intervals[4] == pytest.approx(0.8, abs=2e-3)
        assert intervals[5] == pytest.approx(1 / source.fps)
    with replay(tmp_path / "vfr.mp4", fps=0.25) as source:
        assert source.frame_interval_s == 4.0


def test_time_goes_on_in_a_loop_and_from_item_to_item(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.avi", gradients(3), "mjpeg", rate=10)
    write_image(tmp_path / "b.png", picture(7, (48, 64, 3)))
    write_clip(tmp_path / "c.avi", gradients(2), "mjpeg", rate=5)
    assert due_times(tmp_path) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.35, 0.55])
    with replay(tmp_path / "a.avi", loop=True) as source:
        times = [source.due_s for _ in itertools.islice(source, 7)]
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_two_damaged_packets_are_two_lost_frames_and_the_rest_is_played(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, gradients(44), "mjpeg")
    damage_packets(path, (0, 1))
    with replay(path) as source:
        frames = list(source)
        assert source.gaps == 2
    assert [frame.frame for frame in frames] == list(range(2, 44))
    assert "clip.mp4" in caplog.records[0].getMessage()


def test_frames_predicted_from_a_lost_one_are_marked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, gradients(40), "mpeg4", pixel_format="yuv420p", gop=10)
    damage_packets(path, (13,))
    with replay(path) as source:
        frames = list(source)
        assert source.gaps == 1
    marked = [frame.frame for frame in frames if frame.meta.get("damaged")]
    assert marked == list(range(14, 20))
    assert "6 in all: clip.mp4: predicted from a lost or damaged frame" in caplog.text


@pytest.mark.parametrize("damaged", ["skip", "send"])
def test_a_frame_that_the_decoder_calls_corrupt_is_lost_or_sent_marked(
    tmp_path: Path, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "clip.ts"
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (128, 160, 3)).astype(np.uint8) for _ in range(30)]
    write_clip(path, noise, "mpeg2video", pixel_format="yuv420p", gop=10)
    data = bytearray(path.read_bytes())
    offset, size = packet_places(path)[12]
    assert size > 3 * 188, "the test needs a frame of several transport packets"
    data[offset + 188 : offset + 2 * 188] = bytes(188)
    path.write_bytes(data)
    with replay(path, damaged=damaged) as source:
        frames = list(source)
        assert source.gaps + len(frames) == 30
        assert source.gaps == (1 if damaged == "skip" else 0)
    assert any(frame.meta.get("damaged") for frame in frames)
    assert not any(frame.meta.get("damaged") for frame in frames[-8:])
    assert "the decoder reports a damaged picture" in caplog.text


def test_every_packet_of_a_clip_damaged_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    write_clip(path, gradients(5), "mjpeg")
    damage_packets(path, range(5))
    with pytest.raises(SourceError, match=r"no frame of the video clip\.avi can be decoded"):
        play(path)
