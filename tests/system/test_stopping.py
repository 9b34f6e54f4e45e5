"""A signal ends every process in time, whatever a driver, a disk or a library does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rankcast.runtime.signals import SAME_S
from support.fakes import free_address
from support.processes import Rankcast, rankcast, rankcast_environment, read_report
from support.sabotage import sabotaged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

slow = pytest.mark.slow
STUCK_S = 3.0
AT_ONCE_S = 0.7
SOURCE = "synthetic:conveyor?width=160&height=120&fps=30"
HANGS = "now it hangs"

CONVEYOR = "rankcast_sender.sources.synthetic:ConveyorSource"
COUNT = "rankcast_receiver.sinks.count:CountSink"
SAY = f"""
    import os, sys
    print({HANGS!r}, file=sys.stderr, flush=True)
"""
# Waits in C without Python's lock, and cannot be interrupted.
WAITS = f"""
def hang(*args, **kwargs):{SAY}    os.read(os.pipe()[0], 1)
return hang
"""
# A library that goes on after an interrupt, from before it says that it hangs.
SWALLOWS = f"""
def hang(*args, **kwargs):
    import os, sys
    said = False
    while True:
        try:
            if not said:
                said = True
                print({HANGS!r}, file=sys.stderr, flush=True)
            os.read(os.pipe()[0], 1)
        except KeyboardInterrupt:
            continue
return hang
"""
# The same with the lock: no other Python code runs any more.
HOLDS_THE_LOCK = f"""
def hang(*args, **kwargs):{SAY}    import ctypes
    ctypes.PyDLL(None).sleep(1000)
return hang
"""
# After five calls that went well.
WAITS_LATER = f"""
calls = []
def hang(*args, **kwargs):
    calls.append(1)
    if len(calls) < 6:
        return original(*args, **kwargs){SAY}    os.read(os.pipe()[0], 1)
return hang
"""
FRAMES_THEN_WAITS = f"""
def hang(self):
    for frame in original(self):
        yield frame
        if frame.frame == 5:
            import os, sys
            print({HANGS!r}, file=sys.stderr, flush=True)
            os.read(os.pipe()[0], 1)
