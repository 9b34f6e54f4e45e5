"""Of two recorders that want one durable name, the first one gets it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from rankcast.errors import NameTakenError, SettingsError, StoreError
from rankcast.nats.client import NatsState
from rankcast.nats.jetstream import claim as module
from rankcast.nats.jetstream.api import ConsumerFacts, StreamFacts
from rankcast.nats.jetstream.claim import Claim


class Server:
    """Has the consumers of one stream, and answers after the others had their turn."""

    is_up = True

    def __init__(self) -> None:
        self.connection = self
        self.state = NatsState(sessions=1)
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

    def claim(self, number: int, name: str = "archive", token: str = "") -> Claim:
        token = token or f"{number:016x}"
        return Claim(self, "line", "rankcast.a.b.*", name, token)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE_S", "DRAW_S", "ASK_S", "RENEW_S"):
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
                with pytest.raises(NameTakenError, match="is held by the recorder of") as taken:
                    first.check()
                assert taken.value.exit_code == 1

    server = Server()
    asyncio.run(cut_off())


def test_a_recorder_that_connects_again_keeps_its_name_from_one_that_waits_for_it() -> None:
    async def reconnect() -> None:
        async with server.claim(1):
            waiting = asyncio.ensure_future(held(server.claim(2), asyncio.Event()))
            await asyncio.sleep(0)
            server.state = NatsState(sessions=2)
        async with server.claim(1) as again:
            assert not await waiting
            again.check()

    server = Server()
    asyncio.run(reconnect())


def test_one_that_comes_back_after_its_name_was_taken_may_be_started_again() -> None:
    async def away() -> None:
        async with server.claim(1) as first:
            pass
        async with server.claim(2):
            again = Claim(server, "line", "a.*", "archive", f"{1:016x}", held=first.held)  # type: ignore[arg-type]
            with pytest.raises(NameTakenError, match="was cut off"):
                await again.__aenter__()

    server = Server()
    asyncio.run(away())


def test_a_recorder_that_reads_again_after_a_refusal_of_the_server_keeps_its_name() -> None:
    async def refused() -> None:
        with pytest.raises(StoreError):
            async with server.claim(1):
                raise StoreError("insufficient resources")
        assert len(server.found) == 1

    server = Server()
    asyncio.run(refused())


def test_one_that_waits_says_for_whom_and_leaves_nothing_behind_when_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 30.0)

    async def stopped() -> None:
        async with server.claim(1):
            second = server.claim(2)
            waiting = asyncio.ensure_future(held(second, asyncio.Event()))
            while not second.waits:
                await asyncio.sleep(0.001)
            assert "archive of stream line is held by the recorder of" in second.waits
            waiting.cancel()
            await asyncio.wait([waiting])
            assert not second.waits
            assert list(server.found) == [server.claim(1)._own]

    server = Server()
    asyncio.run(stopped())


def test_a_holder_finds_an_older_claim_of_a_server_whose_clock_is_behind() -> None:
    async def look() -> None:
        async with server.claim(1) as first:
            name = server.claim(2)._own
            server.found[name] = ConsumerFacts(name, {}, 0, 0, 0, 0, 0)
            keeping = first._keeping
            assert keeping is not None
            await asyncio.wait([keeping], timeout=5.0)
            with pytest.raises(NameTakenError):
                first.check()

    server = Server()
    asyncio.run(look())


@pytest.mark.parametrize("ranks", [(1, 2), (2, 1)])
def test_of_two_recorders_that_hold_one_camera_each_one_gets_both(
    monkeypatch: pytest.MonkeyPatch, ranks: tuple[int, int]
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "DRAW_S", 0.4)
    streams = Server(), Server()

    async def recorder(rank: int, first: int) -> bool:
        """Claim both cameras, `first` before the other one; leave both if one is refused."""
        over = asyncio.Event()
        tasks = []
        for n in (first, 1 - first):
            claim = streams[n].claim(n, token=f"{rank:08x}{n:08x}")
            tasks.append(asyncio.ensure_future(held(claim, over)))
            await asyncio.sleep(0.05)
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 1.0)
        alone = [len(stream.found) for stream in streams] == [1, 1]
        over.set()
        return all(await asyncio.gather(*tasks)) and alone

    async def both() -> list[bool]:
        return list(await asyncio.gather(*map(recorder, ranks, (0, 1))))

    assert asyncio.run(both()) == [rank == 1 for rank in ranks]
    assert not any(stream.found for stream in streams)
