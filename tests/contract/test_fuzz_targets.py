"""The fuzz targets that are not decoders, without atheris: seeds and mutations of them pass.

The targets check their own invariants with every input (one reply to each request, no authorised
key without a file, no change by a viewer), so these few hundred inputs test them, too.
"""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from rankcast.net import AuthorizedKey
from rankcast.runtime import Worker
from rankcast_receiver.state import State
from support import packets
from support.intake import join_messages, split_messages
from support.later import later

TESTS = Path(__file__).resolve().parents[1]
SEEDS = TESTS / "corpus" / "seeds"
MUTATIONS = 300
CORPUS = TESTS / "corpus"
LIVED_THROUGH = sorted(
    [
        *(CORPUS / "malicious/receiver").glob("*.seq"),
        *(CORPUS / "regressions").glob("receiver_*.seq"),
    ]
)


@pytest.fixture(autouse=True)
def neighbours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(TESTS / "fuzz"))
    yield
    for name in [name for name in sys.modules if name == "run" or name.startswith("fuzz_")]:
        del sys.modules[name]


@pytest.fixture
def make() -> Iterator[Callable[[str], Any]]:
    made: list[Any] = []

    def target(name: str) -> Any:
        words = name.split("-")
        module = import_module(f"fuzz_{'_'.join(words)}")
        made.append(getattr(module, f"{''.join(map(str.title, words))}Target")())
        return made[-1]

    yield target
    for one in made:
        if hasattr(one, "close"):
            one.close()


def flipped(data: bytes, most: int, rng: random.Random) -> bytes:
    """Roughly what libFuzzer's own mutation does."""
    changed = bytearray(data[:most])
    for _ in range(rng.randrange(1, 5)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize(
    "name", ["requests", "key-policy", "model", later("recording"), later("receiver")]
)
def test_seeds_are_accepted_and_mutations_of_them_mostly_arrive(
    make: Callable[[str], Any], name: str
) -> None:
    target = make(name)
    files = sorted((SEEDS / name).glob("*.seq"))
    seeds = [split_messages(path.read_bytes()) for path in files]
    for path, messages in zip(files, seeds, strict=True):
        target.run(messages)
        assert target.reached == files.index(path) + 1, path.name
    assert target.accepted >= len(seeds) * 2 // 3
    rng = random.Random(4)
    mutate = import_module("mutator").Mutator(lambda data, most: flipped(data, most, rng), seeds)
    target.reached = 0
    for number in range(MUTATIONS):
        data = join_messages(rng.choice(seeds))
        for step in range(rng.randrange(1, 4)):
            data = mutate(data, 65_536, 10 * number + step)
        target.run(split_messages(data))
    assert target.reached >= 0.3 * MUTATIONS


@pytest.mark.parametrize("path", LIVED_THROUGH, ids=lambda path: path.stem)
def test_a_receiver_lives_through_a_hostile_sender(make: Callable[[str], Any], path: Path) -> None:
    """It decodes the frames after the attack."""
    messages = split_messages(path.read_bytes())
    target = make("receiver")
    target.run(messages)
    # Some receivers want the camera cam alone; to others it is known with another stream.
    after = [
        name + b"/frames\0" + packets.packet(stream_id=number * 8)
        for name, number in ((b"after", b"\7"), (b"cam", b"\6"))
    ]
    accepted = target.accepted
    target.run([*messages[:20], *after])
    assert target.accepted > accepted


def test_the_seeds_of_the_receiver_bring_it_into_every_state(
    make: Callable[[str], Any],
) -> None:
    target = make("receiver")
    for path in (SEEDS / "receiver").glob("*.seq"):
        target.run(split_messages(path.read_bytes()))
    # Only a NATS server keeps a past.
    assert target.states == set(State) - {State.PAST}


def test_the_receiver_target_notices_a_viewer_that_asks_for_key_frames_all_the_time(
    make: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target can fail."""
    monkeypatch.setattr("rankcast_receiver.net.sender_requests.KEYFRAME_INTERVAL_S", 0.0)
    path = CORPUS / "malicious" / "receiver" / "predicted_for_ever.seq"
    with pytest.raises(AssertionError, match="key frames asked"):
        make("receiver").run(split_messages(path.read_bytes()))


def test_the_requests_target_notices_a_viewer_who_changes_something(
    make: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target can fail."""
    monkeypatch.setattr("rankcast_sender.control.request_handler.OPERATOR_ONLY", frozenset())
    messages = split_messages((SEEDS / "requests" / "set_1.seq").read_bytes())
    with pytest.raises(AssertionError, match="only operators"):
        make("requests").run(messages)


def test_the_key_policy_target_notices_a_key_that_nobody_authorised(
    make: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = make("key-policy")
    messages = split_messages((SEEDS / "key-policy" / "life.seq").read_bytes())
    known = AuthorizedKey("eve", b"", "viewer")
    monkeypatch.setattr(
        "rankcast.net.authorized_keys.Authorized.find", lambda _self, _public: known
    )
    with pytest.raises(AssertionError):
        target.run(messages)


def test_a_fuzz_run_that_proves_too_little_fails() -> None:
    shortfall = import_module("run").shortfall
    assert shortfall(20_000, 0.5, 0) == ""
    assert shortfall(20_000, 0.5, 20_000) == ""
    assert shortfall(19_999, 0.5, 20_000) == "only 19,999 of 20,000 inputs in the time"
    assert "fewer than 30%" in shortfall(20_000, 0.29, 20_000)
    assert shortfall(100, 0.3, 0) == ""
    assert shortfall(99, 0.9, 0) == "only 99 of 100 inputs in the time"
    assert "0 of 100" in shortfall(0, 0.0, 0)


@pytest.fixture
def attacks() -> Iterator[Any]:
    """The script that attacks running processes; its name is that of another one."""
    spec = spec_from_file_location("zmtp_run", TESTS / "fuzz" / "zmtp" / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["zmtp_run"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["zmtp_run"]


def test_an_attack_whose_connections_were_hardly_admitted_fails(attacks: Any) -> None:
    tally = attacks.Tally
    assert tally(1000, 700, 200, 800).shortfall == ""
    assert tally(1000, 700, 9, 800).shortfall == "only 9 of 700 connections were admitted"
    assert tally(1000, 700, 600, 200).shortfall == "only 200 of 1000 connections went as planned"
    assert tally(3, 2, 1, 1) + tally(1, 0, 0, 1) == tally(4, 2, 1, 2)


@pytest.mark.parametrize(("said", "admitted"), [(b"READY", True), (b"ERROR", False)])
def test_only_a_connection_that_is_told_so_counts_as_admitted(
    attacks: Any, said: bytes, admitted: bool
) -> None:
    seeds = (attacks.draw(seed, b"SUB", (b"x",)) for seed in range(100))
    plan = next(plan for plan in seeds if plan.depth is attacks.Depth.TRAFFIC)
    ours, theirs = socket.socketpair()
    answer = bytes(64) + bytes([4, 1 + len(said), len(said)]) + said

    def read() -> None:
        while theirs.recv(65536):
            pass

    with ours:
        theirs.sendall(answer)
        reading = Worker("reading", read)
        reading.start()
        outcome = attacks.strike(ours, plan, None, serving=False)
    reading.join(10)
    theirs.close()
    assert outcome.admitted is admitted
    assert outcome.sent is admitted
