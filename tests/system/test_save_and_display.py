"""A receiver that saves and shows: how it ends, and with which exit code; names over restarts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rankcast.images import read_text
from support.fakes import free_address
from support.later import later
from support.processes import rankcast, read_report
from support.recordings import frames_of
from support.sabotage import sabotaged

CONVEYOR = "synthetic:conveyor?width=96&height=64"
# Before the first frame the window shows a text of 640 pixels, frames are shown at another size.
WINDOW = """
from rankcast_receiver.sinks.display.screen import KeyPress
class FakeWindow:
    def __init__(self, title):
        self.shown = 0
    def resize(self, width, height):
        pass
    def show(self, picture):
        self.shown += picture.shape[1] != 640
    def is_open(self):
        return {open}
    def gestures(self):
        return [KeyPress("q")] if {quit} else []
    def area(self):
        return None
    def close(self):
        pass
return FakeWindow
"""


def fake_window(tmp_path: Path, *, open_: str = "True", quit_: str = "False") -> dict[str, str]:
    body = WINDOW.format(open=open_, quit=quit_)
    return sabotaged(
        tmp_path / "window", "rankcast_receiver.sinks.display.display_sink:Window", body
    )


@pytest.mark.parametrize(
    "gesture",
    [{"quit_": "self.shown > 5"}, later({"open_": "self.shown <= 5"})],
    ids=["q", "closed"],
)
def test_q_ends_with_0_also_where_frames_are_saved_and_fewer_than_wanted(
    tmp_path: Path, gesture: dict[str, str]
) -> None:
    address = free_address()
    with (
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--fps", "20"),
        rankcast("receive", "--connect", address, "--save", str(tmp_path / "out"), "--display",
                 "--frames", "1000", "--report", str(tmp_path / "r.json"), "--timeout", "30",
                 **fake_window(tmp_path, **gesture)) as receiver,
    ):  # fmt: skip
        assert receiver.wait() == 0, receiver.lines
    report = read_report(tmp_path / "r.json")
    assert report["balanced"]
    assert 0 < report["delivered"] < 1000
    assert report["saved"] == len(list((tmp_path / "out").iterdir()))


@pytest.mark.slow
def test_enough_saved_frames_end_with_0_also_with_a_window(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--fps", "20"),
        rankcast("receive", "--connect", address, "--save", str(tmp_path / "out"), "--display",
                 "--frames", "10", "--report", str(tmp_path / "r.json"), "--timeout", "30",
                 **fake_window(tmp_path)) as receiver,
    ):  # fmt: skip
        assert receiver.wait() == 0, receiver.lines
    report = read_report(tmp_path / "r.json")
    assert report["saved"] == report["delivered"] == 10
    assert report["balanced"]


@pytest.mark.slow
def test_a_recorder_beside_a_window_records_what_the_window_may_skip(tmp_path: Path) -> None:
    address, path = free_address(), tmp_path / "a.mcap"
    with (
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--fps", "20"),
        rankcast("receive", "--connect", address, "--record", str(path), "--display",
                 "--frames", "20", "--report", str(tmp_path / "r.json"), "--timeout", "30",
                 **fake_window(tmp_path)) as receiver,
    ):  # fmt: skip
        assert receiver.wait() == 0, receiver.lines
    report = read_report(tmp_path / "r.json")
    assert report["balanced"]
    assert report["recorded"] == report["delivered"] == 20
    assert 0 < report["shown"] <= 21
    assert len(frames_of(path)["cam"]) == 20


@pytest.mark.slow  # four processes, one after another
def test_a_sender_that_starts_again_keeps_the_originals_of_its_first_start(tmp_path: Path) -> None:
    originals = tmp_path / "originals"
    streams = []
    for number in range(2):
        address, sent = free_address(), tmp_path / f"sent{number}.json"
        with (
            rankcast("receive", "--connect", address, "--timeout", "30") as receiver,
            rankcast("send", "--source", CONVEYOR, "--bind", address, "--frames", "9",
                     "--no-realtime", "--wait-viewers", "1", "--audit", str(originals),
                     "--audit-every", "4", "--report", str(sent)) as sender,
        ):  # fmt: skip
            assert sender.wait() == 0, sender.lines
            assert receiver.wait() == 0, receiver.lines
        streams.append(read_report(sent)["stream"])
    tags = {path.stem: json.loads(read_text(path) or "") for path in originals.iterdir()}
    expected = {}
    for sequence in (0, 4, 8):
        expected[f"cam_{sequence:09d}"] = streams[0]
        expected[f"cam_{sequence:09d}_{streams[1][:8]}"] = streams[1]
    assert {stem: tag["stream_id"] for stem, tag in tags.items()} == expected


@pytest.mark.slow
def test_retention_options_reach_the_disk(tmp_path: Path) -> None:
    address, folder = free_address(), tmp_path / "out"
    with (
        rankcast("receive", "--connect", address, "--save", str(folder), "--timeout", "30",
                 "--save-max-age", "1e6", "--save-min-free", str(2**62), "--save-fsync",
                 "--report", str(tmp_path / "r.json")) as receiver,
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--frames", "12",
                 "--no-realtime", "--wait-viewers", "1") as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    assert read_report(tmp_path / "r.json")["saved"] == 12
    # No disk has that much space: all but the newest go, once a second at the latest.
    assert len(list(folder.iterdir())) < 12
