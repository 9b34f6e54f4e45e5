"""The malicious corpus: everything in it is refused, quickly, quietly and without much memory."""

from __future__ import annotations

import ast
import importlib.util
import logging
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from rankcast.codec.pca.frames import load_frame_model
from rankcast.errors import RankcastError, WireError
from rankcast.models import read_head, read_model
from rankcast.models.gan.architecture import architecture_from
from rankcast.wire import Limits, parse_reply, parse_request, unpack
from rankcast_receiver.subscriber import Subscriber
from support import packets
from support.decode_time import MAX_S, MAX_S_A_SAMPLE, share_of
from support.fakes import free_address
from support.intake import Intake, check_line, split_messages

TESTS = Path(__file__).resolve().parents[1]
CORPUS = TESTS / "corpus"
MALICIOUS = sorted((CORPUS / "malicious").rglob("*.*"))
REGRESSIONS = sorted((CORPUS / "regressions").rglob("*.*"))
MAX_GROWTH_BYTES = 32 << 20
OTHER_SEEDS = ("requests", "key-policy", "model", "receiver", "recording")
"""What is more, or other, than messages of one receiver: test_fuzz_targets.py."""
ROOMS = ("common", "sender", "receiver", "relay")


def label(path: Path) -> str:
    return path.relative_to(CORPUS).as_posix()


def take(path: Path, limits: Limits, models: Path | None = None) -> Callable[[], tuple[int, int]]:
    """Feed a file to what reads it; the result is the number of refusals and of pictures."""
    data = path.read_bytes()
    if path.suffix == ".ctl":
        return lambda: (_refusals_of_control(data), 0)
    if path.suffix == ".rkm":
        return lambda: (_refusals_of_model(path), 0)
    messages = [data] if path.suffix == ".msg" else split_messages(data)

    def receive() -> tuple[int, int]:
        intake = Intake(limits, models)
        shown = sum(intake.take(message) is not None for message in messages)
        intake.check_balance()
        return intake.refused, shown

    return receive


def most_seconds(message: bytes) -> float:
    """Processor time that a message may take, on the machine that the limit was set on."""
    try:
        header = unpack(message.partition(b"\0")[2]).header
    except WireError:
        return MAX_S
    return MAX_S + MAX_S_A_SAMPLE * (header.samples if header.shape else 0)


def _refusals_of_control(data: bytes) -> int:
    refused = 0
    for parse in (parse_request, parse_reply):
        try:
            parse(data)
        except WireError as exc:
            check_line(exc)
            refused += 1
    return refused


def _refusals_of_model(path: Path) -> int:
    try:
        kind = read_head(path).kind
        if kind == "pca":
            load_frame_model(path)
        else:
            architecture_from(read_model(path, "gan").head.description)
    except RankcastError as exc:
        check_line(exc)
        return 1
    return 0


@pytest.mark.parametrize("path", MALICIOUS, ids=label)
def test_a_hostile_message_is_refused_in_time(path: Path) -> None:
    receive = take(path, Limits())
    data = path.read_bytes()
    messages = split_messages(data) if path.suffix == ".seq" else [data]

    def refuse() -> None:
        refused, shown = receive()
        if path.suffix == ".ctl":
            assert refused == 2, "neither a request nor a reply"
        else:
            assert refused >= 1
            assert path.suffix == ".seq" or not shown

    limit_s = sum(map(most_seconds, messages))
    share = share_of(limit_s, refuse)
    assert share <= 1, f"{share:.2f} of {limit_s:.3f} s on the machine of reference"


def test_the_corpus_is_large_and_its_files_are_small() -> None:
    sizes = [path.stat().st_size for path in [*MALICIOUS, *REGRESSIONS] if path.is_file()]
    assert len(MALICIOUS) >= 200
    assert max(sizes) <= 65_536
    assert sum(sizes) <= 1 << 20


