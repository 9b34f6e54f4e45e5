"""The log of a sender that runs for years: a line for each change, a summary, and no flood."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest

from support.fakes import free_address
from support.processes import run

pytestmark = pytest.mark.slow

SECONDS = 4
SEND = (
    "send", "--source", "synthetic:conveyor?width=160&height=120", "--fps", "20",
    "--frames", str(20 * SECONDS), "--codec", "raw",
)  # fmt: skip


def log_lines(*options: str) -> Sequence[str]:
    """What a sender without viewers logs in a few seconds."""
    done = run(*SEND, "--bind", free_address(), *options)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def facts(line: str) -> tuple[str, ...]:
    """What a status line says apart from its clock and its counts."""
    status = line.split("cam: ", 1)[1]
    return (*re.findall(r"^(\w+), (\d+) viewer", status)[0], *re.findall(r"\d+ ([a-z_]+)", status))


@pytest.mark.slow
def test_a_steady_sender_logs_its_status_only_when_it_changes() -> None:
    status = [facts(line) for line in log_lines() if "kB/frame" in line]
    assert status[-1][:2] == ("live", "0")
    assert "nobody_watching" in status[-1]
    assert all(before != after for before, after in pairwise(status)), status


@pytest.mark.slow
def test_a_verbose_sender_logs_its_status_every_second() -> None:
    status = [facts(line) for line in log_lines("--verbose") if "kB/frame" in line]
    assert len(status) >= SECONDS - 1
    assert any(before == after for before, after in pairwise(status)), status


@pytest.mark.slow
def test_a_log_in_json_has_one_object_per_line() -> None:
    entries = [json.loads(line) for line in log_lines("--set", "log.format=json")]
    assert all({"time", "level", "logger", "message"} <= set(entry) for entry in entries)
    assert entries[-1]["message"].startswith("end: grabbed 80, published 0, lost 80")
