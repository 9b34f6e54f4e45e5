"""Both ends do their work under what the units in config/systemd leave them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from support.fakes import free_address
from support.grabbing import scripted_camera
from support.keyed_station import KeyedStation
from support.processes import (
    REPOSITORY,
    Rankcast,
    rankcast,
    rankcast_environment,
    read_report,
)
from support.unit_sandbox import unit_sandbox

UNITS = REPOSITORY / "config" / "systemd"
FORBIDDEN = """
import ctypes, errno, mmap, os, socket, sys
from rankcast.runtime import clock_quality

def refused(act):
    try:
        act()
    except OSError as exc:
        return errno.errorcode[exc.errno]
    return "done"

print(refused(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)))
print(refused(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
print(refused(lambda: open("/etc/rankcast-was-here", "w")))
print(refused(lambda: os.chroot("/")))
print(refused(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)))
print("clock", clock_quality().synchronised is not None)
"""


def end(process: Rankcast) -> None:
    """Stop the command behind the launcher, which passes no signals on."""
    (command,) = psutil.Process(process.process.pid).children()
    command.send_signal(signal.SIGTERM)
    assert process.wait() == 0, process.lines


def in_sandbox(launcher: Sequence[str], code: str) -> list[str]:
    done = subprocess.run(
        [*launcher, sys.executable, "-c", code],
        capture_output=True, text=True, timeout=45, env=rankcast_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.parametrize("unit", ["rankcast-send.service", "rankcast-receive.service"])
def test_the_sandbox_forbids_what_the_unit_says_and_lets_the_clock_be_read(
    tmp_path: Path, unit: str
) -> None:
    with unit_sandbox(UNITS / unit, tmp_path) as launcher:
        said = in_sandbox(launcher, FORBIDDEN)
    assert said[:5] == ["EPERM", "EAFNOSUPPORT", "EROFS", "EPERM", "EPERM"]
    assert said[5] == "clock True"


def test_both_ends_stream_record_and_save_with_keys_in_the_sandbox(tmp_path: Path) -> None:
    station = KeyedStation(tmp_path)
    viewer = station.make("viewer1")
    address = free_address()
    device = scripted_camera(tmp_path / "device", "frame", interval_s=0.05)
    with (
        unit_sandbox(UNITS / "rankcast-send.service", tmp_path) as sending,
        unit_sandbox(UNITS / "rankcast-receive.service", tmp_path) as receiving,
        rankcast(
            "send", "--source", "camera:0", "--bind", address, "--key", str(tmp_path / "cam.key"),
            "--authorized", str(station.authorized), "--record", str(tmp_path / "sent.mcap"),
            "--audit", str(tmp_path / "audit"), "--report", str(tmp_path / "sent.json"),
            launcher=sending, **device,
        ) as sender,
        rankcast(
            "receive", "--connect", address, *viewer, "--save", str(tmp_path / "pictures"),
            "--record", str(tmp_path / "received.mcap"), "--report", str(tmp_path / "got.json"),
            "--stay", "--verbose", launcher=receiving,
        ) as receiver,
    ):  # fmt: skip
        receiver.wait_match("received [3-9][0-9]")
        end(receiver)
        end(sender)
    sent, got = read_report(tmp_path / "sent.json"), read_report(tmp_path / "got.json")
    assert sent["balanced"]
    assert got["balanced"]
    assert got["saved"] == len(list((tmp_path / "pictures").glob("*.png"))) > 0
    assert got["clock"] == "same machine"
    assert list((tmp_path / "audit").iterdir())
    for name in ("sent", "received"):
        assert (tmp_path / f"{name}.mcap").stat().st_size > 0
