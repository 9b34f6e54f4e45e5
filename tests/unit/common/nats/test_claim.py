"""Of two recorders that want one durable name, the first one gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rankcast.errors import SettingsError
from rankcast.nats.jetstream import claim as module
from rankcast.nats.jetstream.api import ConsumerFacts, StreamFacts
from rankcast.nats.jetstream.claim import Claim


class Server:
    """Has the consumers of one stream, and answers after the others had their turn."""

    is_up = True

    def __init__(self) -> None:
        self.connection = self
        self.found: dict[str, ConsumerFacts] = {}
        self._clock = 0

    async def stream(self, name: str) -> StreamFacts:
        return StreamFacts(name, {"num_replicas": 1}, 0, 0, 1, 0, 0)

    async def create_consumer(self, _stream: str, config: dict[str, Any]) -> ConsumerFacts:
        await asyncio.sleep(0)
        self._clock += 1
        facts = ConsumerFacts(config["name"], config, self._clock, 0, 0, 0, 0)
        return self.found.setdefault(config["name"], facts)

    async def consumers(self, _stream: str) -> list[str]:
        await asyncio.sleep(0)
        return list(self.found)

    async def consumer(self, _stream: str, name: str) -> ConsumerFacts | None:
        await asyncio.sleep(0)
        return self.found.get(name)

    async def delete_consumer(self, _stream: str, name: str) -> None:
        self.found.pop(name, None)

    def new_inbox(self) -> str:
        return "_INBOX.x"

    async def subscribe(self, _subject: str, _take: Callable[..., None]) -> Any:
        async def end() -> None:
            return

        return end

    async def publish(self, _subject: str, _data: bytes, _reply: str) -> bool:
        return True

    def claim(self, number: int, name: str = "archive") -> Claim:
        return Claim(self, "line", "rankcast.a.b.*", name, f"{number:016x}")  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE_S", "ASK_S", "RENEW_S"):
        monkeypatch.setattr(module, name, 0.01)


async def held(claim: Claim, over: asyncio.Event) -> bool:
    try:
        async with claim:
            await over.wait()
            return True
    except SettingsError:
        over.set()
        return False


def test_of_two_that_begin_at_once_exactly_one_gets_the_name_and_leaves_nothing_behind() -> None:
    async def both() -> list[bool]:
        over = asyncio.Event()
        return list(await asyncio.gather(*(held(server.claim(n), over) for n in (2, 1))))

    server = Server()
    assert sorted(asyncio.run(both())) == [False, True]
    assert not server.found


def test_another_name_and_an_ended_recorder_are_in_nobodys_way() -> None:
    async def one_after_another() -> None:
        async with server.claim(1, "archive-2"), server.claim(2):
            pass
        async with server.claim(3):
            assert len(server.found) == 1

    server = Server()
    asyncio.run(one_after_another())


def test_one_that_was_cut_off_yields_to_its_successor_and_otherwise_goes_on() -> None:
    async def cut_off() -> None:
        async with server.claim(1) as first:
            server.found.clear()
            await asyncio.sleep(0.1)
            first.check()
            assert len(server.found) == 1
            server.found.clear()
            async with server.claim(2):
                await asyncio.sleep(0.1)
                with pytest.raises(SettingsError, match="is held by the recorder of"):
                    first.check()

    server = Server()
    asyncio.run(cut_off())