return hang
"""
FRAMES_THEN_HOLDS_THE_LOCK = FRAMES_THEN_WAITS.replace(
    "os.read(os.pipe()[0], 1)", "import ctypes; ctypes.PyDLL(None).sleep(1000)"
)


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
        pytest.param(f"{CONVEYOR}.__iter__", FRAMES_THEN_WAITS, "reading source of cam", id="read"),
        pytest.param(f"{CONVEYOR}.close", WAITS, "closing source of cam", id="close"),
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


@pytest.mark.parametrize(
    ("target", "body", "named"),
    [
        pytest.param(f"{COUNT}.__init__", WAITS, "opening sink count", id="open", marks=slow),
        pytest.param(f"{COUNT}.put", WAITS_LATER, "writing to sink count", id="write"),
        pytest.param(f"{COUNT}.put", WAITS_LATER.replace(
            "os.read(os.pipe()[0], 1)", "import ctypes; ctypes.PyDLL(None).sleep(1000)"),
            "writing to sink count", id="write, with the lock", marks=slow),
        pytest.param(f"{COUNT}.close", WAITS, "closing sink count", id="close"),
        pytest.param("rankcast_receiver.stream.stream_decoder:StreamDecoder.decode", WAITS_LATER,
                     "decoding", id="decode"),
        pytest.param("rankcast_receiver.net.connection:Connection.receive", WAITS_LATER,
                     "the receive thread", id="receive"),
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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=slow),
        pytest.param(signal.SIGHUP, marks=slow),
    ],
)
def test_a_second_signal_ends_a_process_that_hangs_at_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    env = sabotaged(tmp_path / "code", f"{CONVEYOR}.__iter__", FRAMES_THEN_WAITS)
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  **env) as sender:  # fmt: skip
        sender.wait_line(HANGS)
        sender.signal(signal.SIGTERM)
        wait_for_second(time.monotonic())
        assert sender.stop(number, AT_ONCE_S) == 128 + number


def test_a_second_signal_ends_a_process_whose_main_thread_hangs_at_once(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", "rankcast_sender.app:_watch", WAITS)
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  **env) as sender:  # fmt: skip
        sender.wait_line(HANGS)
        sender.signal(signal.SIGTERM)
        wait_for_second(time.monotonic())
        assert sender.stop(signal.SIGTERM, AT_ONCE_S) == 128 + signal.SIGTERM


@pytest.mark.slow
@slow
def test_a_second_signal_ends_a_process_without_the_lock_at_once(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", f"{CONVEYOR}.__iter__", FRAMES_THEN_HOLDS_THE_LOCK)
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  **env) as sender:  # fmt: skip
        sender.wait_line(HANGS)
        sender.signal(signal.SIGTERM)
        wait_for_second(time.monotonic())
        # No code of the process can choose its exit code any more.
        assert sender.stop(signal.SIGTERM, AT_ONCE_S) == 1
        sender.close()
        assert "reading source of cam" in sender.lines[-1]


def wait_for_second(first_s: float) -> None:
    """Wait until a signal is no longer taken for a repetition of the first one."""
    time.sleep(max(0.0, first_s + 2 * SAME_S - time.monotonic()))  # no event tells


def test_two_signals_at_once_are_one_request(tmp_path: Path) -> None:
    report = tmp_path / "sent.json"
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--report", str(report)) as sender:  # fmt: skip
        sender.wait_line("live")
        sender.signal(signal.SIGTERM)
        sender.signal(signal.SIGINT)
        assert sender.stop(signal.SIGTERM) == 0
    assert read_report(report)["balanced"] is True


def test_a_hangup_ends_both_ends_like_a_termination(tmp_path: Path) -> None:
    address = free_address()
    sent, received = tmp_path / "sent.json", tmp_path / "received.json"
    with (
        rankcast("send", "--source", SOURCE, "--bind", address, "--report", str(sent)) as sender,
        rankcast("receive", "--connect", address, "--verbose", "--report", str(received)) as viewer,
    ):
        viewer.wait_frames()
        assert viewer.stop(signal.SIGHUP) == 0
        assert sender.stop(signal.SIGHUP) == 0
    for report in (sent, received):
        assert read_report(report)["balanced"] is True
        assert read_report(report)["stuck"] == []


@slow
def test_nohup_survives_the_end_of_its_terminal() -> None:
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--verbose", launcher=("nohup",)) as sender:  # fmt: skip
        sender.wait_line("live")
        sender.signal(signal.SIGHUP)
        sender.wait_lines("live", 2)
        assert sender.stop(signal.SIGTERM) == 0


def test_the_guard_ends_with_its_process_and_its_death_ends_nothing() -> None:
    with rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", free_address(),
                  "--verbose") as sender:  # fmt: skip
        sender.wait_line("live")
        [guard] = children(sender.process.pid)
        assert Path(f"/proc/{guard}/comm").read_text() == "rankcast-guard\n"
        os.kill(guard, signal.SIGTERM)  # as a service manager does, to all processes
        os.kill(guard, signal.SIGKILL)
        sender.wait_lines("live", 1)
        assert sender.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("receive", signal.SIGABRT),
        ("send", signal.SIGKILL),
        pytest.param("receive", signal.SIGKILL, marks=slow),
        pytest.param("send", signal.SIGABRT, marks=slow),
    ],
)
def test_the_guard_says_that_a_process_ended_without_a_word(
    command: str, number: signal.Signals
) -> None:
    """SIGABRT is how a failed assertion of libzmq ends a process."""
    address = free_address()
    with (
        rankcast("send", "--source", SOURCE, "--codec", "raw", "--bind", address) as sender,
        rankcast("receive", "--connect", address, "--verbose") as receiver,
    ):
        receiver.wait_frames()
        process = receiver if command == "receive" else sender
        assert process.stop(number) == -number
        said = process.wait_line("ended without a report")
        process.close()
        assert said.startswith(f"rankcast {command}: ended without a report: a library may have")
        state = r"last state: received [1-9]" if command == "receive" else "last state: cam live"
        assert re.search(state, said), said
        assert "service manager" not in said
        other = sender if process is receiver else receiver
        assert other.stop(signal.SIGTERM) == 0
        other.close()
        assert not any("ended without a report" in line for line in other.lines)


@slow
def test_the_guard_of_a_killed_process_ends() -> None:
    with rankcast("receive", "--connect", free_address()) as receiver:
        receiver.wait_line("dead")
        [guard] = children(receiver.process.pid)
        receiver.signal(signal.SIGKILL)
        receiver.wait()
        ends = time.monotonic() + 5
        while Path(f"/proc/{guard}/comm").exists() and time.monotonic() < ends:
            time.sleep(0.01)  # the end of a process that is not ours cannot be waited for
        assert not is_running(guard)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_control_request_that_hangs_ends_after_an_interrupt(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", "rankcast.net.control_client:ControlClient.close", SWALLOWS)
    address = free_address().removeprefix("tcp://")
    with rankcast("control", address, "status", "--timeout", "0.2", **env) as control:
        control.wait_line(HANGS)
        assert control.stop(signal.SIGINT, STUCK_S) == 1
        control.close()
        assert "stuck after SIGINT: the main thread" in control.lines[-1]


@pytest.mark.slow
def test_a_demo_whose_sender_hangs_names_it(tmp_path: Path) -> None:
    env = sabotaged(tmp_path / "code", f"{CONVEYOR}.__iter__", FRAMES_THEN_WAITS)
    with rankcast("demo", "--out", str(tmp_path / "out"), **env) as demo:
        demo.process.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        wait_for(lambda: any("rankcast_sender" in words for words in commands(demo.process.pid)))
        wait_for(lambda: stalled(demo.process.pid))
        assert demo.stop(signal.SIGTERM, STUCK_S) == 1
        demo.close()
        assert "reading source of cam" in demo.lines[-1], demo.lines


def commands(pid: int) -> list[str]:
    found = []
    for child in children(pid):
        try:
            found.append(Path(f"/proc/{child}/cmdline").read_text())
        except OSError:
            continue
    return found


def stalled(pid: int) -> bool:
    """Return True once the sender of a demo has a thread in a read of a pipe."""
    for child in children(pid):
        try:
            if "rankcast_sender" not in Path(f"/proc/{child}/cmdline").read_text():
                continue
            tasks = list(Path(f"/proc/{child}/task").iterdir())
            if any("pipe_read" in (task / "wchan").read_text() for task in tasks):
                return True
        except OSError:
            continue
    return False


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)  # the interval of polling


@slow
def test_an_interrupted_control_request_is_one_line() -> None:
    address = free_address().removeprefix("tcp://")
    with rankcast("control", address, "status", "--timeout", "60") as control:
        wait_for(lambda: b"zmq" in Path(f"/proc/{control.process.pid}/maps").read_bytes())
        wait_for(lambda: "ZMQbg" in thread_names(control.process.pid))
        assert control.stop(signal.SIGINT) == 1
        control.close()
        assert control.lines[-1] == "rankcast: interrupted"


def thread_names(pid: int) -> str:
    return " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/comm"))


@pytest.mark.slow
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
