"""One search for announced cameras, in the thread that asks.

Importing this module loads zeroconf and asyncio.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from zeroconf import BadTypeInNameException, DNSQuestionType, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

from rankcast.discovery.announcement import SERVICE_TYPE, Announcement, parse
from rankcast.discovery.browser import MAX_SERVICES
from rankcast.discovery.multicast import Multicast
from rankcast.discovery.reach import Reach
from rankcast.errors import WireError

log = logging.getLogger(__name__)

SETTLE_S: Final = 0.6
"""After the first camera that is looked for, how long to wait for another one of its name: a
responder waits up to half a second for other questions before it answers."""
POLL_S: Final = 0.05

Result: TypeAlias = tuple[Sequence[Announcement], int, int]
"""Cameras found, services refused, services left off."""


def search(
    timeout_s: float,
    wanted: Callable[[Announcement], bool] | None,
    stopped: Callable[[], bool],
    reach: Reach,
) -> Result:
    """Ask for cameras through the interfaces of `reach`; see `browse`."""
    return asyncio.run(_search(timeout_s, wanted, stopped, reach))


async def _search(
    timeout_s: float,
    wanted: Callable[[Announcement], bool] | None,
    stopped: Callable[[], bool],
    reach: Reach,
) -> Result:
    multicast = Multicast(reach)
    services = _Services(multicast, time.monotonic() + timeout_s)
    try:
        await multicast.wait_for_start()
        browser = AsyncServiceBrowser(
            multicast,
            SERVICE_TYPE,
            handlers=[services.changed],
            # Of several processes at port 5353, only one would get an answer that is not multicast.
            question_type=DNSQuestionType.QM,
        )
        try:
            until_s = services.until_s
            while (now_s := time.monotonic()) < until_s and not stopped():
                if wanted is not None and any(map(wanted, services.found.values())):
                    wanted, until_s = None, min(until_s, now_s + SETTLE_S)
                await asyncio.sleep(min(POLL_S, until_s - now_s))
        finally:
            await browser.async_cancel()
    finally:
        await services.close()
        await multicast.close_sockets()
    return services.result()


class _Services:
    """The services heard of so far, and the questions about them."""

    def __init__(self, multicast: Multicast, until_s: float) -> None:
        self.until_s = until_s
        self.found: dict[str, Announcement] = {}
        self._multicast = multicast
        self._names: set[str] = set()
        self._refused: set[str] = set()
        self._left_off = 0
        self._questions: set[asyncio.Task[None]] = set()

    def changed(self, zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:  # noqa: ARG002 - zeroconf's signature
        """Take note of a service that came, changed or said goodbye."""
        if state_change is ServiceStateChange.Removed:
            self.found.pop(name, None)
            return
        if name not in self._names and len(self._names) >= MAX_SERVICES:
            self._left_off += 1
            return
        self._names.add(name)
        task = asyncio.ensure_future(self._ask(name))
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    async def _ask(self, name: str) -> None:
        """Ask for the records of a service, and keep what they say."""
        self._refused.add(name)  # until all is known
        try:
            info = AsyncServiceInfo(SERVICE_TYPE, name)
            left_ms = max(1.0, 1000 * (self.until_s - time.monotonic()))
            if not await info.async_request(self._multicast, left_ms, DNSQuestionType.QM):
                return
            said = parse(
                info.properties, info.port, info.parsed_scoped_addresses(), _host(info.server)
            )
        except (WireError, BadTypeInNameException) as exc:
            log.debug("announcement %r refused: %s", name, exc)
            return
        self._refused.discard(name)
        self.found[name] = said

    async def close(self) -> None:
        """End all questions."""
        for task in self._questions:
            task.cancel()
        for outcome in await asyncio.gather(*self._questions, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def result(self) -> Result:
        """Return what was found."""
        found = sorted(self.found.values(), key=lambda each: (each.camera, each.host, each.port))
        return found, len(self._refused), self._left_off


def _host(server: str | None) -> str:
    return (server or "").removesuffix(".")
