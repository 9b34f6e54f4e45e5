"""A running sender is asked and changed with `rankcast control`; several cameras in one sender."""

from __future__ import annotations

import json
import signal
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankcast.decoder import Decoder
from rankcast.errors import RequestRefusedError
from rankcast.frame import Scalar
from rankcast.images import read_image, write_image
from rankcast.images.frame_mark import read_frame_mark
from rankcast.net import ControlClient, control_endpoint
from rankcast.runtime.runner import rankcast as command_group
from rankcast.runtime.runner import run as run_command
from rankcast.wire import Reply, unpack
from support.fakes import free_address
from support.later import later
from support.processes import Rankcast, rankcast, read_report, run

CONVEYOR = "synthetic:conveyor?width=320&height=240"


def control(address: str, *words: str) -> Any:
    """The JSON that `rankcast control` prints; it must have worked."""
    done = run("control", control_endpoint(address), *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(address: str, op: str, camera: str = "", **args: Scalar) -> Reply:
    """What the sender answers, asked without a process of its own."""
    with ControlClient(control_endpoint(address)) as client:
        return client.call(op, camera, args, timeout_s=20)


def refused(address: str, op: str, camera: str = "", **args: Scalar) -> str:
    """Why the sender did not do it."""
    with pytest.raises(RequestRefusedError) as caught:
        ask(address, op, camera, **args)
    return str(caught.value)


def stop(sender: Rankcast) -> None:
    sender.signal(signal.SIGTERM)
    assert sender.wait() == 0, sender.lines


def test_a_running_sender_is_read_set_and_asked_for_its_newest_frame(tmp_path: Path) -> None:
    address = free_address()
    out = tmp_path / "original.png"
    with (
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--fps", "25",
                 "--set", "codec.gop=100000", "--set", "codec.keyframe_interval_s=0") as sender,
        rankcast("receive", "--connect", address, "--timeout", "30",
                 "--report", str(tmp_path / "r.json")) as receiver,
    ):  # fmt: skip
        receiver.wait_line("received")
        assert control(address, "get", "quality") == {"quality": 75}
        changed = control(address, "set", "quality=30", "exposure=0.5")
        assert changed == {"quality": 30, "exposure": 0.5}
        values = ask(address, "get").result
        assert (values["quality"], values["exposure"], values["codec"]) == (30, 0.5, "svd-patch")
        assert ask(address, "set", bitrate="2 Mbit/s").result == {"bitrate": 2e6}
        assert "quality" not in ask(address, "get").result

        status = control(address, "status")
        assert status["cameras"] == {"cam": "live"}
        assert status["viewers"] == 1
        assert status["settings"]["bitrate"] == 2e6
        assert status["camera"] == {"exposure": 0.5, "trigger": "off"}
        assert f":{status['control']}" in control_endpoint(address)

        first = control(address, "keyframe")
        assert first["coming"]
        receiver.wait_line("received")
        while (sequence := ask(address, "keyframe").result["sequence"]) == first["sequence"]:
            assert isinstance(sequence, int)
        assert sequence > first["sequence"]

        assert control(address, "original", str(out))["file"] == str(out)
        picture = read_image(out)
        assert picture.shape == (240, 320, 3)
        assert read_frame_mark(picture) > 0
        ask(address, "set", exposure=1.0)
        bright = unpack(ask(address, "original").packet)
        assert bright.header.stream_id == bytes(8)
        while Decoder().decode_packet(bright).mean() < 1.5 * picture.mean():
            bright = unpack(ask(address, "original").packet)

        assert "want at least 1" in refused(address, "set", quality=0)
        assert "settings of cam are: quality, " in refused(address, "set", gain=3)
        assert "want 0.01 to 1" in refused(address, "set", exposure=7, gop=5)
        assert ask(address, "get", name="gop").result == {"gop": 100000}
        assert "got camera left, want one of cam" in refused(address, "status", "left")
        done = run("control", control_endpoint(address), "set", "rank=9")
        assert done.returncode == 1
        assert "rank = 9" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        stop(sender)
        assert receiver.wait() == 0
    assert read_report(tmp_path / "r.json")["balanced"]


@pytest.mark.slow
def test_a_camera_that_waits_for_its_trigger_says_so_and_gives_a_frame_for_each() -> None:
    address = free_address()
    with rankcast("send", "--source", CONVEYOR + "&trigger=on", "--bind", address,
                  "--codec", "raw", "--verbose") as sender:  # fmt: skip
        sender.wait_line("cam: waiting")
        assert ask(address, "status").result["cameras"] == {"cam": "waiting"}
        assert "no frame" in refused(address, "original")
        for count in (1, 2):
            ask(address, "set", trigger="once")
            sender.wait_line(f"lost {count} nobody_watching")
        ask(address, "set", trigger="off")
        sender.wait_line("cam: live")
        stop(sender)


