"""Device sources with the scripted device, for tests of the grabber."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rankcast_sender.grabber import DeviceOptions, DeviceSource, DeviceSpec
from support.sabotage import sabotaged

MODULE = "support.scripted_device"
TESTS = Path(__file__).resolve().parents[1]


def scripted(script: str, *, secrets: tuple[str, ...] = (), **options: Any) -> DeviceSpec:
    """Return the device that plays `script`."""
    return DeviceSpec(MODULE, "scripted", {"script": script, **options}, secrets=secrets)


@contextmanager
def grabbing(
    script: str, *, newest_wins: bool = False, timeout_s: float | None = None,
    freeze_s: float = 0.0, **options: Any,
) -> Iterator[DeviceSource]:  # fmt: skip
    """Open a source in a process of its own, and close it."""
    source = DeviceSource(
        scripted(script, **options),
        DeviceOptions(timeout_s=timeout_s, freeze_s=freeze_s),
        newest_wins=newest_wins,
    )
    try:
        source.open()
        yield source
    finally:
        source.close()


def take(source: DeviceSource, count: int) -> list[Any]:
    """Return the next frames of a source."""
    return list(itertools.islice(iter(source), count))


def scripted_camera(folder: Path, script: str, **options: Any) -> dict[str, str]:
    """Return variables with which `rankcast send --source camera:0` plays `script`."""
    given = {"script": script, **options}
    variables = sabotaged(
        folder,
        "rankcast_sender.grabber.grabber_process:GrabberProcess.__init__",
        "from dataclasses import replace\n"
        "def start(self, spec, **more):\n"
        f"    original(self, replace(spec, module={MODULE!r}, options={given!r}), **more)\n"
        "return start",
    )
    return {"PYTHONPATH": f"{variables['PYTHONPATH']}:{TESTS}"}