def test_the_corpus_is_what_its_generator_makes() -> None:
    files = runpy.run_path(str(CORPUS / "make.py"))["build"]()
    there = {
        path.relative_to(CORPUS / "malicious").as_posix(): path.read_bytes()
        for path in MALICIOUS
        if path.is_file()
    }
    assert there == files


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_no_hostile_message_takes_much_memory() -> None:
    # In a process of its own, whose peak is nobody else's.
    done = subprocess.run(
        [sys.executable, str(TESTS / "corpus" / "memory.py")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    peaks = {
        name: int(size)
        for size, _, name in (line.partition(" ") for line in done.stdout.splitlines())
    }
    assert len(peaks) == len([path for path in MALICIOUS if path.is_file()])
    large = {name: size >> 20 for name, size in peaks.items() if size > MAX_GROWTH_BYTES}
    assert not large, f"MiB: {large}"


@pytest.mark.parametrize("path", REGRESSIONS, ids=label)
def test_what_fuzzing_once_found_is_mended(path: Path) -> None:
    take(path, Limits())()


@pytest.mark.parametrize("name", sorted(path.stem for path in (TESTS / "fuzz").glob("fuzz_*.py")))
def test_every_fuzz_target_has_seeds_that_pass(name: str) -> None:
    target = name.removeprefix("fuzz_").replace("_", "-")
    seeds = sorted((CORPUS / "seeds" / target).glob("*.seq"))
    assert seeds
    for path in seeds:
        for message in split_messages(path.read_bytes()) if target == "control" else ():
            parse = parse_request if path.stem.startswith("request") else parse_reply
            parse(message)
        # The second half of a stream is a seed for the parser alone.
        if target not in ("control", "wire", *OTHER_SEEDS):
            refused, _ = take(path, Limits(), CORPUS / "models")()
            if target != "gan" or importlib.util.find_spec("torch") is not None:
                assert refused == 0, path.name


@pytest.mark.slow
def test_a_flood_of_bad_frames_is_a_trickle_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """100,000 of them, of every kind, from every camera, in ever new streams."""
    caplog.set_level(logging.INFO)
    intake = Intake()
    good = packets.packet()
    begun = time.monotonic()
    for number in range(100_000):
        kind = number % 5
        name = b"cam%d" % (number // 5 % 70)
        if kind == 0:
            message = name + b"/frames\0" + good[:-1]
        elif kind == 1:
            message = b"../" + name + b"/frames\0" + good
        elif kind == 2:
            message = name + b"/status\0" + good
        elif kind == 3:
            stream_id = number.to_bytes(8, "little")
            message = name + b"/frames\0" + packets.packet(b"\0", stream_id=stream_id)
        else:
            message = name + b"/frames\0" + packets.packet(b"\0", sequence=number)
        assert intake.take(message) is None
    seconds = time.monotonic() - begun
    assert intake.refused >= 100_000
    # Slow machines take longer, and a line a second is granted.
    assert 1 <= len(caplog.records) <= max(100, 20 + 2 * seconds)


def test_a_real_receiver_outlives_the_whole_corpus() -> None:
    """Over a socket, and then shows the first right frame."""
    messages = [path.read_bytes() for path in MALICIOUS if path.suffix == ".msg"]
    # A stream belongs to one camera: this one needs an id of its own.
    good = b"good/frames\0" + packets.packet(stream_id=b"\7" * 8)
    address = free_address()
    with (
        zmq.Context() as context,
        context.socket(zmq.XPUB) as sender,
        Subscriber(address, live=False, queue_messages=2000, timeout_s=20) as subscriber,
    ):
        sender.setsockopt(zmq.LINGER, 0)
        sender.setsockopt(zmq.SNDHWM, 0)
        # A hostile sender sends what nobody asked for, too.
        sender.setsockopt(zmq.XPUB_MANUAL, 1)
        sender.bind(address)
        # Its subscription to a topic of its own is the last one.
        asked = b""
        while b"/keeper/" not in asked:
            asked = sender.recv()
            sender.setsockopt(zmq.SUBSCRIBE, b"")
        for message in [*messages, good]:
            sender.send(message)
        frame = next(iter(subscriber))
        assert frame.camera == "good"
        assert subscriber.foreign_messages > 20


def test_a_name_that_leads_elsewhere_makes_no_camera() -> None:
    intake = Intake()
    for path in (CORPUS / "malicious" / "topic").glob("*.msg"):
        intake.take(path.read_bytes())
    assert set(intake.streams) <= {"cam"}


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_that_came_is_unpickled_or_run(room: str) -> None:
    """Imports are the import linter's; these are other ways to the same."""
    for path in (TESTS.parent / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                of = node.value.id if isinstance(node.value, ast.Name) else ""
                assert node.attr not in ("recv_pyobj", "send_pyobj", "allow_pickle"), path
                assert (of, node.attr) not in (("np", "load"), ("np", "fromfile")), path
            elif isinstance(node, ast.Name):
                assert node.id not in ("eval", "exec", "__import__"), path
