"""Streams through NATS servers: latency and cost beside ZeroMQ, a killed server, a recorder.

    python benchmarks/nats_streams.py [--quick] [--output FILE.json]

Real senders, receivers and servers on loopback. ZeroMQ and one server take turns with 1280 x 720 at
30 fps; then viewers that only take bytes are added; then one of three servers is killed, again and
again; then a durable recorder is.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from command_line import finish, option_parser, say
from nats_processes import Servers, processor_s, readers, servers
from processes import child, free_address, receiver, sender
from record import Record, Row, at_most, exactly, rounded

from rankcast.recordings import RecordingReader
from rankcast_receiver import Subscriber

FPS: Final = 30
LARGE: Final = f"synthetic:conveyor?width=1280&height=720&fps={FPS}"
SMALL: Final = "synthetic:conveyor?width=160&height=120&fps=25"
VIEWERS: Final = 8
KEEP: Final = ("--set", "nats.keep_age_s=600", "--set", "nats.keep_bytes=500000000")
MOST_GAP_S: Final = 2.0
START_S: Final = 60.0


def measure_transport(address: str, server: int | None, seconds: float, folder: Path) -> Any:
    """Return the report of a receiver, with the processor time of each process a second."""
    report = folder / "report.json"
    frames = str(round(seconds * FPS))
    with child(*sender(address, LARGE)) as sending:
        time.sleep(3.0)  # both ends start at their own pace
        before = processor_s(server) if server else 0.0
        began_s, sent_s = time.monotonic(), processor_s(sending.pid)
        command = [sys.executable, "-m", *receiver(address, "--frames", frames, "--report",
                                                   str(report), "--timeout", "60")]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        received_s = 0.0
        while process.poll() is None:
            received_s = max(received_s, processor_s(process.pid))
            time.sleep(0.2)
        took_s = time.monotonic() - began_s
        values: dict[str, Any] = json.loads(report.read_text())
        values["sender"] = 100 * (processor_s(sending.pid) - sent_s) / took_s
        values["receiver"] = 100 * received_s / took_s
        values["server"] = 100 * (processor_s(server) - before) / took_s if server else 0.0
    return values


def compare(runs: int, seconds: float, folder: Path) -> list[Row]:
    """Measure latency and processor time over both transports, in turns."""
    found: dict[str, list[Any]] = {"ZeroMQ": [], "NATS": []}
    with servers(folder) as one:
        pid = one.processes[0].pid
        for run in range(runs):
            say(f"latency and processor time, run {run + 1} of {runs}")
            found["ZeroMQ"].append(measure_transport(free_address(), None, seconds, folder))
            found["NATS"].append(measure_transport(one.address(), pid, seconds, folder))
    rows = []
    for what, key in (("median latency", "p50"), ("99th percentile of latency", "p99")):
        values = {name: statistics.median(float(each["latency_ms"][key]) for each in of)
                  for name, of in found.items()}  # fmt: skip
        rows += _beside(what, values, "ms")
    for end in ("sender", "receiver"):
        values = {name: statistics.median(each[end] for each in of) for name, of in found.items()}
        rows += _beside(f"processor time of the {end}, start included", values, "%")
    served = statistics.median(each["server"] for each in found["NATS"])
    return [*rows, Row("processor time of the server", served, "%")]


def _beside(what: str, values: Mapping[str, float], unit: str) -> list[Row]:
    zmq, nats = values["ZeroMQ"], values["NATS"]
    return [
        Row(f"ZeroMQ: {what}", zmq, unit),
        Row(f"NATS: {what}", nats, unit, peer="ZeroMQ", ratio=nats / zmq if zmq else None),
    ]


def cost_of_viewers(seconds: float, folder: Path) -> list[Row]:
    """Measure what each further viewer costs the server."""
    say("further viewers")
    spent = {}
    with servers(folder) as one, child(*sender(one.address(), LARGE, *KEEP)):
        pid = one.processes[0].pid
        wait_messages(one, 30)
        for count in (1, 1 + VIEWERS):
            with readers(one.ports[0], count):
                time.sleep(1.0)  # they connect
                before, began_s = processor_s(pid), time.monotonic()
                time.sleep(seconds)
                spent[count] = 100 * (processor_s(pid) - before) / (time.monotonic() - began_s)
    each = (spent[1 + VIEWERS] - spent[1]) / VIEWERS
    return [
        Row("server with one viewer and a stream on disk: processor time", spent[1], "%"),
        Row("server: each further viewer", each, "%"),
    ]


def wait_messages(one: Servers, count: int) -> None:
    """Wait until the server has kept so many messages of the camera."""
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        state = one.ask("STREAM.INFO.rankcast=default=cam", {}).get("state", {})
        kept = int(state.get("messages", 0))
        if kept >= count:
            return
        time.sleep(0.1)
    raise SystemExit("the server keeps nothing")


def killed_server(folder: Path, victim: int) -> tuple[float, int]:
    """Kill a server in mid-stream; return the gap of a live viewer and its unaccounted frames."""
    keep = (*KEEP, "--set", "nats.keep_replicas=3")
    with servers(folder, 3) as three, child(*sender(three.address(0), SMALL, *keep)):
        wait_messages(three, 30)
        stop = threading.Event()
        times: list[float] = []
        with Subscriber(three.address(1), stopped=stop.is_set) as viewer:

            def watch() -> None:
                times.extend(time.monotonic() for _ in viewer)

            thread = threading.Thread(target=watch)
            thread.start()
            time.sleep(4.0)
            killed_s = time.monotonic()
            three.processes[victim].kill()
            time.sleep(6.0)
            stop.set()
            thread.join()
            unaccounted = viewer.balance().under_way
    after = [moment for moment in times if moment > killed_s - 0.5]
    gap_s = max((b - a for a, b in pairwise(after)), default=float("inf"))
    return gap_s, unaccounted


def killed_recorder(folder: Path, kills: int) -> tuple[int, int, int]:
    """Kill a durable recorder again and again; return frames, lost and repeated ones."""
    file = folder / "line.mcap"
    with servers(folder) as one, child(*sender(one.address(), SMALL, *KEEP)):
        wait_messages(one, 10)
        command = receiver(one.address(), "--record", str(file), "--durable", "archive",
                           "--since", "1h")  # fmt: skip
        for number in range(kills + 1):
            say(f"durable recorder, run {number + 1} of {kills + 1}")
            with child(*command) as process:
                time.sleep(10.0)
                process.send_signal(signal.SIGINT if number == kills else signal.SIGKILL)
                process.wait()
    with RecordingReader(file) as reader:
        sequences = [m.sequence for m in reader if m.kind == "frames" and m.data[8] in (0, 1)]
    lost = 1 + sequences[-1] - sequences[0] - len(set(sequences))
    return len(sequences), lost, len(sequences) - len(set(sequences))


def measure(*, quick: bool) -> list[Row]:
    """Take all figures."""
    with tempfile.TemporaryDirectory() as name:
        folders = (Path(name) / str(number) for number in range(100))

        def fresh() -> Path:
            folder = next(folders)
            folder.mkdir()
            return folder

        rows = compare(1 if quick else 3, 4.0 if quick else 15.0, fresh())
        rows += cost_of_viewers(4.0 if quick else 15.0, fresh())
        killed = []
        for victim in (0, 1) if quick else (0, 1, 2, 0, 1, 2):
            say(f"server {victim} of three is killed")
            killed.append(killed_server(fresh(), victim))
        frames, lost, repeated = killed_recorder(fresh(), 1 if quick else 4)
    return [
        *rows,
        Row("one of three servers killed: longest gap of a live viewer",
            max(gap_s for gap_s, _ in killed), "s", at_most(MOST_GAP_S)),
        Row("one of three servers killed: unaccounted frames",
            sum(frames for _, frames in killed), "", exactly(0)),
        Row("durable recorder killed again and again: frames recorded", frames),
        Row("durable recorder killed again and again: frames lost", lost, "", exactly(0)),
        Row("durable recorder killed again and again: frames twice", repeated, "", exactly(0)),
    ]  # fmt: skip


def main() -> int:
    """Measure and write the record."""
    options = option_parser(__doc__).parse_args()
    record = Record(
        "nats-streams",
        "Streams through NATS servers",
        f"1280 x 720 at {FPS} fps with svd-patch, over ZeroMQ and through one server in turns;"
        " processor time in percent of one processor. Further viewers take bytes and decode"
        " nothing. Three servers form a cluster with three replicas of a stream; the one of the"
        " sender, of the viewer or the third is killed.",
        rounded(measure(quick=options.quick), 3),
        quick=options.quick,
    )
    return finish(record, options.output)


if __name__ == "__main__":
    sys.exit(main())
