"""Cameras that are read from streams, while the connection comes and goes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from rankcast.errors import SettingsError
from rankcast.nats import PastOptions
from rankcast.wire import Limits
from rankcast_receiver.nats.kept_camera import KeptCamera, Ways
from rankcast_receiver.nats.kept_cameras import KeptCameras


class Rig:
    """Two durable cameras at a server that never answers."""

    def __init__(self) -> None:
        self.follows: list[str] = []
        self.connection = SimpleNamespace(is_up=False)
        jetstream: Any = SimpleNamespace(connection=self.connection, names=self._silent)
        ways = Ways(
            jetstream, lambda received: received, lambda _size: True, lambda _name: None,
            self._follow, self._follow, lambda: None, Limits(),
        )  # fmt: skip
        self.kept = KeptCameras(PastOptions(durable="archive"), ways, fills_gaps=True)

    def add(self) -> None:
        for name in ("berlin.a", "berlin.b"):
            self.kept.add(name)

    async def _silent(self, _subject: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    async def _follow(self, name: str) -> None:
        assert self.connection.is_up, "subscribe in a session"
        self.follows.append(name)


def test_nothing_is_joined_without_a_connection_and_all_at_the_next_one() -> None:
    async def run() -> None:
        rig = Rig()
        rig.add()
        await asyncio.sleep(0)
        await rig.kept.tick(1.0)
        assert rig.follows == []
        rig.connection.is_up = True
        await rig.kept.begin_session(first=False)
        await asyncio.sleep(0)
        await rig.kept.tick(2.0)
        await rig.kept.tick(3.0)
        assert rig.follows == ["berlin.a", "berlin.b"]
        await rig.kept.begin_session(first=False)
        await asyncio.sleep(0)
        await rig.kept.tick(4.0)
        assert rig.follows == 2 * ["berlin.a", "berlin.b"]
        await rig.kept.end_session()

    asyncio.run(run())


def test_what_a_reader_failed_with_is_raised_without_a_connection_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(_camera: KeptCamera) -> None:
        raise SettingsError("the name is taken")

    monkeypatch.setattr(KeptCamera, "run", fail)

    async def run() -> None:
        rig = Rig()
        rig.add()
        await asyncio.sleep(0)
        with pytest.raises(SettingsError):
            await rig.kept.tick(1.0)
        await rig.kept.end_session()

    asyncio.run(run())
