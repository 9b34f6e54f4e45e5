"""Settings over the control channel: applied or refused, never fatal, and no frame is lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rankcast.errors import RequestRefusedError
from rankcast.frame import Scalar
from rankcast.net import ControlClient, control_endpoint
from rankcast.wire import Reply
from support.processes import rankcast
from support.viewers import SMALL, Viewer, finish, sending

pytestmark = pytest.mark.slow

TRIGGERED = "synthetic:conveyor?width=320&height=240&trigger=on"


def ask_set(address: str, **args: Scalar) -> Reply:
    with ControlClient(control_endpoint(address)) as client:
        return client.call("set", args=args, timeout_s=20)


def refusal(address: str, **args: Scalar) -> str:
    """Why the sender refused to set `args`, in one line."""
    with pytest.raises(RequestRefusedError) as caught:
        ask_set(address, **args)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("codec", "refused", "said", "accepted"),
    [
        ("pca", {"layout": "frames", "model": "/nonexistent"}, "/nonexistent", {"variance": 0.5}),
        pytest.param(
            "svd",
            {"rank": 5000},
            "got rank 5000, want at most",
            {"rank": 5},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "svd-patch",
            {"significant_bits": 12},
            "got 8-bit samples",
            {"quality": 30},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_the_codec_cannot_use_is_refused_with_the_reason_and_the_stream_goes_on(
    tmp_path: Path,
    codec: str,
    refused: dict[str, Scalar],
    said: str,
    accepted: dict[str, Scalar],
) -> None:
    with (
        sending(tmp_path, "--wait-viewers", "1", "--codec", codec, source=SMALL) as sender,
        Viewer(sender.address, live=False) as viewer,
    ):
        viewer.wait_more(5)
        assert said in refusal(sender.address, **refused)
        viewer.wait_more(10)
        assert ask_set(sender.address, **accepted).result == accepted
        viewer.wait_more(10)
        finish(sender, viewer)
        report = sender.report()
    assert report["lost"].get("encode", 0) == 0


@pytest.mark.slow
def test_a_camera_without_frames_answers_at_once_and_says_later_what_it_had_to_undo(
    tmp_path: Path,
) -> None:
    with (
        sending(tmp_path, "--codec", "svd", source=TRIGGERED) as sender,
        rankcast("receive", "--connect", sender.address) as receiver,
    ):
        sender.process.wait_line("cam: waiting, 1 viewer")
        started_s = time.monotonic()
        assert "want an integer of at least 1" in refusal(sender.address, rank=0)
        # No picture says yet that this is too much.
        assert ask_set(sender.address, rank=5000).result == {"rank": 5000}
        assert time.monotonic() - started_s < 3
        ask_set(sender.address, trigger="once")
        sender.process.wait_line("options undone, frame 0 could not be coded with them: got rank")
        with ControlClient(control_endpoint(sender.address)) as client:
            status = client.call("status", timeout_s=20).result
        assert "got rank 5000" in str(status["settings_refused"])
        receiver.wait_frames()
        sender.stop()
        assert receiver.wait() == 0
    assert sender.report()["published"] == 1
