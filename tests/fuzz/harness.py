"""Run one fuzz target: `python tests/fuzz/fuzz_wire.py [FOLDER or FILE ...] [-option=...]`.

Coverage counts lines of Python. The native core runs as it is shipped; its own fuzzer, which sees
its branches and watches its memory, is `make fuzz-core`.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

TESTS = Path(__file__).resolve().parents[1]
SEEDS = TESTS / "corpus" / "seeds"
MODELS = TESTS / "corpus" / "models"
CPU_LIMIT_S = 1.0
"""Processor time of one input: wall time depends on what else the machine does."""
_SAVE_S = 0.5
_SHORT = 1000
"""Up to here every tenth input saves the counts: a run of a hundred may end before `_SAVE_S`."""


class Target(Protocol):
    """Code under test, with counts of the inputs that got somewhere."""

    name: str
    reached: int
    """Inputs that reached the code under test."""
    accepted: int
    """Inputs of which it accepted something."""

    def run(self, messages: list[bytes]) -> None:
        """Process a sequence of messages; an exception is a find."""


class TooSlowError(Exception):
    """An input exceeded the limit of processor time."""


class CodecTarget:
    """Sequences of packets that pass through a whole receiver to the decoder of one codec.

    Parameters
    ----------
    name : str
        Of the target.
    decoder : str
        ``module:class`` of the decoder whose calls count as reached.
    models : Path, optional
        Folder of the model files of its receiver.
    """

    def __init__(self, name: str, decoder: str, models: Path | None = None) -> None:
        from rankcast.wire import Limits
        from support.intake import Intake

        self.name = name
        self.reached = 0
        self.accepted = 0
        self._reached_now = self._accepted_now = False
        self._intake, self._models = Intake, models
        self._limits = Limits(max_packet_bytes=65_536, max_side=64, max_samples=1200)
        module, _, kind = decoder.partition(":")
        self._count(getattr(importlib.import_module(module), kind))

    def _count(self, decoder: Any) -> None:
        inner = decoder.decode

        def counted(self_: Any, header: Any, body: memoryview) -> Any:
            self._reached_now = True
            pixels = inner(self_, header, body)
            self._accepted_now = True
            return pixels

        decoder.decode = counted

    def run(self, messages: list[bytes]) -> None:
        """Process one sequence with one receiver."""
        self._reached_now = self._accepted_now = False
        intake = self._intake(self._limits, self._models)
        for message in messages:
            frame = intake.take(message)
            if frame is not None:
                self.look_at(frame)
        intake.check_balance()
        self.reached += self._reached_now
        self.accepted += self._accepted_now

    def look_at(self, frame: Any) -> None:
        """Use a frame as sinks do."""


class _Progress:
    """Counts of a run, saved to a file because libFuzzer ends the process without notice."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._path = os.environ.get("RANKCAST_FUZZ_STATS")
        self._saved_s = time.monotonic()
        self.executions = 0
        atexit.register(self.save)

    def tick(self) -> None:
        self.executions += 1
        soon = self.executions <= _SHORT and self.executions % 10 == 0
        if self._path and (soon or time.monotonic() - self._saved_s > _SAVE_S):
            self.save()

    def save(self) -> None:
        self._saved_s = time.monotonic()
        if self._path:
            counts = {
                "executions": self.executions,
                "reached": self._target.reached,
                "accepted": self._target.accepted,
            }
            Path(self._path).write_text(json.dumps(counts), encoding="utf-8")


def _load_all_codecs() -> None:
    from rankcast.codec import CODECS
    from rankcast.wire import Limits

    for codec in CODECS.values():
        codec.make_decoder(Limits())


def main(make: Callable[[], Target]) -> None:
    """Fuzz the target that `make` returns; `make` imports rankcast only when called."""
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install 'rankcast[fuzz]' (Linux, CPython to 3.13)")
    sys.path.insert(0, str(TESTS))
    ours = ["rankcast", "rankcast_receiver", "rankcast_sender"]
    with atheris.instrument_imports(include=ours):
        target = make()
        # Imports at first use would count as the time of the input that asks for them.
        from support.intake import split_messages

        seeds = [
            split_messages(path.read_bytes()) for path in sorted((SEEDS / target.name).iterdir())
        ]
        _load_all_codecs()
        for seed in seeds:
            target.run(seed)
        target.reached = target.accepted = 0
    from mutator import Mutator

    from rankcast import pool
    from support.slowness import slowness

    pool.set_threads(1)  # one order of execution for each input
    warnings.simplefilter("error")
    progress = _Progress(target)

    def test_one_input(data: bytes) -> None:
        begun = time.process_time()
        target.run(split_messages(data))
        progress.tick()
        if (took := time.process_time() - begun) > CPU_LIMIT_S and took > CPU_LIMIT_S * slowness():
            raise TooSlowError(f"{took:.2f} s, the limit is {CPU_LIMIT_S} on a fast machine")

    # Looked up at each call: Setup replaces atheris.Mutate.
    mutator = Mutator(lambda data, size: bytes(atheris.Mutate(data, size)), seeds)
    atheris.Setup(sys.argv, test_one_input, custom_mutator=mutator)
    atheris.Fuzz()
