"""`info`, `repair`, `export` and `compare` of recordings: what they print, write and exit with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import rankcast
from rankcast.commands.compare import compare
from rankcast.commands.compare.clips import Clip, is_clip
from rankcast.commands.export import export
from rankcast.commands.info import info
from rankcast.commands.repair import repair
from rankcast.errors import (
    RecordingError,
    SettingsError,
    UnsupportedImageError,
)
from rankcast.images import read_image
from rankcast.recordings import RecordingOptions, RecordingWriter, segments_of
from support.moving_scene import scene
from support.recordings import frames_of, overwrite, packets_of, pictures, record


def run(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def succeed(command: click.Command, *arguments: object) -> str:
    result = run(command, *arguments)
    assert result.exit_code == 0, repr(result.exception)
    return result.output


def refused(command: click.Command, *arguments: object) -> BaseException:
    result = run(command, *arguments)
    assert result.exception is not None
    assert "\n" not in str(result.exception)
    return result.exception


def frames(count: int, step_ns: int = 40_000_000, **fields: Any) -> list[rankcast.Frame]:
    start = 1_795_000_000_000_000_000
    return [
        rankcast.Frame(pixels, n, 10**9 + n * step_ns, start + n * step_ns, **fields)
        for n, pixels in enumerate(pictures(count))
    ]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "a.mcap"
    record(
        path,
        {
            "one": packets_of("svd-patch", pictures(12, (40, 64, 3)), group=4),
            "two": packets_of("raw", pictures(12, (24, 32), "uint16")),
        },
        RecordingOptions(segment_bytes=9000),
    )
    return path


def test_info_counts_frames_gaps_and_losses(tmp_path: Path) -> None:
    packets = packets_of("svd-patch", pictures(10), group=5)
    with RecordingWriter(tmp_path / "a.mcap") as writer:
        for packet in packets[:3] + packets[5:]:
            writer.write("cam1", packet)
        writer.lose("cam1", "sink", 2)
    found = json.loads(succeed(info, tmp_path / "a.mcap", "--json"))
    assert type(found["frames"]) is int
    assert (found["frames"], found["sound"], len(found["segments"])) == (8, True, 1)
    assert found["bytes"] == (tmp_path / "a.mcap").stat().st_size
    (camera,) = found["cameras"]
    assert (camera["name"], camera["frames"], camera["key_frames"]) == ("cam1", 8, 2)
    assert (camera["missing"], camera["gap_count"], camera["lost"]) == (2, 1, {"sink": 2})
    assert (camera["gaps"][0]["after_sequence"], camera["gaps"][0]["missing"]) == (2, 2)
    assert (camera["codec"], camera["shape"], camera["bits"]) == ("svd-patch", [40, 64], 8)
    assert 0 < camera["span_s"] <= found["span_s"]
    text = succeed(info, tmp_path / "a.mcap")
    for part in ("8 frames", "cam1", "2 frames missing in 1 gap", "2 sink", "64 x 40, grey"):
        assert part in text


def test_info_tells_what_is_damaged_and_what_to_do(recorded: Path) -> None:
    _, last = segments_of(recorded)[-1]
    os.truncate(last, last.stat().st_size - 500)
    overwrite(recorded, 3000, bytes(100))
    text = " ".join(succeed(info, recorded).split())
    assert "damaged in 1 place of" in text
    assert "without its end: a recorder writes it or was killed" in text
    assert "`rankcast repair` makes it sound" in text
    assert json.loads(succeed(info, recorded, "--json"))["sound"] is False


def test_repair_makes_all_segments_sound(recorded: Path) -> None:
    before = frames_of(recorded)
    _, last = segments_of(recorded)[-1]
    os.truncate(last, last.stat().st_size - 100)  # within its index
    text = succeed(repair, recorded, "--strict")
    assert f"{recorded}: sound" in text
    assert f"{last}: repaired" in text
    assert "the file as it was is" in text
    assert json.loads(succeed(info, recorded, "--json"))["sound"] is True
    assert frames_of(recorded) == before


def test_repair_exits_with_1_if_strict_and_anything_was_lost(recorded: Path) -> None:
    overwrite(recorded, 3000, bytes(100))
    damaged = recorded.read_bytes()
    result = run(repair, recorded, "--strict")
    assert result.exit_code == 1
    assert "damaged: 1 place," in result.output
    overwrite(recorded, 0, damaged[:1])
    recorded.write_bytes(damaged)
    assert run(repair, recorded).exit_code == 0


def test_repair_exits_with_1_if_nothing_can_be_read(recorded: Path) -> None:
    _, last = segments_of(recorded)[-1]
    last.write_bytes(bytes(1000))
    result = run(repair, recorded)
    assert result.exit_code == 1
    assert f"{last}: nothing in it can be read" in result.stderr
    assert f"{recorded}: sound" in result.stdout
    last.write_bytes(b"")
    assert f"{last}: empty, its recorder was killed" in succeed(repair, recorded)
    for content in (b"", b"junk" * 100):
        recorded.with_name("b.mcap").write_bytes(content)
        assert isinstance(refused(repair, recorded.with_name("b.mcap")), RecordingError)
    assert "No such file" in str(refused(repair, recorded.with_name("none.mcap")))


def test_export_writes_deep_frames_exactly(recorded: Path, tmp_path: Path) -> None:
    for to in ("png", "tiff"):
        text = succeed(export, recorded, "--to", to, "--out", tmp_path / to, "--camera", "two")
        assert "12 frames" in text
        files = sorted((tmp_path / to).iterdir())
        assert len(files) == 12
        for file, pixels in zip(files, pictures(12, (24, 32), "uint16"), strict=True):
            assert file.name.startswith("two_0000000")
            assert np.array_equal(read_image(file), pixels)


def test_export_writes_a_clip_with_the_times_of_capture(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    encoder = rankcast.Encoder("raw")
    sent = frames(10)
    packets = [encoder.encode(frame) for frame in sent]
    record(path, {"cam": packets[:4] + packets[7:]})
    assert str(tmp_path / "a.mp4") in succeed(export, path, "--to", "mp4")
    with av.open(str(tmp_path / "a.mp4")) as clip:
        got = [(frame.time, frame.to_ndarray(format="gray")) for frame in clip.decode(video=0)]
    assert [time for time, _ in got] == pytest.approx([0, 0.04, 0.08, 0.12, 0.28, 0.32, 0.36])
    kept = sent[:4] + sent[7:]
    for (_, pixels), frame in zip(got, kept, strict=True):
        assert pixels.shape == (40, 64)
        assert np.abs(pixels.astype(int) - frame.pixels).mean() < 3


def test_export_gives_each_camera_its_clip(tmp_path: Path) -> None:
    odd = [pixels[:39, :63] for pixels in pictures(3, (40, 64, 3))]
    record(tmp_path / "a.mcap", {"one": packets_of("raw", pictures(3)),
                                 "two": packets_of("raw", odd)})  # fmt: skip
    succeed(export, tmp_path / "a.mcap", "--to", "mp4")
    with av.open(str(tmp_path / "a-two.mp4")) as clip:
        got = [frame.to_ndarray(format="bgr24") for frame in clip.decode(video=0)]
    assert got[0].shape == (40, 64, 3)
    assert np.abs(got[2][:39, :63].astype(int) - odd[2]).mean() < 6
    assert (tmp_path / "a-one.mp4").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pixels": scene(0, (8, 8), "uint16")}, "16 bits a sample, mp4 holds 8: export to png"),
        ({"pixels": scene(0, (8, 8)), "cfa": "RGGB"}, "a mosaic of RGGB, mp4 holds colour"),
        ({"pixels": np.zeros((8, 8, 5), np.uint8)}, "5 channels, mp4 holds 1 or 3"),
    ],
)
def test_export_refuses_what_mp4_cannot_hold(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    record(tmp_path / "a.mcap", {"cam": [rankcast.Encoder("raw").encode(rankcast.Frame(**fields))]})
    error = refused(export, tmp_path / "a.mcap", "--to", "mp4")
    assert isinstance(error, UnsupportedImageError)
    assert message in str(error)
    assert "frame 0 of camera cam" in str(error)
    assert [one.name for one in tmp_path.iterdir()] == ["a.mcap"]


def test_export_leaves_out_only_the_cameras_that_mp4_cannot_hold(tmp_path: Path) -> None:
    encoder = rankcast.Encoder("raw")
    turning = [encoder.encode(scene(0, shape)) for shape in ((16, 16), (16, 16), (16, 24))]
    path = tmp_path / "a.mcap"
    record(path, {
        "deep": packets_of("raw", pictures(3, (24, 32), "uint16")), "turning": turning,
        "well": packets_of("raw", pictures(3)),
    })  # fmt: skip
    result = run(export, path, "--to", "mp4")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout.splitlines() == [str(tmp_path / "a-well.mp4"), "3 frames"]
    deep, turned = result.stderr.splitlines()
    assert "error: frame 0 of camera deep: got 16 bits a sample" in deep
    assert "error: frame 2 of camera turning: got a picture of 24 x 16 after 16 x 16" in turned
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a-well.mp4", "a.mcap"]
    with av.open(str(tmp_path / "a-well.mp4")) as clip:
        assert len(list(clip.decode(video=0))) == 3
    assert isinstance(refused(export, path, "--to", "mp4", "--camera", "deep"),
                      UnsupportedImageError)  # fmt: skip


def test_export_fails_if_mp4_can_hold_no_camera(tmp_path: Path) -> None:
    deep = packets_of("raw", pictures(3, (24, 32), "uint16"))
    record(tmp_path / "a.mcap", {"one": deep, "two": deep})
    assert "of camera one: got 16 bits" in str(refused(export, tmp_path / "a.mcap", "--to", "mp4"))
    assert [one.name for one in tmp_path.iterdir()] == ["a.mcap"]


def test_export_refuses_a_size_that_changes(tmp_path: Path) -> None:
    encoder = rankcast.Encoder("raw")
    packets = [encoder.encode(scene(0, shape)) for shape in ((16, 16), (16, 24))]
    record(tmp_path / "a.mcap", {"cam": packets})
    assert "24 x 16 after 16 x 16" in str(refused(export, tmp_path / "a.mcap", "--to", "mp4"))
    assert "2 frames" in succeed(export, tmp_path / "a.mcap", "--to", "png")


def test_export_counts_what_it_cannot_decode(tmp_path: Path) -> None:
    packets = packets_of("svd-patch", pictures(10), group=5)
    record(tmp_path / "a.mcap", {"cam": packets[:2] + packets[3:]})
    text = succeed(export, tmp_path / "a.mcap", "--to", "png")
    assert "7 frames, 2 could not be decoded" in text


def test_export_tells_of_damage(recorded: Path, tmp_path: Path) -> None:
    overwrite(recorded, 3000, bytes(100))
    text = succeed(export, recorded, "--to", "png", "--out", tmp_path / "out")
    assert "1 damaged places passed over (`rankcast repair`)" in text


def test_export_checks_its_arguments(recorded: Path) -> None:
    assert "has: one, two" in str(refused(export, recorded, "--to", "png", "--camera", "three"))
    error = refused(export, recorded, "--to", "png", "--start", "noon")
    assert isinstance(error, SettingsError)
    assert "got --start 'noon', want seconds" in str(error)
    assert "holds no frame" in str(refused(export, recorded, "--to", "png", "--start", "99"))
    assert run(export, recorded, "--to", "gif").exit_code == 2
    assert "No such file" in str(refused(export, recorded.with_name("b.mcap"), "--to", "png"))


def test_compare_takes_a_recording_of_one_camera(recorded: Path, tmp_path: Path) -> None:
    encoder = rankcast.Encoder("lossless")
    sent = frames(8)
    record(tmp_path / "one.mcap", {"cam": [encoder.encode(frame) for frame in sent]})
    assert is_clip(tmp_path / "one.mcap")
    clip = Clip(tmp_path / "one.mcap", 10)
    assert clip.format.fps == pytest.approx(25)
    for _ in range(2):
        for got, frame in zip(clip, sent, strict=True):
            assert np.array_equal(got, frame.pixels)
    assert clip.damaged == 0
    assert "holds cameras one, two, want one" in str(refused(compare, recorded))
