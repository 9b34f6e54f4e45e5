"""Keepers of a lossless sender take frames at their own pace, by credit, and lose none."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rankcast_sender.sockets.credit_gate import INITIAL_CREDIT
from support.fakes import free_address
from support.keeper import Keeper
from support.processes import rankcast, run
from support.viewers import sending

LOSSLESS = ("--no-realtime", "--codec", "raw", "--wait-viewers", "1")
SMALL = "synthetic:conveyor?width=64&height=48&fps=200"


def test_a_keeper_gets_no_frame_before_it_gave_credit_and_then_every_one(tmp_path: Path) -> None:
    frames = 40
    with sending(tmp_path, *LOSSLESS, "--frames", str(frames), source=SMALL) as sender:
        with Keeper(sender.address) as keeper:
            keeper.read_until("cam", INITIAL_CREDIT - 1)
            assert keeper.read_statuses("cam", 3)[1:] == [INITIAL_CREDIT] * 2, "and not one more"
            keeper.credit("cam", 10)
            keeper.credit("cam", 2)
            keeper.read_until("cam", 9)
            assert keeper.read_statuses("cam", 2)[-1] == 10, "credit never falls"
            keeper.credit("cam", frames)
            while not keeper.ended:
                assert keeper.read()
            assert keeper.sequences["cam"] == list(range(frames))
        assert sender.process.wait() == 0
    assert sender.report()["published"] == frames
    assert sender.report()["lost"] == {}


@pytest.mark.slow
def test_the_slowest_keeper_sets_the_pace_until_it_leaves(tmp_path: Path) -> None:
    with sending(tmp_path, *LOSSLESS, source=SMALL) as sender, Keeper(sender.address) as fast:
        with Keeper(sender.address) as slow:
            slow.read_until("cam", INITIAL_CREDIT - 1)
            fast.read_until("cam", INITIAL_CREDIT - 1)
            fast.credit("cam", 1000)
            held = fast.read_statuses("cam", 2)[-1]
            assert held < 2 * INITIAL_CREDIT, "joined a few frames later at most"
        fast.read_until("cam", 999)
        assert fast.sequences["cam"] == list(range(1000))


@pytest.mark.slow
def test_a_keeper_of_one_camera_does_not_hold_up_another(tmp_path: Path) -> None:
    config = tmp_path / "sender.toml"
    config.write_text("".join(
        f'[[camera]]\nname = "{name}"\nsource = "{SMALL}"\nrealtime = false\n'
        for name in ("left", "right")
    ))  # fmt: skip
    address = free_address()
    with (
        rankcast("send", "--config", str(config), "--bind", address, "--codec", "raw"),
        Keeper(address, ["left"]) as left,
        Keeper(address, ["right"]) as right,
    ):
        left.read_until("left", INITIAL_CREDIT - 1)
        right.read_until("right", INITIAL_CREDIT - 1)
        right.credit("right", 200)
        right.read_until("right", 199)
        assert left.read_statuses("left", 2)[-1] == INITIAL_CREDIT
        right.streams["left"] = left.streams["left"]
        right.credit("left", 500)
        assert left.read_statuses("left", 2)[-1] == INITIAL_CREDIT, "its token counts there only"


@pytest.mark.slow
def test_a_keeper_that_stays_silent_while_it_holds_the_camera_up_stops_counting(
    tmp_path: Path,
) -> None:
    silence = ("--set", "network.unacknowledged_s=2")
    with (
        sending(tmp_path, *LOSSLESS, *silence, source=SMALL) as sender,
        Keeper(sender.address) as silent,
        Keeper(sender.address) as good,
    ):
        silent.read_until("cam", INITIAL_CREDIT - 1)
        good.read_until("cam", INITIAL_CREDIT - 1)
        began_s = time.monotonic()
        good.credit("cam", 100)
        good.read_until("cam", 99)
        assert time.monotonic() - began_s > 1.0
        sender.process.wait_line("the stream no longer waits for it")
        assert good.sequences["cam"] == list(range(100))


def test_without_a_control_channel_there_is_no_lossless_sender() -> None:
    done = run("send", "--source", SMALL, "--no-realtime", "--control", "off")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "needs the control channel" in done.stderr
