"""A signal ends every process in time, whatever a driver, a disk or a library does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.fakes import free_address
from support.hangs import (
    CONVEYOR,
    FRAMES_THEN_HOLDS_THE_LOCK,
    FRAMES_THEN_WAITS,
    HANGS,
    HOLDS_THE_LOCK,
    SOURCE,
    STUCK_S,
    WAITS,
    WAITS_LATER,
)
from support.processes import Rankcast, rankcast, rankcast_environment, read_report
from support.sabotage import sabotaged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
slow = pytest.mark.slow
COUNT = "rankcast_receiver.sinks.count:CountSink"


def ends_stuck(
    process: Rankcast, report: Path, named: str, number: signal.Signals = signal.SIGTERM
) -> None:
    """Check that the process ends in time with exit code 1, one line and a report that name it."""
    assert process.stop(number, STUCK_S) == 1, process.lines
    process.close()
    lines = [line for line in process.lines if "stuck" in line]
    assert len(lines) == 1, process.lines
    assert named in lines[0]
    assert number.name in lines[0]
    assert not any("Traceback" in line for line in process.lines)
    values = read_report(report)
    assert any(named in name for name in values["stuck"]), values["stuck"]
    assert values["balanced"] is not False, values


@pytest.mark.parametrize(
    ("target", "body", "named"),
    [
        pytest.param(f"{CONVEYOR}.__init__", WAITS, "opening source of cam", id="open", marks=slow),
        pytest.param(f"{CONVEYOR}.__iter__", FRAMES_THEN_WAITS, "reading source of cam", id="read",
                     marks=slow),
        pytest.param(f"{CONVEYOR}.close", WAITS, "closing source of cam", id="close",
                     marks=slow),
        pytest.param(f"{CONVEYOR}.__iter__", FRAMES_THEN_HOLDS_THE_LOCK,
                     "reading source of cam", id="read, with the lock"),
        pytest.param(f"{CONVEYOR}.__init__", HOLDS_THE_LOCK,
                     "opening source of cam", id="open, with the lock", marks=slow),
    ],
)  # fmt: skip
def test_a_source_that_hangs_is_named(tmp_path: Path, target: str, body: str, named: str) -> None:
    report = tmp_path / "sent.json"
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--report", str(report),
                  **sabotaged(tmp_path / "code", target, body)) as sender:  # fmt: skip
        if "close" in target:
            sender.wait_line("live")
        else:
            sender.wait_line(HANGS)
        ends_stuck(sender, report, named)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "body", "named"),
    [
        pytest.param(f"{COUNT}.__init__", WAITS, "opening sink count", id="open", marks=slow),
        pytest.param(f"{COUNT}.put", WAITS_LATER, "writing to sink count", id="write", marks=slow),
        pytest.param(f"{COUNT}.put", WAITS_LATER.replace(
            "os.read(os.pipe()[0], 1)", "import ctypes; ctypes.PyDLL(None).sleep(1000)"),
            "writing to sink count", id="write, with the lock", marks=slow),
        pytest.param(f"{COUNT}.close", WAITS, "closing sink count", id="close", marks=slow),
        pytest.param("rankcast_receiver.stream.stream_decoder:StreamDecoder.decode", WAITS_LATER,
                     "decoding", id="decode"),
        pytest.param("rankcast_receiver.net.connection:Connection.receive", WAITS_LATER,
                     "the receive thread", id="receive", marks=slow),
    ],
)  # fmt: skip
def test_a_part_of_a_receiver_that_hangs_is_named(
    tmp_path: Path, target: str, body: str, named: str
) -> None:
    report, address = tmp_path / "received.json", free_address()
    with (
        rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", address) as sender,
        rankcast("receive", "--connect", address, "--report", str(report), "--verbose",
                 "--set", "stream.mode=keep",
                 **sabotaged(tmp_path / "code", target, body)) as receiver,
    ):  # fmt: skip
        if "close" in target:
            receiver.wait_frames()
        else:
            receiver.wait_line(HANGS)
        ends_stuck(receiver, report, named)
        assert sender.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("target", "named"),
    [
        pytest.param("rankcast_sender.publisher:Publisher.encode", "encoder of cam", id="encode"),
        pytest.param("rankcast_sender.sockets.xpub:XpubThread._read_subscriptions",
                     "the publish thread", id="publish", marks=slow),
    ],
)  # fmt: skip
def test_an_encoder_or_a_socket_that_hangs_is_named(
    tmp_path: Path, target: str, named: str
) -> None:
    report, address = tmp_path / "sent.json", free_address()
    with (
        rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", address,
                 "--report", str(report), "--no-realtime",
                 **sabotaged(tmp_path / "code", target, WAITS_LATER)) as sender,
        rankcast("receive", "--connect", address) as receiver,
    ):  # fmt: skip
        sender.wait_line(HANGS)
        ends_stuck(sender, report, named)
        assert receiver.stop(signal.SIGTERM) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "named"),
    [
        pytest.param("zmq:Context.term", "closing", marks=slow),
        ("rankcast_sender.app:log_totals", "the main thread"),
    ],
)
def test_a_library_that_hangs_in_the_main_thread_is_named(
    tmp_path: Path, target: str, named: str
) -> None:
    report = tmp_path / "sent.json"
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--report", str(report),
                  **sabotaged(tmp_path / "code", target, WAITS)) as sender:  # fmt: skip
        sender.wait_line("live")
        ends_stuck(sender, report, named)


@slow
def test_a_report_on_a_disk_that_hangs_keeps_no_process(tmp_path: Path) -> None:
    fifo = tmp_path / "report"
    os.mkfifo(fifo)
    # Open, so that the start succeeds, and full, so that nothing can be written.
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                      "--report", str(fifo)) as sender:  # fmt: skip
            sender.wait_line("live")
            fill(reader)
            assert sender.stop(signal.SIGTERM, STUCK_S) == 1
            sender.close()
            assert f"writing the report {fifo}" in sender.lines[-1]
            assert "could not be written" in sender.lines[-1]
    finally:
        os.close(reader)


def fill(pipe: int) -> None:
    """Fill a pipe to the last byte."""
    for piece in (4096, 1):
        try:
            while True:
                os.write(pipe, bytes(piece))
        except BlockingIOError:
            continue


@pytest.mark.slow
@pytest.mark.parametrize("command", ["send", pytest.param("receive", marks=slow)])
def test_a_full_pipe_at_standard_error_stops_neither_frames_nor_the_end(
    tmp_path: Path, command: str
) -> None:
    address, report = free_address(), tmp_path / "report.json"
    send = ("send", "--source", SOURCE, "--codec", "raw", "--bind", address)
    receive = ("receive", "--connect", address, "--verbose")
    silent = send if command == "send" else receive
    read, write = os.pipe()
    os.set_blocking(write, False)
    fill(write)
    os.set_blocking(write, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "rankcast", *silent, "--report", str(report)],
        stdout=subprocess.DEVNULL, stderr=write, env=rankcast_environment(),
    )  # fmt: skip
    os.close(write)
    try:
        with rankcast(*(receive if silent is send else (*send, "--verbose"))) as other:
            other.wait_match("received [1-9]" if silent is send else "1 viewer,.* published [1-9]")
            started_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - started_s < STUCK_S
            assert read_report(report)["stuck"] == []
            other.stop(signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
        os.close(read)


@slow
def test_a_source_that_hangs_at_the_end_of_the_stream_keeps_no_process(tmp_path: Path) -> None:
    report = tmp_path / "sent.json"
    env = sabotaged(tmp_path / "code", f"{CONVEYOR}.close", WAITS)
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--frames", "5", "--report", str(report), **env) as sender:  # fmt: skip
        assert sender.wait(30) == 1
        sender.close()
        assert "stuck at the end: closing source of cam" in sender.lines[-1]
    assert json.loads(report.read_text())["grabbed"] == 5
