"""Whole streams between real processes over loopback."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from rankcast.images import read_image, read_text, write_image
from rankcast.images.frame_mark import read_frame_mark
from rankcast.numerics import Fidelity
from rankcast.runtime.runner import rankcast as command_group
from rankcast.runtime.runner import run as run_command
from support.conformance import psnr_db
from support.fakes import free_address
from support.processes import rankcast, read_report, run, run_script

CONVEYOR = "synthetic:conveyor?width=320&height=240"


def sequence_of(path: Path) -> int:
    return int(path.stem.split("_")[-2])


def test_replaying_files_without_real_time_saves_every_one_of_them(tmp_path: Path) -> None:
    originals = []
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for number in range(40):
        image = rng.integers(0, 65536, (48, 64), dtype=np.uint16)
        write_image(folder / f"part {number:03d}.png", image)
        originals.append(image)
    address = free_address()
    sent, received = tmp_path / "sent.json", tmp_path / "received.json"
    with (
        rankcast("receive", "--connect", address, "--save", str(tmp_path / "out"), "--timeout",
                 "30", "--report", str(received)) as receiver,
        rankcast("send", "--source", f"replay:{folder}", "--bind", address,
                 "--codec", "raw", "--no-realtime", "--wait-viewers", "1",
                 "--report", str(sent)) as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    saved = sorted((tmp_path / "out").iterdir(), key=sequence_of)
    assert [sequence_of(path) for path in saved] == list(range(40))
    for path, original in zip(saved, originals, strict=True):
        assert np.array_equal(read_image(path), original)
    report = read_report(received)
    assert report["published"] == report["delivered"] == report["saved"] == 40
    assert report["lost"] == {}
    assert report["balanced"]
    totals = read_report(sent)
    assert (totals["grabbed"], totals["published"], totals["balanced"]) == (40, 40, True)


@pytest.mark.slow
def test_svd_frames_arrive_as_themselves_and_say_that_they_are_lossy(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("receive", "--connect", address, "--save", str(tmp_path / "out"), "--timeout",
                 "30", "--report", str(tmp_path / "r.json")) as receiver,
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--codec", "svd", "--frames",
                 "12", "--no-realtime", "--wait-viewers", "1", "--report",
                 str(tmp_path / "sent.json"),
                 "--audit", str(tmp_path / "originals"), "--audit-every", "4") as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    saved = sorted((tmp_path / "out").iterdir(), key=sequence_of)
    assert len(saved) == 12
    for path in saved:
        tag = json.loads(read_text(path) or "")
        # The number burnt into the pixels proves that the picture is the one its header names.
        assert read_frame_mark(read_image(path)) == tag["frame"]
        assert "lossy" in tag.values()
        assert tag["codec"] == "svd"
    audits = sorted((tmp_path / "originals").iterdir())
    assert [int(path.stem.split("_")[-1]) for path in audits] == [0, 4, 8]
    for path in audits:
        original = read_image(path)
        match = next(s for s in saved if sequence_of(s) == int(path.stem.split("_")[-1]))
        claimed = json.loads(read_text(match) or "")["psnr_db"]
        assert claimed == pytest.approx(psnr_db(original, read_image(match)), abs=0.5)
    # Both ends say the same of all frames, and so do their last lines.
    camera = read_report(tmp_path / "sent.json")["cameras"]["cam"]
    report = read_report(tmp_path / "r.json")
    tags = [json.loads(read_text(path) or "") for path in saved]
    assert report["psnr_min_db"] == min(tag["psnr_db"] for tag in tags)
    assert report["energy_min"] == min(tag["energy"] for tag in tags)
    assert report["rank_max"] == max(max(tag["rank"]) for tag in tags)
    for name in Fidelity().values():
        assert camera[name] == pytest.approx(report[name]), name
    for process in (sender, receiver):
        assert f"PSNR {report['psnr_db']:.1f} dB" in next(
            line for line in process.lines if "end: " in line
        )


@pytest.mark.slow
def test_receive_stops_after_the_wanted_frames_and_the_first_comes_soon_after_its_start(
    tmp_path: Path,
) -> None:
    """With a warm kernel cache: 2 s on a quiet machine; benchmarks/stream.py gives the figure."""
    address, report = free_address(), tmp_path / "r.json"
    with rankcast("send", "--source", CONVEYOR, "--bind", address, "--fps", "50") as sender:
        sender.wait_line("listening")
        done = run("receive", "--connect", address, "--frames", "15", "--timeout", "30",
                   "--report", str(report))  # fmt: skip
        assert done.returncode == 0, done.stderr
        started = time.monotonic()
        done = run("receive", "--connect", address, "--frames", "1", "--timeout", "30")
        assert done.returncode == 0
        assert time.monotonic() - started < 6.0
        sender.signal(signal.SIGTERM)
        assert sender.wait(5) == 0
    assert read_report(report)["delivered"] == 15
    assert read_report(report)["balanced"]


@pytest.mark.slow
def test_fewer_frames_than_wanted_is_exit_4(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("receive", "--connect", address, "--frames", "50", "--timeout", "30",
                 "--set", "stream.mode=keep", "--report", str(tmp_path / "r.json")) as receiver,
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--codec", "raw", "--frames",
                 "5", "--no-realtime", "--wait-viewers", "1") as sender,
    ):  # fmt: skip
        assert sender.wait() == 0
        assert receiver.wait() == 4
    assert "got 5 frames before the stream ended, want 50" in receiver.lines[-1]
    assert read_report(tmp_path / "r.json")["delivered"] == 5


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_both_ends_stop_cleanly_on_a_signal_with_balanced_reports(
    tmp_path: Path, number: signal.Signals
) -> None:
    address = free_address()
    sent, received = tmp_path / "sent.json", tmp_path / "received.json"
    with (
        rankcast("send", "--source", CONVEYOR, "--bind", address, "--codec", "raw",
                 "--fps", "100", "--report", str(sent)) as sender,
        rankcast("receive", "--connect", address, "--save", str(tmp_path / "out"),
                 "--report", str(received)) as receiver,
    ):  # fmt: skip
        receiver.wait_frames()
        for process in (receiver, sender):
            assert process.stop(number) == 0, process.lines
    assert read_report(sent)["balanced"]
    report = read_report(received)
    assert report["balanced"], report
    assert report["saved"] == len(list((tmp_path / "out").iterdir())) > 0


@pytest.mark.slow
def test_a_signal_ends_a_sender_that_waits_for_a_stalled_viewer(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("send", "--source", "synthetic:conveyor?width=640&height=480", "--bind", address,
                 "--codec", "raw", "--no-realtime", "--wait-viewers", "1", "--verbose",
                 "--report", str(tmp_path / "s.json")) as sender,
        rankcast("receive", "--connect", address, "--set", "stream.mode=keep") as receiver,
    ):  # fmt: skip
        receiver.wait_frames()
        receiver.signal(signal.SIGSTOP)
        sender.wait_line(" 0.0 fps")  # held back: no frame in a second
        assert sender.stop(signal.SIGTERM) == 0
        receiver.signal(signal.SIGCONT)
    assert read_report(tmp_path / "s.json")["balanced"]


@pytest.mark.slow
def test_a_live_viewer_with_a_slow_sink_sees_fresh_frames_and_counts_the_rest(
    tmp_path: Path,
) -> None:
    """PNG at full compression is the slow sink; 50 frames a second come."""
    address = free_address()
    with (
        rankcast("send", "--source", "synthetic:conveyor?width=640&height=480", "--fps", "50",
                 "--bind", address, "--codec", "jpeg", "--wait-viewers", "1",
                 "--frames", "75") as sender,
        rankcast("receive", "--connect", address, "--save", str(tmp_path / "out"), "--set",
                 "stream.mode=live", "--set", "save.png_compression=9", "--timeout", "30",
                 "--report", str(tmp_path / "r.json")) as receiver,
    ):  # fmt: skip
        sent, sender_held_up_s = sender.wait_measured()
        received, receiver_held_up_s = receiver.wait_measured()
        assert (sent, received) == (0, 0)
    report = read_report(tmp_path / "r.json")
    assert report["lost"]["skipped_as_old"] > 0
    assert report["balanced"]
    # The bar of 250 ms is for a quiet machine (benchmarks/stream.py). A queue that grew would show
    # frames of many seconds here; time without a processor is the machine's.
    assert report["age_ms"]["p50"] < 1000
    assert report["age_ms"]["max"] < 1000 * (1 + sender_held_up_s + receiver_held_up_s)


def test_the_sender_restarts_and_the_viewer_goes_on(tmp_path: Path) -> None:
    address = free_address()
    with rankcast("receive", "--connect", address, "--stay", "--report",
                  str(tmp_path / "r.json")) as receiver:  # fmt: skip
        for _ in range(2):
            with rankcast("send", "--source", CONVEYOR, "--bind", address, "--codec", "raw",
                          "--frames", "10", "--wait-viewers", "1") as sender:  # fmt: skip
                assert sender.wait() == 0
        receiver.wait_line("the sender has restarted")
        receiver.signal(signal.SIGTERM)
        assert receiver.wait(5) == 0
    report = read_report(tmp_path / "r.json")
    assert len(report["streams"]) == 2
    assert report["balanced"]


SLOW_CALLER = """
import sys, threading
import numpy as np
from rankcast_receiver import Subscriber
from rankcast_sender import Publisher

