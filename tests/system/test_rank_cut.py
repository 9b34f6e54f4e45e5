"""`receive --rank` between real processes: what is recorded, reported and said."""

from __future__ import annotations

from pathlib import Path

import pytest

import rankcast
from support.fakes import free_address
from support.processes import rankcast as process
from support.processes import read_report, run
from support.relaying import relaying

CONVEYOR = "synthetic:conveyor?width=160&height=120"
FRAMES = 20


def streamed(tmp_path: Path, *codec: str) -> tuple[dict[str, object], list[str]]:
    """Send frames to a recorder with `--rank 20`; return its report and its lines."""
    address = free_address()
    with (
        process("receive", "--connect", address, "--record", str(tmp_path / "a.mcap"), "--rank",
                "20", "--timeout", "40", "--report", str(tmp_path / "r.json")) as receiver,
        process("send", "--source", CONVEYOR, "--bind", address, *codec, "--frames", str(FRAMES),
                "--no-realtime", "--wait-viewers", "1") as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
    report = read_report(tmp_path / "r.json")
    assert (report["delivered"], report["lost"], report["balanced"]) == (FRAMES, {}, True)
    return report, receiver.lines


def recorded_ranks(path: Path) -> set[tuple[int, ...]]:
    with rankcast.Recording(path) as recording:
        return {frame.coding.rank for frame in recording if frame.coding is not None}


def test_a_receiver_records_and_reports_the_rank_that_it_keeps(tmp_path: Path) -> None:
    report, lines = streamed(tmp_path, "--codec", "svd", "--set", "codec.rank=72")
    assert (report["rank_min"], report["rank_max"]) == (18, 18)
    cut = report["rank_cut"]
    assert isinstance(cut, dict)
    assert (cut["rank"], cut["cut"], cut["uncut"]) == (20, FRAMES, 0)
    assert cut["bytes_after"] < 0.6 * cut["bytes_before"]
    assert report["bytes_per_frame"] == cut["bytes_after"] / FRAMES
    energy = report["energy"]
    assert isinstance(energy, float)
    assert 0.9 < energy < 1
    assert recorded_ranks(tmp_path / "a.mcap") == {(18, 18, 18)}
    assert not any("not cut" in line for line in lines)


@pytest.mark.slow
def test_a_stream_without_bands_passes_whole_and_one_line_says_so(tmp_path: Path) -> None:
    report, lines = streamed(tmp_path, "--codec", "svd-patch")
    cut = report["rank_cut"]
    assert isinstance(cut, dict)
    assert (cut["cut"], cut["uncut"]) == (0, FRAMES)
    assert cut["bytes_after"] == cut["bytes_before"]
    assert sum("not cut to rank 20: only packets of codec svd" in line for line in lines) == 1


@pytest.mark.slow
def test_a_relay_passes_the_rank_on_that_it_keeps(tmp_path: Path) -> None:
    address, behind = free_address(), free_address()
    with (
        process("receive", "--connect", behind, "--record", str(tmp_path / "a.mcap"), "--timeout",
                "40", "--report", str(tmp_path / "r.json")) as receiver,
        relaying(tmp_path, address, options=("--rank", "20", "--no-realtime"),
                 address=behind) as relay,
        process("send", "--source", CONVEYOR, "--bind", address, "--codec", "svd", "--set",
                "codec.rank=72", "--frames", str(FRAMES), "--no-realtime", "--wait-viewers", "1",
                "--set", "network.linger_s=1", "--report", str(tmp_path / "s.json")) as sender,
    ):  # fmt: skip
        assert sender.wait() == 0, sender.lines
        assert receiver.wait() == 0, receiver.lines
        relayed = relay.stop()
    sent, received = read_report(tmp_path / "s.json"), read_report(tmp_path / "r.json")
    cut = relayed["rank_cut"]
    assert (cut["rank"], cut["uncut"], relayed["lost"]) == (20, 0, {})
    assert cut["cut"] == relayed["forwarded"] == sent["published"]
    assert cut["bytes_after"] < 0.6 * cut["bytes_before"]
    assert relayed["cameras"]["cam"]["bytes_per_frame"] == cut["bytes_after"] / FRAMES
    assert received["rank_cut"] is None
    assert (received["rank_min"], received["rank_max"]) == (18, 18)
    assert received["delivered"] > 0
    assert received["bytes_per_frame"] < 0.6 * sent["bytes_per_frame"]
    assert recorded_ranks(tmp_path / "a.mcap") == {(18, 18, 18)}


@pytest.mark.parametrize(
    "wrong",
    [
        "70000",
        pytest.param("-3", marks=pytest.mark.slow),
        pytest.param("half", marks=pytest.mark.slow),
    ],
)
def test_a_rank_that_is_none_is_one_line_and_no_start(wrong: str) -> None:
    done = run("receive", "--rank", wrong)
    assert done.returncode == 2
    assert "rank" in done.stderr
