"""Sources of the user's own: what they yield is sent, what they do wrong is told in one line."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from rankcast.errors import RankcastError, SettingsError, SourceError
from rankcast_sender.settings import CameraTable
from rankcast_sender.source_opener import source_opener
from rankcast_sender.sources import Source

MODULE = """
import numpy as np
from rankcast import Frame
closed = []

def pictures(count=3, value=7, dtype="uint8", on=True, name=""):
    try:
        for number in range(count):
            yield np.full((4, 5), value + number, dtype)
    finally:
        closed.append(name)

def frames():
    yield Frame(np.zeros((4, 5), np.uint16), frame=99, significant_bits=12, meta={"part": "A17"})

class Camera:
    fps = 12.5
    description = "line camera 4"
    def __init__(self, **options): self.options = options
    def __iter__(self): return iter([np.zeros((2, 2), np.uint8)] * 2)
    def close(self): closed.append("camera")

def nothing(): return None
def fails(): raise OSError("no such grabber board")
def breaks():
    yield np.zeros((2, 2), np.uint8)
    raise ValueError("bus error")
def floats(): yield np.zeros((2, 2))
number = 5
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "my_camera.py"
    path.write_text(MODULE)
    return path


def opened(path: Path, rest: str, fps: float = 0.0) -> Source:
    return source_opener(CameraTable(source=f"python:{path}:{rest}", fps=fps))()


def test_arrays_become_numbered_frames(module: Path) -> None:
    source = opened(module, "pictures?count=4&value=20&dtype=uint16&on=false&name=a%20b")
    frames = list(source)
    source.close()
    assert [(frame.frame, int(frame.pixels[0, 0])) for frame in frames] == [
        (number, 20 + number) for number in range(4)
    ]
    assert frames[0].pixels.dtype == np.uint16
    assert source.live
    assert source.frame_interval_s is None
    assert source.description == f"python:{module}:pictures"


def test_frames_keep_what_they_say_but_their_number(module: Path) -> None:
    (frame,) = opened(module, "frames")
    assert (frame.frame, frame.significant_bits, frame.meta["part"]) == (0, 12, "A17")


def test_an_object_may_state_its_rate_and_name_and_is_closed(module: Path) -> None:
    source = opened(module, "Camera?serial=7")
    assert (source.fps, source.live, source.description) == (12.5, False, "line camera 4")
    assert len(list(source)) == 2
    source.close()
    assert opened(module, "Camera", fps=5.0).fps == 5.0


def test_an_interrupt_ends_the_iteration_and_close_ends_the_generator(module: Path) -> None:
    source = opened(module, "pictures?count=1000000")
    frames = iter(source)
    assert len(list(itertools.islice(frames, 3))) == 3
    source.interrupt()
    assert list(frames) == []
    source.close()


@pytest.mark.parametrize(
    ("rest", "kind", "message"),
    [
        ("picture", SettingsError, "has no function or class picture"),
        ("number", SettingsError, "has no function or class number"),
        ("pictures?size=3", SettingsError, "does not take the options"),
        ("Camera.x", SettingsError, "want python:MODULE:FACTORY"),
        ("nothing", SettingsError, "returns nothing to iterate over"),
        ("nothing?a=1", SettingsError, "does not take the options"),
        ("fails", SourceError, "cannot be opened: OSError: no such grabber board"),
        ("breaks", SourceError, "failed at frame 1: ValueError: bus error"),
        ("floats", SourceError, "failed at frame 0: got dtype float64"),
    ],
)
def test_what_an_object_does_wrong_is_one_line(
    module: Path, rest: str, kind: type[RankcastError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        list(opened(module, rest))
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there_is_one_line_with_the_way_to_name_a_file() -> None:
    with pytest.raises(SettingsError, match=r"write python:\./my_camera\.py:waves for a file"):
        source_opener(CameraTable(source="python:my_camera:waves"))()


def test_a_module_that_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    with pytest.raises(SettingsError, match="nothing_of_that_name"):
        opened(broken, "a")
    with pytest.raises(SettingsError, match="cannot be imported"):
        opened(tmp_path / "missing.py", "a")
