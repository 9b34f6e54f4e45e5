"""`rankcast compare camera:0`: some seconds of a camera, recorded for all trials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from rankcast.commands.compare import command
from rankcast.commands.compare.clips import clip_file, live_clip
from rankcast.errors import SourceError
from rankcast.frame import Frame
from rankcast.recordings import Recording
from support.moving_scene import scene


def frames(count: int) -> Iterator[Frame]:
    for number in range(count):
        t_ns = 10**9 + number * 40_000_000
        yield Frame(scene(number, (48, 64, 3)), number, t_ns, t_ns)


def test_every_scheme_of_a_camera_has_a_capture_of_the_sender() -> None:
    names = {entry.name for entry in entry_points(group=live_clip.GROUP)}
    assert names == {"camera", "basler", "aravis"}
    for name in sorted(names):
        assert live_clip.find_capture(f"{name}:0") is not None


@pytest.mark.parametrize("text", ["clip.mp4", "replay:frames", "synthetic:conveyor", "C:/clip.mp4"])
def test_what_is_no_camera_is_read_as_a_file(text: str) -> None:
    assert live_clip.find_capture(text) is None


def test_the_frames_of_a_camera_are_recorded_as_they_are_and_removed_afterwards() -> None:
    asked = []

    def capture(text: str, seconds: float) -> Iterator[Frame]:
        asked.append((text, seconds))
        return frames(5)

    with clip_file(capture, Path("camera:/dev/video0?width=64"), 2.0) as file:
        assert file.name == "camera-dev-video0-width-64.mcap"
        with Recording(file) as recording:
            pictures = [frame.pixels for frame in recording]
            assert recording.frame_rate() == pytest.approx(25)
    assert len(pictures) == 5
    assert (pictures[3] == scene(3, (48, 64, 3))).all()
    assert asked == [("camera:/dev/video0?width=64", 2.0)]
    assert not file.parent.exists()


@pytest.mark.parametrize("count", [0, 1])
def test_a_camera_that_gives_no_clip_is_named(count: int) -> None:
    with (
        pytest.raises(SourceError, match=f"gave {count} frames in 2 s, want at least 2"),
        clip_file(lambda *_: frames(count), Path("camera:0"), 2.0),
    ):
        pass


def test_the_command_compares_codecs_on_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_capture", lambda _: lambda *_: frames(6))
    report = tmp_path / "report.json"
    command.compare.main(
        ["camera:0", "--codecs", "lossless,mjpeg", "--seconds", "1", "--no-pictures",
         "--json", str(report)],
        standalone_mode=False,
    )  # fmt: skip
    written = json.loads(report.read_text())
    assert "camera-0" in json.dumps(written)
    assert "lossless" in json.dumps(written)
