"""Codec `gan` between real processes: its model found or missing, and too slow for the source."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="codec gan needs torch: pip install 'rankcast[gan]'")

from rankcast.images import read_image
from rankcast.models import read_head, read_model
from support.fakes import free_address
from support.processes import rankcast, read_report
from support.sabotage import sabotaged

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "gan"
MODEL = GOLDEN / "model.rkm"
SIZE = "width=64&height=48"


@pytest.mark.slow
def test_a_receiver_finds_the_model_by_its_id(tmp_path: Path) -> None:
    address, out = free_address(), tmp_path / "out"
    with (
        rankcast("receive", "--connect", address, "--save", str(out), "--models", str(GOLDEN),
                 "--timeout", "40", "--report", str(tmp_path / "r.json")) as receiver,
        rankcast("send", "--source", f"synthetic:conveyor?{SIZE}", "--bind", address,
                 "--codec", "gan", "--set", f"codec.model={MODEL}", "--frames", "6",
                 "--no-realtime", "--wait-viewers", "1") as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    report = read_report(tmp_path / "r.json")
    assert (report["delivered"], report["lost"], report["codec"]) == (6, {}, "gan")
    assert report["psnr_db"] is None
    assert all(read_image(path).shape == (48, 64, 3) for path in out.iterdir())


@pytest.mark.slow
def test_a_receiver_without_the_model_names_it_and_counts_every_frame(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("receive", "--connect", address, "--set", "stream.mode=keep", "--timeout", "40",
                 "--models", str(tmp_path), "--report", str(tmp_path / "r.json")) as receiver,
        rankcast("send", "--source", f"synthetic:conveyor?{SIZE}", "--bind", address,
                 "--codec", "gan", "--set", f"codec.model={MODEL}", "--frames", "6",
                 "--no-realtime", "--wait-viewers", "1") as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    report = read_report(tmp_path / "r.json")
    assert report["lost"] == {"refused_packet": 6}
    assert report["balanced"]
    said = [line for line in receiver.lines if "needs model" in line]
    assert 1 <= len(said) <= 3
    assert read_head(MODEL).model_id.hex() in said[0]


SLOW_S = 5
SLOW_TORCH = f"""
import functools, time
@functools.cache
def slowly():
    time.sleep({SLOW_S})
    return original()
# Loaded with the table of codecs, so that its name is bound already.
from rankcast.codec.gan import preload
preload.has_torch = slowly
return slowly
"""


@pytest.mark.slow
def test_the_first_frame_does_not_wait_until_torch_is_loaded(tmp_path: Path) -> None:
    address = free_address()
    # As on a busy machine.
    slow = sabotaged(tmp_path / "slow", "rankcast.codec.gan.halves:has_torch", SLOW_TORCH)
    with (
        rankcast("receive", "--connect", address, "--models", str(GOLDEN), "--timeout", "40",
                 "--report", str(tmp_path / "r.json"), **slow) as receiver,
        rankcast("send", "--source", f"synthetic:conveyor?{SIZE}&fps=10", "--bind", address,
                 "--codec", "gan", "--set", f"codec.model={MODEL}", "--frames", "20",
                 "--wait-viewers", "1", "--report", str(tmp_path / "s.json"), **slow) as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    report = read_report(tmp_path / "r.json")
    assert report["published"] == read_report(tmp_path / "s.json")["published"]
    assert report["age_ms"]["max"] < 1000 * SLOW_S / 2, report
    assert "network_gap" not in report["lost"], report
    for process in (receiver, sender):
        (said,) = [line for line in process.lines if "loading model" in line]
        assert said.endswith(str(MODEL))


@pytest.mark.slow
def test_what_the_networks_cannot_keep_up_with_is_a_mailbox_loss(tmp_path: Path) -> None:
    address = free_address()
    with (
        rankcast("receive", "--connect", address, "--models", str(GOLDEN), "--timeout", "40",
                 "--report", str(tmp_path / "r.json")) as receiver,
        rankcast("send", "--source", f"synthetic:conveyor?{SIZE}&fps=1000", "--bind", address,
                 "--codec", "gan", "--set", f"codec.model={MODEL}", "--frames", "1500",
                 "--wait-viewers", "1", "--report", str(tmp_path / "s.json")) as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    sent, received = read_report(tmp_path / "s.json"), read_report(tmp_path / "r.json")
    assert sent["lost"].get("mailbox", 0) > 0
    assert sent["grabbed"] == sent["published"] + sum(sent["lost"].values()) == 1500
    assert sent["balanced"]
    assert received["balanced"]


@pytest.mark.slow
def test_a_wrong_model_stops_the_sender_before_it_opens_anything(tmp_path: Path) -> None:
    (tmp_path / "cut.rkm").write_bytes(MODEL.read_bytes()[:5000])
    with rankcast("send", "--source", f"synthetic:conveyor?{SIZE}", "--codec", "gan",
                  "--bind", free_address(),
                  "--set", f"codec.model={tmp_path / 'cut.rkm'}") as sender:  # fmt: skip
        assert sender.wait() == 2
    assert any("cut.rkm: " in line for line in sender.lines)
    assert not any("Traceback" in line for line in sender.lines)


def test_a_folder_of_models_that_is_none_stops_the_receiver(tmp_path: Path) -> None:
    with rankcast("receive", "--connect", free_address(), "--models",
                  str(tmp_path / "none")) as receiver:  # fmt: skip
        assert receiver.wait() == 2
    assert any("--models is not a directory: " in line for line in receiver.lines)


@pytest.mark.slow
def test_ctrl_c_ends_a_training_early_with_everything_written(tmp_path: Path) -> None:
    out = tmp_path / "m.rkm"
    with rankcast("train", "gan", "--data", str(GOLDEN / "colour.png"), "--out", str(out),
                  "--minutes", "30", "--no-pictures") as training:  # fmt: skip
        assert training.process.stdout is not None
        assert "colour: 1 frame, no common background" in training.process.stdout.readline()
        training.process.send_signal(signal.SIGINT)
        assert training.wait() == 0, training.lines
    assert read_model(out, "gan").head.description["training"]["elapsed_s"] < 600
    assert read_head(tmp_path / "m.checkpoint.rkm").kind == "gan-checkpoint"