address = sys.argv[1]
with Publisher(address, codec="raw") as publisher, Subscriber(address, timeout_s=20) as subscriber:
    stop = threading.Event()
    def feed():
        publisher.wait_viewers(1, 10)
        while not stop.wait(0.02):
            publisher.send(np.zeros((480, 640), np.uint8))
        publisher.close()
    feeder = threading.Thread(target=feed)
    feeder.start()
    for number, frame in enumerate(subscriber):
        if number == 2:
            stop.set()
        threading.Event().wait(0.8)  # the queue is full while the sender goes
    feeder.join()
    balance = subscriber.balance()
print("balanced" if balance.under_way == 0 else balance)
"""


@pytest.mark.slow
def test_a_slow_viewer_survives_the_end_of_its_sender() -> None:
    """With ZMTP heartbeats libzmq 4.3.5 ends the process here: hence one of its own."""
    done = run_script(SLOW_CALLER, free_address())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "balanced"


@pytest.mark.slow
def test_a_signal_ends_a_lossless_sender_whose_viewer_stalls_at_the_end(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("receive", "--connect", address, "--set", "stream.mode=keep") as receiver,
        rankcast("send", "--source", f"{CONVEYOR}&noise=3", "--bind", address, "--codec", "raw",
                 "--no-realtime", "--frames", "9000", "--wait-viewers", "1", "--report",
                 str(tmp_path / "s.json")) as sender,
    ):  # fmt: skip
        sender.wait_line("1 viewer,")
        receiver.signal(signal.SIGSTOP)
        assert sender.stop(signal.SIGINT) == 0
        receiver.signal(signal.SIGCONT)
    assert read_report(tmp_path / "s.json")["balanced"]


@pytest.mark.slow
def test_a_camera_that_fails_is_not_a_clean_end_for_its_viewer(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("receive", "--connect", address, "--timeout", "30") as receiver,
        rankcast("send", "--source", f"replay:{tmp_path / 'absent'}", "--bind", address,
                 "--wait-viewers", "1") as sender,
    ):  # fmt: skip
        assert sender.wait() == 1
        assert receiver.wait() == 4
    assert str(tmp_path / "absent") in sender.lines[-1]
    assert not [line for line in sender.lines if "Traceback" in line]
    assert "camera cam failed at the sender" in receiver.lines[-1]


def test_a_busy_port_is_exit_1_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("send", "--source", CONVEYOR, "--bind", f"tcp://127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"cannot listen at tcp://127.0.0.1:{port}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("send", "--source", "camera:97", "--set", "camera.retry=false"), 1, "camera"),
        (("send", "--source", "vhs:1"), 2, "vhs"),
        pytest.param(
            ("demo", "--source", "vhs:1"), 2, "got source 'vhs:1'", marks=pytest.mark.slow
        ),
        pytest.param(
            ("demo", "--source", "replay:/nowhere/at/all"),
            1,
            "/nowhere/at/all",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_the_right_exit_code(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    extra = ("--bind", free_address()) if arguments[0] == "send" and code == 1 else ()
    done = run(*arguments, *extra, *(("--out", str(tmp_path)) if arguments[0] == "demo" else ()))
    assert done.returncode == code, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_wrong_option_is_one_clear_line_and_exit_2(capfd: pytest.CaptureFixture[str]) -> None:
    """In this process: so many starts of Python would take most of the test's time."""
    send = ("send", "--source", CONVEYOR)
    for arguments, said in (
        (("send", "--source", "synthetic:conveyor?colour=blue"), "colour"),
        ((*send, "--codec", "vhs"), "vhs"),
        ((*send, "--set", "codec.rank=-1"), "rank"),
        ((*send, "--set", "codec.rang=1"), "rang"),
        ((*send, "--set", "network.bind=5555"), "5555"),
        ((*send, "--fps", "many"), "many"),
        ((*send, "--name", "No Spaces"), "No Spaces"),
        ((*send, "--report", "/nowhere/r.json"), "/nowhere/r.json"),
        (("send", "--config", "/nowhere.toml"), "/nowhere.toml"),
        (("receive", "--connect", "tcp:/somewhere"), "tcp:/somewhere"),
        (("receive", "--set", "save.format=gif"), "gif"),
        (("receive", "--frames", "-1"), "-1"),
        (("rewind",), "rewind"),
    ):
        code = run_command(command_group, list(arguments))
        lines = capfd.readouterr().err.splitlines()
        assert code == 2, (arguments, lines)
        assert said in lines[-1], arguments
        assert not [line for line in lines if "Traceback" in line]


def test_environment_variables_override_files_and_options_override_both(tmp_path: Path) -> None:
    file = tmp_path / "sender.toml"
    file.write_text('[camera]\nname = "file"\nfps = 5.0\n[codec]\nname = "raw"\n')
    done = run("send", "--config", str(file), "--source", CONVEYOR, "--fps", "7", "--check",
               RANKCAST_SEND__CAMERA__NAME="env", RANKCAST_SEND__CAMERA__FPS="6.0")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'name = "env"' in done.stdout
    assert "fps = 7.0" in done.stdout
    assert 'name = "raw"' in done.stdout


def test_the_demo_measures_both_codecs_and_draws_its_sheet(tmp_path: Path) -> None:
    done = run("demo", "--source", "synthetic:conveyor?width=160&height=120&fps=40", "--frames",
               "21", "--out", str(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert "svd rank 0.1" in done.stdout
    assert "jpeg q" in done.stdout
    sheet = read_image(tmp_path / "contact-sheet.png")
    assert sheet.shape[1] > 1900
    assert str(tmp_path / "contact-sheet.png") in done.stdout.replace("\n", "")
