"""The units in config/systemd: systemd takes them, and leaves the ends no more than they need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.unit_sandbox import directives

UNITS = sorted((Path(__file__).resolve().parents[2] / "config" / "systemd").glob("*.service"))
MOST_EXPOSED = 2.5
"""Of 10; systemd calls less than 3 OK."""
LEAST_WATCHDOG_S = 4.0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="no systemd-analyze on this machine: apt-get install systemd",
)
of_each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def test_there_is_a_unit_for_each_end() -> None:
    assert [unit.stem for unit in UNITS] == [
        "rankcast-receive", "rankcast-relay", "rankcast-send",
    ]  # fmt: skip


@needs_systemd
@of_each_unit
def test_systemd_takes_every_line(unit: Path, tmp_path: Path) -> None:
    # With a program that exists: systemd-analyze looks for it.
    text = unit.read_text(encoding="utf-8").replace("/opt/rankcast/bin/rankcast", sys.executable)
    copy = tmp_path / unit.name
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@of_each_unit
def test_a_service_is_exposed_little(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", str(unit)],
        capture_output=True, text=True, check=False, env={"SYSTEMD_PAGER": "", "PATH": "/usr/bin"},
    )  # fmt: skip
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) < MOST_EXPOSED


@of_each_unit
def test_a_service_is_watched_restarted_and_nobody(unit: Path) -> None:
    settings = directives(unit)
    assert settings["Type"] == ["notify"]
    assert float(settings["WatchdogSec"][0]) >= LEAST_WATCHDOG_S
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]
    # Soon for viewers; a service that can never start must not occupy a processor.
    assert settings["RestartSec"] == ["1s"]
    # What a wrong setting ends with: no restart mends it.
    assert settings["RestartPreventExitStatus"] == ["2"]
    assert settings["User"] == ["rankcast"]
    assert settings["CapabilityBoundingSet"] == [""]


@of_each_unit
def test_nothing_that_ages_and_shared_memory_need_is_hidden(unit: Path) -> None:
    """Each of these would do harm without a word: an unknown age, no frames of a camera."""
    settings = directives(unit)
    assert "ProtectClock" not in settings
    assert "ProcSubset" not in settings
    assert "adjtimex" in " ".join(settings["SystemCallFilter"]).split()
    assert not any("/dev/shm" in value for value in settings.get("InaccessiblePaths", []))
    assert not any("/dev/shm" in value for value in settings.get("TemporaryFileSystem", []))


def test_cameras_are_open_to_the_sender_and_to_nothing_else() -> None:
    receive, relay, send = (directives(unit) for unit in UNITS)
    assert send["DeviceAllow"] == ["char-video4linux rw", "char-usb_device rw"]
    assert "PrivateDevices" not in send
    assert receive["PrivateDevices"] == relay["PrivateDevices"] == ["yes"]
