"""Folders have one door: other folders import what a folder's `__init__` exports, not its files."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = {
    "rankcast": "common",
    "rankcast_sender": "sender",
    "rankcast_receiver": "receiver",
    "rankcast_relay": "relay",
}
NATIVE_CORE = ("rankcast.codec.", "rankcast.entropy")
"""The inside of the codecs, which the native core will rewrite."""
ENTERED_DIRECTLY = {
    "rankcast.codec.options": "loads pydantic, which decoders do not need",
    "rankcast.codec.protocol": "the contract, for the encoder and decoder of a stream",
    "rankcast.codec.gan": "its networks and their training",
    "rankcast.codec.pca": "the training of its models",
    "rankcast.commands.terminal": "tables of commands, also of the sender's",
    "rankcast.models.gan": "loads torch; codec gan asks for it at its first use",
    "rankcast.nats.client": "loads asyncio, which streams over ZeroMQ do not need",
    "rankcast.nats.jetstream": "the same",
    "rankcast.runtime.cli": "takes signals before anything else is imported",
    "rankcast.runtime.runner": "loads click, which streams without a command line do not need",
    "rankcast_receiver.sinks.count": "concrete sinks are for sink_runners.py alone",
    "rankcast_receiver.sinks.display": "the same",
    "rankcast_receiver.sinks.durable_record": "the same",
    "rankcast_receiver.sinks.overlay": "loads OpenCV, which settings do not need",
    "rankcast_receiver.sinks.screen_picture": "the same",
    "rankcast_receiver.sinks.record": "concrete sinks are for sink_runners.py alone",
    "rankcast_receiver.sinks.save": "the same",
    "rankcast_sender.sources.python_source": "the same",
    "rankcast_sender.sources.recording": "the same",
    "rankcast_sender.sources.replay": "concrete sources are for source_opener.py alone",
    "rankcast_sender.sources.synthetic": "the same",
}


def _modules() -> dict[str, Path]:
    found = {}
    for package, folder in ROOTS.items():
        root = REPOSITORY / folder
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = _modules()
DOORS = sorted(
    name
    for name, path in MODULES.items()
    if path.name == "__init__.py" and name not in ROOTS and not name.startswith(NATIVE_CORE)
)


@cache
def _imported(path: Path) -> set[str]:
    """Modules of ours that a file imports, or imports something from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in MODULES else node.module)
    return found & MODULES.keys()


def _inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


@pytest.mark.parametrize("door", DOORS)
def test_a_folder_is_entered_by_its_door(door: str) -> None:
    around = {
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if not _inside(module, door)
        for name in _imported(path)
        if _inside(name, door)
        and name != door
        and not any(_inside(name, direct) for direct in ENTERED_DIRECTLY)
    }
    assert not around, f"import from {door} instead: {sorted(around)}"


def test_every_exception_is_still_needed() -> None:
    used = {name for path in MODULES.values() for name in _imported(path)}
    assert {direct for direct in ENTERED_DIRECTLY if direct not in MODULES} == set()
    for direct in ENTERED_DIRECTLY:
        assert any(_inside(name, direct) for name in used), f"nobody enters {direct} any more"