def test_nobody_there_is_exit_4_and_a_wrong_word_is_exit_2(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    address = free_address()
    done = run("control", control_endpoint(address), "status", "--timeout", "0.3")
    assert done.returncode == 4
    assert "nothing answered" in done.stderr
    for words in (
        ("set", "quality"),
        ("set",),
        ("get", "a", "b"),
        ("original",),
        ("original", str(tmp_path / "a.jpg")),
        ("status", "--timeout", "0"),
        ("status", "--camera", "No Spaces"),
        ("reboot",),
    ):
        # In this process: eight starts of Python would take most of the test's time.
        code = run_command(command_group, ["control", control_endpoint(address), *words])
        said = capfd.readouterr().err
        assert code == 2, (words, said)
        assert "Traceback" not in said


@pytest.mark.slow
def test_two_cameras_share_a_sender_and_one_that_fails_stops_only_itself(tmp_path: Path) -> None:
    address = free_address()
    settings, report = tmp_path / "two.toml", tmp_path / "sent.json"
    settings.write_text(f"""
[[camera]]
name = "left"
source = "{CONVEYOR}&seed=1"
fps = 20.0
[camera.codec]
name = "raw"
[[camera]]
name = "right"
source = "synthetic:conveyor?width=160&height=120"
[[camera]]
name = "broken"
source = "replay:{tmp_path}/nothing-here"
[network]
bind = "{address}"
[codec]
quality = 50
""")  # fmt: skip
    with rankcast("send", "--config", str(settings), "--report", str(report)) as sender:
        sender.wait_line("the other cameras continue")
        done = run("receive", "--connect", address, "--camera", "left", "--frames", "5",
                   "--timeout", "30", "--save", str(tmp_path / "left"))  # fmt: skip
        assert done.returncode == 0, done.stderr
        states = ask(address, "status").result["cameras"]
        assert states == {"left": "live", "right": "live", "broken": "failed"}
        assert "want one of left, right, broken" in refused(address, "get")
        assert control(address, "get", "codec", "--camera", "left") == {"codec": "raw"}
        assert ask(address, "get", "right", name="quality").result == {"quality": 50}
        done = run("receive", "--connect", address, "--camera", "right", "--frames", "5",
                   "--timeout", "30", "--save", str(tmp_path / "right"))  # fmt: skip
        assert done.returncode == 0, done.stderr
        sender.signal(signal.SIGTERM)
        assert sender.wait() == 1  # one camera failed
    for name, shape in (("left", (240, 320, 3)), ("right", (120, 160, 3))):
        saved = sorted((tmp_path / name).iterdir())
        assert len(saved) == 5
        assert all(read_image(path).shape == shape for path in saved)
    totals = read_report(report)
    assert set(totals["cameras"]) == {"left", "right", "broken"}
    assert "nothing-here" in totals["cameras"]["broken"]["error"]
    assert totals["cameras"]["left"]["codec"] == "raw"
    assert totals["balanced"]
    assert totals["grabbed"] == sum(camera["grabbed"] for camera in totals["cameras"].values())


@pytest.mark.slow
def test_the_settings_of_several_cameras_are_printed_so_that_they_can_be_read_back(
    tmp_path: Path,
) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(
        '[[camera]]\nname = "a"\nsource = "synthetic:conveyor"\n[camera.codec]\nquality = 30\n'
        '[[camera]]\nname = "b"\nsource = "synthetic:conveyor"\n'
    )
    first = run("send", "--config", str(one), "--check", "--fps", "5")
    assert first.returncode == 0, first.stderr
    two.write_text(first.stdout)
    again = run("send", "--config", str(two), "--check")
    assert tomllib.loads(again.stdout) == tomllib.loads(first.stdout)
    assert first.stdout.count("[[camera]]") == 2
    assert first.stdout.count("fps = 5.0") == 2
    assert "quality = 30" in first.stdout
    assert "quality = 75" in first.stdout


@pytest.mark.parametrize(
    ("cameras", "said"),
    [
        ('[[camera]]\nname = "a"\n[[camera]]\nname = "a"\n', "two cameras are named a"),
        (
            '[[camera]]\nname = "a"\n[[camera]]\nname = "b"\nrealtime = false\n',
            "differ in realtime",
        ),
        ('[[camera]]\nname = "a"\n[[camera]]\nname = "B b"\n', "camera 2: [camera] name = 'B b'"),
        later('[[camera]]\nname = "a"\n[[camera]]\nname = "b"\n[camera.codec]\nrang = 1\n', "rang"),
        later("camera = []\n", "got 0 [[camera]]"),
    ],
)
def test_wrong_tables_of_cameras_are_told_in_one_line(
    cameras: str, said: str, tmp_path: Path
) -> None:
    settings = tmp_path / "wrong.toml"
    settings.write_text(cameras)
    done = run("send", "--config", str(settings), "--check")
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_camera_that_is_not_there_is_tried_again_and_the_status_says_so() -> None:
    address = free_address()
    with rankcast("send", "--source", "camera:97", "--bind", address) as sender:
        sender.wait_line("next try in")
        status = ask(address, "status").result
        assert status["cameras"] == {"cam": "backoff"}
        assert status["grabbed"] == 0
        stop(sender)


@pytest.mark.slow
def test_an_original_is_the_picture_that_was_grabbed(tmp_path: Path) -> None:
    address = free_address()
    picture = np.random.default_rng(3).integers(0, 65536, (48, 64), dtype=np.uint16)
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "one.png", picture)
    with rankcast("send", "--source", f"replay:{tmp_path / 'in'}", "--loop", "--bind", address,
                  "--codec", "svd") as sender:  # fmt: skip
        sender.wait_line("nobody_watching")
        control(address, "original", str(tmp_path / "out.tiff"))
        stop(sender)
    assert np.array_equal(read_image(tmp_path / "out.tiff"), picture)
