"""Video files: every frame with its time, every loss counted, nothing else opened."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from rankcast.errors import SourceError
from rankcast.video import VideoFile, VideoFrame
from support.clips import damage_packets, gradients, packet_places, write_clip

VARIABLE = [0.0, 0.04, 0.08, 0.5, 1.3, 1.34, 2.0, 2.04]


def read(path: Path) -> tuple[list[VideoFrame], VideoFile]:
    with VideoFile(path) as video:
        return list(video), video


@pytest.mark.parametrize("suffix", [".mpg", ".ts", ".mkv"])
def test_an_interlaced_clip_shows_its_pictures(tmp_path: Path, suffix: str) -> None:
    path, pictures = tmp_path / f"il{suffix}", gradients(25, 128, 160)
    write_clip(path, pictures, "mpeg2video", pixel_format="yuv420p", interlaced=True)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame, "the test needs interlacing"
    frames, video = read(path)
    assert (len(frames), video.lost) == (25, 0)
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame.pixels.astype(int) - picture).mean() < 8


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "mpeg4"), ("a.mp4", "libx264")]
)
def test_frames_have_the_times_of_the_clip_and_none_is_invented(
    tmp_path: Path, name: str, codec: str
) -> None:
    write_clip(tmp_path / name, gradients(8), codec, pixel_format="yuv420p", times=VARIABLE)
    frames, video = read(tmp_path / name)
    assert video.lost == 0
    times = [frame.time_s for frame in frames if frame.time_s is not None]
    assert np.subtract(times, times[0]) == pytest.approx(VARIABLE, abs=2e-3)


def test_empty_slots_of_an_avi_are_no_losses(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.avi", gradients(8), "mjpeg", times=[n * 0.2 for n in range(8)])
    with av.open(str(tmp_path / "a.avi")) as container:
        assert container.streams.video[0].frames > 8, "the test needs a count that is too large"
    frames, video = read(tmp_path / "a.avi")
    assert (len(frames), video.lost) == (8, 0)


@pytest.mark.parametrize("keep", [0.0, 0.4])
@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_a_damaged_packet_is_one_lost_frame(tmp_path: Path, name: str, keep: float) -> None:
    path = tmp_path / name
    write_clip(path, gradients(44), "mjpeg")
    whole, _ = read(path)
    damage_packets(path, (0, 1), keep=keep)
    frames, video = read(path)
    assert (len(frames), video.lost) == (42, 2)
    assert not any(frame.corrupt or frame.tainted for frame in frames)
    for got, want in zip(frames, whole[2:], strict=True):
        assert np.array_equal(got.pixels, want.pixels)
        assert got.time_s == want.time_s


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_what_is_predicted_from_a_damaged_packet_is_marked_until_the_next_key_frame(
    tmp_path: Path, codec: str, keep: float
) -> None:
    options = {"bf": "0"} | ({"sc_threshold": "0"} if codec == "libx264" else {})
    path = tmp_path / "a.mp4"
    write_clip(path, gradients(40), codec, pixel_format="yuv420p", gop=10, options=options)
    damage_packets(path, (13, 14), keep=keep)
    frames, video = read(path)
    damaged = sum(frame.corrupt for frame in frames)
    assert len(frames) + video.lost == 40
    assert video.lost + damaged == 2
    assert not any(frame.corrupt or frame.tainted for frame in (*frames[:13], *frames[-20:]))
    assert sum(frame.tainted for frame in frames) >= 5


def test_a_loss_is_counted_before_the_frame_behind_it(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.avi", gradients(10), "mjpeg")
    damage_packets(tmp_path / "a.avi", (3, 9))
    with VideoFile(tmp_path / "a.avi") as video:
        lost = [video.lost for _ in video]
        assert lost == [0, 0, 0, 1, 1, 1, 1, 1]
        assert video.lost == 2
        assert video.fault


def test_an_avi_cut_off_lacks_the_frames_of_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    write_clip(path, gradients(30), "mjpeg")
    offset, _ = packet_places(path)[20]
    path.write_bytes(path.read_bytes()[:offset])
    frames, video = read(path)
    assert len(frames) + video.lost == 30
    assert len(frames) in (19, 20)
    assert video.fault == "the file is cut off"


def test_an_mp4_cut_off_lacks_the_frames_of_its_index(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mjpeg", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for picture in gradients(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())
    offset, size = packet_places(path)[20]
    path.write_bytes(path.read_bytes()[: offset + size // 3])
    frames, video = read(path)
    assert (len(frames), video.lost) == (20, 10)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize(
    "name", ["a:b.avi", "http:a.avi", "file:a.avi", "concat:a.avi|b.avi", "-a.avi", "a%03d.avi",
             "pipe:0", "cache:x", "data:,a", "a[1]?.avi", "tee\n.avi", "n\udcff.avi"]
)  # fmt: skip
def test_any_name_reaches_ffmpeg_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_clip(tmp_path / "clip.avi", gradients(3), "mjpeg")
    monkeypatch.chdir(tmp_path)
    os.rename("clip.avi", name)
    frames, video = read(Path(name))
    assert (len(frames), video.lost) == (3, 0)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile clip.avi\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\nclip.avi\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 26\n",
        "plain text " * 40,
    ],
)
def test_lists_of_other_files_and_text_are_no_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    write_clip(tmp_path / "clip.avi", gradients(3), "mjpeg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(SourceError, match=r"list\.mp4: not a video file") as caught:
        VideoFile(Path("list.mp4"))
    assert "\n" not in str(caught.value)


def test_a_folder_a_missing_file_and_an_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        VideoFile(tmp_path / "none.mp4")
    with pytest.raises(SourceError, match=r"cannot be read|not a regular file"):
        VideoFile(tmp_path)
    write_clip(tmp_path / "a.mjpeg", gradients(1), "mjpeg")
    (tmp_path / "a.mjpeg").rename(tmp_path / "a.jpg")
    with pytest.raises(SourceError, match="not a video file"):
        VideoFile(tmp_path / "a.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match="not a regular file"):
        VideoFile(tmp_path / "a.mp4")


def test_a_file_is_closed_with_its_reader(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.avi", gradients(3), "mjpeg")
    video = VideoFile(tmp_path / "a.avi")
    frames = iter(video)
    next(frames)
    video.close()
    video.close()
    (tmp_path / "a.avi").unlink()


def test_training_gets_undamaged_frames_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.mp4"
    write_clip(path, gradients(40), "mpeg4", pixel_format="yuv420p", gop=10)
    damage_packets(path, (13,))
    with VideoFile(path) as video:
        frames = list(video.undamaged())
    assert 30 <= len(frames) < 39
    assert not any(frame.corrupt or frame.tainted for frame in frames)
    (record,) = caplog.records
    assert "1 frames lost and" in record.getMessage()
    damage_packets(path, range(40))
    with VideoFile(path) as video, pytest.raises(SourceError, match="no frame can be decoded"):
        list(video.undamaged())
