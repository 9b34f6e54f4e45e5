"""Sources of Basler's emulator in a process of their own, and senders for it."""

from __future__ import annotations

import importlib.util
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rankcast.frame import Frame, Scalar
from rankcast_sender.grabber import BaslerOptions, DeviceSource, basler_spec
from support.sabotage import sabotaged

MODULE = "support.emulated_basler"
TESTS = Path(__file__).resolve().parents[1]
SERIAL = "0815-0000"
EMULATORS = {"PYLON_CAMEMU": "2"}
TRIGGERED = {"trigger": "on", "trigger_source": "Software"}
needs_pypylon = pytest.mark.skipif(
    importlib.util.find_spec("pypylon") is None,
    reason="pypylon is not installed: pip install 'rankcast[basler]'",
)


class Emulator:
    """An open source, with what tests do to its camera."""

    def __init__(self, source: DeviceSource) -> None:
        self.source = source
        self._frames = iter(source)

    def set(self, **values: Scalar) -> Mapping[str, Scalar]:
        """Change settings as the control channel does, and return those in force."""
        return self.source._adjust(values)

    def features(self, **features: Scalar) -> None:
        """Set features of the emulator; a command has the value None."""
        self.set(features=json.dumps(features))

    def take(self, count: int) -> list[Frame]:
        return list(itertools.islice(self._frames, count))

    def snap(self) -> Frame:
        """Trigger one frame and return it."""
        self.set(trigger="once")
        return next(self._frames)


@contextmanager
def emulated(
    path: str = SERIAL, *, newest_wins: bool = False, **options: Any
) -> Iterator[Emulator]:
    """Open a camera of the emulator, whose picture may stand still, and close it."""
    checked = BaslerOptions(**{"freeze_s": 0.0, **options})
    spec = replace(basler_spec(path, checked), module=MODULE)
    source = DeviceSource(spec, checked, newest_wins=newest_wins)
    try:
        source.open()
        yield Emulator(source)
    finally:
        source.close()


def emulated_station(folder: Path, **features: Scalar) -> dict[str, str]:
    """Return variables with which `rankcast send --source basler:...` has the emulator.

    Its control channel then takes ``features`` as well, which at the start are `features`.
    """
    given = {"features": json.dumps(features)} if features else {}
    variables = sabotaged(
        folder,
        "rankcast_sender.grabber.grabber_process:GrabberProcess.__init__",
        "from dataclasses import replace\n"
        "def start(self, spec, **more):\n"
        f"    options = {{**spec.options, **{given!r}}}\n"
        f"    original(self, replace(spec, module={MODULE!r}, options=options), **more)\n"
        "return start",
    )
    return {**EMULATORS, "PYTHONPATH": f"{variables['PYTHONPATH']}:{TESTS}"}
